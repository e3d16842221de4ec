--- Functions in parallel, each call in a Lua state of its own.
--
--     local squares = parallel.map(function(x) return x ^ 2 end, {1, 2, 3})
--
-- @module parallel

local Future = require "parallel.future"
local Pool = require "parallel.pool"
local Run = require "parallel.run"
local check = require "parallel.check"
local core = require "parallel.core"
local delayed = require "parallel.delayed"
local range = require "parallel.range"

local parallel = {}

--- The version of Moons.
parallel._VERSION = "Moons " .. core.version

--- Calls `f(x)` for each x, in parallel.
-- @tparam function f or a value with `__call`
-- @param xs a sequence (with a field `n` where it has holes), a range, or an iterator function that
-- is called until it returns nil
-- @tparam[opt] table options `workers`, `chunk`, `fresh`, `init`, `pack`, `seed`, `errors`,
-- `timeout`, `memory`, `retries`, `progress`
-- @treturn table the first value of each call, in the order of `xs`, with `pack` all values, packed; and how many
-- calls there were in the field `n`
-- @treturn ?table with `errors = "collect"`: the errors of failed calls, by index; how many they are in the field `n`,
-- which `pairs` does not give
-- @raise the error value of the failed call with the lowest index known
function parallel.map(f, xs, options)
  check.callable("map", 1, f)
  check.sequence("map", 2, xs)
  return Run.new(f, xs, false, check.options("map", 3, options)):finish()
end

--- Calls `f(table.unpack(row, 1, row.n or #row))` for each row, in parallel.
-- @tparam function f or a value with `__call`
-- @param rows as `xs` of `map`, of tables of arguments
-- @tparam[opt] table options as those of `map`
-- @return as `map`
-- @raise as `map`
function parallel.starmap(f, rows, options)
  check.callable("starmap", 1, f)
  check.sequence("starmap", 2, rows)
  return Run.new(f, rows, true, check.options("starmap", 3, options)):finish()
end

--- Makes the calls of a list or an iterator of `parallel.delayed(f)(...)`, in parallel.
-- @param calls
-- @tparam[opt] table options as those of `map`
-- @return as `map`
-- @raise as `map`
function parallel.run(calls, options)
  check.sequence("run", 1, calls)
  options = check.options("run", 2, options)
  local f, rows = delayed.plan(calls)
  return Run.new(f, rows, true, options):finish()
end

--- Notes a call to be made by `run`: `parallel.delayed(f)(...)`.
-- @tparam function f
-- @treturn function takes the arguments, returns the call
function parallel.delayed(f)
  check.callable("delayed", 1, f)
  return delayed.new(f)
end

--- Makes a pool to keep; usable as `local pool <close> = parallel.pool(8)`.
-- @function parallel.pool
-- @tparam[opt] integer|table options the number of workers, or options that hold for all its calls
-- @treturn table the pool
parallel.pool = Pool.new

--- Iterates over futures as they finish: `for future in parallel.as_completed(futures) do`.
-- @function parallel.as_completed
-- @tparam table futures a list
parallel.as_completed = Future.as_completed

--- A sequence of evenly spaced numbers that is never built; stands anywhere a sequence does.
-- @function parallel.range
-- @tparam number first
-- @tparam number last
-- @tparam[opt=1] number step
-- @treturn table the range
parallel.range = range.new

--- How many cores this process may really use: affinity and container quota counted.
-- @function parallel.cpus
-- @treturn integer at least 1
parallel.cpus = core.cpus

return parallel
