-- FOLDER ROUNDS SEED: maps on hosts while chance kills, stops and cuts what they run on; all results must be right.
-- chaos_spec.lua launches the agents, each between two `cat`, so that its connection can be cut (support/agents.lua).
local parallel = require "parallel"
local equal = dofile "spec/support/equal.lua"
local folder, n_rounds, seed = ...

local random = {state = tonumber(seed) | 1} -- of its own, for faults must not change what calls draw
local function chance(n)
  random.state = random.state * 6364136223846793005 + 1442695040888963407
  return (random.state >> 33) % n + 1
end

local function run(command, ...) os.execute(command:format(...) .. " 2>/dev/null") end

local hosts = {"one", "two", "three"}
local now = 0 -- counts maps
local rests = {} -- in which map a host had its last fault, until it has made calls of a later one: else it is given up
local n_losses = 0 -- faults that may cost a host while this map runs: a call that loses three has failed
local is_late -- whether one of them may come in the next map
local counts = {}

local function number_of(host, part)
  local file <close> = assert(io.open(("%s/%s.%s"):format(folder, host, part)))
  return file:read "n"
end

-- Stops what it is told to, and lets it go on later, while the script does.
local function stop(pids)
  run("kill -STOP %s && { sleep 0.%d; kill -CONT %s; } &", pids, chance(60) + 10, pids)
end

local faults = {
  {"agent killed", function(host) run("kill -KILL %d", number_of(host, "agent")) end, loses = true},
  {"launcher killed", function(host) run("kill -KILL %d", number_of(host, "launcher")) end, loses = true},
  {"connection to it closed", function(host) run("kill -KILL %d", number_of(host, "to")) end, loses = true},
  {"connection from it closed", function(host) run("kill -KILL %d", number_of(host, "from")) end, loses = true},
  {"cut, then closed", function(host)
    local pid = number_of(host, "from")
    is_late = true
    run("kill -STOP %d && { sleep 0.%d; kill -KILL %d; } &", pid, chance(50) + 10, pid)
  end, loses = true},
  {"worker killed", function(host) run("kill -KILL $(pgrep -P %d | shuf -n 1)", number_of(host, "agent")) end},
  {"workers killed", function(host) run("kill -KILL $(pgrep -P %d)", number_of(host, "agent")) end},
  {"worker stopped", function(host) stop(("$(pgrep -o -P %d)"):format(number_of(host, "agent"))) end},
  {"agent stopped", function(host) stop(number_of(host, "agent")) end},
  {"cut one way, then healed", function(host) stop(number_of(host, ({"to", "from"})[chance(2)])) end},
  {"cut, then healed", function(host) stop(("%d %d"):format(number_of(host, "to"), number_of(host, "from"))) end},
}

local function strike()
  local host, fault = hosts[chance(#hosts)], faults[chance(#faults)]
  if rests[host] or (fault.loses and n_losses == 2) then return end
  rests[host] = now
  n_losses = n_losses + (fault.loses and 1 or 0)
  counts[fault[1]] = (counts[fault[1]] or 0) + 1
  fault[2](host)
end

-- `progress` of a map of n calls: strikes some times while it runs.
local function struck(n, n_strikes)
  local due = {}
  for _ = 1, n_strikes do due[chance(n)] = true end
  local n_seen = 0
  return function(done)
    for i = n_seen + 1, done do
      if due[i] then strike() end
    end
    n_seen = math.max(n_seen, done)
  end
end

-- A map has ended. Hosts that have made calls of it, and had no fault meanwhile, may have another one.
local function awake(report)
  for _, row in ipairs(report) do
    if row.host and (rests[row.host] or now) < now then rests[row.host] = nil end
  end
  now, n_losses, is_late = now + 1, is_late and 1 or 0, false
end

local function draw(i)
  parallel.sleep(i % 4 / 1000)
  return {math.random(), ("x"):rep(math.random(0, 3000)), host = os.getenv "SPEC_HOST" ~= nil}
end

local function fails(i)
  parallel.sleep(0.002)
  if i % 9 == 0 then error {code = i} end
  return i
end

local function nested(i)
  return #parallel.map(function(j) parallel.sleep(0.001) return j end, parallel.range(1, i % 5 + 1))
end

-- The script's own workers make the maps: a pool has agents of its own, and idle ones would be hit as well.
local here <close> = parallel.pool {backend = "threads", workers = 2}

local function options(n, more)
  more.report, more.retries, more.progress = {}, 20, struck(n, chance(6))
  more.chunk = ({1, 3, 20})[chance(4)]
  return more
end

local kinds = {
  function(n, round)
    local chosen = options(n, {seed = round})
    local results = parallel.map(draw, parallel.range(1, n), chosen)
    local expected = here:map(draw, parallel.range(1, n), {seed = round})
    for i = 1, n do
      assert(results[i].host, "a call was made here")
      equal({results[i][1], results[i][2]}, {expected[i][1], expected[i][2]})
    end
    return chosen
  end,
  function(n)
    local chosen = options(n, {errors = "collect"})
    chosen.retries = 3
    local results, errors = parallel.map(fails, parallel.range(1, n), chosen)
    equal(errors.n, n // 9)
    for i = 1, n do
      equal(results[i], i % 9 ~= 0 and i or nil)
      local value = i % 9 == 0 and (errors[i].value or errors[i].message)
      if value then equal({errors[i].kind, value.code or value}, {"error", i}) end
    end
    return chosen
  end,
  function(n)
    local a, b = parallel.array(n, "int64"), parallel.array(n, "int64")
    for i = 1, n do a[i] = i end
    local chosen = options(n, {into = b})
    parallel.map(function(x) parallel.sleep(0.002) return x * #a + a[n] end, a, chosen)
    for i = 1, n do equal(b[i], i * n + n) end
    return chosen
  end,
  function(n)
    local chosen = options(n, {})
    local results = parallel.map(nested, parallel.range(1, n), chosen)
    for i = 1, n do equal(results[i], i % 5 + 1) end
    return chosen
  end,
  function(n)
    local big = ("b"):rep(1 << 20 + chance(3))
    local xs = {}
    for i = 1, 12 do xs[i] = ("a"):rep(i << 16) end
    local chosen = options(12, {})
    local results = parallel.map(function(x) parallel.sleep(0.01) return x .. big end, xs, chosen)
    for i = 1, 12 do assert(results[i] == xs[i] .. big) end
    return chosen, n
  end,
  function(n)
    local chosen, seen = options(n, {}), 0
    local function negate(i) parallel.sleep(0.002) return -i end
    for i, value in parallel.imap_unordered(negate, parallel.range(1, n), chosen) do
      equal(value, -i)
      seen = seen + 1
      if seen == n // 2 and n % 2 == 0 then break end -- what runs is cancelled
    end
    assert(seen >= n // 2)
    return chosen
  end,
}

-- Until all hosts are there, and have made calls.
local function gather()
  for _, host in ipairs(hosts) do rests[host] = rests[host] or now - 1 end
  local ends = parallel.clock() + 60
  while next(rests) and parallel.clock() < ends do
    local report = {}
    local function rest() parallel.sleep(0.02) end
    parallel.map(rest, parallel.range(1, 12), {report = report, chunk = 1, retries = 20})
    awake(report)
  end
  assert(not next(rests), next(rests))
end

gather()
for round = 1, tonumber(n_rounds) do
  local ok, chosen = pcall(kinds[chance(#kinds)], chance(150) + 20, round)
  if not ok then error(("round %d, seed %s: %s"):format(round, seed, chosen)) end
  awake(chosen.report)
  if chance(4) == 1 then strike() end -- while nothing runs
  if chance(8) == 1 then gather() end
end
gather()
for _, fault in ipairs(faults) do io.write(fault[1], ": ", counts[fault[1]] or 0, "\n") end
