--- Workers to keep.
-- @module parallel.pool

local Future = require "parallel.future"
local Run = require "parallel.run"
local check = require "parallel.check"
local core = require "parallel.core"
local delayed = require "parallel.delayed"
local iterate = require "parallel.iterate"

local are_plain = core.are_plain

local Pool = {}
Pool.__index = Pool
Pool.__name = "parallel.pool"
Pool.__marshal = "cannot send a pool: make a map there, it shares the workers" -- the text of the error

-- Chunks of a map that nobody waits for, for each worker: few are little to hand over, many make up
-- for calls that take unlike times.
local UNATTENDED_CHUNKS = 8

-- The least number of chunks of such a map that shows its progress.
local STEPS = 100

-- Some options, and others that come before them, in a new table.
local function merge(options, first)
  local merged = {}
  for name, value in pairs(options) do
    merged[name] = value
  end
  for name, value in pairs(first) do
    merged[name] = value
  end
  return merged
end

-- The options of single calls: their values come home all, and their errors are raised.
local function options_of_call(options)
  local merged = merge(options, {pack = true})
  merged.errors, merged.progress = nil, nil
  return merged
end

-- The workers of a pool, and how many there are.
local function make_workers(options)
  if not options.hosts then
    return core.new_workers(options.workers or 0, options.seed, options.backend)
  elseif options.backend and options.backend ~= "hosts" then
    core.blame(("option 'backend' of 'pool': it has hosts, so it cannot be %q"):format(options.backend))
  end
  local names, launch = require "parallel.hosts".read(options.hosts)
  return core.new_workers(options.workers or 0, options.seed, "hosts", names, launch)
end

--- Makes a pool.
-- @tparam[opt] integer|table options the number of workers, or a table of options, which then hold
-- for all its calls, which count on from each other: call k of the pool draws its random numbers from (seed, k)
-- @param[opt] more nothing: options in the second place are an error
-- @treturn table the pool
function Pool.new(options, more)
  if more ~= nil then -- such options would be lost
    core.blame("bad argument #2 to 'pool' (one argument expected: write parallel.pool {workers = 4, ...})")
  end
  options = check.options("pool", 1, type(options) == "number" and {workers = options} or options)
  if options.into then
    core.blame("option 'into' of 'pool': it is an option of a map, for its results alone")
  end
  local workers, n_workers = make_workers(options)
  options = merge(options, {workers = n_workers})
  options.seed = nil -- what calls have is their own
  options.reports_all = options.report ~= nil or nil
  local self = {
    options = options,
    workers = workers,
    options_of_call = options_of_call(options),
    open = {}, -- futures that are not done: they are called though nobody keeps them
    told = {},
    is_closed = false,
  }
  return setmetatable(self, Pool)
end

--- A pool of the workers that maps use which are made on none. It cannot be closed, and each call draws a seed of its
-- own.
-- @treturn table the pool
function Pool.of_state()
  local self = {options = {}, options_of_call = options_of_call {}, open = {}, told = {}, is_closed = false}
  return setmetatable(self, Pool)
end

-- Checks that a method was called on a pool that can be used.
local function check_self(pool, where)
  check.self(pool, Pool, "pool", where)
  if pool.is_closed then
    core.blame("the pool is closed")
  end
end

-- The options of a call: its own, then the pool's. Not to be changed.
local function options_of(pool, where, number, own)
  own = check.options(where, number, own)
  if not pool.workers then -- but the state's, which have no options
    return own
  elseif next(own) == nil then
    return pool.options
  end
  local options = merge(pool.options, own)
  if own.report then
    options.reports_all = nil
  end
  options.workers = math.min(options.workers, pool.options.workers)
  return options
end

-- {== Maps ========================================================================================

-- What becomes of a map: functions of a pool, the function, its items, whether they are rows, checked options, and
-- whether the items are a plain list (`core.are_plain`).

local function finish(pool, f, items, is_rows, options, is_plain)
  if options.progress then
    return Run.new(f, items, is_rows, options, pool.workers):finish()
  end
  return Run.map(f, items, is_rows, options, pool.workers, is_plain)
end

local function find(pool, f, items, is_rows, options)
  if options.into then
    core.blame("option 'into' of 'first': there is one result, which it returns")
  end
  return Run.new(f, items, is_rows, merge(options, {["until"] = true}), pool.workers):find()
end

-- To iterate over. A failed call stops none before it: the loop raises its error when it comes to it. Returns the run
-- and whether it does.
local function begin(pool, f, items, is_rows, options)
  local raises = options.errors ~= "collect"
  return Run.new(f, items, is_rows, merge(options, {errors = "collect"}), pool.workers), raises
end

local function iterate_in_order(...)
  return iterate.in_order(begin(...))
end

local function iterate_as_ready(...)
  return iterate.as_ready(begin(...))
end

-- A future: all items are sent at once, as far as they are known.
local function begin_future(pool, f, items, is_rows, options)
  local n_chunks = UNATTENDED_CHUNKS * (options.workers or core.workers())
  if options.progress then
    n_chunks = math.max(STEPS, n_chunks)
  end
  local run = Run.new(f, items, is_rows, options, pool.workers, n_chunks)
  local future = Future.new(run, false, pool)
  future:begin()
  return future
end

-- What does these with the option `store`.
local STORED = {
  map = "map", starmap = "map", run = "map", imap = "imap", istarmap = "imap", imap_unordered = "imap_unordered",
}

-- What maps with a store. Only here, and only where it is used, are its files needed.
local function find_stored(name)
  if not STORED[name] then
    core.blame(("option 'store' is not for '%s': it is for maps that are waited for, and iterations"):format(name))
  end
  return require("parallel.experiment.stored")[STORED[name]]
end

-- Makes the method of this name, which checks its arguments and does what `use` does with them.
local function map_method(name, use, is_rows)
  return function(self, f, items, options)
    check_self(self, name)
    local is_plain = are_plain(f, items)
    if not is_plain then
      check.callable(name, 1, f)
      check.sequence(name, 2, items, is_rows)
    end
    options = options == nil and self.options or options_of(self, name, 3, options)
    if options.store then
      return find_stored(name)(self, f, items, is_rows, options)
    end
    return use(self, f, items, is_rows, options, is_plain)
  end
end

--- As the calls of `parallel` that have the same names.
Pool.map = map_method("map", finish)
Pool.starmap = map_method("starmap", finish, true)
Pool.first = map_method("first", find)
Pool.imap = map_method("imap", iterate_in_order)
Pool.istarmap = map_method("istarmap", iterate_in_order, true)
Pool.imap_unordered = map_method("imap_unordered", iterate_as_ready)
Pool.map_async = map_method("map_async", begin_future)
Pool.starmap_async = map_method("starmap_async", begin_future, true)

--- As `parallel.run`.
function Pool:run(calls, options)
  check_self(self, "run")
  check.sequence("run", 1, calls, true)
  options = options_of(self, "run", 2, options)
  local f, rows = delayed.plan(calls)
  if options.store then
    return find_stored "run"(self, f, rows, true, options)
  end
  return finish(self, f, rows, true, options)
end

-- {== Single calls ================================================================================

--- Makes one call and waits for it.
-- @return all its values
function Pool:apply(f, ...)
  check_self(self, "apply")
  check.callable("apply", 1, f)
  if self.options.store then
    find_stored "apply"
  end
  return core.apply(self.options_of_call, self.workers, f, true, ...)
end

--- Makes one call and does not wait for it.
-- @treturn table a future
function Pool:submit(f, ...)
  check_self(self, "submit")
  check.callable("submit", 1, f)
  if self.options.store then
    find_stored "submit"
  end
  local future = Future.new(Run.of(core.call(self.options_of_call, self.workers, f, false, ...)), true, self)
  Future.tidy()
  return future
end

-- {== Its end =====================================================================================

-- Closes the pool: a method of each future brings that to its end. After an error in one, in a callback say, the
-- others are cancelled, and the threads end all the same; then it is raised. `is_now`: iterations that have begun end
-- too; otherwise they keep their threads until they are over.
local function close(pool, method, is_now)
  local succeeded, err = true, nil
  local was_closed = pool.is_closed
  pool.is_closed = true
  for _, future in ipairs(Future.in_order(pool.open)) do
    if succeeded then
      succeeded, err = pcall(method, future)
    else
      pcall(future.cancel, future)
    end
  end
  local freed, refusal = pcall(is_now and pool.workers.terminate or pool.workers.close, pool.workers)
  if not freed then -- by what a map of its own reads, say
    pool.is_closed = was_closed
    error(refusal, 0)
  elseif not succeeded then
    error(err, 0)
  end
end

--- Takes no more calls, finishes what it has, and frees its threads. Futures keep their values, and iterations that
-- have begun go on to their end, with the threads that they need.
-- @raise the first error of a callback; then futures that were not done fail with "cancelled"
function Pool:close()
  check.self(self, Pool, "pool", "close")
  close(self, Future.wait, false)
end

--- Drops waiting calls, ends those that run, and frees the threads; futures that are not done, and iterations, fail
-- with "cancelled".
-- @raise the first error of a callback
function Pool:terminate()
  check.self(self, Pool, "pool", "terminate")
  close(self, Future.cancel, true)
end

--- What the pool has done so far.
-- @treturn table `workers`; calls `done`, `failed`, `retried`, `lost` (given up with their worker); seconds `busy`;
-- bytes `sent` and `received`; states `restored`; calls `proved` to leave theirs as it was, so that it need not be; on
-- other machines `hosts`, a list of tables for each: `name`, `state` ("up", "starting", "out"), `workers`, chunks
-- `running`, `losses`, calls `done` and `failed`, seconds `busy`
function Pool:stats()
  check_self(self, "stats")
  return self.workers:stats()
end

-- Left in peace, a pool finishes what it has; left by an error, it does not.
function Pool:__close(failure)
  if failure ~= nil then
    self:terminate()
  else
    self:close()
  end
end

return Pool
