--- Random settings of some parameters, as a sequence that is never built.
-- @module parallel.experiment.sample

local check = require "parallel.check"
local computed = require "parallel.experiment.computed"
local core = require "parallel.core"
local distribution = require "parallel.experiment.distribution"
local random = require "parallel.experiment.random"
local space = require "parallel.experiment.space"

local sample = {}

local function setting(self, i)
  local values = {}
  for place, name in ipairs(self.names) do
    local stream = random.stream(self.seed, i, self.hashes[place])
    values[name] = distribution.draw(self.distributions[place], stream)
  end
  return values
end

--- The metatable of samples. Their fields are `names`, `hashes` and `distributions`, in order, `seed`, and `n`, how
-- many settings there are.
sample.type = computed.type("sample", setting)

local function check_seed(seed)
  if seed ~= nil and not check.integer(seed) then
    local shown = type(seed) == "number" and tostring(seed) or "a " .. type(seed)
    core.blame(("option 'seed' of 'sample' must be an integer, not %s"):format(shown))
  end
  return check.integer(seed)
end

local function check_count(n)
  local count = check.integer(n)
  if not count or count < 0 then
    check.refuse("sample", 1, "number of settings", type(n) == "number" and tostring(n) or type(n))
  end
  return count
end

-- What to say of a value that is no distribution.
local function describe(value)
  if space.count(value) then
    return "a list: write choice(list)"
  end
  return type(value)
end

--- Random settings: a sequence of tables. Setting i depends on the seed, on i, and for each parameter on its name and
-- its distribution; on any machine it is the same. More settings leave the first ones as they are.
-- @tparam integer n how many
-- @tparam table parameters by name a distribution: `uniform`, `log_uniform`, `integers` or `choice`
-- @tparam[opt] table options `seed`: an integer; by default a number drawn from the script's `math.random`
-- @treturn table the sample: `#sample`, `sample[i]` and `ipairs(sample)` work, and it stands anywhere a sequence does
function sample.sample(n, parameters, options)
  n = check_count(n)
  local names = space.names("sample", 2, parameters, "distributions")
  local seed = check_seed(space.option("sample", 3, options, "seed"))
  local self = {names = names, hashes = {}, distributions = {}, seed = seed or core.draw_seed(), n = n}
  for place, name in ipairs(names) do
    local value = parameters[name]
    if not distribution.is(value) then
      space.refuse("sample", 2, name, "distribution, such as uniform(0, 1),", describe(value))
    end
    self.hashes[place], self.distributions[place] = random.hash(name), value
  end
  return setmetatable(self, sample.type)
end

return sample
