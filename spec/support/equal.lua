-- Returns `equal(actual, expected)`, which raises an error unless both are the same or are tables
-- with the same content. Integers differ from floats; a NaN is equal to a NaN. The results of a map may be
-- compared with a list: where that has no `n`, theirs must be an integer that is not less than its length.
-- And `counting([last])`, which makes an iterator that counts from 1 to `last`, or without end.

local function show(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for key, item in pairs(value) do
    table.insert(parts, ("[%s] = %s"):format(show(key), type(item) == "table" and "{...}" or show(item)))
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ", 1, math.min(#parts, 50)) .. "}"
end

-- Whether a key is `n` of results, which the list that they are compared with lacks.
local function is_count(key, n, list)
  return key == "n" and list.n == nil and math.type(n) == "integer" and n >= #list
end

local function are_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return math.type(a) == math.type(b) and (a == b or a ~= a and b ~= b)
  end
  for key, value in pairs(a) do
    if not is_count(key, value, b) and not are_same(value, b[key]) then
      return false
    end
  end
  for key, value in pairs(b) do
    if a[key] == nil and not is_count(key, value, a) then
      return false
    end
  end
  return true
end

local function equal(actual, expected)
  if not are_same(actual, expected) then
    error(("expected %s, got %s"):format(show(expected), show(actual)), 2)
  end
end

local function counting(last)
  local i = 0
  return function()
    i = i + 1
    if not last or i <= last then return i end
  end
end

return equal, counting
