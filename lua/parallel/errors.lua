--- The error values of failed calls.
-- Each is a table with `index` (which call), `kind`, `message`, `value` (what was thrown) and
-- `traceback` (of the worker). The C half makes them and gives them this metatable.
-- @module parallel.errors

local core = require "parallel.core"

local errors = {}

--- The metatable of error values.
errors.type = core.error_type
errors.type.__name = "parallel.error"

--- Reads well on a terminal: which call, what happened, where.
function errors.type:__tostring()
  local text = tostring(self.message)
  if self.index then
    text = ("call %d failed: %s"):format(self.index, text)
  end
  if self.kind ~= "error" then
    text = ("%s (%s)"):format(text, self.kind)
  end
  if self.traceback and self.traceback ~= "" then
    text = text .. "\nin the call, " .. self.traceback
  end
  return text
end

--- Makes an error value that belongs to no call.
-- @tparam string kind one of the kinds of api.md
-- @param value what was thrown
-- @treturn table the error value
function errors.new(kind, value)
  local fields = {kind = kind, message = tostring(value), value = value, traceback = ""}
  return setmetatable(fields, errors.type)
end

--- Raises the error of making a map: that of the system or of memory as it is, any other says that the
-- function cannot be sent.
function errors.raise_of_making(value)
  if getmetatable(value) == errors.type then
    error(value, 0)
  end
  error(errors.new(value == "not enough memory" and "memory" or "marshal", value), 0)
end

--- The error with the lowest index.
-- @tparam table found errors by index
-- @return the error, or nil where there is none
function errors.lowest(found)
  local lowest
  for index in pairs(found) do
    if not lowest or index < lowest then
      lowest = index
    end
  end
  return found[lowest]
end

return errors
