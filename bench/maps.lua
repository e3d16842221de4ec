--- What a map costs beside its calls: of many tiny ones, and of very few.
-- @module maps

local stopwatch = require "stopwatch"

local N_ITEMS = 1000000
local ROUNDS = 9
local FEW_ROUNDS = 15
local MAPS_A_ROUND = 500

local function square(x)
  return x ^ 2
end

local function loop(xs)
  local results = {}
  for i = 1, #xs do
    results[i] = square(xs[i])
  end
  return results
end

local function numbers(n)
  local xs = {}
  for i = 1, n do
    xs[i] = i
  end
  return xs
end

local function measure_many(sample)
  local xs, range = numbers(N_ITEMS), parallel.range(1, N_ITEMS)
  for _ = 1, ROUNDS do
    sample("loop", stopwatch(loop, xs) / N_ITEMS)
    for _, fresh in ipairs {true, false} do
      local options, kind = {fresh = fresh}, fresh and "fresh" or "kept"
      sample("table_" .. kind, stopwatch(parallel.map, square, xs, options) / N_ITEMS)
      sample("range_" .. kind, stopwatch(parallel.map, square, range, options) / N_ITEMS)
    end
  end
end

local function repeat_map(xs)
  for _ = 1, MAPS_A_ROUND do
    parallel.map(square, xs)
  end
end

local function measure_few(sample)
  for _ = 1, FEW_ROUNDS do
    for _, n in ipairs {1, 10} do
      sample("map_of_" .. n, stopwatch(repeat_map, numbers(n)) / MAPS_A_ROUND)
    end
  end
end

--- Measures both.
-- @tparam function sample takes a key and a value
return function(sample)
  repeat_map({1})
  measure_many(sample)
  measure_few(sample)
end
