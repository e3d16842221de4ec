-- A matrix of distances between points: a captured array that each call reads, and rows that go into another one.
-- With `pack` all that a call returns is a row of the array of `into`.

local parallel = require "parallel"

local n = 400

-- Points on a spiral around an axis.
local points = parallel.array {n, 3}
for i = 1, n do
  local turn = i * 0.1
  points:set(i, 1, math.cos(turn))
  points:set(i, 2, math.sin(turn))
  points:set(i, 3, turn / 10)
end

--- The distances of point i to all points.
local function distances_of(i)
  local x, y, z = points:unpack(3 * i - 2, 3 * i)
  local row = {}
  for j = 1, n do
    local x2, y2, z2 = points:unpack(3 * j - 2, 3 * j)
    row[j] = math.sqrt((x - x2) ^ 2 + (y - y2) ^ 2 + (z - z2) ^ 2)
  end
  return table.unpack(row)
end

local distances = parallel.array {n, n}
parallel.map(distances_of, parallel.range(1, n), {into = distances, pack = true})

print(("the farthest points lie %.4f apart"):format(distances:max()))
print(("from 1 to 2: %.6f, and back: %.6f"):format(distances:get(1, 2), distances:get(2, 1)))

-- The nearest other point of each: the items of a map may be the rows of a result.
local nearest = parallel.map(function(row)
  local least = math.huge
  for _, distance in ipairs(row) do
    if distance > 0 and distance < least then least = distance end
  end
  return least
end, distances:rows(), {into = parallel.array(n)})
print(("the nearest lie between %.6f and %.6f apart"):format(nearest:min(), nearest:max()))

-- A call cannot write to an array that it was given.
local ok, err = pcall(parallel.map, function(i) points[i] = 0 end, {1})
print(ok, err.message:match ": (.-):")
