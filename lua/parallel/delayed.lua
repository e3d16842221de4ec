--- Calls that are written down to be made later, as joblib's users know them.
-- @module parallel.delayed

local check = require "parallel.check"
local source = require "parallel.source"

local delayed = {}

-- Calls may travel to other states: there, too, this is their metatable, which has a name.
local Call = {__name = "parallel.call"}
delayed.type = Call

--- Notes a call: `delayed.new(f)(...)`.
-- @tparam function f
-- @treturn function takes the arguments, returns the call
function delayed.new(f)
  return function(...)
    return setmetatable({f = f, arguments = table.pack(...)}, Call)
  end
end

local function check_call(call, number)
  if getmetatable(call) ~= Call then
    check.refuse("run", 1, ("item %d: a call made by 'delayed'"):format(number), type(call))
  end
  return call
end

-- A row of arguments for the function below. The function of the first call goes with the map, that
-- of another call with its arguments.
local function row_of(call, first)
  local arguments = call.arguments
  local row = table.move(arguments, 1, arguments.n, 2, {n = arguments.n + 1})
  row[1] = not rawequal(call.f, first) and call.f or false
  return row
end

local function make_function(first)
  return function(other, ...)
    if other then
      return other(...)
    end
    return first(...)
  end
end

-- Checks the calls of a list. Returns whether all are of one function.
local function check_list(calls, n, first)
  local are_alike = true
  for i = 2, n do
    are_alike = rawequal(check_call(calls[i], i).f, first) and are_alike
  end
  return are_alike
end

-- Calls of one function are a map of that, whose errors then are those of any map.
local function plan_list(calls, n, first)
  local rows, are_alike = {}, check_list(calls, n, first)
  for i = 1, n do
    rows[i] = are_alike and calls[i].arguments or row_of(calls[i], first)
  end
  return are_alike and first or make_function(first), rows
end

local function rows_of_iterator(next_call, call, first)
  local i = 1
  return function()
    if call == nil then
      return nil
    end
    local row = row_of(check_call(call, i), first)
    call, i = next_call(), i + 1
    return row
  end
end

--- What a map over calls maps, and over which rows.
-- @param calls a list or an iterator of calls
-- @treturn function
-- @return rows, or an iterator of rows
function delayed.plan(calls)
  local n = source.measure(calls, true)
  if n == 0 then
    return make_function(nil), {}
  elseif n > 0 then
    local first = check_call(calls[1], 1).f
    return plan_list(calls, n, first)
  end
  local call = calls()
  if call == nil then
    return make_function(nil), {}
  end
  local first = check_call(call, 1).f
  return make_function(first), rows_of_iterator(calls, call, first)
end

return delayed
