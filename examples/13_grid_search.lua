-- Grid search with cross-validation: which random forest tells malignant tumours from benign ones best?
-- With arguments, chart.svg and sweep.db say, it draws a chart, and keeps results to go on with when it runs again.
local here = arg[0]:match "^.*/" or "./"
package.path = here .. "random_forest/?.lua;" .. package.path
local csv = require "pl.data" -- of Penlight
local dataset = require "dataset"
local experiment = require "parallel.experiment"
local forest = require "forest"
local parallel = require "parallel"

local n_features, n_folds, n_levels = 30, 5, 32 -- features become integers from 0 to n_levels - 1
local rows = assert(csv.read(here .. "data/breast_cancer.csv"))
local data = {columns = {}, labels = {}, n = #rows, levels = n_levels, classes = 2}
for i, row in ipairs(rows) do data.labels[i] = row[n_features + 1] + 1 end
for feature = 1, n_features do
  local column = {}
  for i, row in ipairs(rows) do column[i] = row[feature] end
  local least, most = math.min(table.unpack(column)), math.max(table.unpack(column))
  for i, x in ipairs(column) do column[i] = (x - least) / (most - least) * (n_levels - 1) // 1 | 0 end
  data.columns[feature] = column
end
math.randomseed(1995) -- for the folds, and for the forests
local parts = dataset.deal(data.n, n_folds, 0)
local settings = experiment.grid({features = {5}, depth = {1, 4}, trees = {1, 5, 25},
  fold = parallel.range(1, n_folds)}, {order = {"features", "depth", "trees", "fold"}})
local function accuracy(setting)
  local train, test = dataset.split(parts, setting.fold)
  return forest.accuracy(forest.grow(data, train, setting), data, test)
end

local curves, total = {[1] = {}, [4] = {}}, 0
for i, value in parallel.imap(accuracy, settings, {store = arg[2]}) do
  local s = settings[i]
  total = s.fold == 1 and value or total + value
  if s.fold == n_folds then table.insert(curves[s.depth], {s.trees, total / n_folds}) end
  if s.fold == n_folds then print(("depth %d  trees %2d  accuracy %.3f"):format(s.depth, s.trees, total / n_folds)) end
end
local series, file = {{"depth 1", curves[1]}, {"depth 4", curves[4]}}, arg[1] ~= "-" and arg[1] or nil -- "-": here
if arg[1] then experiment.chart {x = {label = "trees"}, y = {label = "accuracy"}, series = series, file = file} end
if arg[2] then experiment.open(arg[2]):csv(arg[2] .. ".csv") end -- a row for each call
