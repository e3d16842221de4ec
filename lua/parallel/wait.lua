--- Waiting: where a hook ends that, as Ctrl-C does, what was waited for ends too, for nobody wants it any more.
-- @module parallel.wait

local core = require "parallel.core"

--- Calls a function that waits for something.
-- @tparam function wait takes what it waits for, and the rest
-- @tparam function drop ends what was waited for
-- @param awaited
-- @param[opt] ... more arguments of `wait`
-- @return what `wait` returns first
-- @raise its errors as they are
return function(wait, drop, awaited, ...)
  local waited, result = core.protect(wait, awaited, ...)
  if waited then
    return result
  elseif core.ended_by_hook() then
    pcall(drop, awaited)
  end
  error(result, 0)
end
