--- A real sshd on this machine: with a port, keys and a configuration of its own, for clients too.
-- @module support.sshd

local temporary = require "support.temporary"

local sshd = {}

local function capture(command)
  local pipe <close> = io.popen(command)
  return (pipe:read "a":gsub("\n$", ""))
end

local program = capture "command -v sshd || ls /usr/sbin/sshd 2>/dev/null"

--- Why there can be none; nil: there can.
function sshd.lack()
  return program == "" and "needs sshd" or capture "id -u" ~= "0" and "needs to be root to start an sshd" or nil
end

local SERVER = [[
Port %d
ListenAddress %s
HostKey %s/host_key
AuthorizedKeysFile %s/authorized
PidFile %s/sshd.pid
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
]]

local CLIENT = [[
Host one two
  HostName %address
  Port %port
  IdentityFile %folder/key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile %folder/known
  LogLevel ERROR
  ConnectTimeout 5
  ServerAliveInterval 3
  ServerAliveCountMax 3
Host nowhere
  HostName 127.0.0.1
  Port 1
Host stranger
  HostName %address
  Port %port
  IdentityFile %folder/host_key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile %folder/known
]]

local KEYS = [[
  chmod 700 %s && cd %s && ssh-keygen -q -t ed25519 -N '' -f host_key && ssh-keygen -q -t ed25519 -N '' -f key &&
  cp key.pub authorized && chmod 600 authorized && mkdir -p /run/sshd
]]

-- Its number, which it writes when it listens.
local START = [[
  %s %s -f %s/sshd_config && for i in $(seq 200); do [ -s %s/sshd.pid ] && exec cat %s/sshd.pid; sleep 0.1; done
]]

--- Runs `use(launch, folder, pid)` while it runs: it serves the hosts `one` and `two`, `nowhere` cannot be reached,
-- and it refuses the key for `stranger`.
-- `launch` is what the option --launch is, `folder` is removed afterwards, `pid` is its number.
-- @tparam function use
-- @tparam[opt] string address where it listens
-- @tparam[opt] string enter a command that runs it there, in a namespace say
function sshd.with(use, address, enter)
  return temporary.folder({}, function(folder)
    local function write(name, text)
      local file <close> = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
    end
    address, enter = address or "127.0.0.1", enter or ""
    assert(os.execute(KEYS:format(folder, folder)))
    local port, pid
    for _ = 1, 5 do -- somebody else may have the port
      port = 20000 + math.random(12000)
      write("sshd_config", SERVER:format(port, address, folder, folder, folder))
      pid = tonumber(capture(START:format(enter, program, folder, folder, folder)))
      if pid then break end
    end
    assert(pid, "sshd does not start")
    write("ssh_config", (CLIENT:gsub("%%(%l+)", {address = address, port = port, folder = folder})))
    local launch = ("exec ssh -T -F %s/ssh_config -o BatchMode=yes {host} {folder}/{moons}"):format(folder)
    local ok, why = pcall(use, launch, folder, pid)
    os.execute(("kill %d"):format(pid))
    assert(ok, why)
  end)
end

return sshd
