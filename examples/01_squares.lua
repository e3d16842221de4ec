-- Squares of longer and longer lists, by a plain loop and by `parallel.map`.
-- A call this small is the hardest case: nearly all of its time goes into sending it to a worker.
--
--   moons examples/01_squares.lua [5]      lists of up to 10^5 numbers

local parallel = require "parallel"

package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path
local clock = require "clock"

local largest = tonumber(arg[1] or 5)

local function square(x) return x ^ 2 end

local function loop(xs)
  local squares = {}
  for i = 1, #xs do squares[i] = square(xs[i]) end
  return squares
end

local function numbers(n)
  local xs = {}
  for i = 1, n do xs[i] = i end
  return xs
end

--- Sums both lists up and compares them item by item.
local function sum_and_compare(expected, got)
  local sum, equal = 0, #expected == #got
  for i, value in ipairs(expected) do
    sum = sum + value
    equal = equal and value == got[i]
  end
  return sum, equal
end

-- Times differ from run to run, so they go to stderr.
io.stderr:write(("%10s %10s %10s\n"):format("size", "loop s", "map s"))
print(("%10s %24s  %s"):format("size", "sum of squares", "equal"))
for power = 1, largest do
  local n = math.tointeger(10 ^ power)
  local xs = numbers(n)
  local loop_s, expected = clock.time(loop, xs)
  local map_s, got = clock.time(parallel.map, square, xs)
  local sum, equal = sum_and_compare(expected, got)
  io.stderr:write(("%10d %10.3f %10.3f\n"):format(n, loop_s, map_s))
  print(("%10d %24.0f  %s"):format(n, sum, equal and "yes" or "no"))
end
