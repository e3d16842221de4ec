--- Random forests: many decision trees, each grown on its own random sample, that vote.
-- Features are integers from 0 to `levels - 1`. A split is therefore found from a histogram, in
-- one pass over the samples and with no sorting. `math.random` is the only source of chance.

local forest = {}

--- What the trees of one forest share while they grow.
-- `cells[feature][sample]` is the place in the histogram of that sample's value and class, so
-- that filling it takes one look-up.
local function new_grower(data, n_features)
  local cells, order = {}, {}
  for feature, column in ipairs(data.columns) do
    local places = {}
    for i = 1, data.n do places[i] = column[i] * data.classes + data.labels[i] end
    cells[feature], order[feature] = places, feature
  end
  local histogram = {}
  for place = 1, data.levels * data.classes do histogram[place] = 0 end
  return {
    data = data, cells = cells, histogram = histogram,
    order = order, n_features = n_features,
  }
end

--- A sample of the same size, drawn with replacement.
local function bootstrap(samples)
  local drawn = {}
  for i = 1, #samples do drawn[i] = samples[math.random(#samples)] end
  return drawn
end

--- Counts the samples first..last by class.
-- @treturn {integer,...} count of each class
-- @treturn integer the class with the most
local function tally(data, samples, first, last)
  local totals, most = {}, 1
  for class = 1, data.classes do totals[class] = 0 end
  for i = first, last do
    local class = data.labels[samples[i]]
    totals[class] = totals[class] + 1
  end
  for class, count in ipairs(totals) do
    if count > totals[most] then most = class end
  end
  return totals, most
end

local function fill(histogram, cells, samples, first, last)
  for i = first, last do
    local place = cells[samples[i]]
    histogram[place] = histogram[place] + 1
  end
end

--- Finds the best threshold in a histogram, and empties it on the way.
-- The least Gini impurity is the greatest sum, over both sides, of (squares of the class counts /
-- samples). The squares are kept up to date while values move from right to left.
-- @tparam integer right_squares the squares of `totals`: at first, all samples are on the right
-- @treturn number|nil that sum; nil where all samples have the same value
-- @treturn integer the greatest value that goes left
local function best_threshold(histogram, levels, totals, n, right_squares)
  local left, left_squares, n_left, place = {}, 0, 0, 0
  for class = 1, #totals do left[class] = 0 end
  local best, threshold
  for value = 0, levels - 1 do
    local n_before = n_left
    for class = 1, #totals do
      place = place + 1
      local count = histogram[place]
      if count > 0 then
        local l = left[class]
        left_squares = left_squares + count * (2 * l + count)
        right_squares = right_squares - count * (2 * (totals[class] - l) - count)
        left[class], n_left = l + count, n_left + count
        histogram[place] = 0
      end
    end
    if n_left == n then break end   -- none is left for the other side, nor in the histogram
    if n_left > n_before then
      local score = left_squares / n_left + right_squares / (n - n_left)
      if not best or score > best then best, threshold = score, value end
    end
  end
  return best, threshold
end

local function sum_of_squares(counts)
  local sum = 0
  for _, count in ipairs(counts) do sum = sum + count * count end
  return sum
end

--- Tries features in random order, until `n_features` of them could divide the samples.
-- @treturn integer|nil the best of them; nil where no feature divides the samples
-- @treturn integer its threshold
local function choose_split(grower, totals, samples, first, last)
  local order, histogram, levels = grower.order, grower.histogram, grower.data.levels
  local n, squares, tried = last - first + 1, sum_of_squares(totals), 0
  local best, best_feature, threshold
  for i = 1, #order do
    local j = math.random(i, #order)
    order[i], order[j] = order[j], order[i]
    fill(histogram, grower.cells[order[i]], samples, first, last)
    local score, value = best_threshold(histogram, levels, totals, n, squares)
    if score then
      tried = tried + 1
      if not best or score > best then best, best_feature, threshold = score, order[i], value end
      if tried == grower.n_features then break end
    end
  end
  return best_feature, threshold
end

--- Moves the samples that go left before the others.
-- @treturn integer the last one that goes left
local function partition(samples, first, last, column, threshold)
  local middle = first - 1
  for i = first, last do
    if column[samples[i]] <= threshold then
      middle = middle + 1
      samples[middle], samples[i] = samples[i], samples[middle]
    end
  end
  return middle
end

--- Grows the node for samples first..last and all nodes below it.
-- Nodes are numbered in the order they are made, so a left child is its parent's number plus one.
-- @treturn integer the number of the node
local function grow(grower, tree, samples, first, last, depth)
  local totals, most = tally(grower.data, samples, first, last)
  local node = #tree.class + 1
  tree.class[node], tree.feature[node], tree.threshold[node], tree.right[node] = most, 0, 0, 0
  if depth == 0 or totals[most] == last - first + 1 then return node end

  local feature, threshold = choose_split(grower, totals, samples, first, last)
  if not feature then return node end
  local column = grower.data.columns[feature]
  local middle = partition(samples, first, last, column, threshold)
  tree.feature[node], tree.threshold[node] = feature, threshold
  grow(grower, tree, samples, first, middle, depth - 1)
  tree.right[node] = grow(grower, tree, samples, middle + 1, last, depth - 1)
  return node
end

--- Grows a forest.
-- @tparam table data as `dataset.read` gives it
-- @tparam {integer,...} samples those to learn from
-- @tparam table options `trees`: how many; `depth`: at most this many splits one below another;
-- `features`: how many of them are tried for each split
-- @treturn {table,...} the trees, as flat arrays over their nodes; feature 0 marks a leaf
function forest.grow(data, samples, options)
  local grower = new_grower(data, options.features)
  local trees = {}
  for i = 1, options.trees do
    trees[i] = {class = {}, feature = {}, threshold = {}, right = {}}
    grow(grower, trees[i], bootstrap(samples), 1, #samples, options.depth)
  end
  return trees
end

--- The class that one tree gives to a sample.
local function classify(tree, columns, sample)
  local features, thresholds, right = tree.feature, tree.threshold, tree.right
  local node = 1
  local feature = features[node]
  while feature > 0 do
    node = columns[feature][sample] <= thresholds[node] and node + 1 or right[node]
    feature = features[node]
  end
  return tree.class[node]
end

--- The class that most trees give to a sample; of equal ones, the lowest.
-- @treturn integer
function forest.predict(trees, data, sample)
  local votes, winner = {}, 1
  for class = 1, data.classes do votes[class] = 0 end
  for _, tree in ipairs(trees) do
    local class = classify(tree, data.columns, sample)
    votes[class] = votes[class] + 1
  end
  for class, count in ipairs(votes) do
    if count > votes[winner] then winner = class end
  end
  return winner
end

--- The share of samples whose class is predicted right.
-- @treturn number from 0 to 1
function forest.accuracy(trees, data, samples)
  local right = 0
  for _, sample in ipairs(samples) do
    if forest.predict(trees, data, sample) == data.labels[sample] then right = right + 1 end
  end
  return right / #samples
end

return forest
