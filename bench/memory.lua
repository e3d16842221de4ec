--- Whether the process grows from call to call.
-- @module memory

local measure = require "measure"

-- Until each allocator has met what there is to meet.
local FIRST_MAPS = 40

local MAP_CALLS = 10000
local ALL_CALLS = 1000000

local FUNCTIONS = {
  number = function(x) return x ^ 2 end,
  table = function(x) return {x, {x}} end,
  string = function(x) return "result " .. x end,
}

local function run_maps(n, f, fresh)
  for _ = 1, n do
    parallel.map(f, parallel.range(1, MAP_CALLS), {fresh = fresh})
    collectgarbage() -- what this side holds is not the question
  end
  return measure.resident_kib()
end

--- Measures growth after the first maps, for fresh and for kept states.
-- @tparam function sample takes a key and a value
return function(sample)
  for _, fresh in ipairs(measure.resident_kib() and {true, false} or {}) do
    for name, f in pairs(FUNCTIONS) do
      local before_kib = run_maps(FIRST_MAPS, f, fresh)
      local grown_kib = run_maps(ALL_CALLS // MAP_CALLS, f, fresh) - before_kib
      sample(("grown_%s_%s"):format(fresh and "fresh" or "kept", name), grown_kib)
    end
  end
end
