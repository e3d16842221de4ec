-- How scripts under mpirun end, and what a call, or an agent, costs that is lost.
local agents = require "support.agents"
local mpi = require "support.mpi"
local script = require "support.script"

local moons = os.getenv "MOONS"
local is_linux = io.open "/proc/self/stat" ~= nil

describe("under mpirun #linux #unsanitized", function()
  if not is_linux or mpi.missing then
    pending(mpi.missing or "needs /proc")
    return
  end

  it("a call that crashes is one call, and all others are made once", function()
    script.passes([[
      local forking = require "forking"
      for _, chunk in ipairs {1, 50} do
        local results, errors = parallel.map(function(i)
          return i == 77 and forking.crash() or 2 * i
        end, parallel.range(1, 100), {errors = "collect", chunk = chunk})
        equal({errors.n, errors[77].kind}, {1, "lost"})
        for i = 1, 100 do equal(results[i], i ~= 77 and 2 * i or nil) end
      end
    ]], mpi.options())
  end)

  it("an agent that is killed costs no result, and is started again", function()
    local result = script.passes([[
      local n_killed = 0
      local results = parallel.map(function(i)
        parallel.sleep(0.01)
        return {i, io.open("/proc/" .. io.popen "ps -o ppid= -p $PPID":read "n" .. "/stat"):read "n"}
      end, parallel.range(1, 100), {chunk = 1})
      for _, result in ipairs(results) do
        if n_killed < 2 and os.execute(("kill -KILL %d 2>/dev/null"):format(result[2])) then n_killed = n_killed + 1 end
      end
      assert(n_killed == 2)
      results = parallel.map(function(i) parallel.sleep(0.01) return i end, parallel.range(1, 100), {chunk = 1})
      for i = 1, 100 do equal(results[i], i) end
    ]], mpi.options())
    assert(result.stderr:find("was lost, and is started again", 1, true), result.stderr)
  end)

  -- Runs a script, and expects its exit code, and that nothing is left.
  local function ends(code, expected, n)
    local mark = ("%d-%s"):format(os.time(), tostring({}):match "%w+$")
    local result = script.run(code, mpi.options(n, {env = {SPEC_MARK = mark}}))
    assert.equal(expected, result.code, result.stdout .. result.stderr)
    for _ = 1, 500 do
      if #agents.processes_of(mark) == 0 then return result end
      os.execute "sleep 0.02"
    end
    os.execute("ps -o pid,ppid,pgid,stat,etime,args -p " .. table.concat(agents.processes_of(mark), ","))
    error "something runs on"
  end

  it("a script ends with its own exit code", function()
    ends("parallel.map(print, {1, 2}) os.exit(7)", 7)
    ends("os.exit(true, true)", 0)
    ends("parallel.pool():submit(function() while true do end end) parallel.sleep(0.2) os.exit(8)", 8)
    ends("os.exit(9)", 9, 1)
    local result = ends("parallel.map(error, {'not this'})", 1)
    assert(result.stderr:find("not this", 1, true), result.stderr)
    ends("this is no Lua", 1)
  end)

  it("a child that the script forks ends by itself", function()
    ends([[
      local forking = require "forking"
      require "parallel".map(print, {1})
      local child = forking.fork()
      if child == 0 then os.exit(3) end
      os.exit(forking.wait(child) == 3 and 4 or 1)
    ]], 4)
  end)

  it("a signal to the script ends it, and all ranks", function()
    local loop = [[
      os.execute "(sleep 0.5; kill -%s $PPID) &"
      parallel.map(function() os.execute "sleep 987 &" while true do end end, {1, 2, 3, 4})
    ]]
    ends(loop:format "TERM", 143)
    ends(loop:format "INT", 130)
  end)

  it("nothing is left when the script is killed, or what has started it", function()
    for _, pid in ipairs {"$PPID", "$(ps -o ppid= -p $PPID)"} do
      local mark = ("%d-%s"):format(os.time(), tostring({}):match "%w+$")
      local result = script.run(([[
        os.execute "(sleep 0.5; kill -KILL %s) &"
        parallel.map(function() os.execute "sleep 987 &" while true do end end, {1, 2, 3, 4})
      ]]):format(pid), mpi.options(3, {env = {SPEC_MARK = mark}}))
      assert(result.code ~= 0)
      for _ = 1, 500 do
        if #agents.processes_of(mark) == 0 then break end
        os.execute "sleep 0.02"
      end
      assert.equal(0, #agents.processes_of(mark))
    end
  end)

  it("an unknown option is said, and so is a plugin of another MPI than that of mpirun", function()
    local words = mpi.launcher(2)
    for _, word in ipairs {moons, "-b", "mpi", "--nonsense"} do words[#words + 1] = word end
    local result = script.execute(words)
    assert.equal(1, result.code)
    assert(result.stderr:find("unknown option '--nonsense'", 1, true), result.stderr)
    local other = mpi.is_open and {PMI_SIZE = "2", PMI_RANK = "0"} or {OMPI_COMM_WORLD_SIZE = "2"}
    result = script.execute({moons, "-b", "mpi", "-e", "print(1)"}, {env = other})
    assert.equal(1, result.code)
    assert(result.stderr:find("different MPIs", 1, true), result.stderr)
  end)
end)
