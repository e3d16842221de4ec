--- What a map costs beside its calls: of many tiny ones, and of very few; and what showing its progress adds.
-- @module maps

local stopwatch = require "stopwatch"

local N_ITEMS = 1000000
local ROUNDS = 9
local FEW_ROUNDS = 15
local MAPS_A_ROUND = 500

-- Long enough for a bar to be drawn.
local N_WATCHED = 500000
local WATCHED_ROUNDS = 15

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

-- By processor time, for what progress costs is less than what else the machine does.
local function measure_progress(sample)
  local xs = numbers(N_WATCHED)
  for _ = 1, WATCHED_ROUNDS do
    for kind, progress in pairs {quiet = false, told = function() end, shown = true} do
      local _, cpu = stopwatch(parallel.map, square, xs, {progress = progress})
      sample("progress_" .. kind, cpu / N_WATCHED)
    end
  end
end

--- Measures them.
-- @tparam function sample takes a key and a value
return function(sample)
  repeat_map({1})
  measure_many(sample)
  measure_few(sample)
  measure_progress(sample)
end
