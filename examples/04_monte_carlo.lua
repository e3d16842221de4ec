-- Pi from random points, with the same digits whatever the number of workers.
-- Call i draws its numbers from (seed, i): neither the worker that runs it nor the calls that ran
-- there before have a part in them.

local parallel = require "parallel"

local n_calls, n_points = 40, 50000

--- How many of n random points of the unit square lie in the quarter circle.
local function hits(n)
  local inside = 0
  for _ = 1, n do
    local x, y = math.random(), math.random()
    if x * x + y * y <= 1 then inside = inside + 1 end
  end
  return inside
end

local function pi(workers)
  local sizes = {}
  for i = 1, n_calls do sizes[i] = n_points end
  local total = 0
  for _, inside in ipairs(parallel.map(hits, sizes, {workers = workers, seed = 2024})) do
    total = total + inside
  end
  return 4 * total / (n_calls * n_points)
end

print("workers  pi")
for _, workers in ipairs {1, 2, 4} do
  print(("%7d  %.6f"):format(workers, pi(workers)))
end
