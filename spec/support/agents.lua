--- Agents of hosts on this machine: commands that launch them in place of ssh.
-- @module support.agents

local forking = require "support.forking"
local temporary = require "support.temporary"

local agents = {}

local moons = os.getenv "MOONS"

--- A command that launches the agent as ssh would, with a shell of its own.
agents.launch = moons:gsub("moons$", "") .. "{moons}"

--- Runs `use(folder, launch)`, where each agent leaves its number, that of its launcher too, in `folder/NAME.pid`.
function agents.noted(use)
  return temporary.folder({}, function(folder)
    return use(folder, ("echo $$ > %s/{host}.pid; exec %s"):format(folder, agents.launch))
  end)
end

--- A command that launches it as ssh does: in no group of the caller's, connected by processes that can stop and die by
-- themselves. They leave their numbers in `folder/NAME.to` and `folder/NAME.from`, the agent in `NAME.agent`, the
-- shell that waits for all in `NAME.launcher`. Calls find the host in SPEC_HOST.
function agents.connected(folder)
  local launch = [[
    cd FOLDER; echo $$ >{host}.launcher; export SPEC_HOST={host}
    sh -c 'echo $$ >{host}.to; exec cat' |
    setsid sh -c 'echo $$ >{host}.agent; cd - >/dev/null; exec AGENT' |
    sh -c 'echo $$ >{host}.from; exec cat']]
  return (launch:gsub("%u%u+", {FOLDER = folder, AGENT = agents.launch}))
end

--- Options with which a script runs on hosts.
-- @tparam[opt] string hosts their list
-- @tparam[opt] string launch
-- @tparam[opt] table more other options
function agents.options(hosts, launch, more)
  local flags = {"-H", hosts or "one:2,two:1", "--launch", launch or "exec " .. agents.launch}
  return setmetatable(more or {}, {__index = forking.options {flags = flags}})
end

--- A script that prints results, errors and random numbers of many kinds of calls: the same on each backend.
agents.draws = [[
  local function show(...) io.write(table.concat({...}, " "), "\n") end
  local function draw(i) return ("%a"):format(i * math.random()), math.random(1000000) end
  local rows = parallel.map(draw, parallel.range(1, 300), {seed = 7, pack = true})
  for _, row in ipairs(rows) do show(row[1], row[2]) end
  local _, errors = parallel.map(function(i) return i % 3 == 0 and error {code = i} or i end, parallel.range(1, 9),
    {errors = "collect"})
  for i = 3, 9, 3 do show(errors[i].kind, errors[i].index, errors[i].value.code) end
  show(select(2, pcall(parallel.map, function(i) local t = nil; return t.x end, {1})).message)
  local pool <close> = parallel.pool {seed = 3}
  for i, x in pool:imap(function(i) return i * math.random(100) end, parallel.range(1, 20)) do show(i, x) end
  show(pool:apply(math.random, 1000000), pool:submit(function() return math.random(1000000) end):get())
  show(parallel.first(function(i) return i > 10 and i % 7 == 0 and i end, parallel.range(1, 14)))
]]

--- Whether a process is there that has not ended.
function agents.runs(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read "a"
  if file then file:close() end
  return text ~= nil and not text:find "%) [ZX] "
end

--- Waits until it has ended, for at most 10 s; returns whether it has.
function agents.ends(pid)
  for _ = 1, 1000 do
    if not agents.runs(pid) then return true end
    os.execute "sleep 0.01"
  end
  return false
end

--- The processes that have SPEC_MARK with this value in their environment.
function agents.processes_of(mark)
  local pipe <close> = io.popen(("grep -lz 'SPEC_MARK=%s' /proc/[0-9]*/environ 2>/dev/null"):format(mark))
  local pids = {}
  for line in pipe:lines() do
    local pid = tonumber(line:match "%d+")
    if agents.runs(pid) then pids[#pids + 1] = pid end
  end
  return pids
end

return agents
