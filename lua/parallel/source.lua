--- Where the items of a map come from: a sequence, a range, or an iterator.
-- A source feeds a job with chunks of its items, one at a time, so that no more than is under way
-- is ever read ahead.
-- @module parallel.source

local check = require "parallel.check"
local range = require "parallel.range"

local source = {}

-- Each kind has `feed(self, job)`, which puts a chunk into the job, moves `next` on, sets `ended`
-- once there are no more items, and returns the error of an item that cannot be sent, if any.

local Sequence = {}
Sequence.__index = Sequence

function Sequence:feed(job)
  local failure
  self.next, self.ended, failure = job:feed(self.items, self.next, self.n, self.is_rows)
  self.ended = self.ended or self.n >= 0 and self.next > self.n
  return failure
end

local Range = {}
Range.__index = Range

function Range:feed(job)
  self.next, self.ended = job:feed_range(self.items.first, self.items.step, self.next, self.n)
  self.ended = self.ended or self.next > self.n
end

local function length(items)
  local n = check.integer(rawget(items, "n"))
  return n and n >= 0 and n or #items
end

--- Makes a source.
-- @param items a sequence, a range, or an iterator function
-- @tparam boolean is_rows each item is a table of arguments
-- @treturn table the source; `n` is how many items it has, -1 where nobody knows
function source.new(items, is_rows)
  local self = {items = items, is_rows = is_rows, next = 1, ended = false}
  if type(items) == "function" then
    self.n = -1
    return setmetatable(self, Sequence)
  end
  self.n = length(items)
  self.ended = self.n == 0
  local is_plain_range = range.is(items) and not is_rows
  return setmetatable(self, is_plain_range and Range or Sequence)
end

return source
