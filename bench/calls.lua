--- Throughput of calls that last a while, against the most that threads could do (ceiling.c).
-- @module calls

local ceiling = require "ceiling"
local stopwatch = require "stopwatch"

local ROUNDS = 30
local WORKERS = 2
local ROUND_S = 0.1 -- aimed at, for each side

local SOURCE = [[
  return function(n)
    local x = 0.5
    for _ = 1, n do
      x = 3.7 * x * (1 - x)
    end
    return x
  end
]]

-- How often the loop runs in a microsecond.
local function loops_a_us(spin)
  local n_loops, best_ns = 1000000, math.huge
  for _ = 1, 10 do
    best_ns = math.min(best_ns, stopwatch(spin, n_loops))
  end
  return n_loops / (best_ns / 1000)
end

local function items(n_calls, argument)
  local xs = {}
  for i = 1, n_calls do
    xs[i] = argument
  end
  return xs
end

--- Measures calls of 10 µs, 100 µs and 1 ms, in turn with bare threads.
-- @tparam function sample takes a key and a value
return function(sample)
  local spin = load(SOURCE)()
  local loops = loops_a_us(spin)
  local bare = ceiling.open(SOURCE, WORKERS)
  for _, call_us in ipairs {10, 100, 1000} do
    local argument = math.floor(loops * call_us)
    local n_calls = math.floor(ROUND_S * WORKERS * 1e6 / call_us)
    local xs = items(n_calls, argument)
    local options = {workers = WORKERS, seed = 1}
    parallel.map(spin, {argument}, options)
    local function take(key, f, ...)
      local wall_ns, cpu_ns = stopwatch(f, ...)
      sample(("%s_%d"):format(key, call_us), wall_ns / n_calls)
      sample(("%s_cpu_%d"):format(key, call_us), cpu_ns / n_calls)
    end
    for _ = 1, ROUNDS do
      take("bare", bare.run, bare, n_calls, argument)
      take("calls", parallel.map, spin, xs, options)
      if call_us == 100 then
        take("limited", parallel.map, spin, xs, {workers = WORKERS, seed = 1, timeout = 3600})
      end
    end
  end
end
