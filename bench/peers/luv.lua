-- Runs the work of run.lua on luv's `new_work`: `UV_THREADPOOL_SIZE=WORKERS lua5.4 luv.lua WORKERS`.
-- It sends no tables: lists are cut into chunks by hand, four a worker, and packed into strings.

local uv = require "luv" -- before this file could be found by that name

local here = arg[0]:match("^(.*)/")
package.path = ("%s/?.lua;%s/../?.lua;"):format(here, here) .. package.path

local answers = require "answers"

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

-- Calls f for each chunk of n items, with its number, its first and its last item; then waits.
local function in_chunks(n, f)
  local size, n_chunks = math.ceil(n / (CHUNKS_PER_WORKER * n_workers)), 0
  results = {}
  for first = 1, n, size do
    n_chunks = n_chunks + 1
    f(n_chunks, first, math.min(first + size - 1, n))
  end
  uv.run()
end

local function squares(xs)
  in_chunks(#xs, function(chunk, first, last) square_work:queue(chunk, pack(xs, first, last)) end)
  local list = {}
  for _, text in ipairs(results) do
    unpack_into(list, text)
  end
  return list
end

local function spin(xs)
  in_chunks(#xs, function(chunk, first, last) spin_work:queue(chunk, last - first + 1, xs[1]) end)
  return {(string.unpack("d", results[#results]))}
end

-- Queues the work n times, and waits.
local function run_times(work, n, ...)
  results = {}
  for i = 1, n do
    work:queue(i, ...)
  end
  uv.run()
end

answers({
  name = "luv " .. uv.version_string(),
  now = function() return uv.hrtime() / 1e9 end,
  resident_bytes = uv.resident_set_memory,
  start = function() run_times(nothing_work, n_workers) end,
  squares = squares,
  apply = function() run_times(nothing_work, 1) end,
  wait = function(list) run_times(wait_work, #list, list[1]) end,
  spin = spin,
}, n_workers)
