--- Tables of small-integer features with a class in the last column.

local dataset = {}

local function read_numbers(line)
  local numbers = {}
  for field in line:gmatch("[^,]+") do
    numbers[#numbers + 1] = math.tointeger(field) or error("not an integer: " .. field)
  end
  return numbers
end

--- Reads a CSV file without a header.
-- Columns rather than rows are kept, because trees look at one feature of many samples at a time.
-- @tparam string path
-- @treturn table `columns[feature][sample]` from 0 to `levels - 1`; `labels[sample]` from 1 to
-- `classes`, one more than in the file; and `n`, the number of samples
function dataset.read(path)
  local data = {columns = {}, labels = {}, n = 0, levels = 0, classes = 0}
  for line in io.lines(path) do
    local numbers = read_numbers(line)
    local label = table.remove(numbers) + 1
    data.n = data.n + 1
    data.labels[data.n] = label
    data.classes = math.max(data.classes, label)
    for feature, value in ipairs(numbers) do
      data.columns[feature] = data.columns[feature] or {}
      data.columns[feature][data.n] = value
      data.levels = math.max(data.levels, value + 1)
    end
  end
  return data
end

--- Deals samples out at random: a share to part 0, the others evenly to parts 1 to `folds`.
-- @tparam integer n how many samples
-- @tparam integer folds
-- @tparam number held_out share of part 0, from 0 to 1
-- @treturn {integer,...} the part of each sample
function dataset.deal(n, folds, held_out)
  local parts = {}
  local n_held_out = math.floor(n * held_out)
  for i = 1, n do
    parts[i] = i <= n_held_out and 0 or i % folds + 1
  end
  for i = n, 2, -1 do
    local j = math.random(i)
    parts[i], parts[j] = parts[j], parts[i]
  end
  return parts
end

--- Divides samples into those to learn from and those to test on.
-- @tparam {integer,...} parts as `dataset.deal` made them
-- @tparam integer part the part to test on; part 0 is never learnt from
-- @treturn {integer,...} samples to learn from
-- @treturn {integer,...} samples to test on
function dataset.split(parts, part)
  local train, test = {}, {}
  for i, p in ipairs(parts) do
    if p == part then
      test[#test + 1] = i
    elseif p ~= 0 then
      train[#train + 1] = i
    end
  end
  return train, test
end

return dataset
