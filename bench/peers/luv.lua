-- Runs the work of run.lua on luv's `new_work`: `UV_THREADPOOL_SIZE=WORKERS lua5.4 luv.lua WORKERS`.
-- It sends no tables: lists are cut into chunks by hand, four a worker, and packed into strings.

local uv = require "luv"

local n_workers = tonumber(arg[1])
local CHUNKS_PER_WORKER = 4
local BLOCK = 100 -- numbers that are packed at once

local results -- of the work under way, by chunk

local function keep(chunk, text)
  results[chunk] = text
end

-- What threads run: each in a state that its thread keeps.

local square_work = uv.new_work(function(chunk, text)
  local parts, at, pack, unpack = {}, 1, string.pack, string.unpack
  local block = ("d"):rep(100)
  while at <= #text do
    local n = math.min(100, (#text - at + 1) // 8)
    local format = n == 100 and block or ("d"):rep(n)
    local numbers = {unpack(format, text, at)}
    for i = 1, n do
      numbers[i] = numbers[i] ^ 2
    end
    parts[#parts + 1] = pack(format, table.unpack(numbers, 1, n))
    at = at + 8 * n
  end
  return chunk, table.concat(parts)
end, keep)

local nothing_work = uv.new_work(function(chunk)
  return chunk, ""
end, keep)

local wait_work = uv.new_work(function(chunk, seconds)
  require("luv").sleep(math.floor(seconds * 1000))
  return chunk, ""
end, keep)

local spin_work = uv.new_work(function(chunk, n, loops)
  local x
  for _ = 1, n do
    x = 0.5
    for _ = 1, loops do
      x = 3.7 * x * (1 - x)
    end
  end
  return chunk, string.pack("d", x)
end, keep)

-- The runner.

local function spin(loops)
  local x = 0.5
  for _ = 1, loops do
    x = 3.7 * x * (1 - x)
  end
  return x
end

local function timed(f, ...)
  collectgarbage()
  local start_ns = uv.hrtime()
  local result = f(...)
  return (uv.hrtime() - start_ns) / 1e9, result
end

local function floats(n)
  local xs = {}
  for i = 1, n do
    xs[i] = i + 0.0
  end
  return xs
end

local function pack(xs, first, last)
  local parts = {}
  for i = first, last, BLOCK do
    local to = math.min(i + BLOCK - 1, last)
    parts[#parts + 1] = string.pack(("d"):rep(to - i + 1), table.unpack(xs, i, to))
  end
  return table.concat(parts)
end

local function unpack_into(list, text)
  local n, at = #list, 1
  while at <= #text do
    local count = math.min(BLOCK, (#text - at + 1) // 8)
    local numbers = {string.unpack(("d"):rep(count), text, at)}
    table.move(numbers, 1, count, n + 1, list)
    n, at = n + count, at + 8 * count
  end
end

local function map_squares(xs)
  local size = math.ceil(#xs / (CHUNKS_PER_WORKER * n_workers))
  results = {}
  local n_chunks = 0
  for first = 1, #xs, size do
    n_chunks = n_chunks + 1
    square_work:queue(n_chunks, pack(xs, first, math.min(first + size - 1, #xs)))
  end
  uv.run()
  local list = {}
  for i = 1, n_chunks do
    unpack_into(list, results[i])
  end
  return list
end

local function check(list)
  local sum = 0
  for i = 1, #list do
    sum = sum + i % 1009 * (list[i] % 10007)
  end
  return ("%d"):format(sum)
end

-- Queues the work n times, and waits.
local function run_times(work, n, ...)
  results = {}
  for i = 1, n do
    work:queue(i, ...)
  end
  uv.run()
end

local commands = {}

function commands.hello()
  return "luv " .. uv.version_string()
end

function commands.start()
  local before_bytes = uv.resident_set_memory()
  commands.memory = function()
    return ("%.0f"):format((uv.resident_set_memory() - before_bytes) / n_workers)
  end
  local took_s = timed(run_times, nothing_work, n_workers)
  return ("%.9f"):format(took_s)
end

function commands.squares(n)
  local took_s, list = timed(map_squares, floats(n))
  return ("%.9f %s"):format(took_s, check(list))
end

function commands.loop(n)
  local xs = floats(n)
  local took_s, list = timed(function()
    local list = {}
    for i = 1, n do
      list[i] = xs[i] ^ 2
    end
    return list
  end)
  return ("%.9f %s"):format(took_s, check(list))
end

function commands.apply(n)
  local times = {}
  for i = 1, n do
    local start_ns = uv.hrtime()
    run_times(nothing_work, 1)
    times[i] = (uv.hrtime() - start_ns) / 1e9
  end
  table.sort(times)
  return ("%.9f"):format(times[n // 2 + 1])
end

function commands.wait(n, seconds)
  return ("%.9f"):format((timed(run_times, wait_work, n, seconds)))
end

function commands.spin(n, loops)
  local size = math.ceil(n / (CHUNKS_PER_WORKER * n_workers))
  local took_s = timed(function()
    results = {}
    for i = 1, math.ceil(n / size) do
      spin_work:queue(i, math.min(size, n - (i - 1) * size), loops)
    end
    uv.run()
  end)
  return ("%.9f %.17g"):format(took_s, (string.unpack("d", results[#results])))
end

function commands.spin_loop(n, loops)
  local took_s, result = timed(function()
    local last
    for _ = 1, n do
      last = spin(loops)
    end
    return last
  end)
  return ("%.9f %.17g"):format(took_s, result)
end

io.stdout:setvbuf("line")
for line in io.lines() do
  local command, n, value = line:match("^(%S+) ?(%S*) ?(%S*)$")
  if command == "quit" then
    break
  end
  print(commands[command] and commands[command](tonumber(n), tonumber(value)) or "none")
end
