-- A pool to keep: results as they come, single calls, and calls that do not end.

local parallel = require "parallel"

local pool <close> = parallel.pool()

-- 1. `imap` gives each result as soon as it is there, in order: a picture, row by row.

local width, height = 60, 19

--- One row of the Mandelbrot set.
local function draw(row)
  local line = {}
  for column = 1, width do
    local a, b = -2 + 2.6 * (column - 1) / (width - 1), -1.1 + 2.2 * (row - 1) / (height - 1)
    local x, y, steps = 0.0, 0.0, 0
    while x * x + y * y <= 4 and steps < 500 do
      x, y, steps = x * x - y * y + a, 2 * x * y + b, steps + 1
    end
    line[column] = steps == 500 and "#" or steps > 8 and "." or " "
  end
  return (table.concat(line):gsub(" +$", ""))
end

for _, line in pool:imap(draw, parallel.range(1, height)) do print(line) end

-- 2. `submit` makes one call and gives a future at once. `as_completed` gives futures in the order in
--    which they finish. That differs from run to run, so here the answers are put in order.

local function smallest_factor(n)
  for factor = 2, math.sqrt(n) // 1 | 0 do
    if n % factor == 0 then return factor end
  end
  return n
end

local numbers = {1000003 * 1000033, 2147483647, 91, 600851475143}
local futures, place_of = {}, {}
for i, n in ipairs(numbers) do
  futures[i] = pool:submit(smallest_factor, n)
  place_of[futures[i]] = i
end

local factors = {}
for future in parallel.as_completed(futures) do
  factors[place_of[future]] = future:get()
  io.stderr:write(("number %d is done\n"):format(place_of[future]))
end

print("smallest factors")
for i, n in ipairs(numbers) do print(("%16d  %d"):format(n, factors[i])) end

-- 3. `timeout` ends a call that runs too long. With `errors = "collect"` the others go on.

--- A root of x^3 - 2x + 2, by Newton's method; from some places it goes round in circles for ever.
local function root_from(x)
  local step
  repeat
    step = (x ^ 3 - 2 * x + 2) / (3 * x ^ 2 - 2)
    x = x - step
  until math.abs(step) < 1e-12
  return x
end

local starts = {-2.0, -1.0, 0.0, 2.0, 3.0}
local roots, errors = pool:map(root_from, starts, {timeout = 0.5, errors = "collect"})

print("roots")
for i = 1, roots.n do
  print(("%16.1f  %s"):format(starts[i], roots[i] and ("%.9f"):format(roots[i]) or errors[i].kind))
end
