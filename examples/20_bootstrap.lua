-- A bootstrap: how far can the mean and the median of a sample be trusted?
-- Each call draws a sample anew, with replacement, from a captured array, and returns both as a row. With a seed the
-- numbers are the same for any number of workers.

local parallel = require "parallel"

local n_draws = 2000

-- Waiting times in minutes: many are short, a few are long.
local sample = parallel.array(500)
for i = 1, #sample do
  sample[i] = (i * 37 % 500 / 100) ^ 2
end

local function median(list)
  table.sort(list)
  local middle = #list // 2
  return #list % 2 == 1 and list[middle + 1] or (list[middle] + list[middle + 1]) / 2
end

local function resample()
  local drawn, sum = {}, 0
  for i = 1, #sample do
    drawn[i] = sample[math.random(#sample)]
    sum = sum + drawn[i]
  end
  return sum / #drawn, median(drawn)
end

local statistics = parallel.array {n_draws, 2}
parallel.map(resample, parallel.range(1, n_draws), {into = statistics, pack = true, seed = 1})

for column, name in ipairs {"mean", "median"} do
  local values = statistics:column(column)
  table.sort(values)
  local low, high = values[n_draws * 25 // 1000], values[n_draws * 975 // 1000]
  print(("%-6s  %.3f  95%% between %.3f and %.3f"):format(name, median(values), low, high))
end
print(("the sample: mean %.3f, median %.3f"):format(sample:mean(), median(sample:totable())))
