--- Whether the process grows from call to call.
-- @module memory

local system = require "system_memory"

local MAP_CALLS = 10000
local ALL_CALLS = 1000000

local FUNCTIONS = {
  number = function(x) return x ^ 2 end,
  table = function(x) return {x, {x}} end,
  string = function(x) return "result " .. x end,
}

--- Measures growth between the first maps and the last, for fresh and for kept states.
-- @tparam function sample takes a key and a value
return function(sample)
  if not system.resident_kib() then
    return
  end
  local range = parallel.range(1, MAP_CALLS)
  for _, fresh in ipairs {true, false} do
    for name, f in pairs(FUNCTIONS) do
      local function map()
        parallel.map(f, range, {fresh = fresh})
        collectgarbage() -- what this side holds is not the question
      end
      map()
      local before_kib = system.resident_kib()
      for _ = 2, ALL_CALLS // MAP_CALLS do
        map()
      end
      local grown_kib = system.resident_kib() - before_kib
      sample(("grown_%s_%s"):format(fresh and "fresh" or "kept", name), grown_kib)
    end
  end
end
