--- A map whose results fill a good part of the memory: time, and the most memory at any time.
-- @module squares

local measure = require "measure"
local work = require "work"

local function square(x)
  return x ^ 2
end

local function map(n)
  return parallel.map(square, parallel.range(1, n), {fresh = false})
end

-- The memory of the first map, of which its results are 16 bytes each.
local function measure_memory(sample, n)
  map(1000)
  local before_kib = measure.resident_kib()
  if before_kib then
    local results = map(n)
    assert(results[n] == n ^ 2 and results[n // 2] == (n // 2) ^ 2)
    sample("peak", (measure.peak_kib() - before_kib) / 1024)
    sample("results", n * 16 / (1 << 20))
  end
end

--- Measures it.
-- @tparam function sample takes a key and a value
-- @tparam integer n how many squares
-- @tparam integer n_rounds
return function(sample, n, n_rounds)
  measure_memory(sample, n)
  measure.in_turn(sample, n_rounds, n, {{"loop", work.list, n, square}, {"map", map, n}})
end
