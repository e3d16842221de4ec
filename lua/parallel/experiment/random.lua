--- Random numbers of a setting: they depend on a seed, the number of the setting and the name of the parameter, and on
-- nothing else. So setting 10^9 costs what the first does, and a parameter more leaves the others their values. The
-- numbers are those of SplitMix64 (Steele, Lea, Flood 2014), the same on every machine.
-- @module parallel.experiment.random

local random = {}

-- 2^64 by the golden ratio: the distance between states that follow each other.
local STEP = 0x9E3779B97F4A7C15

local function mix(z)
  z = (z ~ z >> 30) * 0xBF58476D1CE4E5B9
  z = (z ~ z >> 27) * 0x94D049BB133111EB
  return z ~ z >> 31
end

--- A number for a text (FNV-1a).
function random.hash(text)
  local hash = 0xCBF29CE484222325
  for i = 1, #text do
    hash = (hash ~ text:byte(i)) * 0x100000001B3
  end
  return hash
end

--- Makes a stream of random numbers.
-- @tparam integer seed
-- @tparam integer i number of the setting
-- @tparam integer name a number for the name, as `hash` gives it
-- @treturn function that returns 64 random bits, others at each call
function random.stream(seed, i, name)
  local state = mix(mix(mix(seed + STEP) + i * STEP) ~ name)
  return function()
    state = state + STEP
    return mix(state)
  end
end

--- A float from 0 to 1, which it never reaches, of the next bits of a stream.
function random.fraction(stream)
  return (stream() >> 11) * 0x1p-53
end

--- An integer of a stream, each with the same chance.
-- @tparam function stream
-- @tparam integer low
-- @tparam integer high not less than low
function random.integer(stream, low, high)
  local span, mask = high - low, high - low -- as an unsigned number
  for _, shift in ipairs {1, 2, 4, 8, 16, 32} do
    mask = mask | mask >> shift
  end
  local offset
  repeat
    offset = stream() & mask
  until not math.ult(span, offset)
  return low + offset
end

return random
