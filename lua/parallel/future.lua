--- What a call or a map will give, once it is done.
--
-- The jobs of futures report to one queue of the state (`core.next`), so whoever waits for one of many looks only at
-- those that have something new.
--
-- @module parallel.future

local check = require "parallel.check"
local core = require "parallel.core"
local errors = require "parallel.errors"
local wait_for = require "parallel.wait"

local Future = {}
Future.__index = Future
Future.__name = "parallel.future"
Future.__marshal = "cannot send a future: get() it first, and send its values" -- the text of the error

-- The futures that are not done, by what `core.next` gives for them.
local waiting = setmetatable({}, {__mode = "v"})

-- {== Queues ======================================================================================

local function new_queue()
  return {first = 1, last = 0}
end

local function put(queue, value)
  queue.last = queue.last + 1
  queue[queue.last] = value
end

-- The value that was put first, or nil.
local function take_first(queue)
  local value = queue[queue.first]
  if value ~= nil then
    queue[queue.first] = nil
    queue.first = queue.first + 1
  end
  return value
end

-- {== Ending one ==================================================================================

-- How many futures run their callbacks now, one within the other.
local n_calling = 0

-- Runs the callbacks, on the thread of the caller. Each has its turn, unless a hook ends one, as Ctrl-C does; then the
-- error of the first that failed is raised.
local function run_callbacks(self)
  local callbacks, failed, first_error = self.callbacks, false, nil
  if not callbacks then
    return
  end
  self.callbacks = nil
  core.hide() -- the bar of another map
  n_calling = n_calling + 1
  for _, callback in ipairs(callbacks) do
    local succeeded, err = core.protect(callback, self)
    if not succeeded and core.ended_by_hook() then
      n_calling = n_calling - 1
      error(err, 0)
    elseif not succeeded and not failed then
      failed, first_error = true, err
    end
  end
  n_calling = n_calling - 1
  if failed then
    error(first_error, 0)
  end
end

-- Tells those who iterate over it as it finishes.
local function tell_watchers(self)
  for _, ready in ipairs(self.watchers or {}) do
    put(ready, self)
  end
  self.watchers = nil
end

-- Ends the future.
-- @param[opt] failure what `get` raises
-- @tparam[opt] boolean has_failed it raises even nil
local function settle(self, failure, has_failed)
  if self.is_done then
    return -- by a callback, or by the function that is told of its progress
  end
  self.is_done = true
  local closed, err = pcall(self.run.close, self.run)
  if not closed then -- by what the map itself reads, say
    self.is_done = nil
    error(err, 0)
  end
  self.failure, self.has_failed = failure, has_failed or failure ~= nil
  waiting[self.id], self.pool.open[self], self.pool.told[self] = nil, nil, nil
  tell_watchers(self)
  run_callbacks(self)
end

-- The error that a job which is over raises, if any.
local function failure_of(job)
  return job:is_stopped() and errors.lowest(job:errors()) or nil
end

-- {== Taking what has come home ===================================================================

-- Takes a chunk that has come home, without waiting.
-- @treturn ?integer how many calls it had; nil: all have come home; false: none is there
local function take(self)
  local job, n_calls = self.run.job, self.run:collect(0)
  if job:is_stopped() or n_calls == nil and job:has_ended() then
    settle(self, failure_of(job))
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
-- that to what reads the items, where this is the script's. An error of that is the future's.
local function poll(self, shown)
  if is_in_use(self) then
    return
  end
  if shown and self.run.n < 0 then
    shown:leave()
  end
  while not self.is_done do
    local fed, err = self.run:try_to_feed()
    if not fed then
      return settle(self, err, true)
    elseif take(self) == false then
      return
    end
  end
end

-- Takes what has come home, without feeding or running anything.
local function take_ready(self)
  local job = self.run.job
  if is_in_use(self) then
    return
  end
  while not self.is_done and (job:ready() > 0 or job:has_ended() and job:pending() == 0) do
    take(self)
  end
end

-- {== News ========================================================================================

-- Whether taking what it has runs none of the script's code: nothing is read, and nobody is told.
local function is_quiet(self)
  return self.run.n >= 0 and not self.run.progress and not self.callbacks and not self.watchers
end

-- Whether somebody wants to know when it is done.
local function is_told(self)
  return self.callbacks or self.watchers
end

-- Futures that have news, and somebody to tell, but came up while the script did not wait.
local due = new_queue()

--- Takes what has come home of futures that nobody asks for, so that it does not pile up.
function Future.tidy()
  for id in core.next do
    local future = waiting[id]
    if future and is_quiet(future) then
      take_ready(future)
    elseif future and is_told(future) then
      put(due, future)
    end
  end
end

-- Takes what a future has for which there are news.
local function attend(future, awaited, shown)
  if future and (future == awaited or is_told(future)) then
    poll(future, shown)
  elseif future and is_quiet(future) then
    take_ready(future)
  end
end

-- Takes what those have that came up meanwhile.
local function attend_to_due()
  for future in take_first, due do
    attend(future)
  end
end

-- Waits for a future, and meanwhile for any other that has news, for some seconds or for ever.
local function wait_for_news(awaited, seconds, shown)
  if is_in_use(awaited) then
    error(NO_WAIT, 0)
  end
  local id
  if shown then
    id = shown:wait(awaited.run.job, seconds)
  else
    id = core.next(awaited.run.job, seconds)
  end
  attend(waiting[id], awaited, shown)
end

local function is_older(a, b)
  return a.number < b.number
end

--- The futures of a set, in the order in which they were made.
function Future.in_order(set)
  local futures = {}
  for future in pairs(set) do
    futures[#futures + 1] = future
  end
  table.sort(futures, is_older)
  return futures
end

-- Takes what there is of other futures. Inline, those with callbacks would not run otherwise.
local function attend_to_others(self)
  attend_to_due()
  for id in core.next do
    attend(waiting[id])
  end
  if next(self.pool.told) and core.runs_when_asked(self.pool.workers) then
    for _, other in ipairs(Future.in_order(self.pool.told)) do
      poll(other)
    end
  end
end

local function wait_until_done(self, seconds)
  if self.is_done then
    -- Not in a callback, which mostly asks for its own future: those of others would run within it, each in the last.
    if n_calling == 0 then
      attend_to_others(self)
    end
    return true
  end
  local shown <close> = self.run.progress
  local deadline = seconds and core.now() + seconds
  attend_to_due()
  poll(self)
  while not self.is_done do
    local left = deadline and deadline - core.now()
    if left and left <= 0 then
      return false
    end
    wait_for_news(self, left, shown)
    poll(self, shown)
  end
  attend_to_others(self)
  return true
end

-- Ends it, whoever waits for it.
local function drop(self)
  if not self.is_done then
    settle(self, errors.new("cancelled", "cancelled"))
  end
end

local function wait(self, seconds)
  return wait_for(wait_until_done, drop, self, seconds)
end

-- {== Methods =====================================================================================

local n_made = 0

--- Makes a future of a run that has been fed.
-- @tparam table run
-- @tparam boolean is_call it is one call, whose values `get` returns, and not a map
-- @tparam table pool has a set `open` of futures that are not done, and a set `told` of those among them that
-- have callbacks to run
function Future.new(run, is_call, pool)
  n_made = n_made + 1
  local self = {run = run, is_call = is_call, pool = pool, id = run.job:report(), number = n_made}
  setmetatable(self, Future)
  waiting[self.id], pool.open[self] = self, true
  run.job:note_caller()
  if run.progress then
    run.progress:be_guest()
    run.progress.on_error = function(err) settle(self, err) end
  end
  return self
end

--- Sends the items of a map, as far as they are known. An error of what they are read from is the future's; that no
-- worker can be started is raised.
function Future:begin()
  local run = self.run
  local fed, err = run:try_to_feed(run.n >= 0 and math.maxinteger or nil)
  if not fed then
    settle(self, err, true)
  end
  if run.job:lacks_worker() then
    errors.raise(err)
  end
  Future.tidy()
end

-- Checks that a method was called on a future, and may be.
local function check_self(self, where, may_wait)
  check.self(self, Future, "future", where)
  if may_wait and is_in_use(self) then
    core.blame(NO_WAIT)
  end
end

local function check_seconds(where, seconds)
  if seconds ~= nil and (type(seconds) ~= "number" or seconds ~= seconds) then
    check.refuse(where, 1, "seconds", type(seconds) == "number" and "nan" or type(seconds))
  end
end

--- Waits until it is done, for some seconds or for ever.
-- @tparam[opt] number seconds
-- @treturn boolean whether it is done
function Future:wait(seconds)
  check_self(self, "wait", true)
  check_seconds("wait", seconds)
  return wait(self, seconds)
end

--- Its values: of a call all that it returned, of a map results, and collected errors.
-- @tparam[opt] number seconds to wait; for ever without
-- @raise its error, the same each time; an error of kind "timeout" saying "timed out" when it is not done in time
function Future:get(seconds)
  check_self(self, "get", true)
  check_seconds("get", seconds)
  if not wait(self, seconds) then
    errors.raise(errors.new("timeout", "timed out"))
  end
  if self.has_failed then
    errors.raise(self.failure)
  end
  if not self.is_call then
    return self.run.job:outcome()
  end
  local values = self.run.job:results()[1]
  return table.unpack(values, 1, values.n)
end

--- Whether it is done, without waiting.
function Future:done()
  check_self(self, "done")
  poll(self)
  return self.is_done == true
end

--- Whether it is done and `get` will raise no error, without waiting.
function Future:ok()
  check_self(self, "ok")
  poll(self)
  return self.is_done == true and not self.has_failed
end

--- Drops what has not begun and ends what runs. The future then fails with an error of kind "cancelled".
-- @treturn boolean false where it was done already
function Future:cancel()
  check_self(self, "cancel")
  take_ready(self)
  if self.is_done then
    return false
  elseif is_in_use(self) then
    core.blame(NO_END)
  end
  drop(self)
  return true
end

--- Has a function called with the future once it is done: on the caller's thread, while the caller
-- waits for any future, or asks whether this one is done.
-- @tparam function callback
-- @treturn table the future
function Future:on_done(callback)
  check_self(self, "on_done")
  check.callable("on_done", 1, callback)
  take_ready(self)
  if self.is_done then
    self.callbacks = {callback}
    run_callbacks(self)
  else
    self.callbacks = self.callbacks or {}
    table.insert(self.callbacks, callback)
    self.pool.told[self] = true
  end
  return self
end

-- {== As they finish ==============================================================================

-- An iteration over futures as they finish. Each is looked at once, in order; those that are not done then come to
-- `ready` when they are.
local Completion = {}
Completion.__index = Completion
Completion.__marshal = "cannot send an iterator over futures: get() their values first"

-- The next future of the list that has not been looked at, where there is one: also of those that were appended.
function Completion:meet()
  self.n_met = self.n_met + 1
  local future = self.futures[self.n_met]
  check.future("as_completed", self.n_met, future, Future)
  poll(future)
  if future.is_done then
    return future
  end
  future.watchers = future.watchers or {}
  table.insert(future.watchers, self.ready)
  table.insert(self.left, future)
  self.n_left = self.n_left + 1
  if future.run.progress then
    table.insert(self.bars, future)
  end
end

-- The next one that is ready.
function Completion:take()
  local future = take_first(self.ready)
  if future then
    self.n_left = self.n_left - 1
  end
  return future
end

-- The progress of the first future that shows any: a screen has room for one.
function Completion:progress()
  while self.bars[1] and self.bars[1].is_done do
    table.remove(self.bars, 1)
  end
  return self.bars[1] and self.bars[1].run.progress
end

-- The first future that is left and can be waited for.
function Completion:first_left()
  local left = self.left
  while left[self.first].is_done do
    left[self.first] = false
    self.first = self.first + 1
  end
  for i = self.first, #left do
    if left[i] and not left[i].is_done and not is_in_use(left[i]) then
      return left[i]
    end
  end
  error(NO_WAIT, 0)
end

-- One that is done, as far as that can be told without waiting.
function Completion:find()
  local future = self:take()
  while not future and self.n_met < #self.futures do
    future = self:meet()
  end
  return future
end

-- The next one that is done, waited for.
local function complete(self)
  attend_to_due()
  local future = self:find()
  if future then
    return future
  end
  local shown <close> = self:progress()
  while not future and self.n_left > 0 do
    wait_for_news(self:first_left(), nil, shown)
    future = self:find() -- callbacks may have appended to the list
  end
  return future
end

-- Ends all of the list: the one that is awaited is whichever is done first.
local function drop_all(self)
  for _, future in ipairs(self.futures) do
    pcall(drop, future)
  end
end

function Completion:next()
  return wait_for(complete, drop_all, self)
end

--- Iterates over futures as they finish: `for future in parallel.as_completed(futures) do`. Those that are appended to
-- the list meanwhile are part of it.
-- @tparam table futures a list
function Future.as_completed(futures)
  check.futures("as_completed", 1, futures, Future)
  local self = {futures = futures, n_met = 0, ready = new_queue(), left = {}, first = 1, n_left = 0}
  self.bars = {}
  setmetatable(self, Completion)
  return function()
    return self:next()
  end
end

return Future
