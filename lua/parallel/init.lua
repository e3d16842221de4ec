--- Functions in parallel, each call in a Lua state of its own.
--
--     local squares = parallel.map(function(x) return x ^ 2 end, {1, 2, 3})
--
-- @module parallel

local check = require "parallel.check"
local core = require "parallel.core"
local map = require "parallel.map"
local range = require "parallel.range"

local parallel = {}

--- The version of Moons.
parallel._VERSION = "Moons " .. core.version

--- Calls `f(x)` for each x, in parallel.
-- @tparam function f or a value with `__call`
-- @param xs a sequence (with a field `n` where it has holes), a range, or an iterator function that
-- is called until it returns nil
-- @tparam[opt] table options `workers`, `chunk`, `fresh`, `init`, `pack`, `seed`, `errors`
-- @treturn table the first value of each call, in the order of `xs`; with `pack` all values, packed
-- @treturn integer how many calls there were
-- @treturn ?table with `errors = "collect"`: the errors of failed calls, by index
-- @raise the error value of the failed call with the lowest index known
function parallel.map(f, xs, options)
  check.callable("map", 1, f)
  check.sequence("map", 2, xs)
  return map.run(f, xs, false, check.options("map", 3, options))
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
  return map.run(f, rows, true, check.options("starmap", 3, options))
end

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
