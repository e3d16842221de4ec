-- Runs one hot path so many times, to be counted by instructions.lua.
--
--     moons -b inline bench/hot_paths.lua FOLDER NAME N
--
-- FOLDER is where the C modules of this folder were built. All runs on one thread and nothing is left to
-- chance but the seeds of Lua's hashes.

package.cpath = arg[1] .. "/?.so;" .. package.cpath

local codec = require "codec"

-- Collections begin where allocation has led: the same work would count differently by what came before.
collectgarbage("stop")

local OPTIONS = {fresh = true, seed = 1, chunk = 1000}
local KEPT = {fresh = false, seed = 1, chunk = 1000}

local function square(x) return x ^ 2 end

-- Any global may be meant: its state needs all libraries.
local function square_all(x) return x ^ (_G.exponent or 2) end

local function itself(x) return x end

local function is_even(x) return x % 2 == 0 end

local function nothing() end

local function floats(n)
  local list = {}
  for i = 1, n do
    list[i] = i * 0.1
  end
  return list
end

local function records(n)
  local list = {}
  for i = 1, n do
    list[i] = {id = i, name = "record " .. i, score = i * 0.5, ok = i % 3 == 0}
  end
  return list
end

local function tree(depth)
  if depth == 0 then
    return {}
  end
  return {left = tree(depth - 1), right = tree(depth - 1)}
end

local function rows(n)
  local list = {}
  for i = 1, n do
    list[i] = floats(10)
  end
  return list
end

local function map_range(f, options)
  return function(n)
    parallel.map(f, parallel.range(1, n), options)
  end
end

-- The same list for every number of times, so that making it does not count.
local function map_list(f, list, options)
  return function(n)
    for _ = 1, n do
      parallel.map(f, list, options)
    end
  end
end

local function encode(value)
  local bytes = codec.new()
  return function(n)
    for _ = 1, n do
      bytes:encode(value)
    end
  end
end

local function decode(value)
  local bytes = codec.new()
  bytes:encode(value)
  return function(n)
    for _ = 1, n do
      bytes:decode()
    end
  end
end

local function with_pool(method, ...)
  local pool, arguments = parallel.pool(2), table.pack(...)
  return function(n)
    for _ = 1, n do
      pool[method](pool, table.unpack(arguments, 1, arguments.n))
    end
  end
end

-- Each makes a function of how many times.
local PATHS = {
  call_small = function() return map_range(square, OPTIONS) end,
  call_all = function() return map_range(square_all, OPTIONS) end,
  call_kept = function() return map_range(square, KEPT) end,
  filter_kept = function() return map_range(is_even, KEPT) end,
  table_fresh = function() return map_list(square, floats(1000), OPTIONS) end,
  table_kept = function() return map_list(square, floats(1000), KEPT) end,
  rows_kept = function() return map_list(itself, rows(100), KEPT) end,
  apply = function() return with_pool("apply", nothing) end,
  map_ten = function() return with_pool("map", itself, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) end,
  encode_floats = function() return encode(floats(1000)) end,
  decode_floats = function() return decode(floats(1000)) end,
  encode_records = function() return encode(records(1000)) end,
  decode_records = function() return decode(records(1000)) end,
  encode_tree = function() return encode(tree(6)) end,
  decode_tree = function() return decode(tree(6)) end,
}

PATHS[arg[2]]()(math.tointeger(arg[3]))
