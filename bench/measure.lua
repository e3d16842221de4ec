--- How long functions take, in turn and in rounds, and how much memory the process holds.
-- @module measure

local core = require "parallel.core"

local measure = {}

--- How many ns a call takes.
function measure.time(f, ...)
  local start_s = core.now()
  f(...)
  return (core.now() - start_s) * 1e9
end

--- The same after a garbage collection, so that it does not pay for what came before.
-- @tparam function f
-- @param ... its arguments
-- @treturn number ns that the call took
-- @treturn number ns that all threads of the process worked meanwhile
function measure.after_collection(f, ...)
  collectgarbage()
  local start_cpu_s = os.clock()
  local wall_ns = measure.time(f, ...)
  return wall_ns, (os.clock() - start_cpu_s) * 1e9
end

--- Calls a function n times.
function measure.repeated(n, f, ...)
  for _ = 1, n do
    f(...)
  end
end

--- Measures ways to do the same work, in turn.
-- @tparam function sample takes a key and a value
-- @tparam integer n_rounds
-- @tparam integer n_items by which times are divided
-- @tparam {table,...} ways each {key, function, argument, ...}; `cpu`, the key of its processor time; `n_items`, where
-- it has others; the key may be false
-- @treturn table the least time of each key
function measure.in_turn(sample, n_rounds, n_items, ways)
  local least = {}
  local function note(key, value)
    if key then
      sample(key, value)
      least[key] = math.min(least[key] or math.huge, value)
    end
  end
  for _ = 1, n_rounds do
    for _, way in ipairs(ways) do
      local wall_ns, cpu_ns = measure.after_collection(table.unpack(way, 2))
      note(way[1], wall_ns / (way.n_items or n_items))
      note(way.cpu, cpu_ns / (way.n_items or n_items))
    end
  end
  return least
end

--- How often the loop of `work.SPIN` runs in a second: of processor time, which other programs do not lengthen.
function measure.loops_a_second(spin)
  local n_loops = 1000000
  local least = measure.in_turn(function() end, 10, n_loops, {{false, spin, n_loops, cpu = "spin"}})
  return 1e9 / least.spin
end

-- What Linux says of the process; elsewhere nil.
local function status_kib(field)
  local file <close> = io.open("/proc/self/status")
  return file and tonumber(file:read("a"):match(field .. ":%s*(%d+) kB"))
end

--- Memory that the process holds now, in KiB, after a garbage collection. Linux only: elsewhere nil.
function measure.resident_kib()
  collectgarbage()
  collectgarbage()
  return status_kib("VmRSS")
end

--- The most that it has held at any time, in KiB.
function measure.peak_kib()
  return status_kib("VmHWM")
end

return measure
