--- As `squares`, with 10^8 items: some 3 GB and a minute.
-- @module squares_long

local squares = require "squares"

--- Measures it.
-- @tparam function sample takes a key and a value
return function(sample)
  squares(sample, 100000000, 1)
end
