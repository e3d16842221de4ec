-- Hosts by a real sshd on this machine.
local forking = require "support.forking"
local script = require "support.script"
local sshd = require "support.sshd"

local moons = os.getenv "MOONS"

describe("hosts by ssh #linux #unsanitized", function()
  local lack = sshd.lack()
  if lack then
    pending(lack)
    return
  end

  local function passes(code, hosts, launch, more)
    local options = setmetatable(more or {}, {__index = forking.options {flags = {"-H", hosts, "--launch", launch}}})
    return script.passes("local forking = require 'forking' " .. code, options)
  end

  it("run calls; a crash costs one, a killed client none, and one that cannot be reached is told", function()
    sshd.with(function(launch)
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

  it("that refuse the key are told, and their calls run elsewhere", function()
    sshd.with(function(launch)
      local code = [[
        local results = parallel.map(function(x) return x * x end, parallel.range(1, 20))
        for i = 1, 20 do equal(results[i], i * i) end
      ]]
      local result = passes(code, "one:2,stranger:2", launch)
      assert(result.stderr:find("host 'stranger' is not used any more: no agent answers", 1, true), result.stderr)
      assert(result.stderr:find("Permission denied", 1, true), result.stderr)
      result = script.moons {"-H", "stranger", "--launch", launch, "-e", "parallel.map(math.sqrt, {4})"}
      assert.equal(1, result.code)
      assert(result.stderr:find("Permission denied", 1, true), result.stderr)
    end)
  end)

  it("leave nothing there when the caller is killed, or ended by Ctrl-C", function()
    sshd.with(function(launch, folder)
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
