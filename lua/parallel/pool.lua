--- Workers to keep.
-- @module parallel.pool

local Future = require "parallel.future"
local Run = require "parallel.run"
local check = require "parallel.check"
local core = require "parallel.core"
local delayed = require "parallel.delayed"
local iterate = require "parallel.iterate"

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

-- The plan of single calls (`core.job`): their values come home all, and their errors are raised.
local function plan_of_call(options, workers)
  local merged = merge(options, {pack = true})
  merged.errors, merged.progress = nil, nil
  return {options = merged, pool = workers}
end

--- Makes a pool.
-- @tparam[opt] integer|table options the number of workers, or a table of options, which then hold
-- for all its calls, which count on from each other: call k of the pool draws its random numbers from (seed, k)
-- @treturn table the pool
function Pool.new(options, more)
  if more ~= nil then -- such options would be lost
    error("bad argument #2 to 'pool' (one argument expected: write parallel.pool {workers = 4, ...})", 2)
  end
  options = check.options("pool", 1, type(options) == "number" and {workers = options} or options)
  local n_workers = options.workers or core.workers()
  local seed = options.seed
  options = merge(options, {workers = n_workers})
  options.seed = nil -- what calls have is their own
  options.reports_all = options.report ~= nil or nil
  local workers = core.new_workers(n_workers, seed)
  local self = {
    options = options,
    workers = workers,
    plan_of_call = plan_of_call(options, workers),
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
  local self = {options = {}, plan_of_call = plan_of_call({}), open = {}, told = {}, is_closed = false}
  return setmetatable(self, Pool)
end

local function check_open(pool, level)
  if pool.is_closed then
    error("the pool is closed", level)
  end
end

-- Checks that a method was called on a pool that can be used.
local function check_self(pool, where)
  check.self(pool, Pool, "pool", where, 1)
  check_open(pool, 4)
end

-- The options of a call: its own, then the pool's. Not to be changed.
local function options_of(pool, where, number, own)
  own = check.options(where, number, own, 1)
  if next(own) == nil then
    return pool.options
  end
  local options = merge(pool.options, own)
  if own.report then
    options.reports_all = nil
  end
  if pool.options.workers then
    options.workers = math.min(options.workers, pool.options.workers)
  end
  return options
end

-- Begins a map to iterate over. A failed call stops none before it: the loop raises its error when it
-- comes to it. Returns the run and whether it does.
local function begin(pool, f, xs, is_rows, options)
  local raises = options.errors ~= "collect"
  return Run.new(f, xs, is_rows, merge(options, {errors = "collect"}), pool.workers), raises
end

-- A future of a map whose items are all sent at once, as far as they are known.
local function future_of(pool, f, xs, is_rows, options)
  local n_chunks = UNATTENDED_CHUNKS * (options.workers or core.workers())
  if options.progress then
    n_chunks = math.max(STEPS, n_chunks)
  end
  local run = Run.new(f, xs, is_rows, options, pool.workers, n_chunks)
  local future = Future.new(run, false, pool)
  future:begin()
  return future
end

--- As `parallel.map`.
function Pool:map(f, xs, options)
  check_self(self, "map")
  check.callable("map", 1, f)
  check.sequence("map", 2, xs)
  return Run.new(f, xs, false, options_of(self, "map", 3, options), self.workers):finish()
end

--- As `parallel.starmap`.
function Pool:starmap(f, rows, options)
  check_self(self, "starmap")
  check.callable("starmap", 1, f)
  check.sequence("starmap", 2, rows)
  return Run.new(f, rows, true, options_of(self, "starmap", 3, options), self.workers):finish()
end

--- As `parallel.run`.
function Pool:run(calls, options)
  check_self(self, "run")
  check.sequence("run", 1, calls)
  options = options_of(self, "run", 2, options)
  local f, rows = delayed.plan(calls)
  return Run.new(f, rows, true, options, self.workers):finish()
end

--- As `parallel.first`.
function Pool:first(f, xs, options)
  check_self(self, "first")
  check.callable("first", 1, f)
  check.sequence("first", 2, xs)
  options = merge(options_of(self, "first", 3, options), {["until"] = true})
  return Run.new(f, xs, false, options, self.workers):find()
end

--- Iterates over the results in order, as they become ready: `for i, value in pool:imap(f, xs) do`.
-- Where errors are collected, a third value is that of a failed call.
function Pool:imap(f, xs, options)
  check_self(self, "imap")
  check.callable("imap", 1, f)
  check.sequence("imap", 2, xs)
  return iterate.in_order(begin(self, f, xs, false, options_of(self, "imap", 3, options)))
end

--- The same for `f(table.unpack(row))`.
function Pool:istarmap(f, rows, options)
  check_self(self, "istarmap")
  check.callable("istarmap", 1, f)
  check.sequence("istarmap", 2, rows)
  return iterate.in_order(begin(self, f, rows, true, options_of(self, "istarmap", 3, options)))
end

--- Iterates over the results, each as soon as it is there; the index says which it is.
function Pool:imap_unordered(f, xs, options)
  check_self(self, "imap_unordered")
  check.callable("imap_unordered", 1, f)
  check.sequence("imap_unordered", 2, xs)
  return iterate.as_ready(begin(self, f, xs, false, options_of(self, "imap_unordered", 3, options)))
end

--- Makes one call and waits for it.
-- @return all its values
function Pool:apply(f, ...)
  check_self(self, "apply")
  check.callable("apply", 1, f)
  local job <close> = Run.make_job(self.plan_of_call, f, ...)
  return job:values()
end

--- Makes one call and does not wait for it.
-- @treturn table a future
function Pool:submit(f, ...)
  check_self(self, "submit")
  check.callable("submit", 1, f)
  local future = Future.new(Run.of(Run.make_job(self.plan_of_call, f, ...)), true, self)
  Future.tidy()
  return future
end

--- Begins a map and does not wait for it.
-- @treturn table a future of what `map` returns
function Pool:map_async(f, xs, options)
  check_self(self, "map_async")
  check.callable("map_async", 1, f)
  check.sequence("map_async", 2, xs)
  return future_of(self, f, xs, false, options_of(self, "map_async", 3, options))
end

--- The same for `starmap`.
function Pool:starmap_async(f, rows, options)
  check_self(self, "starmap_async")
  check.callable("starmap_async", 1, f)
  check.sequence("starmap_async", 2, rows)
  return future_of(self, f, rows, true, options_of(self, "starmap_async", 3, options))
end

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
-- bytes `sent` and `received`; states `restored`
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
