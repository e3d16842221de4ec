-- Calls that are written down first and made together later, as joblib's users know them.

local parallel = require "parallel"

local delayed = parallel.delayed

-- 1. `delayed(f)` is called like `f`, and only notes the call. `run` makes all of them.

local function power(base, exponent) return base ^ exponent end

local calls = {}
for exponent = 0, 9 do calls[#calls + 1] = delayed(power)(2, exponent) end
print(table.concat(parallel.run(calls), " "))

-- 2. The calls of one list may be of different functions. With `pack` all that each returns is there.

local function statistics(values)
  local sum, sum_of_squares = 0, 0
  for _, x in ipairs(values) do sum, sum_of_squares = sum + x, sum_of_squares + x * x end
  local mean = sum / #values
  return mean, math.sqrt(sum_of_squares / #values - mean * mean)
end

local heights = {172, 168, 181, 190, 164}
local results = parallel.run({
  delayed(statistics)(heights),
  delayed(math.min)(table.unpack(heights)),
  delayed(math.max)(table.unpack(heights)),
}, {pack = true})
print(("mean %.1f, deviation %.1f"):format(results[1][1], results[1][2]))
print(("from %d to %d"):format(results[2][1], results[3][1]))

-- 3. An iterator of calls is read only as far ahead as the workers need, so a long list is never built.
--    The function of the first call, with what it captures, is sent once for all calls.

local function divisor_sum(n)
  local sum = 1
  for d = 2, math.sqrt(n) // 1 | 0 do
    if n % d == 0 then sum = sum + d + (d * d ~= n and n // d or 0) end
  end
  return sum
end

local number = 1
local function next_call()
  number = number + 1
  return number <= 10000 and delayed(divisor_sum)(number) or nil
end

local sums = parallel.run(next_call)
local perfect = {}
for i = 1, sums.n do
  if sums[i] == i + 1 then perfect[#perfect + 1] = i + 1 end
end
print("perfect numbers up to 10000: " .. table.concat(perfect, " "))
