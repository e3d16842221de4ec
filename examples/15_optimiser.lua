-- An optimiser: an iterator suggests points near the best one so far, and results come as soon as they are there.
-- The search goes on while calls run, so no worker waits for the others; which points are tried depends on how long
-- calls take, what is found does not.

local parallel = require "parallel"

local n_calls, n_random = 5000, 300

--- Branin's function, which has three minima. It stands for a simulation that takes minutes.
local function cost(point)
  local x, y = point.x, point.y
  local bend = y - 5.1 / (4 * math.pi ^ 2) * x ^ 2 + 5 / math.pi * x - 6
  return bend ^ 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
end

local points, best, step = {}, nil, 4

--- The next point: at random in the square at first, then around the best.
local function suggest()
  local n = #points + 1
  if n > n_calls then return nil end
  if n <= n_random or not best then
    points[n] = {x = math.random() * 15 - 5, y = math.random() * 15}
  else
    points[n] = {x = best.x + step * (math.random() - 0.5), y = best.y + step * (math.random() - 0.5)}
  end
  return points[n]
end

math.randomseed(1)
for i, value in parallel.imap_unordered(cost, suggest) do
  if not best or value < best.value then
    best = {value = value, x = points[i].x, y = points[i].y}
    step = step * 1.1
  elseif i > n_random then
    step = math.max(step * 0.99, 1e-3) -- closer, as long as nothing better is found
  end
end

print(("least cost after %d calls: %.2f"):format(#points, best.value))
io.stderr:write(("at x = %.3f, y = %.3f\n"):format(best.x, best.y))
