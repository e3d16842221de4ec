--- Throughput of calls that last a while, against the most that threads could do (bare.c).
-- @module calls

local bare = require "bare"
local measure = require "measure"
local work = require "work"

local ROUNDS = 30
local WORKERS = 2
local ROUND_S = 0.1 -- aimed at, for each side

--- Measures calls of 10 µs, 100 µs and 1 ms, in turn with bare threads.
-- @tparam function sample takes a key and a value
return function(sample)
  local spin = load(work.SPIN)()
  local loops_a_us = measure.loops_a_second(spin) / 1e6
  local threads = bare.open(work.SPIN, WORKERS)
  local options, limited = {workers = WORKERS, seed = 1}, {workers = WORKERS, seed = 1, timeout = 3600}
  for _, call_us in ipairs {10, 100, 1000} do
    local argument = math.floor(loops_a_us * call_us)
    local n_calls = math.floor(ROUND_S * WORKERS * 1e6 / call_us)
    local xs = work.copies(argument, n_calls)
    local ways = {
      {"bare_" .. call_us, threads.run, threads, n_calls, argument, cpu = "bare_cpu_" .. call_us},
      {"calls_" .. call_us, parallel.map, spin, xs, options, cpu = "calls_cpu_" .. call_us},
    }
    if call_us == 100 then
      ways[3] = {"limited_100", parallel.map, spin, xs, limited, cpu = "limited_cpu_100"}
    end
    parallel.map(spin, {argument}, options)
    measure.in_turn(sample, ROUNDS, n_calls, ways)
  end
end
