--- Pools that have little to do: one call there and back, the start, and what an idle one holds.
-- @module pools

local bare = require "bare"
local core = require "parallel.core"
local system = require "system_memory"

local IDLE_ROUNDS, IDLE_S = 400, 0.002
local STREAM_ROUNDS, CALLS_A_ROUND = 30, 1000
local STARTS, STARTED_WORKERS = 30, 8
local MANY_WORKERS = 64

local function nothing() end

local function itself(x)
  return x
end

local function time_ns(f, ...)
  local start_s = core.now()
  f(...)
  return (core.now() - start_s) * 1e9
end

-- The memory of workers that have run a call each.
local function measure_memory(sample)
  local before_kib = system.resident_kib()
  if not before_kib then
    return
  end
  local pool <close> = parallel.pool(MANY_WORKERS)
  local end_s = os.time() + 2
  local places = pool:map(function() -- of all workers at once: none ends before all have begun
    repeat until os.time() >= end_s
    return tostring({})
  end, parallel.range(1, MANY_WORKERS), {chunk = 1})
  local n_workers, seen = 0, {}
  for _, place in ipairs(places) do
    n_workers, seen[place] = n_workers + (seen[place] and 0 or 1), true
  end
  sample("memory_workers", n_workers)
  sample("memory_idle", (system.resident_kib() - before_kib) / n_workers)
end

-- Each right after a pause in which nothing ran, in turn.
local function measure_after_idle(sample, pool, pair, ten)
  for _ = 1, IDLE_ROUNDS do
    sample("sleep_over", time_ns(bare.sleep, IDLE_S) - IDLE_S * 1e9)
    sample("ping_idle", pair:ping(1))
    bare.sleep(IDLE_S)
    sample("apply_idle", time_ns(pool.apply, pool, nothing))
    bare.sleep(IDLE_S)
    sample("ten_idle", time_ns(pool.map, pool, itself, ten))
  end
end

local function repeated(f, ...)
  for _ = 1, CALLS_A_ROUND do
    f(...)
  end
end

-- One after the other without a pause.
local function measure_stream(sample, pool, pair, ten)
  for _ = 1, STREAM_ROUNDS do
    sample("ping_stream", pair:ping(CALLS_A_ROUND))
    sample("apply_stream", time_ns(repeated, pool.apply, pool, nothing) / CALLS_A_ROUND)
    sample("ten_stream", time_ns(repeated, pool.map, pool, itself, ten) / CALLS_A_ROUND)
  end
end

-- Processor time of a pool that has worked and now waits, in a second.
local function measure_idle(sample)
  local _ <close> = parallel.pool(8)
  bare.sleep(0.1)
  for _ = 1, 2 do
    local before_s = os.clock()
    bare.sleep(1)
    sample("idle_processor", (os.clock() - before_s) * 1e9)
  end
end

local function measure_starts(sample)
  local range = parallel.range(1, STARTED_WORKERS)
  for _ = 1, STARTS do
    sample("start_bare", bare.start(STARTED_WORKERS))
    local start_s = core.now()
    local pool <close> = parallel.pool(STARTED_WORKERS)
    sample("start_made", (core.now() - start_s) * 1e9)
    pool:map(itself, range, {chunk = 1})
    sample("start_pool", (core.now() - start_s) * 1e9)
  end
end

--- Measures all of it.
-- @tparam function sample takes a key and a value
return function(sample)
  measure_memory(sample)
  do
    local pool <close> = parallel.pool(2)
    local pair <close> = bare.pair()
    local ten = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
    repeated(pool.apply, pool, nothing)
    measure_after_idle(sample, pool, pair, ten)
    measure_stream(sample, pool, pair, ten)
    repeated(pool.map, pool, itself, ten)
    measure_idle(sample)
  end
  measure_starts(sample)
end
