--- A map in flight: its job, where its items come from, and what has come home.
-- @module parallel.run

local check = require "parallel.check"
local core = require "parallel.core"
local errors = require "parallel.errors"
local source = require "parallel.source"

local Run = {}
Run.__index = Run

local CHUNKS_PER_WORKER, MOST_CALLS = core.chunks_per_worker, core.max_chunk

-- The size of chunks that divide `n` items into `n_chunks`; nil, by measurement, where it is not known how.
local function size_of_chunks(n, n_chunks)
  if not n_chunks or n <= 0 then
    return nil
  end
  return math.max(1, math.min(n // n_chunks, MOST_CALLS))
end

-- What the option `progress` asks for. Only here, and only where it is used, is its file needed.
local function new_progress(option, n)
  if not option then
    return nil
  end
  local found, progress = pcall(require, "parallel.progress")
  if not found then
    error("option 'progress' cannot be used: " .. tostring(progress), 0)
  end
  return progress.new(option, n)
end

-- Checks the arrays of a map, which few have.
local function check_arrays(items, n, options)
  if options.into then
    check.into(options.into, n, options.pack)
  end
  check.arrays(items, options.into)
end

-- How many items a map has, as `source.measure`; checks its arrays.
local function measure(items, is_rows, options)
  local n, first, step = source.measure(items, is_rows)
  if options.into or type(items) == "userdata" then
    check_arrays(items, n, options)
  end
  return n, first, step
end

--- Makes a map, and waits for it. Nothing is shown of it.
-- @tparam function f
-- @param items a sequence, a range, an array, or an iterator function
-- @tparam boolean is_rows each item is a table of arguments
-- @tparam table options checked; not changed
-- @tparam[opt] table pool whose workers it uses, as `core.new_workers` makes them; by default the state's
-- @tparam[opt] boolean is_plain the items are a plain list (`core.are_plain`)
-- @return as `parallel.map`
-- @raise the error with the lowest index known, unless errors are collected
function Run.map(f, items, is_rows, options, pool, is_plain)
  local n, first, step
  if not is_plain or options.into then
    n, first, step = measure(items, is_rows, options)
  end
  local results, found = core.map(options, pool, f, items, is_rows, n, first, step, options.chunk)
  if results == nil then
    errors.raise(errors.lowest(found))
  elseif found then
    return results, found
  end
  return results
end

--- Begins a map; nothing is sent yet.
-- @param ... as of `Run.map`, up to `pool`
-- @tparam[opt] integer n_chunks how many chunks there are to be where the options do not say their size;
-- by default they are measured
-- @treturn table with the fields `n`, how many items there are (-1: nobody knows), `most_chunks`, how many
-- chunks keep all workers busy, and `progress` where it shows any
function Run.new(f, items, is_rows, options, pool, n_chunks)
  local n, first, step = measure(items, is_rows, options)
  local chunk = options.chunk or size_of_chunks(n, n_chunks)
  local job, n_workers = core.job(options, pool, f, items, is_rows, n, first, step, chunk)
  local self = {
    n = n, packs = options.pack, stores = options.into ~= nil, job = job,
    most_chunks = n_workers * CHUNKS_PER_WORKER,
  }
  setmetatable(self, Run):show_progress(options.progress, n)
  return self
end

--- Has it show its progress.
-- @param option that of the map
-- @tparam integer n how many calls there are; -1 where nobody knows
function Run:show_progress(option, n)
  self.progress = new_progress(option, n)
end

--- Makes a run of a job that is under way.
function Run.of(job)
  return setmetatable({job = job, n = 1, most_chunks = 1}, Run)
end

-- Counts items that cannot be sent.
local function count_unsent(self, n)
  if self.progress and n > 0 then
    self.progress:count(n, n)
  end
  return n
end

--- Keeps `most` chunks under way, by default as many as keep all workers busy. The error of an item
-- that cannot be sent is like that of a call.
-- @treturn integer how many items cannot be sent
function Run:feed(most)
  return count_unsent(self, self.job:feed(most))
end

--- The same, in protected mode: nothing of the module's own runs in it, only what the items are read from. An error
-- that a hook raises, as Ctrl-C does, is none of these: it is passed on.
-- @treturn boolean whether the items could be read; if not, no more are
-- @return how many cannot be sent, or the error
function Run:try_to_feed(most)
  local fed, n_unsent = core.protect(self.job.feed, self.job, most)
  if not fed and core.ended_by_hook() then
    error(n_unsent, 0)
  end
  return fed, fed and count_unsent(self, n_unsent) or n_unsent
end

--- Checks that its pool was not terminated meanwhile, by a callback or in a loop.
-- @raise "cancelled"
function Run:check_open()
  if self.job:is_closed() then
    error(errors.new("cancelled", "cancelled"), 0)
  end
end

--- Waits for a chunk of results, for some seconds or for ever, and shows progress where there is any.
-- @return as `job:collect`
function Run:collect(seconds)
  if self.progress then
    return self.progress:collect(self, seconds)
  end
  return self.job:collect(seconds)
end

--- Raises the error with the lowest index that is known by now.
function Run:fail()
  while self.job:ready() > 0 do
    self:collect()
  end
  errors.raise(errors.lowest(self.job:errors()))
end

-- Feeds and collects a chunk at a time, until all is home or a failure has stopped it.
-- @tparam[opt] function look takes the run, how many calls a chunk had, and the number of the first; where it returns
-- something, no more is wanted
-- @treturn boolean false: a failure has stopped it
-- @return what `look` has returned
local function go_on(self, look)
  local job = self.job
  while true do
    self:check_open()
    self:feed()
    if job:is_stopped() then
      return false
    end
    local n_calls, first = self:collect()
    local found = n_calls and look and look(self, n_calls, first)
    if found or not n_calls and job:has_ended() then
      return true, found
    end
  end
end

--- Feeds and collects until all is home, then closes.
-- @return as `Run.map`
-- @raise as `Run.map`
function Run:finish()
  local run <close> = self
  if not go_on(run) then
    run:fail()
  end
  return run.job:outcome()
end

-- The number of the first true value among the results of some calls; the others are dropped.
local function find_true(self, n_calls, first)
  local results = self.job:results()
  for i = first, first + n_calls - 1 do
    local value = results[i]
    if self.packs and value then
      value = value[1]
    end
    if value then
      return i
    end
    results[i] = nil
  end
end

--- Feeds and collects until a value comes home that is true, then closes: the other calls end. Of a run with the option
-- `until`.
-- @treturn ?any the value; nil, nothing where errors are not collected, where there is none
-- @treturn ?integer its index
-- @treturn ?table the errors, where they are collected
-- @raise as `Run.map`
function Run:find()
  local run <close> = self
  local succeeded, index = go_on(run, find_true)
  if not succeeded then
    run:fail()
  end
  local results, found = run.job:outcome()
  if found then
    return index and results[index], index, found
  elseif index then
    return results[index], index
  end
end

--- Drops what has not begun, ends what runs, and frees what the map holds.
function Run:close()
  if self.progress then
    self.progress:close()
  end
  self.job:close()
end

Run.__close = Run.close

return Run
