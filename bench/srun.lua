--- The costs of a caller whose host is the node of the Slurm allocation that this runs in (`cluster.lua`).
-- @module srun

local costs = require "costs"

-- As the runtime starts agents in an allocation; here as many workers as one likes.
local LAUNCH = "exec srun --nodes=1 --ntasks=1 --overlap --unbuffered --quiet --nodelist={host} {folder}/{moons}"

return function(sample)
  local of = costs.measure("hosts", function(n)
    return parallel.pool {hosts = {os.getenv "SLURM_JOB_NODELIST" .. ":" .. n, launch = LAUNCH}}
  end)
  for key, value in pairs(of) do sample(key, value) end
end
