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

--- Options with which a script runs on hosts.
-- @tparam[opt] string hosts their list
-- @tparam[opt] string launch
-- @tparam[opt] table more other options
function agents.options(hosts, launch, more)
  local flags = {"-H", hosts or "one:2,two:1", "--launch", launch or "exec " .. agents.launch}
  return setmetatable(more or {}, {__index = forking.options {flags = flags}})
end

--- Whether a process is there that has not ended.
function agents.runs(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read "a"
  if file then file:close() end
  return text ~= nil and not text:find "%) [ZX] "
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
