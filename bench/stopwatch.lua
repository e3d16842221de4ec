--- How long a function takes.
-- @module stopwatch

local core = require "parallel.core"

--- Calls a function after a garbage collection, so that it does not pay for what came before.
-- @tparam function f
-- @param ... its arguments
-- @treturn number ns that the call took
-- @treturn number ns that all threads of the process worked meanwhile
return function(f, ...)
  collectgarbage()
  local start_s, start_cpu_s = core.now(), os.clock()
  f(...)
  return (core.now() - start_s) * 1e9, (os.clock() - start_cpu_s) * 1e9
end
