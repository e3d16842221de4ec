--- What a call or a map will give, once it is done.
-- @module parallel.future

local check = require "parallel.check"
local core = require "parallel.core"
local errors = require "parallel.errors"

local Future = {}
Future.__index = Future
Future.__name = "parallel.future"

-- Runs the callbacks, on the thread of the caller. Each has its turn; then the error of the first that
-- failed is raised.
local function run_callbacks(self)
  local callbacks, failed, first_error = self.callbacks, false, nil
  self.callbacks = nil
  if #callbacks > 0 then
    core.hide() -- the bar of another map
  end
  for _, callback in ipairs(callbacks) do
    local succeeded, err = pcall(callback, self)
    if not succeeded and not failed then
      failed, first_error = true, err
    end
  end
  if failed then
    error(first_error, 0)
  end
end

-- Ends the future.
local function settle(self, failure)
  if self.is_done then
    return -- by a callback, or by the function that is told of its progress
  end
  self.is_done = true
  local closed, err = pcall(self.run.close, self.run)
  if not closed then -- by what the map itself reads, say
    self.is_done = nil
    error(err, 0)
  end
  self.failure = failure
  self.pool.open[self], self.pool.told[self] = nil, nil
  run_callbacks(self)
end

--- Makes a future of a run that has been fed.
-- @tparam table run
-- @tparam boolean is_call it is one call, whose values `get` returns, and not a map
-- @tparam table pool has a set `open` of futures that are not done, which may be dropped, and a set
-- `told` of those among them that have callbacks to run
function Future.new(run, is_call, pool)
  local self = setmetatable({run = run, is_call = is_call, pool = pool, callbacks = {}}, Future)
  pool.open[self] = true
  if run.progress then
    run.progress:be_guest()
    run.progress.on_error = function(err) settle(self, err) end
  end
  return self
end

-- The error that a run which is over raises, if any.
local function failure_of(run)
  return run:is_stopped() and errors.lowest(run:errors()) or nil
end

-- Takes a chunk that has come home, without waiting.
-- @treturn ?integer how many calls it had; nil: all have come home; false: none is there
local function take(self)
  local run = self.run
  local n_calls = run:collect(0)
  if run:is_stopped() or n_calls == nil and run:has_ended() then
    settle(self, failure_of(run))
  end
  return n_calls
end

-- Why a future can be neither waited for nor cancelled where what it reads or sends runs.
local NO_WAIT = "a map cannot be waited for by what it reads or sends"
local NO_END = "a map cannot be ended by what it reads or sends"

-- Whether what it reads or sends runs now.
local function is_in_use(self)
  return not self.is_done and self.run.job:is_in_use()
end

-- Takes what is there without waiting. `shown` is the progress that is on the screen, if any: it leaves
-- that to what reads the items, where this is the script's.
local function poll(self, shown)
  if is_in_use(self) then
    return
  end
  if shown and self.run.n < 0 then
    shown:leave()
  end
  while not self.is_done do
    self.run:feed()
    if take(self) == false then
      return
    end
  end
end

-- Takes what has come home, without feeding or running anything.
local function take_ready(self)
  local run = self.run
  if is_in_use(self) then
    return
  end
  while not self.is_done and (run.job:ready() > 0 or run:has_ended() and run.job:pending() == 0) do
    take(self)
  end
end

-- Takes what is there of all futures in the list, then waits for one where none is done; `shown` is the
-- progress to show meanwhile, if any.
local function wait_for_any(futures, seconds, shown)
  local jobs, is_any_done = {}, false
  for _, future in ipairs(futures) do
    poll(future, shown)
    if future.is_done then
      is_any_done = true
    elseif not is_in_use(future) then
      jobs[#jobs + 1] = future.run.job
    end
  end
  if is_any_done then
    return
  elseif #jobs == 0 then
    error(NO_WAIT, 0)
  elseif shown then
    shown:wait(jobs, seconds)
  else
    core.wait(jobs, seconds)
  end
end

-- The progress of the first future that shows any: a screen has room for one.
local function first_progress(futures)
  for _, future in ipairs(futures) do
    if future.run.progress and not future.is_done then
      return future.run.progress
    end
  end
end

-- This future first, then those of the same pool that have callbacks to run.
local function with_others(self)
  local futures = {self}
  for other in pairs(self.pool.told) do
    if other ~= self then
      futures[#futures + 1] = other
    end
  end
  return futures
end

-- Checks that it can be waited for, so long.
local function check_wait(self, seconds)
  if seconds ~= nil and type(seconds) ~= "number" then
    error(("bad argument #1 (seconds expected, got %s)"):format(type(seconds)), 3)
  elseif is_in_use(self) then
    error(NO_WAIT, 3)
  end
end

local function wait(self, seconds)
  if self.is_done then
    return true
  end
  local shown <close> = self.run.progress
  local deadline = seconds and core.now() + seconds
  poll(self)
  while not self.is_done do
    local left = deadline and deadline - core.now()
    if left and left <= 0 then
      return false
    end
    wait_for_any(with_others(self), left, shown)
    poll(self, shown)
  end
  for _, other in ipairs(with_others(self)) do
    poll(other)
  end
  return true
end

--- Waits until it is done, for some seconds or for ever.
-- @tparam[opt] number seconds
-- @treturn boolean whether it is done
function Future:wait(seconds)
  check_wait(self, seconds)
  return wait(self, seconds)
end

--- Its values: of a call all that it returned, of a map results, and collected errors.
-- @tparam[opt] number seconds to wait; for ever without
-- @raise its error; an error of kind "timeout" saying "timed out" when it is not done in time
function Future:get(seconds)
  check_wait(self, seconds)
  if not wait(self, seconds) then
    error(errors.new("timeout", "timed out"), 0)
  end
  if self.failure then
    error(self.failure, 0)
  end
  if not self.is_call then
    return self.run:outcome()
  end
  local values = self.run:results()[1]
  return table.unpack(values, 1, values.n)
end

--- Whether it is done, without waiting.
function Future:done()
  poll(self)
  return self.is_done == true
end

--- Whether it is done and `get` will raise no error, without waiting.
function Future:ok()
  return self:done() and self.failure == nil
end

--- Drops what has not begun and ends what runs. The future then fails with an error of kind "cancelled".
-- @treturn boolean false where it was done already
function Future:cancel()
  take_ready(self)
  if self.is_done then
    return false
  elseif is_in_use(self) then
    error(NO_END, 2)
  end
  settle(self, errors.new("cancelled", "cancelled"))
  return true
end

--- Has a function called with the future once it is done: on the caller's thread, while the caller
-- waits for this future or another of the same pool, or asks whether it is done.
-- @tparam function callback
-- @treturn table the future
function Future:on_done(callback)
  check.callable("on_done", 1, callback)
  take_ready(self)
  if self.is_done then
    callback(self)
  else
    self.callbacks[#self.callbacks + 1] = callback
    self.pool.told[self] = true
  end
  return self
end

--- Iterates over futures as they finish: `for future in parallel.as_completed(futures) do`.
-- @tparam table futures a list
function Future.as_completed(futures)
  check.futures("as_completed", 1, futures, Future)
  local left = table.move(futures, 1, #futures, 1, {})
  return function()
    local shown <close> = first_progress(left)
    while #left > 0 do
      for i, future in ipairs(left) do
        if future:done() then
          return table.remove(left, i)
        end
      end
      wait_for_any(left, nil, shown)
    end
  end
end

return Future
