-- Runs the work of run.lua on Moons: `moons bench/peers/moons.lua WORKERS MODE FOLDER`. The mode is
-- "fresh", "kept" (`fresh = false`), or "bare": two bare threads with Lua states, the ceiling.

local n_workers, mode, folder = tonumber(arg[1]), arg[2], arg[3]
package.cpath = folder .. "/?.so;" .. package.cpath

local bare = require "bare"
local core = require "parallel.core"

local OPTIONS = {workers = n_workers, fresh = mode ~= "kept"}
local SPIN = [[
  return function(n)
    local x = 0.5
    for _ = 1, n do
      x = 3.7 * x * (1 - x)
    end
    return x
  end
]]

local BARE_COMMANDS = {hello = true, start = true, spin = true, spin_loop = true}

local spin = load(SPIN)()
local pool, ceiling

local function square(x)
  return x ^ 2
end

local function nothing() end

local function timed(f, ...)
  collectgarbage()
  local start_s = core.now()
  local result = f(...)
  return core.now() - start_s, result
end

local function floats(n)
  local xs = {}
  for i = 1, n do
    xs[i] = i + 0.0
  end
  return xs
end

local function copies(value, n)
  local list = {}
  for i = 1, n do
    list[i] = value
  end
  return list
end

local function loop(f, xs)
  local results = {}
  for i = 1, #xs do
    results[i] = f(xs[i])
  end
  return results
end

local function map(f, xs)
  return (pool:map(f, xs))
end

local function check(results)
  local sum = 0
  for i = 1, #results do
    sum = sum + i % 1009 * (results[i] % 10007)
  end
  return ("%d"):format(sum)
end

local function resident_bytes()
  local file <close> = io.open("/proc/self/status")
  return file and file:read("a"):match("VmRSS:%s*(%d+) kB") * 1024
end

local commands = {}

function commands.hello()
  return mode == "bare" and "with a Lua state each, which share the calls out evenly from the start"
    or _VERSION .. (mode == "kept" and ", `fresh = false`" or ", with its defaults")
end

function commands.start()
  if mode == "bare" then
    ceiling = require("ceiling").open(SPIN, n_workers)
    return "none"
  end
  local before_bytes = resident_bytes()
  commands.memory = function()
    local now_bytes = resident_bytes()
    return now_bytes and ("%.0f"):format((now_bytes - before_bytes) / n_workers) or "none"
  end
  local took_s = timed(function()
    pool = parallel.pool(OPTIONS)
    pool:map(nothing, parallel.range(1, n_workers), {chunk = 1})
  end)
  return ("%.9f"):format(took_s)
end

function commands.squares(n)
  local took_s, results = timed(map, square, floats(n))
  return ("%.9f %s"):format(took_s, check(results))
end

function commands.loop(n)
  local took_s, results = timed(loop, square, floats(n))
  return ("%.9f %s"):format(took_s, check(results))
end

function commands.apply(n)
  local times = {}
  for i = 1, n do
    local start_s = core.now()
    pool:apply(nothing)
    times[i] = core.now() - start_s
  end
  table.sort(times)
  return ("%.9f"):format(times[n // 2 + 1])
end

function commands.wait(n, seconds)
  return ("%.9f"):format((timed(map, bare.sleep, copies(seconds, n))))
end

function commands.wait_loop(n, seconds)
  return ("%.9f"):format((timed(loop, bare.sleep, copies(seconds, n))))
end

function commands.spin(n, loops)
  if ceiling then
    return ("%.9f %.17g"):format(timed(ceiling.run, ceiling, n, loops), spin(loops))
  end
  local took_s, results = timed(map, spin, copies(loops, n))
  return ("%.9f %.17g"):format(took_s, results[n])
end

function commands.spin_loop(n, loops)
  local took_s, results = timed(loop, spin, copies(loops, n))
  return ("%.9f %.17g"):format(took_s, results[n])
end

io.stdout:setvbuf("line")
for line in io.lines() do
  local command, n, value = line:match("^(%S+) ?(%S*) ?(%S*)$")
  if command == "quit" then
    break
  end
  local can = commands[command] and (mode ~= "bare" or BARE_COMMANDS[command])
  print(can and commands[command](tonumber(n), tonumber(value)) or "none")
end
if pool then
  pool:close()
end
