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

-- Lengths of lists and ranges.

local LENGTHS = {10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 1000000}
local ITEMS_A_MEASURE = 100000

local FEW = {1, 2, 4, 6, 8, 10, 12, 15, 20, 30, 50, 100, 200}

-- The least time for so many items, in ns, by key: "length_loop_10" and so on. `make` makes items of a length.
local function measure_lengths(sample, key, lengths, f, make)
  local least = {}
  for _, length in ipairs(lengths) do
    local xs, n = make(length), math.max(1, ITEMS_A_MEASURE // length // 4)
    local loop, a, b = work.loop, f, xs
    if key == "range" then
      loop, a, b = work.list, length, f
    end
    local found = measure.in_turn(sample, ROUNDS, n, {
      {key .. "_loop_" .. length, measure.repeated, n, loop, a, b},
      {key .. "_kept_" .. length, measure.repeated, n, parallel.map, f, xs, KEPT},
      {key .. "_fresh_" .. length, measure.repeated, n, parallel.map, f, xs, FRESH},
    })
    for name, value in pairs(found) do
      least[name] = value
    end
  end
  return least
end

-- From which length on a way is as fast as the loop: where the lines of the two last lengths between
-- which that changes cross. 1e300: not at any length.
local function break_even(least, key, lengths, way)
  local function behind(length)
    return least[("%s_%s_%d"):format(key, way, length)] - least[("%s_loop_%d"):format(key, length)]
  end
  for i = #lengths, 1, -1 do
    local length, next_length = lengths[i], lengths[i + 1]
    if behind(length) > 0 then
      return next_length and length + (next_length - length) * behind(length) / (behind(length) - behind(next_length))
        or 1e300
    end
  end
  return lengths[1]
end

local function measure_break_even(sample)
  local lists = measure_lengths(sample, "length", LENGTHS, square, work.floats)
  sample("break_even_kept", break_even(lists, "length", LENGTHS, "kept"))
  sample("break_even_fresh", break_even(lists, "length", LENGTHS, "fresh"))
  local ranges = measure_lengths(sample, "range", LENGTHS, square, function(n) return parallel.range(1, n) end)
  sample("break_even_range_kept", break_even(ranges, "range", LENGTHS, "kept"))
  sample("break_even_range_fresh", break_even(ranges, "range", LENGTHS, "fresh"))
  local spin = load(work.SPIN)()
  local argument = math.max(1, math.floor(measure.loops_a_second(spin) / 1e6))
  local calls = measure_lengths(sample, "calls", FEW, spin, function(n) return work.copies(argument, n) end)
  sample("break_even_1_fresh", break_even(calls, "calls", FEW, "fresh"))
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

local deviation = load(work.DEVIATION)()

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
  measure_break_even(sample)
  measure_many(sample)
  measure_function(sample, "format", format, work.floats(200000))
  measure_function(sample, "rows", deviation, work.list(100000, work.row))
  measure_progress(sample)
end
