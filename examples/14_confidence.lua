-- Monte Carlo with confidence intervals: how likely is it that two of 23 people share a birthday?
-- Batches come without end, in order; the loop stops when the interval is narrow enough, and the calls that run end.

local parallel = require "parallel"

local n_people, n_trials, wanted = 23, 2000, 0.005

--- In how many of `n` groups two people share a birthday.
local function count(n)
  local hits = 0
  for _ = 1, n do
    local seen, shared = {}, false
    for _ = 1, n_people do
      local day = math.random(365)
      shared = shared or seen[day]
      seen[day] = true
    end
    if shared then hits = hits + 1 end
  end
  return hits
end

--- An estimate from hits among trials, and half of its 95% confidence interval.
local function estimate(hits, n)
  local p = hits / n
  return p, 1.96 * math.sqrt(p * (1 - p) / n)
end

local function batches() return n_trials end

local hits = 0
for i, value in parallel.imap(count, batches, {seed = 23}) do
  hits = hits + value
  local p, half = estimate(hits, i * n_trials)
  local is_narrow = half < wanted
  if i & (i - 1) == 0 or is_narrow then print(("%6d trials  %.4f ± %.4f"):format(i * n_trials, p, half)) end
  if is_narrow then break end
end
