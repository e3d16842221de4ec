--- Looks for calls that were proved to leave no trace, and leave one. Makes random functions over random captured
-- values, and calls each some times in one state: once proving at once, once putting the state back after each call,
-- and once in plain Lua, where each call has a world of its own. Results, errors, and what is captured then must be
-- the same to the bit.
--
--   moons -b inline spec/fuzz/trace_fuzz.lua [--seed N] [--from N] [--count N] [--seconds N] [--keep FOLDER]
--     [--at FILE] [--elsewhere BACKEND]
--   moons -b inline spec/fuzz/trace_fuzz.lua --file FOUND
--
-- The n-th function of a seed is always the same. One that fails is made smaller and printed, and kept in FOLDER
-- where one is given; `--file` runs it again. FILE holds the number of the one that runs, also where that crashes.
-- With `--elsewhere processes` each function is called by that backend too.
-- Ends with 0, with 1 where a function has failed, with 2 where nothing can be proved here (then the other two are
-- compared).
local folder = arg[0]:match "^(.*)/" or "."
package.path = folder .. "/?.lua;" .. package.path

local Program = require "trace.program"
local core = require "parallel.core"
local forms = require "trace.forms"
local lanes = require "trace.lanes"
local model = require "trace.model"
local shrink = require "trace.shrink"

local NEVER = math.maxinteger
local FUNCTIONS_PER_RUNTIME = 2000
local RESTORED_SHARE = 16 -- one of so many functions that were not proved is put back too
local MODEL_SHARE = 8 -- one of so many functions is compared with plain Lua; where nothing is proved, all

collectgarbage "generational"

local function options_of(words)
  local options = {seed = os.time(), from = 1, count = 1 << 50, seconds = math.huge}
  for i = 1, #words, 2 do
    local name = words[i]:match "^%-%-(%l+)$"
    options[name or error("unknown word: " .. words[i])] = tonumber(words[i + 1]) or words[i + 1]
  end
  return options
end

-- {== One function ================================================================================

local workers, is_proved
local elsewhere -- workers of another backend, or nil
local counts = {
  functions = 0, calls = 0, errors = 0, proved_functions = 0, proved_calls = 0, restored = 0, modelled = 0,
  elsewhere = 0, unsent = 0, endless = 0, failed = 0,
}

-- A runtime of its own, so that what failed before cannot matter.
local function open_workers(backend)
  workers = core.new_workers(1, nil)
  elsewhere = backend and core.new_workers(1, nil, backend)
  is_proved = lanes.are_proved(workers)
end

-- How a lane has failed by itself: calls that see what those before them did.
local function check_trace(lane, program, outcomes, order)
  if program.flags.random then
    return
  end
  local at, before = lanes.find_trace(outcomes, order)
  if at then
    local wrong = ("%s: call %d (row %d) differs from call %d"):format(lane, at, order[at], before)
    return wrong, outcomes[before], outcomes[at]
  end
end

local function run_lane(program, prove_after, where)
  local f, init, rows = load(table.concat(program.lines, "\n"), "=program")()
  local outcomes, order = lanes.run(where or workers, program.flags, f, init, rows, prove_after)
  model.tidy()
  return outcomes, order
end

-- Runs the proved lane, where there is one; returns how many calls were proved too.
local function run_proved(program)
  local before = workers:stats().proved
  local outcomes, order = run_lane(program, program.prove_after)
  return outcomes, order, before and workers:stats().proved - before or 0
end

-- Compares the proved lane with the one that puts the state back.
local function check_restored(program, outcomes)
  counts.restored = counts.restored + 1
  local others, order = run_lane(program, NEVER)
  if lanes.has_timeout(others) then
    return
  end
  local at = lanes.find_difference(outcomes, others)
  if at then
    local wrong = ("call %d (row %d) differs where the state is put back"):format(at, order[at] or -1)
    return wrong, others[at], outcomes[at]
  end
  return check_trace("put back", program, others, order)
end

-- Compares the proved lane with the same calls on another backend.
local function check_elsewhere(program, outcomes)
  counts.elsewhere = counts.elsewhere + 1
  local others, order = run_lane(program, program.prove_after, elsewhere)
  local at = not lanes.has_timeout(others) and lanes.find_difference(outcomes, others)
  if at then
    return ("call %d (row %d) differs elsewhere"):format(at, order[at] or -1), outcomes[at], others[at]
  end
end

local function check_model(program, outcomes, order)
  counts.modelled = counts.modelled + 1
  local at, expected = model.find_difference(table.concat(program.lines, "\n"), outcomes, order)
  if at then
    return ("call %d (row %d) differs in plain Lua"):format(at, order[at]), expected, outcomes[at]
  end
end

local function note(outcomes, order, n_proved)
  counts.functions = counts.functions + 1
  counts.calls = counts.calls + #order
  counts.proved_calls = counts.proved_calls + n_proved
  counts.proved_functions = counts.proved_functions + (n_proved > 0 and 1 or 0)
  counts.unsent = counts.unsent + (outcomes[1].kind == "unsent" and 1 or 0)
  for i, row in ipairs(order) do
    counts.errors = counts.errors + (row > 0 and outcomes[i].kind and 1 or 0)
  end
end

-- Runs a program in all lanes. Returns nothing, or what is wrong, what was expected, and what came.
local function check(program, number)
  local outcomes, order, n_proved = run_proved(program)
  note(outcomes, order, n_proved)
  if lanes.has_timeout(outcomes) then
    counts.endless = counts.endless + 1
    return
  end
  local wrong, expected, came = check_trace("proved", program, outcomes, order)
  if not wrong and (n_proved > 0 or number % RESTORED_SHARE == 0) then
    wrong, expected, came = check_restored(program, outcomes)
  end
  if not wrong and elsewhere then
    wrong, expected, came = check_elsewhere(program, outcomes)
  end
  if not wrong and model.holds_for(program) and (not is_proved or number % MODEL_SHARE == 0) then
    wrong, expected, came = check_model(program, outcomes, order)
  end
  return wrong, expected, came
end

-- {== What has failed =============================================================================

local function show(value, depth)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  elseif depth > 4 then
    return "{...}"
  end
  local fields = {}
  for key, field in next, value do
    fields[#fields + 1] = ("[%s] = %s"):format(show(key, 5), show(field, depth + 1))
  end
  table.sort(fields)
  return "{" .. table.concat(fields, ", ") .. "}"
end

-- Of two texts only this: kinds of failures do not change while a program is made smaller.
local function kind_of(wrong)
  return wrong and wrong:gsub("%d+", "")
end

local function with_lines(program, lines)
  return {lines = lines, flags = program.flags, prove_after = program.prove_after}
end

local function shrunk(program, wrong)
  program.flags.timed = true -- a loop without the line that ends it has no end
  local lines = shrink(program.lines, function(lines)
    local ran, again = pcall(check, with_lines(program, lines), 0)
    return ran and kind_of(again) == kind_of(wrong)
  end)
  return with_lines(program, lines)
end

-- A failing program as text that `--file` reads.
local function text_of(program, wrong, expected, came)
  local flags = {}
  for flag in pairs(program.flags) do
    flags[#flags + 1] = flag
  end
  local comment = ("%s\nexpected: %s\ncame:     %s"):format(wrong, show(expected, 0), show(came, 0))
  local code = table.concat(program.lines, "\n")
  return ("--!flags %s\n--!after %d\n%s\n-- %s\n"):format(table.concat(flags, " "), program.prove_after, code,
    comment:gsub("\n", "\n-- "))
end

-- Makes a program that has failed smaller, and tells of it. What it runs for that does not count.
local function report(options, number, program, wrong, expected, came)
  print(("function %d of seed %s: %s"):format(number, options.seed, wrong))
  local before = {failed = counts.failed + 1}
  for name, n in pairs(counts) do
    before[name] = before[name] or n
  end
  local small = shrunk(program, wrong)
  local again, expected_again, came_again = check(small, 0)
  counts = before
  local text = again and text_of(small, again, expected_again, came_again) or text_of(program, wrong, expected, came)
  print(text)
  if options.keep then
    local file <close> = assert(io.open(("%s/found-%s-%d.lua"):format(options.keep, options.seed, number), "w"))
    file:write(text)
  end
end

-- {== All of them =================================================================================

local function summary(seconds)
  local share = 100 * counts.proved_functions / math.max(1, counts.functions)
  local text = "%d functions (%.0f a second), %d calls, %d of them errors\n"
    .. "%d functions cannot be sent, %d have no end\n"
    .. "proved: %d functions (%.0f%%), %d calls\n"
    .. "put back too: %d functions, in plain Lua too: %d functions, elsewhere too: %d\n%d failed"
  return text:format(counts.functions, counts.functions / seconds, counts.calls, counts.errors, counts.unsent,
    counts.endless, counts.proved_functions, share, counts.proved_calls, counts.restored, counts.modelled,
    counts.elsewhere, counts.failed)
end

-- A function that writes a number into a file, over the one before.
local function note_in(path)
  if not path then
    return function() end
  end
  local file = assert(io.open(path, "w"))
  file:setvbuf "no"
  return function(number)
    file:seek "set"
    file:write(number, "\n")
  end
end

-- Most are proved at their first call; some once they were put back.
local function prove_after()
  return math.random(8) == 1 and math.random(3) or 0
end

local function fuzz(options)
  local all = forms.read(folder .. "/trace/forms.txt")
  local started, note_number = os.time(), note_in(options.at)
  for number = options.from, options.from + options.count - 1 do
    if os.difftime(os.time(), started) >= options.seconds then
      break
    end
    if (number - options.from) % FUNCTIONS_PER_RUNTIME == 0 then
      open_workers(options.elsewhere)
    end
    note_number(number)
    math.randomseed(options.seed, number)
    local program = Program.new(all)
    program.prove_after = prove_after()
    local wrong, expected, came = check(program, number)
    if wrong then
      report(options, number, program, wrong, expected, came)
    end
  end
  print(summary(math.max(1, os.difftime(os.time(), started))))
end

local function run_file(path, backend)
  local program = {lines = {}, flags = {}, prove_after = 0}
  for line in io.lines(path) do
    if line:find "^%-%-!flags" then
      for flag in line:sub(9):gmatch "%l+" do
        program.flags[flag] = true
      end
    end
    program.prove_after = tonumber(line:match "^%-%-!after (%d+)") or program.prove_after
    program.lines[#program.lines + 1] = line
  end
  open_workers(backend)
  local wrong, expected, came = check(program, 0)
  print(wrong and text_of(program, wrong, expected, came) or "the lanes agree")
  counts.failed = wrong and 1 or 0
end

local options = options_of(arg)
if options.file then
  run_file(options.file, options.elsewhere)
else
  fuzz(options)
end
if not is_proved then
  print "the proved lane does not exist: only calls whose state is put back and plain Lua were compared"
end
os.exit(counts.failed > 0 and 1 or is_proved and 0 or 2)
