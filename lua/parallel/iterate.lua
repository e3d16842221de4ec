--- Results as they become ready: in order, or as they come.
-- Sources are read only as far ahead as keeps the workers busy. Leaving the loop drops what is ahead.
-- @module parallel.iterate

local errors = require "parallel.errors"
local wait_for = require "parallel.wait"

local iterate = {}

-- Chunks that are under way or whose results wait to be taken, for each that keeps the workers busy.
local LEAD = 2

-- An iteration over the results of a run. Chunks that have come home wait in `chunks` by the number
-- of their first call.
local Iteration = {}
Iteration.__index = Iteration
Iteration.__marshal = "cannot send an iterator over results: collect it first" -- the text of the error

local function new_iteration(run, raises)
  local self = {
    run = run,
    raises = raises,
    results = run.job:results(),
    errors = run.job:errors(),
    chunks = {},
    n_chunks = 0,
    n_unsent = 0, -- items that could not be sent, and have not been given
    current = nil,
    last = 0,
  }
  return setmetatable(self, Iteration)
end

-- Reads items as far as keeps the workers busy. An error of what it reads ends them: it is raised after the results of
-- those before; but at once where it is that no worker can be started.
function Iteration:feed()
  local run = self.run
  local lead = LEAD * run.most_chunks - self.n_chunks
  local fed, n_unsent = run:try_to_feed(math.max(1, math.min(run.most_chunks, lead)))
  if fed then
    self.n_unsent = self.n_unsent + n_unsent
  elseif run.job:lacks_worker() then
    errors.raise(n_unsent)
  else
    self.has_failed, self.failure = true, n_unsent
  end
end

-- Waits for one more chunk; returns the number of its first call, or nil at the end.
local function receive(self)
  local run = self.run
  run:check_open()
  self:feed()
  local n_calls, first = run:collect()
  if n_calls == 0 then
    return receive(self) -- a chunk that a failure has cut before its first call
  elseif n_calls then
    self.chunks[first] = n_calls
    self.n_chunks = self.n_chunks + 1
    return first
  end
  if run.job:has_ended() or run.job:is_stopped() then
    return nil
  end
  return receive(self)
end

local function drop(self)
  self.run:close()
end

function Iteration:receive()
  return wait_for(receive, drop, self)
end

-- Makes the chunk that begins with call `first` the current one.
function Iteration:enter(first)
  self.current, self.last = first, first + self.chunks[first] - 1
  self.chunks[first] = nil
  self.n_chunks = self.n_chunks - 1
end

-- Takes the next result of the current chunk.
function Iteration:take()
  local i = self.current
  self.current = i < self.last and i + 1 or nil
  local value, failure = self.results[i], self.errors[i]
  self.results[i], self.errors[i] = nil, nil
  if self.run.stores and not failure then
    value = self.run.job:stored(i)
  end
  if failure and self.raises then
    errors.raise(failure)
  end
  return i, value, failure
end

-- Calls whose arguments could not be sent are in no chunk: their errors stand for them.
function Iteration:is_unsent(i)
  return self.errors[i] ~= nil and not self.chunks[i]
end

-- At the end there is nothing to give; a map that a failure has stopped raises it, and so does one whose items came to
-- an end by an error.
function Iteration:finish()
  if self.run.job:is_stopped() then
    self.run:fail()
  elseif self.has_failed then
    error(self.failure, 0)
  end
  self.run.job:settle()
end

-- The next result in order; nothing at the end.
function Iteration:next_in_order()
  local i = (self.taken or 0) + 1
  while not self.current do
    if self.chunks[i] then
      self:enter(i)
    elseif self:is_unsent(i) then
      self.current, self.last = i, i
    elseif not self:receive() and not self.chunks[i] and not self:is_unsent(i) then
      return self:finish()
    end
  end
  self.taken = i
  return self:take()
end

-- Whether a call belongs to a chunk that waits to be taken.
function Iteration:is_in_chunk(i)
  for first, n_calls in pairs(self.chunks) do
    if i >= first and i < first + n_calls then
      return true
    end
  end
  return false
end

-- The number of an item that could not be sent.
function Iteration:find_unsent()
  for i in pairs(self.errors) do
    if not self:is_in_chunk(i) then
      return i
    end
  end
end

-- Makes what is there the current chunk, items that could not be sent first; returns false at the end.
function Iteration:enter_any()
  local first = self.n_unsent == 0 and (next(self.chunks) or self:receive())
  if self.n_unsent > 0 then
    local unsent = self:find_unsent()
    self.n_unsent = self.n_unsent - 1
    self.current, self.last = unsent, unsent
  elseif first then
    self:enter(first)
  end
  return self.current ~= nil
end

-- Any result that is there; nothing at the end.
function Iteration:next_ready()
  if self.current or self:enter_any() then
    return self:take()
  end
  return self:finish()
end

local function iterator(run, raises, step)
  run.job:note_caller()
  if run.progress then
    run.progress:be_guest()
  end
  local iteration = new_iteration(run, raises)
  return function()
    return step(iteration)
  end, nil, nil, run
end

--- For a loop `for i, value, err in ...`, in order.
-- @tparam table run a map that has begun
-- @tparam boolean raises errors are raised; otherwise they are the loop's third value
function iterate.in_order(run, raises)
  return iterator(run, raises, Iteration.next_in_order)
end

--- The same, each result as soon as it is there.
function iterate.as_ready(run, raises)
  return iterator(run, raises, Iteration.next_ready)
end

return iterate
