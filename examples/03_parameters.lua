-- Functions of several parameters, in the two ways there are.

local parallel = require "parallel"

-- 1. `map` gives one value to each call; let that be a table, and the parameters have names.

local function payment(loan)
  local rate = loan.percent / 100 / 12
  return loan.sum * rate / (1 - (1 + rate) ^ -loan.months)
end

local loans = {
  {sum = 10000, percent = 3.0, months = 60},
  {sum = 10000, percent = 4.5, months = 60},
  {sum = 250000, percent = 3.5, months = 360},
}

print("monthly payments")
for i, euros in ipairs(parallel.map(payment, loans)) do
  local loan = loans[i]
  print(("%8d  at %.1f %%  over %3d months  %9.2f"):format(
    loan.sum, loan.percent, loan.months, euros))
end

-- 2. `starmap` spreads each row over the parameters, so any function serves as it is.

print("greatest common divisors")
local function gcd(a, b)
  if b == 0 then return a end
  return gcd(b, a % b)
end

local pairs_of_numbers = {{12, 18}, {1071, 462}, {17, 5}}
for i, divisor in ipairs(parallel.starmap(gcd, pairs_of_numbers)) do
  print(("%8d %8d  %d"):format(pairs_of_numbers[i][1], pairs_of_numbers[i][2], divisor))
end

-- A parameter may be left out, in the middle too: the row then says its length in `n`.
-- With `pack`, all that a call returns comes back, and not its first value alone.

local function divide(a, b, digits)
  b, digits = b or 1, digits or 0
  return a // b, ("%." .. digits .. "f"):format(a / b)
end

print("quotients, rounded down and in full")
local rows = {{22, 7, 4}, {22, 7}, {22, nil, 1, n = 3}}
for _, quotients in ipairs(parallel.starmap(divide, rows, {pack = true})) do
  print(("%8d  %s"):format(quotients[1], quotients[2]))
end
