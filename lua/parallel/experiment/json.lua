--- Values as JSON, to be read by people and programs. What JSON has no form for is shown as text; the exact value
-- stands beside it in the store.
-- @module parallel.experiment.json

local json = {}

local MOST_DEPTH = 50

local ESCAPES = {['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t"}

local function escape(byte)
  return ESCAPES[byte] or ("\\u%04x"):format(byte:byte())
end

local function quoted(text)
  if not text:find '[^%w%p ]' and not text:find '["\\]' then
    return '"' .. text .. '"'
  elseif not utf8.len(text) then -- as bytes
    text = text:gsub("[\x80-\xFF]", function(byte) return utf8.char(byte:byte()) end)
  end
  return '"' .. text:gsub('[%c"\\\x7F]', escape) .. '"'
end

local function number(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value - value ~= 0 then
    return quoted(tostring(value))
  end
  local short = ("%.15g"):format(value)
  local text = tonumber(short) == value and short or ("%.17g"):format(value)
  return text:find "[.eE]" and text or text .. ".0"
end

local write

local function array(t, n, depth)
  local parts = {}
  for i = 1, n do
    parts[i] = write(rawget(t, i), depth)
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

-- An object whose keys are names: the most of them.
local function named_object(t, depth)
  local parts = {}
  for key in next, t do
    if type(key) ~= "string" then
      return nil
    end
    parts[#parts + 1] = key
  end
  table.sort(parts)
  for i, name in ipairs(parts) do
    parts[i] = quoted(name) .. ":" .. write(rawget(t, name), depth)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function object(t, depth)
  local names, values = {}, {}
  for key, value in next, t do
    local name = type(key) == "string" and key or tostring(key)
    names[#names + 1], values[name] = name, value
  end
  table.sort(names)
  for i, name in ipairs(names) do
    names[i] = quoted(name) .. ":" .. write(values[name], depth)
  end
  return "{" .. table.concat(names, ",") .. "}"
end

-- How long a table is as a list: -1 where it is none.
local function length(t)
  local n, n_keys = rawlen(t), 0
  local holes = math.tointeger(rawget(t, "n"))
  for _ in next, t do
    n_keys = n_keys + 1
  end
  if holes and holes >= n and n_keys <= holes + 1 and holes < 1e6 then
    return holes
  end
  return n == n_keys and n or -1
end

function write(value, depth)
  local kind = type(value)
  if kind == "nil" then
    return "null"
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind == "number" then
    return number(value)
  elseif kind == "string" then
    return quoted(value)
  elseif kind ~= "table" or depth > MOST_DEPTH then
    return quoted("(" .. kind .. ")")
  end
  local n = length(value)
  if n >= 0 and next(value) ~= nil then
    return array(value, n, depth + 1)
  end
  return named_object(value, depth + 1) or object(value, depth + 1)
end

--- A value as JSON.
-- @treturn string
function json.text(value)
  return write(value, 0)
end

return json
