-- Hosts that a Slurm cluster gives: `make test-slurm` makes one on this machine, and runs this in it.
local agents = require "support.agents"
local forking = require "support.forking"
local script = require "support.script"
local temporary = require "support.temporary"

local moons = os.getenv "MOONS"
local conf = os.getenv "SPEC_SLURM_CONF"

describe("in a Slurm allocation, moons -H slurm #linux #unsanitized", function()
  if not conf then
    pending "needs a cluster: make test-slurm"
    return
  end

  -- Runs a script in an allocation of two nodes with two cores each.
  local function run(code, more)
    return temporary.folder({["run.lua"] = code}, function(folder)
      local options = forking.options(more)
      local env = setmetatable({SLURM_CONF = conf}, {__index = options.env})
      for name, value in pairs(options.env) do env[name] = value end
      return script.execute({"salloc", "--quiet", "-N", "2", "-n", "2", "-c", "2", moons, "-H", "slurm",
        folder .. "/run.lua", folder}, {env = env, timeout = 100})
    end)
  end

  local function passes(code)
    local result = run(code)
    assert.equal(0, result.code, result.stdout .. result.stderr)
    return result
  end

  it("uses all cores of its nodes, and names these", function()
    local result = passes [[
      assert(parallel.cpus() == 4)
      local report, hosts = {}, {}
      repeat
        parallel.map(function() parallel.sleep(0.02) end, parallel.range(1, 40), {report = report, chunk = 1})
        for i = 1, #report do hosts[report[i].host] = true end
      until hosts.n1 and hosts.n2
      local pool <close> = parallel.pool {backend = "threads", seed = 5}
      local function draw(i) return ("%a %d"):format(math.random(), i) .. ("\0\r\n\1"):rep(100) end
      local here = pool:map(draw, parallel.range(1, 100))
      local there = parallel.map(draw, parallel.range(1, 100), {seed = 5})
      for i = 1, 100 do assert(here[i] == there[i], i) end
      io.write(#parallel.map(function(s) return s end, {("x"):rep(1 << 24)})[1])
    ]]
    assert.equal(tostring(1 << 24), result.stdout)
  end)

  it("loses one call with a crash, and no result with a step", function()
    local result = passes [[
      local forking = require "forking"
      local results, errors = parallel.map(function(i) return i == 7 and forking.crash() or i end,
        parallel.range(1, 50),
        {errors = "collect"})
      assert(errors.n == 1 and errors[7].kind == "lost" and results[50] == 50)
      local n_done = 0
      results = parallel.map(function(i) parallel.sleep(0.02) return i end, parallel.range(1, 100), {
        progress = function(done)
          if n_done < 10 and done >= 10 then os.execute "scancel --signal=KILL $SLURM_JOB_ID.0" end
          n_done = done
        end})
      for i = 1, 100 do assert(results[i] == i) end
    ]]
    assert(result.stderr:find("was lost, and is started again", 1, true), result.stderr)
  end)

  local function leaves_nothing(mark, seconds)
    for _ = 1, 20 * seconds do
      if #agents.processes_of(mark) == 0 then return end
      os.execute "sleep 0.05"
    end
    os.execute("ps -o pid,ppid,pgid,stat,etime,args -p " .. table.concat(agents.processes_of(mark), ","))
    error "an agent runs on"
  end

  it("leaves nothing when it is ended", function()
    local mark = ("%d-slurm"):format(os.time())
    local result = run([[
      os.execute "(sleep 1; kill -INT $PPID) &"
      parallel.map(function() os.execute "sleep 987 &" while true do end end, {1, 2, 3, 4})
    ]], {env = {SPEC_MARK = mark}})
    assert.equal(130, result.code)
    leaves_nothing(mark, 10)
  end)

  -- Slurm sends SIGTERM, and half a minute later SIGKILL.
  local ENDS = {CANCELLED = "scancel $job", TIMEOUT = "while [ -n \"$(squeue -h -j $job)\" ]; do sleep 1; done"}
  for state, ending in pairs(ENDS) do
    it("leaves nothing when its job is ended: " .. state, function()
      local mark = ("%d-%s"):format(os.time(), state)
      local code = [[
        local folder = ...
        parallel.map(function()
          io.open(folder .. "/runs", "w"):close()
          os.execute "sleep 987 &"
          while true do end
        end, {1, 2, 3, 4})
      ]]
      temporary.folder({["run.lua"] = code}, function(folder)
        local result = script.execute({"sh", "-c", ([[
          job=$(sbatch --parsable -N 2 -n 2 -c 2 -t 1 -o $1/out --wrap "exec '$0' -H slurm $1/run.lua $1") || exit 2
          for i in $(seq 600); do [ -e $1/runs ] && break; sleep 0.1; done
          %s
          while scontrol show job $job | grep -q "JobState=COMPLETING"; do sleep 0.5; done
          scontrol show job $job | grep -o "JobState=[A-Z]*"
        ]]):format(ending), moons, folder}, {env = {SLURM_CONF = conf, SPEC_MARK = mark}, timeout = 300})
        assert.equal(("JobState=%s\n"):format(state), result.stdout, result.stderr)
        local file <close> = assert(io.open(folder .. "/out"))
        local out = file:read "a"
        assert(out:find("run.lua:2: terminated!", 1, true), out)
      end)
      leaves_nothing(mark, 60)
    end)
  end
end)
