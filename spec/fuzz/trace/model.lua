--- What a call comes to in plain Lua, where nothing is shared: the program is loaded anew for each. Policy: what a
-- program does to the state of the fuzzer is taken back; programs that change libraries have no model.
-- @module trace.model

local lanes = require "trace.lanes"
local same = require "trace.same"

local model = {}

local MOST_INSTRUCTIONS = 3e6

local is_global = {}
for name in next, _G do
  is_global[name] = true
end

--- Takes back the globals that a program has made.
function model.tidy()
  for name in next, _G do
    if not is_global[name] then
      _G[name] = nil
    end
  end
end

-- Makes a call in a world of its own; returns what `pcall` does.
local function call(source, row)
  local f, init, rows = assert(load(source, "=program"))()
  if init then
    init()
  end
  local function endless() error("endless", 0) end
  debug.sethook(endless, "", MOST_INSTRUCTIONS)
  local outcome = table.pack(pcall(f, table.unpack(rows[row] or {lanes.SEEN}, 1, 3)))
  debug.sethook()
  collectgarbage "restart"
  model.tidy()
  return outcome
end

-- Texts that stand for the messages that contain them. How much stack there is, is a lane's affair; and with a hook, as
-- it is set here, Lua knows better than without in which line it divides by zero.
local SAME_EVERYWHERE = {"stack overflow", "attempt to perform 'n", "divide by zero"}

local function message_of(message)
  for _, text in ipairs(SAME_EVERYWHERE) do
    if type(message) == "string" and message:find(text, 1, true) then
      return text
    end
  end
  return message
end

-- Whether a call in a lane has come to the same. Of an error only the message is compared: its
-- traceback is of the lane.
local function agrees(outcome, expected)
  if expected[1] then
    table.remove(expected, 1)
    expected.n = expected.n - 1
    return same(outcome, expected, true)
  elseif type(expected[2]) == "string" then
    return same(message_of(outcome.message), message_of(expected[2]))
  end
  return outcome.value == nil or same(outcome.value, expected[2], true)
end

--- Whether plain Lua can say what the calls of a program come to.
function model.holds_for(program)
  local flags = program.flags
  return not (flags.random or flags.varies or flags.bare or flags.memory or flags.endless)
end

--- Compares the calls of a lane with those of plain Lua.
-- @tparam string source
-- @tparam {table,...} outcomes as `lanes.run` returns them
-- @tparam {integer,...} order likewise
-- @treturn ?integer the number of the first call that differs
-- @return what it comes to in plain Lua
function model.find_difference(source, outcomes, order)
  local done = {}
  for i, row in ipairs(order) do
    if not done[row] and outcomes[i].kind ~= "marshal" and outcomes[i].kind ~= "unsent" then
      done[row] = true
      local expected = call(source, row)
      if not agrees(outcomes[i], expected) then
        return i, expected
      end
    end
  end
end

return model
