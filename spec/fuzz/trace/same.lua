--- Whether two values are the same to the bit: numbers with type, sign and kind of NaN, tables with what they share
-- and their metatables, functions with code and upvalues, arrays with type, shape and
-- numbers. Policy: what no two states have alike, an address in a text, is no difference; keys that are tables or
-- functions are only counted.
-- @module trace.same

local function has_address(text)
  text = text:gsub("%W", "") -- its characters may have been set apart
  return text:find "0[xX]%x%x%x%x%x" or text:find "%x%x%x%x%x[xX]0" -- of a text that was reversed
end

local same_value

local function same_number(a, b)
  if a == b and a ~= 0 then
    return math.type(a) == math.type(b)
  end
  return math.type(a) == math.type(b) and string.pack(">n", a) == string.pack(">n", b)
end

local function same_text(a, b)
  return a == b or #a == #b and has_address(a) and has_address(b)
end

-- Notes that two things with identities stand at the same place. Returns false where one of them stood with another
-- before, but where values may be loosely the same; and whether the two were seen before.
local function note_pair(a, b, pairs_seen)
  if pairs_seen.loosely then
    local others = pairs_seen[a] or {}
    pairs_seen[a] = others
    local was_seen = others[b] or false
    others[b] = true
    return true, was_seen
  end
  local before = pairs_seen[a]
  if before or pairs_seen[b] then
    return before == b and pairs_seen[b] == a, true
  end
  pairs_seen[a], pairs_seen[b] = b, a
  return true, false
end

-- The upvalues of two functions; those that one shares with another are shared by both.
local function same_upvalues(a, b, pairs_seen)
  for i = 1, 255 do
    local name, x = debug.getupvalue(a, i)
    local other, y = debug.getupvalue(b, i)
    if not name or not other then
      return name == other
    end
    if not note_pair(debug.upvalueid(a, i), debug.upvalueid(b, i), pairs_seen) then
      return false
    end
    if name ~= "_ENV" and not same_value(x, y, pairs_seen) then
      return false
    end
  end
end

local function same_function(a, b, pairs_seen)
  if debug.getinfo(a, "S").what == "C" or debug.getinfo(b, "S").what == "C" then
    return false -- rawequal has said so
  end
  local is_same, was_seen = note_pair(a, b, pairs_seen)
  if not is_same or was_seen then
    return is_same
  end
  return string.dump(a) == string.dump(b) and (pairs_seen.is_at_home or same_upvalues(a, b, pairs_seen))
end

local function same_content(a, b, pairs_seen)
  local n_a, n_b, n_unnamed = 0, 0, 0
  for key, value in next, a do
    n_a = n_a + 1
    if type(key) == "table" or type(key) == "function" then
      n_unnamed = n_unnamed + 1
    elseif not same_value(value, rawget(b, key), pairs_seen) then
      return false
    end
  end
  for key in next, b do
    n_b = n_b + 1
    if type(key) == "table" or type(key) == "function" then
      n_unnamed = n_unnamed - 1
    end
  end
  return n_a == n_b and n_unnamed == 0
end

-- The metatable of a table that comes home is the one that the script has, and not as the call has left it: in plain
-- Lua the upvalues of its functions may be others.
local function same_metatable(a, b, pairs_seen)
  local was_at_home = pairs_seen.is_at_home
  pairs_seen.is_at_home = pairs_seen.loosely
  local is_same = same_value(debug.getmetatable(a), debug.getmetatable(b), pairs_seen)
  pairs_seen.is_at_home = was_at_home
  return is_same
end

local function same_table(a, b, pairs_seen)
  local is_same, was_seen = note_pair(a, b, pairs_seen)
  if not is_same or was_seen then
    return is_same
  end
  return same_metatable(a, b, pairs_seen) and same_content(a, b, pairs_seen)
end

-- Arrays, the only userdata here: one that comes home twice is two.
local function same_array(a, b, pairs_seen)
  return a.type == b.type and same_value(a.shape, b.shape, pairs_seen) and
    same_value(a:totable(), b:totable(), pairs_seen)
end

local BY_TYPE = {
  number = same_number, string = same_text, table = same_table, ["function"] = same_function, userdata = same_array,
}

function same_value(a, b, pairs_seen)
  local kind = type(a)
  if kind ~= type(b) then
    return false
  end
  local compare = BY_TYPE[kind]
  if compare and (kind == "number" or not rawequal(a, b)) then
    return compare(a, b, pairs_seen)
  end
  return rawequal(a, b)
end

--- Compares two values.
-- @tparam[opt=false] boolean loosely it does not matter which of their tables are shared
-- @treturn boolean
return function(a, b, loosely)
  return same_value(a, b, {loosely = loosely})
end
