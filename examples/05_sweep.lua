-- A parameter sweep: how many tills should a shop open?
-- Each call simulates one setting, a number of customers an hour and a number of tills; the table
-- shows what the hour costs in wages and in the customers' patience.

local parallel = require "parallel"

local rates = {20, 40, 60, 80, 100}   -- customers an hour
local most_tills = 8
local service_h = 3 / 60              -- mean time at a till, in hours
local wage, patience = 15, 20         -- euros for an hour of a till, and of a waiting customer
local n_customers = 20000

--- A time drawn from the exponential distribution with this mean.
local function exponential(mean) return -mean * math.log(1 - math.random()) end

--- The till that is free first.
local function first_free(free_at)
  local till = 1
  for i = 2, #free_at do
    if free_at[i] < free_at[till] then till = i end
  end
  return till
end

--- Mean time in hours that a customer waits, with one queue for all tills.
local function mean_wait(rate, n_tills)
  local free_at = {}
  for till = 1, n_tills do free_at[till] = 0 end
  local now, waited = 0, 0
  for _ = 1, n_customers do
    now = now + exponential(1 / rate)
    local till = first_free(free_at)
    local start = math.max(now, free_at[till])
    waited = waited + start - now
    free_at[till] = start + exponential(service_h)
  end
  return waited / n_customers
end

--- Cost of an hour in euros; nil where the tills cannot keep up and the queue has no end.
local function cost(rate, n_tills)
  if rate * service_h >= n_tills then return nil end
  return wage * n_tills + patience * rate * mean_wait(rate, n_tills)
end

-- All settings, row by row of the table.
local settings = {}
for _, rate in ipairs(rates) do
  for n_tills = 1, most_tills do settings[#settings + 1] = {rate, n_tills} end
end

local costs = parallel.starmap(cost, settings, {seed = 1})

--- The cheapest of the settings first..last.
local function cheapest(first, last)
  local best
  for i = first, last do
    if costs[i] and (not best or costs[i] < costs[best]) then best = i end
  end
  return best
end

local function print_cells(cells) print((table.concat(cells):gsub("%s+$", ""))) end

print("euros an hour, by customers an hour (down) and tills (across); * is the cheapest")
local header = {(" "):rep(5)}
for n_tills = 1, most_tills do header[#header + 1] = ("%8d "):format(n_tills) end
print_cells(header)

for first = 1, costs.n, most_tills do
  local last = first + most_tills - 1
  local best = cheapest(first, last)
  local cells = {("%5d"):format(settings[first][1])}
  for i = first, last do
    local mark = i == best and "*" or " "
    cells[#cells + 1] = costs[i] and ("%8.2f%s"):format(costs[i], mark) or "      -  "
  end
  print_cells(cells)
end

local best = cheapest(costs.n - most_tills + 1, costs.n)
print(("at %d customers an hour, %d tills are best: %.2f euros"):format(
  settings[best][1], settings[best][2], costs[best]))
