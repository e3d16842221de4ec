--- How the values of a sampled parameter are distributed.
-- @module parallel.experiment.distribution

local check = require "parallel.check"
local core = require "parallel.core"
local exact = require "parallel.experiment.exact"
local random = require "parallel.experiment.random"
local space = require "parallel.experiment.space"

local distribution = {}

--- The metatable of distributions, which say their `kind`: they travel as plain data does.
distribution.type = {__name = "parallel.distribution"}

local function new(kind, fields)
  fields.kind = kind
  return setmetatable(fields, distribution.type)
end

-- For each kind, what makes a value of a stream of random numbers.
local DRAW = {}

function DRAW.uniform(self, stream)
  local u = random.fraction(stream)
  return math.min(self.low + (self.high - self.low) * u, self.high)
end

function DRAW.log_uniform(self, stream)
  local first, last = exact.log(self.low), exact.log(self.high)
  local value = exact.exp(first + (last - first) * random.fraction(stream))
  return math.max(self.low, math.min(value, self.high))
end

function DRAW.integers(self, stream)
  return random.integer(stream, self.low, self.high)
end

function DRAW.choice(self, stream)
  return self.values[random.integer(stream, 1, self.n)]
end

--- A value of a stream of random numbers (parallel.experiment.random).
function distribution.draw(self, stream)
  return DRAW[self.kind](self, stream)
end

--- Whether a value is a distribution.
function distribution.is(value)
  return getmetatable(value) == distribution.type
end

local function check_bound(where, number, value, is_right, expected)
  if not is_right(value) then
    check.refuse(where, number, expected, type(value) == "number" and tostring(value) or type(value))
  end
end

local function check_bounds(where, low, high, is_right, expected)
  check_bound(where, 1, low, is_right, expected)
  check_bound(where, 2, high, is_right, expected)
  if low > high then
    core.blame(("bad argument #2 to '%s' (it must not be less than the first)"):format(where))
  end
end

local function is_finite(value)
  return type(value) == "number" and value - value == 0
end

local function is_positive(value)
  return is_finite(value) and value > 0
end

--- Floats from `low` to `high`, each as likely as any other.
-- @tparam number low
-- @tparam number high
-- @treturn table a distribution for `sample`
function distribution.uniform(low, high)
  check_bounds("uniform", low, high, is_finite, "finite number")
  if not is_finite(high - low) then
    core.blame("bad argument #2 to 'uniform' (too far from the first)")
  end
  return new("uniform", {low = low + 0.0, high = high + 0.0})
end

--- Floats from `low` to `high` whose logarithms are uniform: as many from 0.001 to 0.01 as from 0.01 to 0.1.
-- @tparam number low more than 0
-- @tparam number high
-- @treturn table a distribution for `sample`
function distribution.log_uniform(low, high)
  check_bounds("log_uniform", low, high, is_positive, "finite number above 0")
  return new("log_uniform", {low = low + 0.0, high = high + 0.0})
end

--- Integers from `low` to `high`, both among them.
-- @tparam integer low
-- @tparam integer high
-- @treturn table a distribution for `sample`
function distribution.integers(low, high)
  check_bounds("integers", low, high, check.integer, "integer")
  return new("integers", {low = check.integer(low), high = check.integer(high)})
end

--- The values of a list, each as likely as any other.
-- @tparam table values a list or a range; not to be changed as long as it is used
-- @treturn table a distribution for `sample`
function distribution.choice(values)
  local n, what = space.count(values)
  if not n or n == 0 then
    check.refuse("choice", 1, "list of values", n and "an empty one" or what)
  end
  return new("choice", {values = values, n = n})
end

return distribution
