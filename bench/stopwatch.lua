--- How long a function takes.
-- @module stopwatch

local clock = require "clock"

--- Calls a function after a garbage collection, so that it does not pay for what came before.
-- @tparam function f
-- @param ... its arguments
-- @treturn number ns that the call took
-- @treturn number ns that all threads of the process worked meanwhile
return function(f, ...)
  collectgarbage()
  local start_ns, start_cpu_s = clock.now_ns(), os.clock()
  f(...)
  return clock.now_ns() - start_ns, (os.clock() - start_cpu_s) * 1e9
end
