-- The hot paths whose instructions instructions.lua counts: returns a list of them, or runs one of them N times.
--
--     moons -b inline bench/hot_paths.lua FOLDER NAME N
--
-- FOLDER is where the C modules of this folder were built. All runs on one thread and nothing is left to
-- chance but the seeds of Lua's hashes.

local folder, name, n_times = ...

package.cpath = (folder or "") .. "/?.so;" .. package.cpath
-- Before there is any value, among which they would lie.
local codec = folder and require "codec"
local embedded = folder and require "embedded"
-- Not as a module that is loaded: calls that may mean any global would look at that too.
local work = dofile(arg[0]:match("^(.*)/") .. "/work.lua")

local OPTIONS = {fresh = true, seed = 1, chunk = 1000}
local KEPT = {fresh = false, seed = 1, chunk = 1000}

local function square(x) return x ^ 2 end

-- Any global may be meant: its state needs all libraries.
local function square_all(x) return x ^ (_G.exponent or 2) end

-- Its state is put back after each call.
-- luacheck: globals last
local function square_and_note(x)
  last = x
  return x ^ 2
end

local function itself(x) return x end

local function is_even(x) return x % 2 == 0 end

local function is_long(s) return #s > 12 end

local function nothing() end

local function words(n)
  return work.list(n, function(i) return "word number " .. i end)
end

local function rows(n)
  return work.list(n, function() return work.floats(10, 0.1) end)
end

local function repeated(f, ...)
  local arguments = table.pack(...)
  return function(n)
    for _ = 1, n do
      f(table.unpack(arguments, 1, arguments.n))
    end
  end
end

local function map_range(f, options)
  return function(n)
    parallel.map(f, parallel.range(1, n), options)
  end
end

local function with_pool(method, ...)
  local pool = parallel.pool(2)
  return repeated(pool[method], pool, ...)
end

local function with_bytes(method, value)
  local bytes = codec.new()
  bytes:encode(value)
  return repeated(bytes[method], bytes, value)
end

-- Calls of a C host: of a function that is proved, and of one that is not.
local function submit(function_name)
  local host = embedded.new [[
    function itself(x) return x end
    function note(x) last = x return x end
  ]]
  return repeated(host.submit, host, function_name)
end

local function floats() return work.floats(1000, 0.1) end

-- Each has a name, the larger number of times that it is run, and what makes a function of how many times. Lists are
-- the same every time, so that making them does not count.
local PATHS = {
  {"call_small", 20000, function() return map_range(square, OPTIONS) end},
  {"call_put_back", 20000, function() return map_range(square_and_note, OPTIONS) end},
  {"call_all", 5000, function() return map_range(square_all, OPTIONS) end},
  {"call_kept", 50000, function() return map_range(square, KEPT) end},
  {"filter_kept", 50000, function() return map_range(is_even, KEPT) end},
  {"table_fresh", 20, function() return repeated(parallel.map, square, floats(), OPTIONS) end},
  {"table_kept", 50, function() return repeated(parallel.map, square, floats(), KEPT) end},
  {"strings_kept", 50, function() return repeated(parallel.map, is_long, words(1000), KEPT) end},
  {"rows_kept", 100, function() return repeated(parallel.map, itself, rows(100), KEPT) end},
  {"apply", 500, function() return with_pool("apply", nothing) end},
  {"map_ten", 500, function() return with_pool("map", itself, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) end},
  {"submit", 20000, function() return submit "itself" end},
  {"submit_put_back", 5000, function() return submit "note" end},
  {"encode_floats", 500, function() return with_bytes("encode", floats()) end},
  {"decode_floats", 500, function() return with_bytes("decode", floats()) end},
  {"encode_records", 20, function() return with_bytes("encode", work.records(1000)) end},
  {"decode_records", 20, function() return with_bytes("decode", work.records(1000)) end},
  {"encode_tree", 300, function() return with_bytes("encode", work.tree(6)) end},
  {"decode_tree", 300, function() return with_bytes("decode", work.tree(6)) end},
}

if not folder then
  return PATHS
end

-- Collections begin where allocation has led: the same work would count differently by what came before.
collectgarbage("stop")
for _, path in ipairs(PATHS) do
  if path[1] == name then
    path[3]()(math.tointeger(n_times))
  end
end
