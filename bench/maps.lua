--- What a map costs beside its calls: `x^2` over many items and over few, and functions that do more; and what
-- showing its progress adds.
-- @module maps

local bare = require "bare"
local ceiling = require "ceiling"
local stopwatch = require "stopwatch"

local N_ITEMS = 1000000
local ROUNDS = 9
local WORKERS = 2

-- Long enough for a bar to be drawn.
local N_WATCHED = 500000
local WATCHED_ROUNDS = 15

local function square(x)
  return x ^ 2
end

local function loop(f, xs)
  local results = {}
  for i = 1, #xs do
    results[i] = f(xs[i])
  end
  return results
end

-- The same loop as one would write it for a range.
local function loop_range(f, n)
  local results = {}
  for i = 1, n do
    results[i] = f(i)
  end
  return results
end

local function floats(n)
  local xs = {}
  for i = 1, n do
    xs[i] = i + 0.0
  end
  return xs
end

local function check(results, f, xs)
  for i = 1, #xs, #xs // 100 + 1 do
    assert(results[i] == f(xs[i]), "a result is wrong")
  end
end

local function measure_many(sample)
  local xs, range = floats(N_ITEMS), parallel.range(1, N_ITEMS)
  local threads = ceiling.open("return function(x) return x ^ 2 end", WORKERS)
  local function take(key, ...)
    sample(key, stopwatch(...) / N_ITEMS)
  end
  local fresh = {workers = WORKERS}
  local limited = {workers = WORKERS, timeout = 3600}
  local kept = {workers = WORKERS, fresh = false}
  check(parallel.map(square, xs, fresh), square, xs)
  check(parallel.map(square, xs, kept), square, xs)
  for _ = 1, ROUNDS do
    sample("new_state", bare.new_states(200))
    take("loop", loop, square, xs)
    take("loop_range", loop_range, square, N_ITEMS)
    take("bare", threads.run, threads, N_ITEMS, 3)
    take("table_fresh", parallel.map, square, xs, fresh)
    take("table_limited", parallel.map, square, xs, limited)
    take("range_fresh", parallel.map, square, range, fresh)
    take("table_kept", parallel.map, square, xs, kept)
    take("range_kept", parallel.map, square, range, kept)
  end
end

-- Lengths of lists: {length = , ...}, each with a way for each key.

local LENGTHS = {10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 1000000}
local ITEMS_A_MEASURE = 100000

local WAYS = {
  {"loop", function(xs) loop(square, xs) end},
  {"kept", function(xs) parallel.map(square, xs, {fresh = false, workers = WORKERS}) end},
  {"fresh", function(xs) parallel.map(square, xs, {workers = WORKERS}) end},
}

local function repeated(f, xs, n)
  for _ = 1, n do
    f(xs)
  end
end

-- The least time for a list, in ns, by key and length.
local function measure_lengths(sample)
  local best = {}
  for _, way in ipairs(WAYS) do
    best[way[1]] = {}
  end
  for _, length in ipairs(LENGTHS) do
    local xs, n = floats(length), math.max(1, ITEMS_A_MEASURE // length // 4)
    for _ = 1, ROUNDS do
      for _, way in ipairs(WAYS) do
        local key, f = table.unpack(way)
        local took_ns = stopwatch(repeated, f, xs, n) / n
        best[key][length] = math.min(best[key][length] or math.huge, took_ns)
        sample(("length_%s_%d"):format(key, length), took_ns)
      end
    end
  end
  return best
end

-- From which length on a way is as fast as the loop: where the lines of the two last lengths between
-- which that changes cross. 1e300: not at any length.
local function break_even(own, other)
  local last = #LENGTHS
  if own[LENGTHS[last]] > other[LENGTHS[last]] then
    return 1e300
  end
  for i = last - 1, 1, -1 do
    local length, next_length = LENGTHS[i], LENGTHS[i + 1]
    local behind = own[length] - other[length]
    if behind > 0 then
      local ahead = other[next_length] - own[next_length]
      return length + (next_length - length) * behind / (behind + ahead)
    end
  end
  return LENGTHS[1]
end

-- By processor time, for what progress costs is less than what else the machine does.
local function measure_progress(sample)
  local xs = floats(N_WATCHED)
  for _ = 1, WATCHED_ROUNDS do
    for kind, progress in pairs {quiet = false, told = function() end, shown = true} do
      local _, cpu = stopwatch(parallel.map, square, xs, {progress = progress})
      sample("progress_" .. kind, cpu / N_WATCHED)
    end
  end
end

-- Functions that do more than one operation.

local FORMAT = [[
  function helper(x) return x + 1 end
  return function(x) return string.format("%.3f", math.sin(helper(x))) end
]]
local FORMAT_ITEMS = 200000

local function measure_format(sample)
  local f, xs = load(FORMAT)(), floats(FORMAT_ITEMS)
  check(parallel.map(f, xs), f, xs)
  for _ = 1, ROUNDS do
    sample("format_loop", stopwatch(loop, f, xs) / FORMAT_ITEMS)
    sample("format_fresh", stopwatch(parallel.map, f, xs, {workers = WORKERS}) / FORMAT_ITEMS)
    sample("format_kept", stopwatch(parallel.map, f, xs, {workers = WORKERS, fresh = false}) / FORMAT_ITEMS)
  end
end

local N_ROWS, ROW_LENGTH = 100000, 10

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

local function rows()
  local list = {}
  for i = 1, N_ROWS do
    list[i] = {}
    for j = 1, ROW_LENGTH do
      list[i][j] = (i * 7 + j * j) % 101 / 10
    end
  end
  return list
end

local function measure_rows(sample)
  local xs = rows()
  check(parallel.map(deviation, xs), deviation, xs)
  for _ = 1, ROUNDS do
    sample("rows_loop", stopwatch(loop, deviation, xs) / N_ROWS)
    sample("rows_fresh", stopwatch(parallel.map, deviation, xs, {workers = WORKERS}) / N_ROWS)
    sample("rows_kept", stopwatch(parallel.map, deviation, xs, {workers = WORKERS, fresh = false}) / N_ROWS)
  end
end

--- Measures all of it.
-- @tparam function sample takes a key and a value
return function(sample)
  local best = measure_lengths(sample)
  sample("break_even_kept", break_even(best.kept, best.loop))
  sample("break_even_fresh", break_even(best.fresh, best.loop))
  measure_many(sample)
  measure_format(sample)
  measure_rows(sample)
  measure_progress(sample)
end
