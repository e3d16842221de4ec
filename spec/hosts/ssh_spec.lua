-- Hosts by a real sshd on this machine, with keys made for the test; its configuration, and the clients', are its own.
local forking = require "support.forking"
local script = require "support.script"
local temporary = require "support.temporary"

local moons = os.getenv "MOONS"

local function capture(command)
  local pipe <close> = io.popen(command)
  return (pipe:read "a":gsub("\n$", ""))
end

local sshd = capture "command -v sshd || ls /usr/sbin/sshd 2>/dev/null"

-- Runs `use(launch, folder)` while an sshd runs, which serves on a port of its own.
local function with_sshd(use)
  return temporary.folder({}, function(folder)
    local function write(name, text)
      local file <close> = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
    end
    local port = 20000 + math.random(20000)
    assert(os.execute(([[
      chmod 700 %s && cd %s && ssh-keygen -q -t ed25519 -N '' -f host_key && ssh-keygen -q -t ed25519 -N '' -f key &&
      cp key.pub authorized && chmod 600 authorized && mkdir -p /run/sshd
    ]]):format(folder, folder)))
    write("sshd_config", ([[
      Port %d
      ListenAddress 127.0.0.1
      HostKey %s/host_key
      AuthorizedKeysFile %s/authorized
      PidFile %s/sshd.pid
      StrictModes no
      PasswordAuthentication no
      PermitRootLogin prohibit-password
    ]]):format(port, folder, folder, folder))
    write("ssh_config", ([[
      Host one two
        HostName 127.0.0.1
        Port %d
        IdentityFile %s/key
        IdentitiesOnly yes
        StrictHostKeyChecking no
        UserKnownHostsFile %s/known
        LogLevel ERROR
      Host nowhere
        HostName 127.0.0.1
        Port 1
    ]]):format(port, folder, folder))
    assert(os.execute(("%s -f %s/sshd_config"):format(sshd, folder)))
    local launch = ("exec ssh -T -F %s/ssh_config -o BatchMode=yes {host} {folder}/{moons}"):format(folder)
    local ok, why = pcall(use, launch, folder)
    os.execute(("kill $(cat %s/sshd.pid)"):format(folder))
    assert(ok, why)
  end)
end

describe("hosts by ssh #linux #unsanitized", function()
  if sshd == "" then
    pending "needs sshd"
    return
  elseif capture "id -u" ~= "0" then
    pending "needs to be root to start an sshd"
    return
  end

  local function passes(code, hosts, launch, more)
    local options = setmetatable(more or {}, {__index = forking.options {flags = {"-H", hosts, "--launch", launch}}})
    return script.passes("local forking = require 'forking' " .. code, options)
  end

  it("run calls; a crash costs one, a killed client none, and one that cannot be reached is told", function()
    with_sshd(function(launch)
      passes([[
        local big, results = ("x"):rep(10 << 20), nil
        local _, errors
        results, errors = parallel.map(function(i)
          if i == 7 then forking.crash() end
          return {#big + i, math.random(1000)}
        end, parallel.range(1, 40), {errors = "collect", seed = 3})
        equal({errors.n, errors[7].kind}, {1, "lost"})
        local pool <close> = parallel.pool {backend = "threads", seed = 3}
        local expected = pool:map(function(i) return {(10 << 20) + i, math.random(1000)} end, parallel.range(1, 40))
        for i = 1, 40 do if i ~= 7 then equal(results[i], expected[i]) end end
      ]], "one:2,two:1", launch)
      local result = passes([[
        local me, n_done = io.open "/proc/self/stat":read "n", 0
        local seen = {}
        repeat -- until both are there
          local report = {}
          parallel.map(function() parallel.sleep(0.02) end, parallel.range(1, 12), {report = report, chunk = 1})
          for i = 1, #report do seen[report[i].host] = true end
        until seen.one and seen.two
        local results = parallel.map(function(i) parallel.sleep(0.02) return i end, parallel.range(1, 60), {
          progress = function(done)
            if n_done < 10 and done >= 10 then os.execute(("kill -KILL $(pgrep -P %d ssh | head -n 1)"):format(me)) end
            n_done = done
          end})
        for i = 1, 60 do equal(results[i], i) end
      ]], "one:2,two:1,nowhere", launch)
      assert(result.stderr:find("was lost, and is started again", 1, true), result.stderr)
      assert(result.stderr:find("host 'nowhere' is not used any more: no agent answers", 1, true), result.stderr)
      assert(result.stderr:find("refused", 1, true), result.stderr)
    end)
  end)

  it("leave nothing there when the caller is killed, or ended by Ctrl-C", function()
    with_sshd(function(launch, folder)
      for _, signal in ipairs {"KILL", "INT"} do
        local pids = ("%s/%s"):format(folder, signal)
        local code = ([[
          parallel.map(function()
            os.execute "echo $PPID >> %s; sleep 987 & echo $! >> %s"
            while true do end
          end, {1, 2, 3})
        ]]):format(pids, pids)
        script.execute({"sh", "-c", ([[
          "$0" -H one:2,two:1 --launch "$1" -e "$2" 2>/dev/null &
          caller=$!
          while [ "$(wc -l <%s 2>/dev/null || echo 0)" -lt 6 ]; do sleep 0.05; done
          kill -%s $caller
        ]]):format(pids, signal), moons, launch, code})
        for pid in io.lines(pids) do
          local wait = "for i in $(seq 200); do kill -0 %s 2>/dev/null || exit 0; sleep 0.05; done; exit 1"
          local ended = os.execute(wait:format(pid))
          assert(ended, pid .. " runs on")
        end
      end
    end)
  end)
end)
