--- Logarithms and powers whose last bit is the same on every machine. Those of C libraries differ there: a sampled
-- setting must not. They are made of sums, products and quotients, which IEEE 754 rounds in one way; they are right to
-- some two units in the last place.
-- @module parallel.experiment.exact

local exact = {}

-- The logarithm of 2 in two parts: products of the first with exponents are exact.
local LOG2_HIGH, LOG2_LOW = 0x1.62e42feep-1, 0x1.a39ef35793c76p-33

-- Terms of the series, which reach beyond the last bit.
local EXP_TERMS, LOG_TERMS = 14, 12

-- x = m * 2^e with m from 1 to 2, of a positive number that is not subnormal.
local function split(x)
  local bits = string.unpack("<i8", string.pack("<d", x))
  local mantissa = bits & 0xFFFFFFFFFFFFF | 1023 << 52
  return string.unpack("<d", string.pack("<i8", mantissa)), (bits >> 52) - 1023
end

-- y * 2^k, step by step: each factor is a number that a float can hold.
local function scale(y, k)
  while k > 1000 do
    y, k = y * 0x1p1000, k - 1000
  end
  while k < -1000 do
    y, k = y * 0x1p-1000, k + 1000
  end
  return y * string.unpack("<d", string.pack("<i8", 1023 + k << 52))
end

--- The natural logarithm of a positive number.
function exact.log(x)
  if x < 0x1p-1000 then
    return exact.log(x * 0x1p100) - 100 * LOG2_HIGH - 100 * LOG2_LOW
  end
  local m, e = split(x)
  if m > 1.4142135623730951 then
    m, e = m / 2, e + 1
  end
  local f = (m - 1) / (m + 1) -- log m = 2 * (f + f^3 / 3 + f^5 / 5 + ...)
  local square, sum = f * f, 0.0
  for term = LOG_TERMS, 1, -1 do
    sum = (sum + 1 / (2 * term + 1)) * square
  end
  return e * LOG2_HIGH + (e * LOG2_LOW + (2 * f + 2 * f * sum))
end

--- e to the power of a number whose result is a float.
function exact.exp(x)
  local k = math.floor(x / (LOG2_HIGH + LOG2_LOW) + 0.5)
  local r = x - k * LOG2_HIGH - k * LOG2_LOW -- exp x = 2^k * (1 + r + r^2 / 2! + ...)
  local sum = 1.0
  for term = EXP_TERMS, 1, -1 do
    sum = 1 + sum * r / term
  end
  return scale(sum, k)
end

return exact
