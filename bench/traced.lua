-- Calls of 10 µs on two workers, for trace.lua: prints the ns that each took, and those of the processor.
--
--     moons [--trace FILE] bench/traced.lua LOOPS CALLS

package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path

local measure = require "measure"
local work = require "work"

local spin = load(work.SPIN)()
local n_loops, n_calls = tonumber(arg[1]), tonumber(arg[2])
local xs, options = work.copies(n_loops, n_calls), {workers = 2, seed = 1}

parallel.map(spin, xs, options)
local wall_ns, cpu_ns = measure.after_collection(parallel.map, spin, xs, options)
print(wall_ns / n_calls, cpu_ns / n_calls)
