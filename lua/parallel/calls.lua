--- Functions in parallel, each call in a Lua state of its own: what `parallel` (init.lua) has, once it is used.
--
--     local squares = parallel.map(function(x) return x ^ 2 end, {1, 2, 3})
--
-- @module parallel

local Future = require "parallel.future"
local Pool = require "parallel.pool"
local check = require "parallel.check"
local core = require "parallel.core"
local delayed = require "parallel.delayed"
local range = require "parallel.range"

local parallel = {}

-- The pool that the calls are of: they are methods of any pool.
local own

local function of_own_pool(method)
  return function(...)
    own = own or Pool.of_state()
    return method(own, ...)
  end
end

--- Calls `f(x)` for each x, in parallel.
-- @function parallel.map
-- @tparam function f or a value with `__call`
-- @param xs a sequence (with a field `n` where it has holes), a range, an array or its rows, or an iterator
-- function that is called until it returns nil
-- @tparam[opt] table options `workers`, `chunk`, `fresh`, `init`, `pack`, `seed`, `errors`,
-- `timeout`, `memory`, `retries`, `progress`; `into`, an array that takes the numbers that calls return, each at its
-- place (with `pack` the row), and is returned in the place of a table; `store`, a file in which results are kept; and
-- `report`, a table that is filled: `report[i]` says what call i has used, in the fields `seconds`, `cpu` (seconds of a
-- processor), `memory` (bytes), `worker`, `host` and `tries`
-- @treturn table the first value of each call, in the order of `xs`, with `pack` all values, packed; and how many
-- calls there were in the field `n`
-- @treturn ?table with `errors = "collect"`: the errors of failed calls, by index; how many they are in the field `n`,
-- which `pairs` does not give
-- @raise the error value of the failed call with the lowest index known
parallel.map = of_own_pool(Pool.map)

--- Calls `f(table.unpack(row, 1, row.n or #row))` for each row, in parallel.
-- @function parallel.starmap
-- @tparam function f or a value with `__call`
-- @param rows as `xs` of `map`, of tables of arguments
-- @tparam[opt] table options as those of `map`
-- @return as `map`
-- @raise as `map`
parallel.starmap = of_own_pool(Pool.starmap)

--- Makes the calls of a list or an iterator of `parallel.delayed(f)(...)`, in parallel.
-- @function parallel.run
-- @param calls
-- @tparam[opt] table options as those of `map`
-- @return as `map`
-- @raise as `map`
parallel.run = of_own_pool(Pool.run)

--- Calls `f(x)` for each x, in parallel, until one gives a value that is true: the first that comes home. All other
-- calls are ended.
-- @function parallel.first
-- @tparam function f or a value with `__call`
-- @param xs as `xs` of `map`
-- @tparam[opt] table options as those of `map`; with `pack` the first value of a call must be true
-- @treturn ?any the value; nothing where there is none
-- @treturn ?integer its index
-- @treturn ?table with `errors = "collect"`: the errors of calls that failed by then
-- @raise as `map`
parallel.first = of_own_pool(Pool.first)

--- Iterates over results in order, as they become ready: `for i, value in parallel.imap(f, xs) do`.
-- @function parallel.imap
-- @tparam function f or a value with `__call`
-- @param xs as `xs` of `map`; an iterator is read only a bounded number of items ahead
-- @tparam[opt] table options as those of `map`
-- @return what a generic `for` takes: it gives index, value, and with `errors = "collect"` a call's error
-- @raise in the loop, an error at its index
parallel.imap = of_own_pool(Pool.imap)

--- The same for `f(table.unpack(row))`.
-- @function parallel.istarmap
parallel.istarmap = of_own_pool(Pool.istarmap)

--- The same as `imap`, but each result as soon as it is there; the index says which it is.
-- @function parallel.imap_unordered
parallel.imap_unordered = of_own_pool(Pool.imap_unordered)

--- Makes one call and waits for it.
-- @function parallel.apply
-- @tparam function f or a value with `__call`
-- @param ... its arguments
-- @return all its values
-- @raise its error
parallel.apply = of_own_pool(Pool.apply)

--- Makes one call and does not wait for it. A call that has not ended when the script ends is ended.
-- @function parallel.submit
-- @tparam function f or a value with `__call`
-- @param ... its arguments
-- @treturn table a future
parallel.submit = of_own_pool(Pool.submit)

--- Begins a map and does not wait for it.
-- @function parallel.map_async
-- @tparam function f or a value with `__call`
-- @param xs as `xs` of `map`
-- @tparam[opt] table options as those of `map`
-- @treturn table a future of what `map` returns
parallel.map_async = of_own_pool(Pool.map_async)

--- The same for `starmap`.
-- @function parallel.starmap_async
parallel.starmap_async = of_own_pool(Pool.starmap_async)

--- Notes a call to be made by `run`: `parallel.delayed(f)(...)`.
-- @tparam function f
-- @treturn function takes the arguments, returns the call
function parallel.delayed(f, ...)
  check.callable("delayed", 1, f)
  if select("#", ...) > 0 then
    core.blame "bad argument #2 to 'delayed' (one argument expected: write parallel.delayed(f)(...))"
  end
  return delayed.new(f)
end

--- Makes a pool to keep; usable as `local pool <close> = parallel.pool(8)`.
-- @function parallel.pool
-- @tparam[opt] integer|table options the number of workers, or options that hold for all its calls; and `backend`,
-- where they run: "threads", "processes", "inline" or "mpi" (under mpirun), or `hosts`, other machines that run them
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

--- An array of numbers of one kind, in memory outside all states: a source and a sink of maps, which workers read
-- and write where it lies. An index counts from 1 over all numbers, row by row; one that is out of range is an error.
--
-- To read: `#a`, `a[i]`, `a:get(i, j)`, `a:row(i)`, `a:column(j)`, `a:unpack([i [, j]])`, `a:totable([i [, j]])`,
-- `a:sum()`, `a:mean()`, `a:min()`, `a:max()`, `a:dot(b)`, `a:copy([type])`, `a.type`, `a.shape`; `a:rows()` is the
-- sequence of its rows, for maps. To write, where it was made and while no map uses it: `a[i] = v`, `a:set(i, j, v)`,
-- `a:fill(v)`.
-- @function parallel.array
-- @param source how many numbers; a table of two integers, `{rows, columns}`; a list of numbers, or of rows of the
-- same length; or an array, to be copied. Without numbers all are 0. A list of two integers is written `{3.0, 4.0}`
-- @tparam[opt="float64"] string type `"float64"`, `"float32"`, `"int64"`, `"int32"` or `"uint8"`; of a copy that of
-- the other array
-- @return the array
-- @raise where a number does not fit the type (only float32 rounds), or there is no memory
parallel.array = core.array

--- How many cores this process may really use: affinity and container quota counted.
-- @function parallel.cpus
-- @treturn integer at least 1
parallel.cpus = core.cpus

--- Seconds of a clock that only goes forward, with all digits that the system has. Only differences mean something.
-- @function parallel.clock
-- @treturn number
function parallel.clock()
  return core.now()
end

--- Waits. A timeout, a cancel or Ctrl-C ends it at once.
-- @tparam number seconds 0 or more
function parallel.sleep(seconds)
  check.seconds("sleep", 1, seconds)
  core.sleep(seconds)
end

return parallel
