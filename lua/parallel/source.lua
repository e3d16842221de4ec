--- Where the items of a map come from: a sequence, a range, or an iterator.
-- @module parallel.source

local check = require "parallel.check"
local core = require "parallel.core"
local range = require "parallel.range"

local source = {}

--- How many items there are, and where they follow a rule, that.
-- @param items a sequence, a range, an array, or an iterator function
-- @tparam boolean is_rows each item is a table of arguments
-- @treturn integer how many; -1 where nobody knows
-- @treturn ?number the first of a range
-- @treturn ?number its step
function source.measure(items, is_rows)
  if type(items) == "function" then
    return -1
  elseif not is_rows and range.is(items) then
    return items.n, items.first, items.step
  elseif type(items) == "userdata" then
    return (select(2, core.array_kind(items)))
  end
  local n = check.integer(rawget(items, "n"))
  return n and n >= 0 and n or #items
end

return source
