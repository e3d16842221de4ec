--- All settings of some parameters, as a sequence that is never built.
-- @module parallel.experiment.grid

local computed = require "parallel.experiment.computed"
local core = require "parallel.core"
local space = require "parallel.experiment.space"

local grid = {}

-- Setting i, counted from 0, is a number whose digits are the places in the lists: the last name has the lowest digit.
local function setting(self, i)
  local rest, values = i - 1, {}
  for place = #self.names, 1, -1 do
    local count = self.counts[place]
    values[self.names[place]] = self.lists[place][rest % count + 1]
    rest = rest // count
  end
  return values
end

--- The metatable of grids. Their fields are `names`, `lists` and `counts`, in order, and `n`, how many settings there
-- are.
grid.type = computed.type("grid", setting)

-- How many values each parameter has.
local function count_values(names, lists)
  local counts = {}
  for place, list in ipairs(lists) do
    local n, what = space.count(list)
    if not n then
      space.refuse("grid", 1, names[place], "list of values, as in {0.1, 0.2},", what)
    elseif n == 0 then
      space.refuse("grid", 1, names[place], "list of values", "an empty one")
    end
    counts[place] = n
  end
  return counts
end

-- How many settings there are.
local function multiply(counts)
  local n = 1
  for _, count in ipairs(counts) do
    if n > math.maxinteger // count then
      core.blame("bad argument #1 to 'grid' (more settings than an integer can count)")
    end
    n = n * count
  end
  return n
end

-- Checks that an order has each name once.
local function check_order(order, names)
  if type(order) ~= "table" then
    core.blame(("option 'order' of 'grid' must be a list of names, not a %s"):format(type(order)))
  end
  local places = {}
  for place, name in ipairs(names) do
    places[name] = place
  end
  for _, name in ipairs(order) do
    if not places[name] then
      core.blame(("option 'order' of 'grid' has '%s', which is no parameter, or there twice"):format(tostring(name)))
    end
    places[name] = nil
  end
  local left = next(places)
  if left then
    core.blame(("option 'order' of 'grid' lacks the parameter '%s'"):format(left))
  end
end

--- All settings of some parameters: a sequence of tables, one for each way to take a value from each list.
-- @tparam table parameters by name a list of values or a range; not to be changed as long as the grid is used
-- @tparam[opt] table options `order`: a list of the names, of which the last changes fastest; sorted by default
-- @treturn table the grid: `#grid`, `grid[i]` and `ipairs(grid)` work, and it stands anywhere a sequence does
function grid.grid(parameters, options)
  local names = space.names("grid", 1, parameters, "lists")
  local order = space.option("grid", 2, options, "order")
  if order ~= nil then
    check_order(order, names)
    names = table.move(order, 1, #names, 1, {})
  end
  local lists = {}
  for place, name in ipairs(names) do
    lists[place] = parameters[name]
  end
  local counts = count_values(names, lists)
  return setmetatable({names = names, lists = lists, counts = counts, n = multiply(counts)}, grid.type)
end

return grid
