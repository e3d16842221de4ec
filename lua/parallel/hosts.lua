--- The option `hosts` of a pool: other machines that run its calls.
-- @module parallel.hosts

local core = require "parallel.core"

local hosts = {}

-- The names as one text, or nil where the value is none of hosts.
local function join(value)
  if type(value) == "string" then
    return value
  elseif type(value) ~= "table" then
    return nil
  end
  local n = 0
  for name, host in next, value do
    local is_host = math.type(name) == "integer" and type(host) == "string" and not host:find "[%s#]"
    if not is_host and (name ~= "launch" or type(host) ~= "string") then
      return nil
    end
    n = n + (is_host and 1 or 0)
  end
  return n == #value and table.concat(value, ",") or nil
end

--- Reads the option: names with their numbers of workers, as one text, a list of texts that may have a field `launch`
-- (the command), "@file" or "slurm".
-- @return the names as the runtime reads them, and the command, or nil: that of the script's own; or nil and what would
-- have done
function hosts.read(value)
  local text, launch = join(value), type(value) == "table" and value.launch or nil
  if not text then
    return nil, 'a list of hosts, such as {"node1:16", "ann@node2"}'
  elseif text == "slurm" then
    text, launch = os.getenv "SLURM_JOB_NODELIST", launch or core.launch_by_slurm
    if not text then
      return nil, "a list of hosts; this is no allocation of Slurm"
    end
  end
  local why = core.why_no_hosts(text, launch)
  if why then
    return nil, ("a list of hosts (%s)"):format(why)
  end
  return text, launch
end

return hosts
