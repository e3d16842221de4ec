--- A sequence of evenly spaced numbers that is never built.
-- It stands anywhere a sequence does: `#range`, `range[i]`, `ipairs(range)` and `pairs(range)` work.
-- @module parallel.range

local check = require "parallel.check"
local core = require "parallel.core"

local range = {}

--- The metatable of ranges. Their fields are `first`, `step` and `n`, how many numbers there are.
range.type = {__name = "parallel.range"}

--- Number i of the range; nil outside it.
function range.type:__index(key)
  local i = type(key) == "number" and math.tointeger(key)
  if not i or i < 1 or i > self.n then
    return nil
  end
  return self.first + (i - 1) * self.step
end

function range.type:__len()
  return self.n
end

-- Its fields are its own.
function range.type:__pairs()
  return ipairs(self)
end

function range.type:__newindex()
  core.blame("a range cannot be changed")
end

-- n // d of integers that are taken as unsigned.
local function unsigned_quotient(n, d)
  if d < 0 then
    return math.ult(n, d) and 0 or 1
  end
  if n >= 0 then
    return n // d
  end
  local quotient = (n >> 1) // d << 1
  return math.ult(n - quotient * d, d) and quotient or quotient + 1
end

-- The last integer that may be in a range of integers up to `last`, a float.
local function integer_limit(last, step)
  local limit = step > 0 and math.floor(last) or math.ceil(last)
  if math.type(limit) == "integer" then
    return limit
  end
  return last > 0 and math.maxinteger or math.mininteger
end

-- How many numbers first + i * step there are up to last; not positive where an integer cannot
-- hold it.
local function count(first, last, step)
  local is_integer = math.type(first) == "integer" and math.type(step) == "integer"
  if is_integer and math.type(last) == "float" then
    last = integer_limit(last, step)
  end
  if step > 0 and first > last or step < 0 and first < last then
    return 0
  end
  if not is_integer then
    return math.tointeger((last - first) // step + 1) or -1
  end
  local distance = step > 0 and last - first or first - last
  local n = unsigned_quotient(distance, step > 0 and step or -step) + 1
  return n > 0 and n or -1
end

local function check_number(number, value)
  if type(value) ~= "number" then
    check.refuse("range", number, "number", type(value))
  end
  if value ~= value or value == math.huge or value == -math.huge then
    core.blame(("bad argument #%d to 'range' (a finite number expected)"):format(number))
  end
end

--- Makes a range, of integers where all arguments are integers, otherwise of floats.
-- @tparam number first
-- @tparam number last it is in the range where the steps meet it
-- @tparam[opt=1] number step not 0
-- @treturn table the range
function range.new(first, last, step)
  step = step == nil and 1 or step
  check_number(1, first)
  check_number(2, last)
  check_number(3, step)
  if step == 0 then
    core.blame("bad argument #3 to 'range' (the step must not be 0)")
  end
  local n = count(first, last, step)
  if n < 0 then
    core.blame("bad argument #2 to 'range' (too many numbers)")
  end
  if math.type(first) ~= "integer" or math.type(step) ~= "integer" then
    first, step = first + 0.0, step + 0.0
  end
  return setmetatable({first = first, step = step, n = n}, range.type)
end

--- Whether a value is a range.
function range.is(value)
  return getmetatable(value) == range.type
end

return range
