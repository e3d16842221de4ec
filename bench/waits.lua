--- 1 to 15 calls that wait, on 8 workers: how much longer all take than the waits in as many turns.
-- @module waits

local core = require "parallel.core"

local WORKERS, MOST_CALLS = 8, 15

--- Measures it for each number of calls.
-- @tparam function sample takes a key and a value; each number of calls gives one, its best round's
-- @tparam function sleep
-- @tparam number seconds that a call waits
-- @tparam integer n_rounds
return function(sample, sleep, seconds, n_rounds)
  local pool <close> = parallel.pool(WORKERS)
  pool:map(sleep, {0, 0, 0, 0, 0, 0, 0, 0}, {chunk = 1})
  local list = {}
  for n_calls = 1, MOST_CALLS do
    list[n_calls] = seconds
    local best_s = math.huge
    for _ = 1, n_rounds do
      local start_s = core.now()
      pool:map(sleep, list)
      best_s = math.min(best_s, core.now() - start_s)
    end
    sample("waits_over", (best_s - math.ceil(n_calls / WORKERS) * seconds) * 1e9)
  end
end
