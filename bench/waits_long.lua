--- As in `schedule`, with calls that wait for 2 s.
-- @module waits_long

local bare = require "bare"
local waits = require "waits"

--- Measures it.
-- @tparam function sample takes a key and a value
return function(sample)
  waits(sample, bare.sleep, 2, 1)
end
