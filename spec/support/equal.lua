-- Returns `equal(actual, expected)`, which raises an error unless both are the same or are tables
-- with the same content. Integers differ from floats; a NaN is equal to a NaN.

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

local function are_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return math.type(a) == math.type(b) and (a == b or a ~= a and b ~= b)
  end
  for key, value in pairs(a) do
    if not are_same(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

return function(actual, expected)
  if not are_same(actual, expected) then
    error(("expected %s, got %s"):format(show(expected), show(actual)), 2)
  end
end
