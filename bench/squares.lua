--- A map whose results fill a good part of the memory: time, and the most memory at any time.
-- @module squares

local stopwatch = require "stopwatch"
local system = require "system_memory"

local N_ITEMS, ROUNDS = 10000000, 3

local function square(x)
  return x ^ 2
end

local function loop(n)
  local results = {}
  for i = 1, n do
    results[i] = square(i)
  end
  return results
end

local function map(n, check)
  local results = parallel.map(square, parallel.range(1, n), {fresh = false})
  if check then
    assert(results[n] == n ^ 2 and results[n // 2] == (n // 2) ^ 2)
  end
end

-- The memory of the first map, of which its results are 16 bytes each.
local function measure_memory(sample, n)
  map(1000)
  local before_kib = system.resident_kib()
  if before_kib then
    map(n, true)
    sample("peak", (system.peak_kib() - before_kib) / 1024)
    sample("results", n * 16 / (1 << 20))
  end
end

--- Measures it for 10^7 items, or for as many as are asked for.
-- @tparam function sample takes a key and a value
-- @tparam[opt] integer n
-- @tparam[opt] integer n_rounds
return function(sample, n, n_rounds)
  n = n or N_ITEMS
  measure_memory(sample, n)
  for _ = 1, n_rounds or ROUNDS do
    sample("loop", stopwatch(loop, n) / n)
    sample("map", stopwatch(map, n) / n)
  end
end
