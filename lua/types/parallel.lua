---@meta parallel
-- Definitions of the module `parallel` for LuaLS, the language server of editors. Nothing loads this file.

---A sequence (with a field `n` where it has holes), a range, an array or its rows, a grid or a sample, or an iterator
---function, which is called until it returns nil.
---@alias parallel.Sequence parallel.Range|parallel.Array|parallel.Rows|parallel.Settings
---@alias parallel.Items<T> T[]|{n: integer, [integer]: T}|parallel.Sequence|fun(): T?

---@class parallel.MapOptions
---@field workers? integer how many calls run at once; by default one for each core
---@field chunk? integer how many calls are sent to a worker in one go; by default it is measured
---@field fresh? boolean false: a worker keeps its state from call to call; true by default
---@field init? function runs once for each worker, before its first call
---@field pack? boolean true: a result is `table.pack(...)` of all that the call returned
---@field seed? integer call i draws its random numbers from (seed, i); by default drawn from the script's `math.random`
---@field timeout? number seconds that one call may run, with all that it starts
---@field memory? integer bytes that one call may hold, with all that it starts
---@field retries? integer how often a call that failed is tried again; 0 by default
---@field into? parallel.Array takes the first value of each call, or with `pack` a row of all; the map then gives it
---@field errors? "raise"|"collect" `"collect"`: all calls run, and the errors of failed ones are returned
---@field report? table<integer, parallel.Use> is filled: what call i has used
---@field store? string|{path: string, version?: any} a file in which results are kept
---@field progress? boolean|fun(done: integer, total?: integer, failed: integer) true: a bar, or lines, on stderr

---@class parallel.PoolOptions: parallel.MapOptions
---@field hosts? string|string[] for a pool: other machines that run its calls, such as {"node1:16", "ann@node2"}
---@field backend? "threads"|"processes"|"inline"|"hosts"|"mpi" where its calls run; default: the command's

---What a call has used.
---@class parallel.Use
---@field seconds number from receiving the arguments to having sent the results
---@field cpu? number seconds of a processor; nil of a call that was given up
---@field memory? integer the most bytes that its state reached; nil of a call that was given up
---@field worker integer which worker, from 1
---@field host string the name of the machine
---@field tries integer how often the call was made

---The results of a map, by index.
---@class parallel.Results<T>: { [integer]: T }
---@field n integer how many calls there were

---The errors of failed calls, by index.
---@class parallel.Errors: { [integer]: parallel.Error }
---@field n integer how many there are

---The error of a call, as it is raised.
---@class parallel.Error
---@field index? integer which call
---@field item? any what it was called with
---@field kind "error"|"timeout"|"memory"|"cancelled"|"marshal"|"lost"|"system"|"output"
---@field message string
---@field value? any what was thrown
---@field unsent? string why `value` could not be sent
---@field traceback string of the worker
---@field worker? integer which one; not in an error within a call
---@field host? string which machine, where the workers are on several
---@field caller? string where in the script the map stands

---@class parallel.Range
---@field first number
---@field step number
---@field n integer how many numbers there are
---@field [integer] number

---A call that was noted, for `run`.
---@class parallel.Call

---Functions in parallel, each call in a Lua state of its own.
---@class parallel
---@field _VERSION string
local parallel = {}

---Calls `f(x)` for each x, in parallel.
---@generic T, R
---@param f fun(x: T): R
---@param xs parallel.Items<T>
---@param options? parallel.MapOptions
---@return parallel.Results<R> results in the order of `xs`
---@return parallel.Errors? errors with `errors = "collect"`
function parallel.map(f, xs, options) end

---Calls `f(table.unpack(row, 1, row.n or #row))` for each row, in parallel.
---@generic R
---@param f fun(...: any): R
---@param rows parallel.Items<table>
---@param options? parallel.MapOptions
---@return parallel.Results<R> results
---@return parallel.Errors? errors
function parallel.starmap(f, rows, options) end

---Makes calls that `delayed` has noted, in parallel.
---@param calls parallel.Items<parallel.Call>
---@param options? parallel.MapOptions
---@return parallel.Results<any> results
---@return parallel.Errors? errors
function parallel.run(calls, options) end

---Calls `f(x)` for each x, in parallel, until one gives a value that is true: the first that comes home. All other
---calls are ended.
---@generic T, R
---@param f fun(x: T): R
---@param xs parallel.Items<T>
---@param options? parallel.MapOptions
---@return R? value
---@return integer? index
---@return parallel.Errors? errors
function parallel.first(f, xs, options) end

---Iterates over results in order, as they become ready: `for i, value in parallel.imap(f, xs) do`.
---@generic T, R
---@param f fun(x: T): R
---@param xs parallel.Items<T>
---@param options? parallel.MapOptions
---@return fun(): integer?, R?, parallel.Error? next
function parallel.imap(f, xs, options) end

---The same for `f(table.unpack(row))`.
---@generic R
---@param f fun(...: any): R
---@param rows parallel.Items<table>
---@param options? parallel.MapOptions
---@return fun(): integer?, R?, parallel.Error? next
function parallel.istarmap(f, rows, options) end

---The same as `imap`, but each result as soon as it is there; the index says which it is.
---@generic T, R
---@param f fun(x: T): R
---@param xs parallel.Items<T>
---@param options? parallel.MapOptions
---@return fun(): integer?, R?, parallel.Error? next
function parallel.imap_unordered(f, xs, options) end

---Makes one call and waits for it.
---@param f function
---@param ... any its arguments
---@return any ... all its values
function parallel.apply(f, ...) end

---Makes one call and does not wait for it.
---@param f function
---@param ... any its arguments
---@return parallel.Future future
function parallel.submit(f, ...) end

---Begins a map and does not wait for it.
---@param f function
---@param xs parallel.Items<any>
---@param options? parallel.MapOptions
---@return parallel.Future future of what `map` returns
function parallel.map_async(f, xs, options) end

---The same for `starmap`.
---@param f function
---@param rows parallel.Items<table>
---@param options? parallel.MapOptions
---@return parallel.Future future
function parallel.starmap_async(f, rows, options) end

---Notes a call to be made by `run`: `parallel.delayed(f)(...)`.
---@param f function
---@return fun(...: any): parallel.Call note
function parallel.delayed(f) end

---Makes a pool to keep: `local pool <close> = parallel.pool(8)`.
---@param options? integer|parallel.PoolOptions the number of workers, or options that hold for all its calls
---@return parallel.Pool pool
function parallel.pool(options) end

---Iterates over futures as they finish; futures may be appended meanwhile.
---@param futures parallel.Future[]
---@return fun(): parallel.Future? next
function parallel.as_completed(futures) end

---@alias parallel.ArrayType "float64"|"float32"|"int64"|"int32"|"uint8"

---Numbers of one kind in memory outside all states. A table of two integers is a size: rows and columns.
---@param of integer|integer[]|number[]|number[][]|parallel.Range|parallel.Array how many zeros, a size, or numbers
---@param type? parallel.ArrayType "float64" by default
---@return parallel.Array array
function parallel.array(of, type) end

---A sequence of evenly spaced numbers that is never built.
---@param first number
---@param last number
---@param step? number 1 by default
---@return parallel.Range range
function parallel.range(first, last, step) end

---How many cores this process may really use.
---@return integer cpus
function parallel.cpus() end

---Seconds of a clock that only goes forward.
---@return number seconds
function parallel.clock() end

---Waits. A timeout, a cancel or Ctrl-C ends it at once.
---@param seconds number
function parallel.sleep(seconds) end

---Workers to keep.
---@class parallel.Pool
local pool = {}

---As `parallel.map`, on the workers of the pool.
---@generic T, R
---@param f fun(x: T): R
---@param xs parallel.Items<T>
---@param options? parallel.MapOptions
---@return parallel.Results<R> results
---@return parallel.Errors? errors
function pool:map(f, xs, options) end

---As `parallel.starmap`.
---@generic R
---@param f fun(...: any): R
---@param rows parallel.Items<table>
---@param options? parallel.MapOptions
---@return parallel.Results<R> results
---@return parallel.Errors? errors
function pool:starmap(f, rows, options) end

---As `parallel.run`.
---@param calls parallel.Items<parallel.Call>
---@param options? parallel.MapOptions
---@return parallel.Results<any> results
---@return parallel.Errors? errors
function pool:run(calls, options) end

---As `parallel.first`.
---@generic T, R
---@param f fun(x: T): R
---@param xs parallel.Items<T>
---@param options? parallel.MapOptions
---@return R? value
---@return integer? index
---@return parallel.Errors? errors
function pool:first(f, xs, options) end

---As `parallel.imap`.
---@generic T, R
---@param f fun(x: T): R
---@param xs parallel.Items<T>
---@param options? parallel.MapOptions
---@return fun(): integer?, R?, parallel.Error? next
function pool:imap(f, xs, options) end

---As `parallel.istarmap`.
---@generic R
---@param f fun(...: any): R
---@param rows parallel.Items<table>
---@param options? parallel.MapOptions
---@return fun(): integer?, R?, parallel.Error? next
function pool:istarmap(f, rows, options) end

---As `parallel.imap_unordered`.
---@generic T, R
---@param f fun(x: T): R
---@param xs parallel.Items<T>
---@param options? parallel.MapOptions
---@return fun(): integer?, R?, parallel.Error? next
function pool:imap_unordered(f, xs, options) end

---As `parallel.apply`.
---@param f function
---@param ... any
---@return any ...
function pool:apply(f, ...) end

---As `parallel.submit`.
---@param f function
---@param ... any
---@return parallel.Future future
function pool:submit(f, ...) end

---As `parallel.map_async`.
---@param f function
---@param xs parallel.Items<any>
---@param options? parallel.MapOptions
---@return parallel.Future future
function pool:map_async(f, xs, options) end

---As `parallel.starmap_async`.
---@param f function
---@param rows parallel.Items<table>
---@param options? parallel.MapOptions
---@return parallel.Future future
function pool:starmap_async(f, rows, options) end

---Takes no more calls, and finishes what it has.
function pool:close() end

---Ends running calls and drops waiting ones; their futures fail with "cancelled".
function pool:terminate() end

---What a pool has done so far.
---@class parallel.HostStats
---@field name string
---@field state "up"|"starting"|"out"
---@field workers integer
---@field running integer chunks that it has
---@field losses integer how often it was lost
---@field done integer
---@field failed integer
---@field busy number seconds

---@class parallel.Stats
---@field workers integer
---@field done integer
---@field failed integer
---@field retried integer
---@field lost integer
---@field busy number seconds
---@field sent integer bytes
---@field received integer bytes
---@field restored integer states
---@field proved integer calls that are proved to leave their state as it was, so that it need not be put back
---@field hosts? parallel.HostStats[] where the workers are on other machines

---@return parallel.Stats stats
function pool:stats() end

---The rows of an array, as a sequence.
---@class parallel.Rows
---@field [integer] number[]

---Numbers of one kind, row by row. In calls it is read-only, unless they have made it.
---@class parallel.Array
---@field type parallel.ArrayType
---@field shape integer[] {n}, or {rows, columns}
---@field [integer] number
local array = {}

---A number by row and column; of a list by its place alone.
---@param i integer
---@param j? integer
---@return number value
function array:get(i, j) end

---Writes a number: `a:set(i, j, value)`, of a list `a:set(i, value)`.
---@param i integer
---@param j integer|number
---@param value? number
function array:set(i, j, value) end

---@param i integer
---@return number[] row
function array:row(i) end

---@param j integer
---@return number[] column
function array:column(j) end

---The rows as a sequence, for maps.
---@return parallel.Rows rows
function array:rows() end

---The numbers i to j.
---@param i? integer
---@param j? integer
---@return number ...
function array:unpack(i, j) end

---A table of the numbers i to j; of a matrix, of the rows i to j.
---@param i? integer
---@param j? integer
---@return number[]|number[][] list
function array:totable(i, j) end

---@return number sum
function array:sum() end

---@return number mean
function array:mean() end

---@return number least
function array:min() end

---@return number most
function array:max() end

---The sum of the products with another one's numbers.
---@param other parallel.Array
---@return number product
function array:dot(other) end

---Sets all numbers.
---@param value number
---@return parallel.Array array itself
function array:fill(value) end

---@param type? parallel.ArrayType its own by default
---@return parallel.Array array
function array:copy(type) end

---What a call or a map will give.
---@class parallel.Future
local future = {}

---Its values, or raises its error, the same each time; raises "timed out" if they are not there in time.
---@param seconds? number
---@return any ...
function future:get(seconds) end

---Waits.
---@param seconds? number
---@return boolean done
function future:wait(seconds) end

---Whether it is done; does not wait.
---@return boolean done
function future:done() end

---Whether it is done and has not failed; does not wait.
---@return boolean ok
function future:ok() end

---Drops it, and ends its calls that run.
---@return boolean cancelled false where it was done already
function future:cancel() end

---Calls a function once it is done, while the script waits or asks.
---@param callback fun(future: parallel.Future)
function future:on_done(callback) end

return parallel
