--- A wall clock for the examples.
-- Plain Lua has none that is fine enough: `os.clock` counts the processor time of all threads
-- together, and `os.time` only whole seconds. So the system's `date` is asked; one that does not
-- know `%N` still says the whole seconds.

local clock = {}

--- The time of day.
-- @treturn number seconds since the epoch, good to some milliseconds
function clock.now()
  local pipe = io.popen("date +%s.%N")
  local answer = pipe and pipe:read("l") or ""
  if pipe then pipe:close() end
  return tonumber(answer:match("^%d+%.?%d*")) or os.time()
end

--- Runs `f(...)`.
-- @treturn number seconds that it took; what asking for the time takes is subtracted
-- @return what it returned
function clock.time(f, ...)
  local before, start = clock.now(), clock.now()
  local results = table.pack(f(...))
  local seconds = (clock.now() - start) - (start - before)
  return math.max(seconds, 0), table.unpack(results, 1, results.n)
end

return clock
