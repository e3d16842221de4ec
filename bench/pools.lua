--- Pools that have little to do: one call there and back, the start, and what an idle one holds.
-- @module pools

local bare = require "bare"
local measure = require "measure"

local IDLE_ROUNDS, IDLE_S = 400, 0.002
local STREAM_ROUNDS, CALLS_A_ROUND = 30, 1000
local STARTS, STARTED_WORKERS = 30, 8
local MANY_WORKERS = 64
local ONE, TEN = {1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}

local function nothing() end

local function itself(x)
  return x
end

-- The memory of workers that have run a call each.
local function measure_memory(sample)
  local before_kib = measure.resident_kib()
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
  sample("memory_idle", (measure.resident_kib() - before_kib) / n_workers)
end

-- Each right after a pause in which nothing ran, in turn; and then one after the other without a pause.
local function measure_calls(sample, pool, pair)
  for _ = 1, IDLE_ROUNDS do
    sample("sleep_over", measure.time(bare.sleep, IDLE_S) - IDLE_S * 1e9)
    sample("ping_idle", pair:ping(1))
    bare.sleep(IDLE_S)
    sample("apply_idle", measure.time(pool.apply, pool, nothing))
    bare.sleep(IDLE_S)
    sample("ten_idle", measure.time(pool.map, pool, itself, TEN))
    bare.sleep(IDLE_S)
    sample("one_idle", measure.time(pool.map, pool, itself, ONE))
  end
  local n, repeated = CALLS_A_ROUND, measure.repeated
  for _ = 1, STREAM_ROUNDS do
    sample("ping_stream", pair:ping(n))
    sample("apply_stream", measure.time(repeated, n, pool.apply, pool, nothing) / n)
    sample("ten_stream", measure.time(repeated, n, pool.map, pool, itself, TEN) / n)
    sample("one_stream", measure.time(repeated, n, pool.map, pool, itself, ONE) / n)
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

-- How many ns it takes to open what is closed in the end, and then to use it.
local function measure_start(open, use)
  local opened
  local open_ns = measure.time(function() opened = open(STARTED_WORKERS) end)
  local use_ns = measure.time(use, opened)
  opened:close()
  return open_ns, open_ns + use_ns
end

local function measure_starts(sample)
  local range = parallel.range(1, STARTED_WORKERS)
  for _ = 1, STARTS do
    sample("start_bare", (measure_start(function(n) return bare.open("", n) end, nothing)))
    local made_ns, used_ns = measure_start(parallel.pool, function(pool) pool:map(itself, range, {chunk = 1}) end)
    sample("start_made", made_ns)
    sample("start_pool", used_ns)
  end
end

--- Measures all of it.
-- @tparam function sample takes a key and a value
return function(sample)
  measure_memory(sample)
  do
    local pool <close> = parallel.pool(2)
    local pair <close> = bare.open("", 1)
    measure.repeated(CALLS_A_ROUND, pool.apply, pool, nothing)
    measure_calls(sample, pool, pair)
    measure.repeated(CALLS_A_ROUND, pool.map, pool, itself, TEN)
    measure_idle(sample)
  end
  measure_starts(sample)
end
