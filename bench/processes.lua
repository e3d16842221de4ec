--- Worker processes, in turn with threads, and with Python's Pool of forked processes.
-- @module processes

local measure = require "measure"
local work = require "work"

local ROUNDS, CALLS_A_ROUND = 20, 300
local STARTS, STARTED_WORKERS = 8, 8
local WORK_ROUNDS, WORK_S = 8, 0.15
local WORKERS = 2

local function nothing() end

-- One call there and back, one after the other.
local PYTHON = [[
import multiprocessing, time
def nothing(): pass
pool = multiprocessing.get_context("fork").Pool(%d)
for _ in range(%d): pool.apply(nothing)
for _ in range(%d):
    start = time.perf_counter()
    for _ in range(%d): pool.apply(nothing)
    print("apply_python", (time.perf_counter() - start) / %d * 1e9)
pool.close()
for _ in range(%d):
    start = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(%d) as pool: pool.map(abs, range(%d), chunksize=1)
    print("start_python", (time.perf_counter() - start) * 1e9)
]]

-- Where there is no Python, no samples.
local function measure_python(sample)
  local n = CALLS_A_ROUND
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(PYTHON:format(WORKERS, n, ROUNDS, n, n, STARTS, STARTED_WORKERS, STARTED_WORKERS))
  file:close()
  local pipe <close> = io.popen("python3 " .. name .. " 2>/dev/null")
  for line in pipe:lines() do
    local key, value = line:match "^(%S+) (%S+)$"
    sample(key, tonumber(value))
  end
  os.remove(name)
end

-- A call that its worker makes, on whatever backend.
local function poll(pool)
  local future = pool:submit(nothing)
  repeat until future:done()
end

local function measure_calls(sample, pools)
  for _ = 1, ROUNDS do
    for name, pool in pairs(pools) do
      sample("apply_" .. name, measure.time(measure.repeated, CALLS_A_ROUND, pool.apply, pool, nothing) / CALLS_A_ROUND)
      sample("polled_" .. name, measure.time(measure.repeated, CALLS_A_ROUND, poll, pool) / CALLS_A_ROUND)
    end
  end
end

-- Calls that keep a processor busy for so many microseconds, time for each; each round from another place in states.
local function measure_work(sample, pools)
  local loops_a_us = measure.loops_a_second(load(work.SPIN)()) / 1e6
  for _, us in ipairs {10, 100, 1000} do
    local n_calls, n_loops = math.ceil(WORK_S * 1e6 / us), math.ceil(us * loops_a_us)
    local xs = work.copies(n_loops, n_calls)
    for round = 1, WORK_ROUNDS do
      local spin, ways = work.spin_at(round), {}
      for name, pool in pairs(pools) do
        ways[#ways + 1] = {name .. "_" .. us, pool.map, pool, spin, xs}
        pool:map(spin, xs)
      end
      measure.in_turn(sample, 1, n_calls, ways)
    end
  end
end

local function start(backend)
  local pool <close> = parallel.pool {workers = STARTED_WORKERS, backend = backend}
  pool:map(nothing, parallel.range(1, STARTED_WORKERS), {chunk = 1})
end

-- What processes that have made some calls hold for themselves; Linux only.
local function measure_memory(sample)
  local me <close> = io.open "/proc/self/stat"
  local pipe <close> = io.popen(("ps --ppid %d -o pid= -o args= 2>/dev/null"):format(me and me:read "n" or 0))
  for pid in pipe:read "a":gmatch "(%d+) [^\n]*%-%-serve" do
    local file <close> = io.open(("/proc/%d/smaps_rollup"):format(pid))
    local n_kib = 0
    for kib in (file and file:read "a" or ""):gmatch "Private_%a+:%s*(%d+) kB" do n_kib = n_kib + kib end
    if n_kib > 0 then sample("private", n_kib) end
  end
end

--- Measures all of it.
-- @tparam function sample takes a key and a value
return function(sample)
  local pools = {threads = parallel.pool(WORKERS), processes = parallel.pool {workers = WORKERS, backend = "processes"}}
  for _, pool in pairs(pools) do measure.repeated(CALLS_A_ROUND, pool.apply, pool, nothing) end
  measure_memory(sample)
  measure_calls(sample, pools)
  measure_work(sample, pools)
  for _, pool in pairs(pools) do pool:close() end
  for _ = 1, STARTS do
    for _, name in ipairs {"threads", "processes"} do sample("start_" .. name, measure.time(start, name)) end
  end
  measure_python(sample)
end
