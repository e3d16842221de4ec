--- How long a function takes.
-- @module stopwatch

local clock = require "clock"

--- Calls a function after a garbage collection, so that it does not pay for what came before.
-- @tparam function f
-- @param ... its arguments
-- @treturn number ns that the call took
return function(f, ...)
  collectgarbage()
  local start_ns = clock.now_ns()
  f(...)
  return clock.now_ns() - start_ns
end
