-- test: 0.2
-- Calls that wait: as many workers as calls, so that all of them wait at the same time.
-- Workers are threads and not cores: eight of them wait just as well on one core.
--
--   moons examples/02_waiting.lua [2]      seconds that each call waits

local parallel = require "parallel"

package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path
local clock = require "clock"

local n_calls = 8
local seconds = tonumber(arg[1] or 2)

-- Stands for a request over the network, or for another program that has to finish.
local function wait(s)
  os.execute("sleep " .. s)
  return s
end

local waits = {}
for i = 1, n_calls do waits[i] = seconds end

local wall_s, waited = clock.time(parallel.map, wait, waits, {workers = n_calls})

local waited_s = 0
for _, s in ipairs(waited) do waited_s = waited_s + s end

print(("%d calls that wait %g s each: %g s of waiting"):format(n_calls, seconds, waited_s))
print("faster than one after the other: " .. (wall_s < waited_s and "yes" or "no"))
io.stderr:write(("all of them took %.2f s\n"):format(wall_s))
