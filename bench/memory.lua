--- Whether the process grows from call to call.
-- @module memory

local system = require "system_memory"

-- Until each allocator has met what there is to meet.
local FIRST_MAPS = 40

local MAP_CALLS = 10000
local ALL_CALLS = 1000000

local FUNCTIONS = {
  number = function(x) return x ^ 2 end,
  table = function(x) return {x, {x}} end,
  string = function(x) return "result " .. x end,
}

--- Measures growth after the first maps, for fresh and for kept states.
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
      for _ = 1, FIRST_MAPS do
        map()
      end
      local before_kib = system.resident_kib()
      for _ = 1, ALL_CALLS // MAP_CALLS do
        map()
      end
      local grown_kib = system.resident_kib() - before_kib
      sample(("grown_%s_%s"):format(fresh and "fresh" or "kept", name), grown_kib)
    end
  end
end
