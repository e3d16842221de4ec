--- Calls that last unlike times, that wait, that are ended at a deadline, and by a signal.
-- @module schedule

local bare = require "bare"
local core = require "parallel.core"
local measure = require "measure"
local waits = require "waits"
local work = require "work"

local WORKERS = 2

-- Skewed work: from 0.1 ms to 100 ms, as many of each magnitude.

local SKEWED_CALLS, SKEWED_ROUNDS = 140, 7
local SHORTEST_S, MAGNITUDES = 0.0001, 3

-- Numbers of loops in an order that is the same in every run, and their sum.
local function skewed_loops(a_second)
  local sum = 0
  local list = work.list(SKEWED_CALLS, function(i)
    local n = math.floor(a_second * SHORTEST_S * 10 ^ (MAGNITUDES * (i - 0.5) / SKEWED_CALLS))
    sum = sum + n
    return n
  end)
  math.randomseed(4)
  for i = #list, 2, -1 do
    local j = math.random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list, sum
end

local function measure_skewed(sample)
  local spin = load(work.SPIN)()
  local list, sum = skewed_loops(measure.loops_a_second(spin))
  local threads = bare.open(work.SPIN, WORKERS)
  measure.in_turn(sample, SKEWED_ROUNDS, 1, {
    {"skewed_bare", threads.run, threads, WORKERS, sum // WORKERS},
    {"skewed_map", parallel.map, spin, list, {workers = WORKERS}},
  })
end

-- Deadlines.

local TIMEOUT_S, DEADLINES = 0.01, 150

local ENDLESS = {
  loop = function() while true do end end,
  coroutine = function() coroutine.wrap(function() while true do end end)() end,
  pcall = function() while true do pcall(function() while true do end end) end end,
}

local function measure_deadlines(sample)
  local options = {timeout = TIMEOUT_S, errors = "collect", workers = WORKERS}
  for _ = 1, DEADLINES do
    for key, f in pairs(ENDLESS) do
      local start_s = core.now()
      local _, errors = parallel.map(f, {1}, options)
      local over_s = core.now() - start_s - TIMEOUT_S
      assert(errors[1].kind == "timeout")
      sample("deadline_" .. key, over_s * 1e9)
    end
  end
end

-- Signals. SIGTERM, for a shell has what it starts in the background ignore SIGINT.

local INTERRUPTS, STARTED_S = 10, 0.5

-- Runs endless loops on so many workers. Returns the time in ns from the signal to the end of the process.
local function interrupt(workers)
  local script = ("parallel.pool(%d):map(function() while true do end end, parallel.range(1, %d), {chunk = 1})")
    :format(workers, workers)
  local pipe <close> = assert(io.popen(("'%s' -e '%s' 2>/dev/null & sleep %g; echo; kill $!; wait $!; echo $?")
    :format(arg[-1], script, STARTED_S)))
  pipe:read()
  local start_s = core.now()
  assert(pipe:read("n") == 128 + 15)
  return (core.now() - start_s) * 1e9
end

local function measure_interrupts(sample)
  for _ = 1, INTERRUPTS do
    for _, workers in ipairs {2, 64} do
      sample("interrupt_" .. workers, interrupt(workers))
    end
  end
end

--- Measures all of it.
-- @tparam function sample takes a key and a value
return function(sample)
  measure_skewed(sample)
  measure_deadlines(sample)
  measure_interrupts(sample)
  waits(sample, 0.2, 3)
end
