--- A map in flight: its job, where its items come from, and what has come home.
-- @module parallel.run

local core = require "parallel.core"
local errors = require "parallel.errors"
local source = require "parallel.source"

local Run = {}
Run.__index = Run

-- In a call that is itself part of a map, a map without a seed takes one from the call's random
-- numbers, so that the outer map's seed decides on everything within it.
local random = math.random
local function default_seed()
  return core.is_worker() and random(0) or core.seed()
end

local function new_job(f, options, workers, chunk, pool)
  local made, job = pcall(core.job, f, options.init, {
    workers = workers,
    chunk = options.chunk or chunk,
    fresh = options.fresh ~= false,
    pack = options.pack == true,
    collect = options.errors == "collect",
    seed = options.seed or default_seed(),
    timeout_ns = math.ceil((options.timeout or 0) * 1e9),
    memory = options.memory or 0,
    retries = options.retries or 0,
  }, pool)
  if not made then
    error(errors.new("marshal", job), 0)
  end
  return job
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

--- Begins a map; nothing is sent yet.
-- @tparam function f
-- @param xs a sequence, a range, or an iterator function
-- @tparam boolean is_rows each item is a table of arguments
-- @tparam table options checked
-- @tparam ?table place where it runs: `workers`, how many, and `pool`, whose; the run is noted in the
-- set `runs`; by default the state's workers
-- @tparam[opt=0] integer chunk size of chunks where the options do not say; 0: measured
-- @treturn table with the fields `results` and `errors` (by number), `collects`, `items`, and `progress`
-- where it shows any
function Run.new(f, xs, is_rows, options, place, chunk)
  local workers = options.workers or place and place.workers or core.workers()
  local items = source.new(xs, is_rows)
  local progress = new_progress(options.progress, items.n)
  local self = {
    items = items,
    progress = progress,
    job = new_job(f, options, workers, chunk or 0, place and place.pool),
    most_chunks = workers * core.chunks_per_worker,
    results = core.table(items.n),
    errors = {},
    collects = options.errors == "collect",
    has_failed = false,
    place = place,
  }
  if place then
    place.runs[self] = true
  end
  return setmetatable(self, Run)
end

-- Puts one more chunk into the job. An item that cannot be sent is an error like that of a call.
function Run:put()
  local failure = self.items:feed(self.job)
  if failure then
    self.errors[failure.index] = failure
    self.has_failed = true
    if self.progress then
      self.progress:count(1, 1)
    end
  end
end

--- Whether a failure has ended the map before its time.
function Run:is_stopped()
  return self.has_failed and not self.collects
end

--- Keeps `most` chunks under way, by default as many as keep all workers busy.
function Run:feed(most)
  most = most or self.most_chunks
  while not self.items.ended and not self:is_stopped() and self.job:pending() < most do
    self:put()
  end
end

--- Waits for a chunk of results, for some seconds or for ever.
-- @treturn ?integer how many calls it had; nil: all have come home; false: not in time
-- @treturn ?integer the number of the first of them
function Run:collect(seconds)
  local n_calls, n_failed, first
  if self.progress then
    n_calls, n_failed, first = self.progress:collect(self, seconds)
  else
    n_calls, n_failed, first = self.job:collect(self.results, self.errors, seconds)
  end
  if n_calls and n_failed > 0 then
    self.has_failed = true
  end
  return n_calls, first
end

--- Raises the error with the lowest index that is known by now.
function Run:fail()
  while self.job:ready() > 0 do
    self:collect()
  end
  error(errors.lowest(self.errors), 0)
end

--- What a map returns, once it is over.
-- @treturn table results
-- @treturn integer how many calls there were
-- @treturn ?table the errors, where they are collected
function Run:outcome()
  local n = self.items.next - 1
  if self.collects then
    return self.results, n, self.errors
  end
  return self.results, n
end

--- Feeds and collects until all is home.
-- @return as `outcome`
-- @raise the error with the lowest index known, unless errors are collected
function Run:finish()
  local n_calls
  repeat
    self:feed()
    if self:is_stopped() then
      self:fail()
    end
    n_calls = self:collect()
    if self:is_stopped() then
      self:fail()
    end
  until not n_calls and self.items.ended
  return self:outcome()
end

--- Drops what has not begun, ends what runs, and frees what the map holds.
function Run:close()
  if self.progress then
    self.progress:close()
  end
  self.job:close()
  if self.place then
    self.place.runs[self] = nil
  end
end

Run.__close = Run.close

return Run
