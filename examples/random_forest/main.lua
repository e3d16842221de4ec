-- Model selection: which random forest reads handwritten digits best?
-- Each setting of a grid is tried on each of five folds. One such trial, which grows a forest on
-- four folds and tests it on the fifth, is one call of `starmap`. The best setting is at last
-- tested on samples that no forest has seen.
--
-- All trials run on one worker and then again on all, to compare the time and the scores. Results
-- go to stdout, times to stderr.

local parallel = require "parallel"

local here = arg[0]:match("^.*/") or "./"
package.path = here .. "?.lua;" .. here .. "../?.lua;" .. package.path
local clock = require "clock"
local dataset = require "dataset"
local forest = require "forest"

local seed = 1998
local n_folds = 5
local held_out = 0.2   -- share of the samples
local grid = {trees = {10, 20, 40}, depth = {4, 8, 16}, features = {4, 8}}

local data = dataset.read(here .. "../data/digits.csv")
math.randomseed(seed)
local parts = dataset.deal(data.n, n_folds, held_out)

--- Grows one forest and tests it.
-- The data are captured: they travel to each worker once, and not with each call.
-- @tparam integer part the part to test on; 0 is the held-out one
-- @treturn number accuracy
local function trial(trees, depth, features, part)
  local train, test = dataset.split(parts, part)
  local options = {trees = trees, depth = depth, features = features}
  return forest.accuracy(forest.grow(data, train, options), data, test)
end

--- All settings of the grid, as rows.
local function settings_of(values)
  local settings = {}
  for _, trees in ipairs(values.trees) do
    for _, depth in ipairs(values.depth) do
      for _, features in ipairs(values.features) do
        settings[#settings + 1] = {trees, depth, features}
      end
    end
  end
  return settings
end

--- The trials of these settings: each setting on fold 1, on fold 2, ...
local function trials_of(settings)
  local trials = {}
  for _, setting in ipairs(settings) do
    for fold = 1, n_folds do
      local trees, depth, features = table.unpack(setting)
      trials[#trials + 1] = {trees, depth, features, fold}
    end
  end
  return trials
end

--- Runs the trials.
-- @treturn number seconds
-- @treturn {number,...} accuracies
local function run(trials, workers)
  io.stderr:write(("%d forests, workers: %d ... "):format(#trials, workers))
  local seconds, scores = clock.time(parallel.starmap, trial, trials,
    {workers = workers, seed = seed})
  io.stderr:write(("%.1f s\n"):format(seconds))
  return seconds, scores
end

local function equal(a, b)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then return false end
  end
  return true
end

--- Mean and standard deviation of scores first..last.
local function mean_and_spread(scores, first, last)
  local n, sum, squares = last - first + 1, 0, 0
  for i = first, last do sum = sum + scores[i] end
  local mean = sum / n
  for i = first, last do squares = squares + (scores[i] - mean) ^ 2 end
  return mean, math.sqrt(squares / (n - 1))
end

--- Prints the table of settings.
-- @treturn {integer,...} the setting with the highest mean
local function report(settings, scores)
  local best, best_mean
  print("trees  depth  features  accuracy")
  for i, setting in ipairs(settings) do
    local mean, spread = mean_and_spread(scores, (i - 1) * n_folds + 1, i * n_folds)
    local trees, depth, features = table.unpack(setting)
    print(("%5d  %5d  %8d  %.3f +- %.3f"):format(trees, depth, features, mean, spread))
    if not best or mean > best_mean then best, best_mean = setting, mean end
  end
  return best
end

local settings = settings_of(grid)
local trials = trials_of(settings)
local cpus = parallel.cpus()

local serial_s, scores = run(trials, 1)
local parallel_s, parallel_scores = run(trials, cpus)
io.stderr:write(("speed-up: %.2f\n"):format(serial_s / parallel_s))

local trees, depth, features = table.unpack(report(settings, scores))
print(("best: %d trees, %d deep, %d features tried at each split"):format(trees, depth, features))
print("the same scores for any number of workers: " ..
  (equal(scores, parallel_scores) and "yes" or "no"))

local accuracy = parallel.starmap(trial, {{trees, depth, features, 0}}, {seed = seed})[1]
print(("accuracy on held-out samples: %.3f"):format(accuracy))
