--- What a map costs beside its calls: `x^2` over many items and over few, and functions that do more; and what
-- showing its progress adds.
-- @module maps

local bare = require "bare"
local measure = require "measure"
local work = require "work"

local ROUNDS = 9
local WORKERS = 2

local FRESH = {workers = WORKERS}
local KEPT = {workers = WORKERS, fresh = false}

local function square(x)
  return x ^ 2
end

local function check(f, xs)
  for _, options in ipairs {FRESH, KEPT} do
    local results = parallel.map(f, xs, options)
    for i = 1, #xs, #xs // 100 + 1 do
      assert(results[i] == f(xs[i]), "a result is wrong")
    end
  end
end

-- Many items.

local N_ITEMS, N_STATES = 1000000, 200

local function measure_many(sample)
  local xs, range = work.floats(N_ITEMS), parallel.range(1, N_ITEMS)
  local threads = bare.open("return function(x) return x ^ 2 end", WORKERS)
  check(square, xs)
  measure.in_turn(sample, ROUNDS, N_ITEMS, {
    {"new_state", bare.new_states, N_STATES, n_items = N_STATES},
    {"loop", work.loop, square, xs},
    {"loop_range", work.list, N_ITEMS, square},
    {"bare", threads.run, threads, N_ITEMS, 3},
    {"table_fresh", parallel.map, square, xs, FRESH},
    {"table_limited", parallel.map, square, xs, {workers = WORKERS, timeout = 3600}},
    {"range_fresh", parallel.map, square, range, FRESH},
    {"table_kept", parallel.map, square, xs, KEPT},
    {"range_kept", parallel.map, square, range, KEPT},
  })
end

-- Lengths of lists.

local LENGTHS = {10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 1000000}
local ITEMS_A_MEASURE = 100000

-- The least time for a list, in ns, by key: "length_loop_10" and so on.
local function measure_lengths(sample)
  local least = {}
  for _, length in ipairs(LENGTHS) do
    local xs, n = work.floats(length), math.max(1, ITEMS_A_MEASURE // length // 4)
    local found = measure.in_turn(sample, ROUNDS, n, {
      {"length_loop_" .. length, measure.repeated, n, work.loop, square, xs},
      {"length_kept_" .. length, measure.repeated, n, parallel.map, square, xs, KEPT},
      {"length_fresh_" .. length, measure.repeated, n, parallel.map, square, xs, FRESH},
    })
    for key, value in pairs(found) do
      least[key] = value
    end
  end
  return least
end

-- From which length on a way is as fast as the loop: where the lines of the two last lengths between
-- which that changes cross. 1e300: not at any length.
local function break_even(least, way)
  local function behind(length)
    return least[("length_%s_%d"):format(way, length)] - least["length_loop_" .. length]
  end
  for i = #LENGTHS, 1, -1 do
    local length, next_length = LENGTHS[i], LENGTHS[i + 1]
    if behind(length) > 0 then
      return next_length and length + (next_length - length) * behind(length) / (behind(length) - behind(next_length))
        or 1e300
    end
  end
  return LENGTHS[1]
end

-- What progress costs: by processor time, for it is less than what else the machine does; of so many items that a bar
-- is drawn.

local N_WATCHED, WATCHED_ROUNDS = 500000, 15

local function measure_progress(sample)
  local ways, xs = {}, work.floats(N_WATCHED)
  for kind, progress in pairs {quiet = false, told = function() end, shown = true} do
    table.insert(ways, {false, parallel.map, square, xs, {progress = progress}, cpu = "progress_" .. kind})
  end
  measure.in_turn(sample, WATCHED_ROUNDS, N_WATCHED, ways)
end

-- Functions that do more than one operation.

local format = load([[
  function helper(x) return x + 1 end
  return function(x) return string.format("%.3f", math.sin(helper(x))) end
]])()

local function deviation(row)
  local sum, squares = 0, 0
  for i = 1, #row do
    sum = sum + row[i]
  end
  local mean = sum / #row
  for i = 1, #row do
    squares = squares + (row[i] - mean) ^ 2
  end
  return (squares / #row) ^ 0.5
end

local function row(i)
  return work.list(10, function(j) return (i * 7 + j * j) % 101 / 10 end)
end

local function measure_function(sample, name, f, xs)
  check(f, xs)
  measure.in_turn(sample, ROUNDS, #xs, {
    {name .. "_loop", work.loop, f, xs},
    {name .. "_fresh", parallel.map, f, xs, FRESH},
    {name .. "_kept", parallel.map, f, xs, KEPT},
  })
end

--- Measures all of it.
-- @tparam function sample takes a key and a value
return function(sample)
  local least = measure_lengths(sample)
  sample("break_even_kept", break_even(least, "kept"))
  sample("break_even_fresh", break_even(least, "fresh"))
  measure_many(sample)
  measure_function(sample, "format", format, work.floats(200000))
  measure_function(sample, "rows", deviation, work.list(100000, row))
  measure_progress(sample)
end
