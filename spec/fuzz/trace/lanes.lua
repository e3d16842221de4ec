--- Runs a program in the lanes that are to be compared. Policy: one chunk of calls on one worker, so that they are
-- made one after the other in one state; between them, and twice for each row of arguments, calls that tell what is
-- captured.
-- @module trace.lanes

local core = require "parallel.core"
local same = require "trace.same"

local lanes = {}

local MEMORY_BYTES, TIMEOUT_S = 400000, 0.1

--- The first argument of calls that tell what is captured: a number, so that other calls may have numbers alone.
lanes.SEEN = 424242

--- Whether calls can be proved here to leave no trace.
-- @treturn boolean
function lanes.are_proved(workers)
  return workers:stats().proved ~= nil
end

-- The rows in the order in which calls are made with them; 0 is the call that tells what is captured.
local function order_of(n_rows)
  local order = {0}
  for i = 1, n_rows do
    order[#order + 1] = i
    order[#order + 1] = 0
  end
  for i = n_rows, 1, -1 do
    order[#order + 1] = i
  end
  order[#order + 1] = 0
  return order
end

-- The options of all calls. A limit of time costs a thread: only those have one that may run for ever.
local function options_of(flags, init)
  return {
    errors = "collect", pack = true, seed = 7, workers = 1, init = init,
    timeout = (flags.endless or flags.timed or flags.bare) and TIMEOUT_S or nil,
    memory = flags.memory and MEMORY_BYTES or nil,
  }
end

-- What a call has come to, in one table.
local function outcome(results, errors, i)
  local err = errors[i]
  if err then
    return {kind = err.kind, message = err.message, value = err.value, traceback = err.traceback, unsent = err.unsent}
  end
  return results[i]
end

--- Makes the calls of a program.
-- @param workers of `core.new_workers`
-- @tparam table flags of the program
-- @tparam function f
-- @tparam ?function init
-- @tparam {table,...} rows
-- @tparam integer prove_after how many calls are put back before the proof is tried
-- @treturn {table,...} what each call has come to, or one that none could be made
-- @treturn {integer,...} for each the number of its row, 0 for those that tell what is captured
function lanes.run(workers, flags, f, init, rows, prove_after)
  local order, items, is_rows = order_of(#rows), {}, rows[1].n > 1
  for i, number in ipairs(order) do
    local row = rows[number] or {lanes.SEEN, n = 3}
    items[i] = is_rows and row or row[1]
  end
  -- As `parallel.map` makes it (lua/parallel/run.lua).
  core.prove_after(prove_after)
  local made, results, errors =
    pcall(core.map, options_of(flags, init), workers, f, items, is_rows, #items, nil, nil, #items)
  if not made then
    return {{kind = "unsent", message = results.message}}, {0}
  end
  local outcomes = {}
  for i = 1, #order do
    outcomes[i] = outcome(results, errors, i)
  end
  return outcomes, order
end

--- Whether a call has not come to its end in time, so that nothing can be said of it.
-- @treturn boolean
function lanes.has_timeout(outcomes)
  for _, outcome_of_call in ipairs(outcomes) do
    if outcome_of_call.kind == "timeout" then
      return true
    end
  end
  return false
end

--- Compares calls with the same row in one lane: none has seen anything of those before it.
-- @treturn ?integer the number of the first call that differs from one before it
-- @treturn ?integer the number of that
function lanes.find_trace(outcomes, order)
  local first = {}
  for i, row in ipairs(order) do
    first[row] = first[row] or i
    if not same(outcomes[first[row]], outcomes[i]) then
      return i, first[row]
    end
  end
end

--- Compares the calls of two lanes.
-- @treturn ?integer the number of the first call that differs
function lanes.find_difference(outcomes, others)
  for i = 1, math.max(#outcomes, #others) do
    if not same(outcomes[i], others[i]) then
      return i
    end
  end
end

return lanes
