--- Arrays as items and for results, against the same work in a loop over tables.
-- @module arrays

local measure = require "measure"
local work = require "work"

local ROUNDS = 9
local WORKERS = 2
local N_ITEMS, N_ROWS = 1000000, 100000

local function square(x)
  return x ^ 2
end

-- The standard deviation of a row, which comes as a table, or as ten numbers.

local deviation = load(work.DEVIATION)()

local function deviation_of(a, b, c, d, e, f, g, h, i, j)
  local mean = (a + b + c + d + e + f + g + h + i + j) / 10
  return (((a - mean) ^ 2 + (b - mean) ^ 2 + (c - mean) ^ 2 + (d - mean) ^ 2 + (e - mean) ^ 2 + (f - mean) ^ 2 +
    (g - mean) ^ 2 + (h - mean) ^ 2 + (i - mean) ^ 2 + (j - mean) ^ 2) / 10) ^ 0.5
end

local function check(results, xs, f)
  for i = 1, #xs, #xs // 100 + 1 do
    assert(math.abs(results[i] - f(xs[i])) < 1e-9, "a result is wrong")
  end
end

local function measure_numbers(sample)
  local xs = work.floats(N_ITEMS)
  local a, b = parallel.array(xs), parallel.array(N_ITEMS)
  check(parallel.map(square, a, {workers = WORKERS, into = b}), xs, square)
  measure.in_turn(sample, ROUNDS, N_ITEMS, {
    {"loop", work.loop, square, xs},
    {"into_kept", parallel.map, square, a, {workers = WORKERS, fresh = false, into = b}},
    {"into_fresh", parallel.map, square, a, {workers = WORKERS, into = b}},
    {"table_kept", parallel.map, square, a, {workers = WORKERS, fresh = false}},
  })
end

local function measure_rows(sample)
  local rows = work.list(N_ROWS, work.row)
  local m = parallel.array(rows)
  local kept, fresh = {workers = WORKERS, fresh = false}, {workers = WORKERS}
  check(parallel.starmap(deviation_of, m:rows(), kept), rows, deviation)
  measure.in_turn(sample, ROUNDS, N_ROWS, {
    {"rows_loop", work.loop, deviation, rows},
    {"rows_kept", parallel.map, deviation, m:rows(), kept},
    {"rows_fresh", parallel.map, deviation, m:rows(), fresh},
    {"numbers_kept", parallel.starmap, deviation_of, m:rows(), kept},
    {"numbers_fresh", parallel.starmap, deviation_of, m:rows(), fresh},
  })
end

--- Measures all of it.
-- @tparam function sample takes a key and a value
return function(sample)
  measure_numbers(sample)
  measure_rows(sample)
end
