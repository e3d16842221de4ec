--- What the option `store` costs, against the same maps without it; and settings of a grid, against loops.
-- @module store

local experiment = require "parallel.experiment"
local measure = require "measure"
local work = require "work"

local ROUNDS = 9
local WORKERS = 2
local N_SHORT, N_LONG, N_SETTINGS = 5000, 1000, 100000

local function score(setting)
  return {loss = setting.rate * setting.depth, accuracy = 0.5 + setting.depth / 100, name = "score"}
end

local function settings_of(n)
  return experiment.grid {rate = parallel.range(1 / 7, n / 70, 1 / 7), depth = parallel.range(1, 10)}
end

-- Calls that are all in the store, or none: those of another version are others.
local function map_stored(f, items, path, version)
  parallel.map(f, items, {workers = WORKERS, store = {path = path, version = version}})
end

local version = 0

local function map_new(f, items, path)
  version = version + 1
  map_stored(f, items, path, version)
end

local function map_each(f, items, path)
  for i = 1, #items do
    map_stored(f, {items[i]}, path, 0)
  end
end

local function measure_short(sample, path)
  local settings, few = settings_of(N_SHORT), {}
  for i = 1, 100 do
    few[i] = settings[i]
  end
  map_stored(score, settings, path, 0)
  local least = measure.in_turn(function() end, ROUNDS, N_SHORT, {
    {false, parallel.map, score, settings, {workers = WORKERS}, cpu = "plain"},
    {false, map_new, score, settings, path, cpu = "new"},
    {false, map_stored, score, settings, path, 0, cpu = "there"},
    {"map", map_each, score, few, path, n_items = #few},
  })
  sample("new", least.new - least.plain)
  sample("there", least.there - least.plain)
  sample("map", least.map)
end

local function measure_long(sample, path)
  local spin = load(work.SPIN)()
  local n_loops = measure.loops_a_second(spin) // 1000 | 0
  local items = {}
  for i = 1, N_LONG do
    items[i] = {n_loops = n_loops, number = i}
  end
  for round = 1, ROUNDS do
    spin = work.spin_at(round)
    local function f(item)
      return {number = item.number, x = spin(item.n_loops)}
    end
    measure.in_turn(sample, 1, N_LONG, {
      {"plain_1000", parallel.map, f, items, {workers = WORKERS}},
      {"new_1000", map_new, f, items, path},
    })
  end
end

local function loops(n)
  local settings = {}
  for i = 1, n // 10 do
    for depth = 1, 10 do
      settings[#settings + 1] = {rate = i / 7, depth = depth}
    end
  end
  return settings
end

local function read_all(settings)
  for i = 1, #settings do
    local _ = settings[i]
  end
end

--- Measures all of it.
-- @tparam function sample takes a key and a value
return function(sample)
  local path = os.tmpname()
  measure_short(sample, path)
  measure_long(sample, path)
  measure.in_turn(sample, ROUNDS, N_SETTINGS, {
    {"loops", loops, N_SETTINGS}, {"grid", read_all, settings_of(N_SETTINGS)},
  })
  for _, ending in ipairs {"", "-wal", "-shm"} do
    os.remove(path .. ending)
  end
end
