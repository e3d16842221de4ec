-- What a call finds and what it leaves behind: isolation, `init`, and `fresh = false`.

-- The worker's global that `init` sets in part 2.
-- luacheck: globals squares

local parallel = require "parallel"

-- 1. By default every call starts from the same state, so none sees what another one did.

local n_calls = 0
local function count_calls()
  n_calls = n_calls + 1
  return n_calls
end

local function show(what, results) print(("%-28s %s"):format(what, table.concat(results, " "))) end

show("isolated:", parallel.map(count_calls, parallel.range(1, 4)))
show("and here:", {n_calls})

-- 2. `init` runs once for each worker, and what it sets up is there in every call. It pays where
--    the set-up costs far more than a call: here, a table that each call only reads.

local function set_up()
  squares = {}
  for i = 0, 1000 do squares[i * i] = i end
end

--- The ways to write n as a sum of two squares, the smaller one first.
local function sums_of_two_squares(n)
  local ways = 0
  for i = 0, math.sqrt(n / 2) // 1 | 0 do
    if squares[n - i * i] then ways = ways + 1 end
  end
  return ways
end

show("set up by init:", parallel.map(sums_of_two_squares, {25, 50, 325, 5525}, {init = set_up}))
show("and here:", {tostring(squares)})

-- 3. With `fresh = false` a worker keeps its state, and what one call learns serves the next one
--    on that worker. The results must not depend on it: which calls share a worker is not fixed.

show("kept, one worker:", parallel.map(count_calls, parallel.range(1, 4),
  {fresh = false, workers = 1}))

local known = {1}

--- Length of the Collatz chain from n down to 1; `known` remembers all that were seen.
local function chain_length(n)
  if not known[n] then
    local next_n = n % 2 == 0 and n // 2 or 3 * n + 1
    known[n] = chain_length(next_n) + 1
  end
  return known[n]
end

local lengths = parallel.map(chain_length, parallel.range(1, 30000), {fresh = false})
local longest = 1
for i = 2, lengths.n do
  if lengths[i] > lengths[longest] then longest = i end
end
show("longest chain up to 30000:", {longest, "with", lengths[longest], "numbers"})
show("and here:", {#known})
