--- What runners in Lua share: the commands of run.lua. It knows no Moons and no luv.
-- @module answers

local work = require "work"

local function square(x) return x ^ 2 end

local function check(results)
  local sum = 0
  for i = 1, #results do
    sum = sum + i % 1009 * (results[i] % 10007)
  end
  return ("%d"):format(sum)
end

-- The commands: functions of their numbers.
local function commands_of(library, n_workers)
  local commands, spin = {hello = function() return library.name end}, load(work.SPIN)()

  local function seconds_of(f, ...)
    local start_s = library.now()
    local result = f(...)
    return library.now() - start_s, result
  end

  local function timed(f, ...)
    collectgarbage()
    return seconds_of(f, ...)
  end

  local function squares(map)
    return map and function(n)
      local took_s, results = timed(map, work.floats(n))
      return ("%.9f %s"):format(took_s, check(results))
    end
  end

  local function waits(map)
    return map and function(n, seconds)
      return ("%.9f"):format((timed(map, work.copies(seconds, n))))
    end
  end

  local function spins(map)
    return function(n, loops)
      local took_s, results = timed(map, work.copies(loops, n))
      return ("%.9f %.17g"):format(took_s, results and results[#results] or spin(loops))
    end
  end

  function commands.start()
    local before_bytes = library.resident_bytes()
    local took_s = timed(library.start)
    commands.memory = before_bytes and function()
      return ("%.0f"):format((library.resident_bytes() - before_bytes) / n_workers)
    end
    return ("%.9f"):format(took_s)
  end

  commands.squares, commands.wait, commands.spin = squares(library.squares), waits(library.wait), spins(library.spin)
  commands.loop = squares(library.squares and function(xs) return work.loop(square, xs) end)
  commands.wait_loop = waits(library.sleep and function(xs) return work.loop(library.sleep, xs) end)
  commands.spin_loop = spins(function(xs) return work.loop(spin, xs) end)

  commands.apply = library.apply and function(n)
    local times = work.list(n, function() return (seconds_of(library.apply)) end)
    table.sort(times)
    return ("%.9f"):format(times[n // 2 + 1])
  end
  return commands
end

--- Answers commands until there are no more.
-- @tparam table library `name`; `now()`, in seconds; `start()`; `resident_bytes()`, nil where that is not known;
-- `spin(list)`, the results of a loop for each number of times, nil where they are not kept; and, where it can do
-- these, `squares(list)`, `apply()`, `wait(list)` of seconds, and `sleep(seconds)` for a wait without the pool
-- @tparam integer n_workers
return function(library, n_workers)
  local commands = commands_of(library, n_workers)
  io.stdout:setvbuf("line")
  for line in io.lines() do
    local command, n, value = line:match("^(%S+) ?(%S*) ?(%S*)$")
    if command == "quit" then
      break
    end
    print(commands[command] and commands[command](tonumber(n), tonumber(value)) or "none")
  end
end
