-- Runs the same work on Moons and on what others use, side by side and in turns.
--
--     moons bench/peers/run.lua [quick]
--
-- Prints a table, and writes peers.md and peers.csv into the folder `bench` beside the `moons` that runs
-- this. Whoever is not installed is left out. `quick` leaves out what only charts need.
--
-- Each peer has a runner (runners.lua) that answers commands, a line each:
--
--     hello                  its name and version
--     quit
--     start                  seconds until a new pool has answered a call for each worker
--     memory                 bytes that a worker which has run a call holds for itself
--     squares N, loop N      seconds for x^2 over N floats by the pool, by a plain loop; a check sum
--     apply N                seconds of one call there and back, the median of N
--     wait N S               seconds for N calls that wait S seconds
--     spin N L, spin_loop N L   seconds for N calls of a loop that runs L times; the loop's result

local here = arg[0]:match("^(.*)/") or "."
local there = arg[-1]:match("^(.*)/") or "."
package.path = ("%s/?.lua;%s/../?.lua;"):format(here, here) .. package.path

local build = require "build"
local machine = require "machine"
local peers_report = require "peers_report"
local runners = require "runners"

local N_SQUARES, SQUARES_ROUNDS = 1000000, 4
local MAX_LENGTH, MOST_BYTES, LENGTH_PATIENCE_S = 100000000, 100, 1 -- bytes for each item, of all that hold it
local APPLIES, APPLY_ROUNDS = 200, 5
local CALLS_US, SPIN_S, SPIN_ROUNDS = {1, 10, 100, 1000, 10000}, 0.2, 4
local STARTS, MANY_WORKERS = 3, 8
local WAIT_S, WAIT_ROUNDS, LONG_WAIT_S = 0.2, 3, 2
local WAITS = {1, 2, 4, 6, 7, 8, 9, 12, 15, 16}

local built = build.all(here .. "/..", there)
local samples = peers_report.new()

local start_s = os.time()
local function say(text)
  io.stderr:write(("%4d s  %s\n"):format(os.time() - start_s, text))
end

-- Compares what all made of the same work.
local checks = {}
local function check(work, runner, value)
  checks[work] = checks[work] or value
  assert(value == checks[work], ("%s: %s has %s, others %s"):format(work, runner.key, value, checks[work]))
end

-- Asks each in turn, and notes the first number of its answer; the second is the check.
local function in_turns(group, n_rounds, work, command, has_check)
  for _ = 1, n_rounds do
    for _, runner in ipairs(group) do
      local seconds, value = runner:ask(command)
      if seconds then
        samples:add(work, runner.key, seconds)
      end
      if value and has_check then
        check(work, runner, value)
      end
    end
  end
end

-- Short lists are measured often, for they are disturbed most.
local function rounds_of(length)
  return length <= 1000 and 20 or length <= 100000 and 6 or 2
end

-- How long a list may be for the memory that is free; where that is not known, a tenth of the longest.
local function longest()
  local file = io.open "/proc/meminfo"
  local free_kb = file and file:read("a"):match "MemAvailable:%s*(%d+)"
  if file then file:close() end
  return free_kb and math.min(MAX_LENGTH, free_kb * 1024 // MOST_BYTES) or MAX_LENGTH // 10
end

-- x^2 over lists of all lengths. Who takes long at one is not asked for longer ones.
local function measure_lengths(group)
  local left = table.move(group, 1, #group, 1, {})
  local length, most = 10, longest()
  while length <= most do
    local work = "length_" .. length
    in_turns(left, rounds_of(length), work, "squares " .. length, true)
    for i = #left, 1, -1 do
      local best = samples:best(work, left[i].key)
      if not best or best > LENGTH_PATIENCE_S then
        table.remove(left, i)
      end
    end
    in_turns({group[1]}, rounds_of(length), "loop_length_" .. length, "loop " .. length)
    length = length * 10
  end
end

-- How often each one's loop runs in a microsecond.
local function calibrate(group)
  local n_calls, n_loops = 10, 100000
  for _, runner in ipairs(group) do
    local best_s
    for _ = 1, 5 do
      local seconds = runner:ask(("spin_loop %d %d"):format(n_calls, n_loops))
      best_s = best_s and math.min(best_s, seconds) or seconds
    end
    runner.loops_a_us = best_s and n_calls * n_loops / best_s / 1e6
  end
end

-- Many calls of the same length, by the pool and one after the other.
local function measure_speedup(group, call_us)
  local n_calls = math.ceil(SPIN_S * 1e6 / call_us)
  for _ = 1, SPIN_ROUNDS do
    for _, runner in ipairs(group) do
      if runner.loops_a_us then
        local arguments = ("%d %d"):format(n_calls, math.ceil(call_us * runner.loops_a_us))
        local loop_s, expected = runner:ask("spin_loop " .. arguments)
        local seconds, value = runner:ask("spin " .. arguments)
        assert(value == expected, runner.key .. ": the loop has another result in a worker")
        samples:add("spin_loop_" .. call_us, runner.key, loop_s)
        samples:add("spin_" .. call_us, runner.key, seconds)
      end
    end
  end
end

local function measure_two_workers(present, is_quick)
  local group = runners.start_all(present, 2, built)
  for _, runner in ipairs(group) do
    runner:ask("start")
  end
  say("x^2 ...")
  in_turns(group, SQUARES_ROUNDS, "loop", "loop " .. N_SQUARES, true)
  in_turns(group, SQUARES_ROUNDS, "squares", "squares " .. N_SQUARES, true)
  if not is_quick then
    measure_lengths(group)
  end
  say("one call there and back ...")
  in_turns(group, APPLY_ROUNDS, "apply", "apply " .. APPLIES)
  say("calls that last a while ...")
  calibrate(group)
  for _, call_us in ipairs(CALLS_US) do
    measure_speedup(group, call_us)
  end
  runners.stop_all(group)
end

-- What waits costs no processor time, so all wait at once, and so do the loops.
local function measure_long_waits(group)
  local lua = {}
  for _, n in ipairs(WAITS) do
    lua[n] = runners.start(runners.moons, 1, built)
    lua[n]:send(("wait_loop %d %g"):format(n, LONG_WAIT_S))
  end
  for _, n in ipairs(WAITS) do
    for _, runner in ipairs(group) do
      runner:send(("wait %d %g"):format(n, LONG_WAIT_S))
    end
    for _, runner in ipairs(group) do
      samples:add("wait_" .. n, runner.key, (runner:receive()))
    end
  end
  for _, n in ipairs(WAITS) do
    samples:add("wait_" .. n, "loop", (lua[n]:receive()))
    lua[n]:stop()
  end
end

local function measure_many_workers(present, is_quick)
  say("8 workers ...")
  local group
  for round = 1, STARTS do
    group = runners.start_all(present, MANY_WORKERS, built)
    in_turns(group, 1, "start", "start")
    for _, runner in ipairs(group) do
      runner:ask("wait 8 0.1") -- on all workers: none is done before all have begun
    end
    in_turns(group, 1, "memory", "memory")
    if round < STARTS then
      runners.stop_all(group)
    end
  end
  say("calls that wait ...")
  for _, n in ipairs {7, 8, 15} do
    in_turns(group, WAIT_ROUNDS, "wait_short_" .. n, ("wait %d %g"):format(n, WAIT_S))
    samples:shift("wait_short_" .. n, -math.ceil(n / MANY_WORKERS) * WAIT_S)
  end
  if not is_quick then
    measure_long_waits(group)
  end
  runners.stop_all(group)
end

-- Without those whose only difference is in how they send numbers.
local function without_variants(present)
  local list = {}
  for _, kind in ipairs(present) do
    if kind.key ~= "bare" and kind.key ~= "typed" then
      table.insert(list, kind)
    end
  end
  return list
end

local function write(name, text)
  local file <close> = assert(io.open(built .. "/" .. name, "w"))
  file:write(text, "\n")
end

local present, absent = runners.find(built)
for _, kind in ipairs(present) do
  say(("%-8s %s"):format(kind.key, kind.version))
end
for _, kind in ipairs(absent) do
  say(("%-8s cannot be had here, and is left out"):format(kind.key))
end
measure_two_workers(present, arg[1] == "quick")
measure_many_workers(without_variants(present), arg[1] == "quick")
local text = machine.description() .. ".\n\n" .. samples:table(present)
print(text)
write("peers.md", text)
write("peers.csv", samples:csv())
write("peers_machine.txt", machine.description())
