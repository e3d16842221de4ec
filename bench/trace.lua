--- What `--trace` costs calls of 10 µs: traced.lua runs with it and without, in turn, in processes of their own.
-- @module trace

local measure = require "measure"
local work = require "work"

local ROUNDS, CALLS, CALL_US = 30, 20000, 10

local function run(flags, n_loops)
  local here = arg[0]:match("^(.*)/")
  local pipe = assert(io.popen(("'%s' %s '%s/traced.lua' %d %d"):format(arg[-1], flags, here, n_loops, CALLS)))
  local wall_ns, cpu_ns = pipe:read("n", "n")
  assert(pipe:close())
  return wall_ns, cpu_ns
end

--- @tparam function sample takes a key and a value
return function(sample)
  local file = os.tmpname()
  local n_loops = math.floor(measure.loops_a_second(load(work.SPIN)()) / 1e6 * CALL_US)
  for _ = 1, ROUNDS do
    for name, flags in pairs {plain = "", traced = "--trace " .. file} do
      local wall_ns, cpu_ns = run(flags, n_loops)
      sample(name, wall_ns)
      sample(name .. "_cpu", cpu_ns)
    end
  end
  os.remove(file)
end
