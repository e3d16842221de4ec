-- Other machines that run calls: a pool of hosts, and what each of them has done. Here both are this machine, so that
-- the example runs everywhere: without `launch` they are reached by ssh, as {hosts = {"node1:16", "ann@node2:8"}}.
local parallel = require "parallel"

local pool <close> = parallel.pool {
  hosts = {"one:2", "two:1", launch = "exec {folder}/{moons}"},
  seed = 42,
}
print(pool:stats().workers .. " workers")

-- How many of n random points lie in the circle.
local function hits(n)
  local count = 0
  for _ = 1, n do
    local x, y = math.random(), math.random()
    if x * x + y * y < 1 then count = count + 1 end
  end
  return count
end

local batches, report = {}, {}
for i = 1, 40 do batches[i] = 50000 end

local sum = 0
for _, count in ipairs(pool:map(hits, batches, {report = report})) do sum = sum + count end
print(("pi is about %.4f, whichever host made which call"):format(4 * sum / (40 * 50000)))

local seconds = {}
for _, used in ipairs(report) do seconds[used.host] = (seconds[used.host] or 0) + used.seconds end
for _, host in ipairs {"one", "two"} do
  io.stderr:write(("%s computed for %.2f s\n"):format(host, seconds[host] or 0))
end
