--- The error values of failed calls.
-- Each is a table with `index` (which call), `item` (its argument), `kind`, `message`, `value` (what was thrown), where
-- that cannot be sent `unsent` (why), `traceback` (of the worker), `worker` (its number, not within a call), `host` (of
-- a pool that has some), `caller` (where in the script the map stands) and, once it was raised, `caller_traceback`. The
-- C half makes them and gives them this metatable.
-- @module parallel.errors

local core = require "parallel.core"

local errors = {}

--- The metatable of error values.
errors.type = core.error_type
errors.type.__name = "parallel.error"

-- How much of an item is shown.
local MOST_BYTES, MOST_FIELDS = 40, 4

local function show_string(text)
  if #text > MOST_BYTES then
    text = text:sub(1, MOST_BYTES) .. "..."
  end
  return ("%q"):format(text):gsub("\\\n", "\\n")
end

local function show_plain(value)
  if type(value) == "string" then
    return (show_string(value))
  elseif type(value) == "table" then
    return "{...}"
  elseif type(value) == "number" or type(value) == "boolean" or value == nil then
    return tostring(value)
  end
  return "a " .. type(value)
end

-- Tables that the module computes: their items are not in them.
local COMPUTED = {["parallel.range"] = "a range", ["parallel.grid"] = "a grid", ["parallel.sample"] = "a sample"}

local function name_of_computed(t)
  local metatable = getmetatable(t)
  return type(metatable) == "table" and COMPUTED[rawget(metatable, "__name")]
end

-- The names among the keys of a table, sorted.
local function names_of(t)
  local names = {}
  for key in next, t do
    if type(key) == "string" and key ~= "n" then
      names[#names + 1] = key
    end
  end
  table.sort(names)
  return names
end

-- A key, as a table constructor has it.
local function show_name(name)
  return name:find "^[%a_][%w_]*$" and name or ("[%s]"):format((show_string(name)))
end

local function show_table(t)
  local parts, n = {}, math.max(rawlen(t), math.tointeger(rawget(t, "n")) or 0)
  for i = 1, math.min(n, MOST_FIELDS) do
    parts[i] = show_plain(rawget(t, i))
  end
  for _, name in ipairs(names_of(t)) do
    n = n + 1
    if n <= MOST_FIELDS then
      parts[n] = show_name(name) .. " = " .. show_plain(rawget(t, name))
    end
  end
  return "{" .. table.concat(parts, ", ") .. (n > MOST_FIELDS and ", ...}" or "}")
end

-- An item, shortened.
local function show(item)
  if type(item) ~= "table" then
    return show_plain(item)
  end
  return name_of_computed(item) or show_table(item)
end

-- Which call failed; nothing for an error of none.
local function call_of(err)
  if not err.index then
    return ""
  end
  local item = err.item ~= nil and (" (item %s)"):format(show(err.item)) or ""
  return ("call %d%s failed: "):format(err.index, item)
end

-- On which host, and by which of its workers, a call was made.
local function where(err)
  return (" (on host '%s'%s)"):format(err.host, err.worker and ", worker " .. err.worker or "")
end

-- Of maps within maps so many are shown, from the outermost on.
local MOST_MAPS = 3

--- One line: where the map stands, which call failed, what happened; of maps within maps for each of them.
function errors.type.brief(err)
  local parts, n_maps, kind = {}, 0, err.kind
  local host = err.host and where(err) or ""
  while true do
    n_maps = n_maps + 1
    local place = err.caller and err.caller .. ": " or ""
    if n_maps <= MOST_MAPS then
      parts[n_maps] = place .. call_of(err)
    end
    if getmetatable(err.value) ~= errors.type then
      break
    end
    err = err.value
  end
  if n_maps > MOST_MAPS then
    parts[#parts + 1] = ("(%d maps deeper) "):format(n_maps - MOST_MAPS)
  end
  local unsent = err.unsent and (" (what was thrown cannot be had: %s)"):format(err.unsent) or ""
  local message = tostring(err.message) .. unsent
  return table.concat(parts) .. message .. (kind ~= "error" and (" (%s)"):format(kind) or "") .. host
end

-- Adds the tracebacks of the worker: of a map within a map, the innermost first.
local function add_tracebacks(err, lines)
  if getmetatable(err.value) == errors.type then
    add_tracebacks(err.value, lines)
  end
  if err.traceback and err.traceback ~= "" then
    lines[#lines + 1] = "in the call, " .. err.traceback
  end
end

--- Reads well on a terminal.
function errors.type:__tostring()
  local lines = {errors.type.brief(self)}
  add_tracebacks(self, lines)
  if self.caller_traceback and self.caller_traceback:find "\n" then -- a tail call leaves no line
    lines[#lines + 1] = "in the script, " .. self.caller_traceback
  end
  return table.concat(lines, "\n")
end

function errors.type.__concat(a, b)
  return tostring(a) .. tostring(b)
end

--- Makes an error value that belongs to no call.
-- @tparam string kind one of the kinds of errors, such as "timeout"
-- @param value what was thrown
-- @treturn table the error value
function errors.new(kind, value)
  local fields = {kind = kind, message = tostring(value), value = value, traceback = "", caller = core.caller()}
  return setmetatable(fields, errors.type)
end

--- Raises an error value, which tells from then on where the script was.
-- @function errors.raise
errors.raise = core.raise

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
