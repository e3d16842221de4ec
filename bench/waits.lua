--- 1 to 15 calls that wait, on 8 workers: how much longer all take than the waits in as many turns.
-- @module waits

local bare = require "bare"
local measure = require "measure"
local work = require "work"

local WORKERS, MOST_CALLS = 8, 15

--- Measures it for each number of calls.
-- @tparam function sample takes a key and a value; each number of calls gives one, its best round's
-- @tparam number seconds that a call waits
-- @tparam integer n_rounds
return function(sample, seconds, n_rounds)
  local pool <close> = parallel.pool(WORKERS)
  pool:map(bare.sleep, work.copies(0, WORKERS), {chunk = 1})
  for n_calls = 1, MOST_CALLS do
    local list, best_ns = work.copies(seconds, n_calls), math.huge
    for _ = 1, n_rounds do
      best_ns = math.min(best_ns, measure.time(pool.map, pool, bare.sleep, list))
    end
    sample("waits_over", best_ns - math.ceil(n_calls / WORKERS) * seconds * 1e9)
  end
end
