--- Small functions as scripts have them, in the default mode, each in turn with the same loop; many functions in turn,
-- and many futures.
-- @module functions

local measure = require "measure"
local work = require "work"

local ROUNDS, N_ITEMS, WORKERS = 9, 200000, 2
local OPTIONS = {workers = WORKERS}

local function make_points(n)
  return work.list(n, function(i) return {x = i % 97, y = i % 89} end)
end

local function make_texts(n)
  return work.list(n, function(i) return ("the quick brown fox %d jumps over it"):format(i) end)
end

local function itself(i)
  return i
end

local config, points = {a = 2.5, b = 1}, make_points(1000)

local function count_words(text)
  local n = 0
  for _ in text:gmatch("%a+") do
    n = n + 1
  end
  return n
end

local function sum_of_ten(x)
  local list, sum = {}, 0
  for i = 1, 10 do
    list[i] = x * i
  end
  for i = 1, 10 do
    sum = sum + list[i]
  end
  return sum
end

-- Each: a key, a function, its items.
local FUNCTIONS = {
  {"sin", function(x) return math.sin(x) end, work.floats(N_ITEMS)},
  {"config", function(x) return config.a * x + config.b end, work.floats(N_ITEMS)},
  {"point", function(i) local p = points[i % 1000 + 1] return p.x * p.x + p.y * p.y end,
    work.list(N_ITEMS, itself)},
  {"list", sum_of_ten, work.floats(N_ITEMS // 10)},
  {"even", function(x) return x % 2 == 0 end, work.list(N_ITEMS, itself)},
  {"words", count_words, make_texts(N_ITEMS // 10)},
}

local function measure_functions(sample)
  for _, case in ipairs(FUNCTIONS) do
    local key, f, xs = table.unpack(case)
    local results = parallel.map(f, xs, OPTIONS)
    assert(results[#xs] == f(xs[#xs]), "a result is wrong")
    measure.in_turn(sample, ROUNDS, #xs, {
      {key .. "_loop", work.loop, f, xs},
      {key .. "_map", parallel.map, f, xs, OPTIONS},
    })
  end
end

-- A call reads some of many captured records.

local function read_hundred(records)
  return function(start)
    local sum = 0
    for i = start, start + 99 do
      sum = sum + records[i].x
    end
    return sum
  end
end

local function measure_records(sample)
  local f, xs = read_hundred(make_points(20000)), work.list(5000, itself)
  parallel.map(f, xs, OPTIONS)
  measure.in_turn(sample, ROUNDS, #xs, {
    {"records_loop", work.loop, f, xs},
    {"records_map", parallel.map, f, xs, OPTIONS},
  })
end

-- A thousand functions in turn.

local function adder(k)
  return function(x) return x + k end
end

local function map_each(pool, functions, xs)
  for _, f in ipairs(functions) do
    pool:map(f, xs)
  end
end

local function measure_turns(sample)
  local pool <close> = parallel.pool(1)
  local functions, xs = work.list(1000, adder), work.list(10, itself)
  map_each(pool, functions, xs)
  measure.in_turn(sample, ROUNDS, #functions, {
    {"one_function", map_each, pool, work.copies(functions[1], #functions), xs},
    {"thousand_functions", map_each, pool, functions, xs},
  })
end

-- Futures.

local function submit_and_get(pool, n)
  local futures = work.list(n, function(i) return pool:submit(tostring, i) end)
  for i = 1, n do
    assert(futures[i]:get() == tostring(i))
  end
end

--- Measures all of it.
-- @tparam function sample takes a key and a value
return function(sample)
  measure_functions(sample)
  measure_records(sample)
  measure_turns(sample)
  local pool <close> = parallel.pool(WORKERS)
  measure.in_turn(sample, 3, 1, {{"futures", submit_and_get, pool, 100000}})
end
