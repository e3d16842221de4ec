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

return agents
