-- Calls on ranks of MPI, which all are on this machine.
local agents = require "support.agents"
local json = require "cjson"
local mpi = require "support.mpi"
local script = require "support.script"
local temporary = require "support.temporary"

local moons = os.getenv "MOONS"

-- What the command says where there is no MPI, or none that is meant.
describe("without MPI", function()
  it("moons knows none, and -b mpi says how to build what it needs", function()
    local result = script.execute({moons, "-b", "mpi", "-e", "print(1)"}, {env = {MOONS_MPI = "/nowhere/moons_mpi.so"}})
    assert.equal(1, result.code)
    assert(result.stderr:find("-b mpi: /nowhere/moons_mpi.so", 1, true), result.stderr)
    result = script.execute({"sh", "-c", "ldd $0 && exec nm -D $0", moons})
    assert(not (result.stdout:find "libmpi" or result.stdout:find "MPI_"))
  end)

  -- Runs a copy of the command, in a folder of its own, where the environment does not name a plugin.
  local function run_copy(folder, before)
    local code = 'print(parallel.map(function(x) return 2 * x end, {21})[1])'
    return script.execute({"sh", "-c", [[
      cd $1 && mkdir -p bin lib/moons && cp "$0" bin/moons && eval "$2" && unset MOONS_MPI &&
        exec bin/moons -b mpi -e "$3"
    ]], moons, folder, before, code})
  end

  it("a command without its plugin says how to get one", function()
    temporary.folder({}, function(folder)
      local result = run_copy(folder, ":")
      assert.equal(1, result.code)
      assert(result.stderr:find("there is no moons_mpi.so", 1, true), result.stderr)
      assert(result.stderr:find("make MPI=1", 1, true), result.stderr)
      result = run_copy(folder, "echo nonsense >bin/moons_mpi.so")
      assert.equal(1, result.code)
      assert(result.stderr:find("bin/moons_mpi.so: ", 1, true), result.stderr)
    end)
  end)

  it("a plugin is found beside the command, and where it is installed #unsanitized", function()
    if mpi.missing then return pending(mpi.missing) end
    for _, place in ipairs {"bin", "lib/moons"} do
      temporary.folder({}, function(folder)
        local result = run_copy(folder, 'cp "$MOONS_MPI" ' .. place .. "/moons_mpi.so")
        assert.equal("42\n", result.stdout, result.stderr)
      end)
    end
  end)

  it("a pool on it is an error, and so is one in a call", function()
    script.passes [[
      local ok, err = pcall(parallel.pool, {backend = "mpi"})
      assert(not ok and err.kind == "system" and err.message:find("mpirun -n 4 moons -b mpi script.lua", 1, true), err)
      local fails, why = pcall(parallel.map, function() return parallel.pool {backend = "mpi"} end, {1})
      assert(not fails and why.message:find("mpirun", 1, true), why)
    ]]
  end)

  it("copies of a script are warned of, once", function()
    local function warned(name, value, rank_name, rank, ...)
      local result = script.execute({moons, "-e", "io.write(1)", ...}, {env = {[name] = value, [rank_name] = rank}})
      assert.equal("1", result.stdout)
      return result.stderr:find("has started " .. value .. " copies", 1, true) ~= nil
    end
    assert(warned("OMPI_COMM_WORLD_SIZE", "3", "OMPI_COMM_WORLD_RANK", "0"))
    assert(not warned("OMPI_COMM_WORLD_SIZE", "3", "OMPI_COMM_WORLD_RANK", "1"))
    assert(not warned("OMPI_COMM_WORLD_SIZE", "1", "OMPI_COMM_WORLD_RANK", "0"))
    assert(warned("PMI_SIZE", "2", "PMI_RANK", "0"))
    assert(not warned("PMI_SIZE", "2", "PMI_RANK", "1"))
  end)
end)

describe("under mpirun #unsanitized", function()
  if mpi.missing then
    pending(mpi.missing)
    return
  end

  local function passes(code, n, more)
    return script.passes(code, mpi.options(n, more))
  end

  it("results, errors and seeds are those of threads, bit for bit", function()
    assert.equal(script.passes(agents.draws).stdout, passes(agents.draws).stdout)
  end)

  it("calls run on all ranks but that of the script, and share the machine's cores", function()
    passes [[
      local here <close> = parallel.pool {backend = "threads"}
      local n_cores = here:apply(parallel.cpus)
      equal(parallel.cpus(), math.max(2, n_cores))
      local hosts = {}
      repeat
        local report = {}
        parallel.map(function() parallel.sleep(0.05) end, parallel.range(1, 20), {report = report, chunk = 1})
        for i = 1, 20 do hosts[report[i].host:match "/%d+$"] = true end
      until hosts["/1"] and hosts["/2"]
      equal(hosts["/0"], nil)
      local _, errors = parallel.map(error, {"no"}, {errors = "collect"})
      assert(errors[1].host:find "/[12]$")
    ]]
  end)

  it("a trace has the calls of each rank", function()
    temporary.folder({}, function(folder)
      local path = folder .. "/out.json"
      passes([[
        parallel.map(function() parallel.sleep(0.05) end, parallel.range(1, 20), {chunk = 1})
      ]], 3, {flags = {"-b", "mpi", "--trace", path}})
      local file <close> = assert(io.open(path))
      local ranks, calls, n = {}, {}, 0
      for _, event in ipairs(json.decode(file:read "a")) do
        if event.name == "process_name" then ranks[event.pid] = event.args.name end
        if event.cat == "call" then
          n = n + 1
          calls[event.pid] = true
        end
      end
      assert.equal(20, n)
      for pid in pairs(calls) do assert.truthy(ranks[pid]:find "/[12]$", ranks[pid]) end
    end)
  end)

  it("more workers than cores are spread over the ranks", function()
    local code = [[
      local folder = ...
      local function meet(i) -- all the others, which must run meanwhile
        io.open(folder .. "/" .. i, "w"):close()
        local ends = parallel.clock() + 60
        for other = 1, 6 do
          while not io.open(folder .. "/" .. other) do
            assert(parallel.clock() < ends, "nobody else is there")
            parallel.sleep(0.01)
          end
        end
      end
      local maps <close> = parallel.pool(MORE)
      equal(maps:stats().workers, 6)
      maps:map(meet, parallel.range(1, 6), {chunk = 1})
    ]]
    local flags = {"-b", "mpi", "-j", "6"}
    temporary.folder({}, function(folder)
      passes((code:gsub("MORE", "6")), 3, {args = {folder}})
    end)
    temporary.folder({}, function(folder)
      passes((code:gsub("MORE", "{}")), 3, {args = {folder}, flags = flags})
    end)
  end)

  it("one rank is enough: its machine is used where no other rank is there", function()
    for n = 1, 2 do
      passes([[
        local report = {}
        equal(parallel.map(function(i) return 2 * i end, {1, 2, 3}, {report = report}), {2, 4, 6, n = 3})
        assert(not report[1].host:find "/")
      ]], n)
    end
  end)

  it("pools share the world, and have workers of their own", function()
    passes [[
      local one <close> = parallel.pool {backend = "mpi"}
      local two <close> = parallel.pool()
      local here <close> = parallel.pool {backend = "threads", workers = 1}
      local function pid() return io.open("/proc/self/stat"):read "n" end
      local futures = {}
      for i = 1, 20 do
        futures[#futures + 1] = one:submit(pid)
        futures[#futures + 1] = two:submit(pid)
      end
      local owner = {}
      for i, future in ipairs(futures) do
        local id = future:get()
        assert(owner[id] == nil or owner[id] == i % 2)
        owner[id] = i % 2
      end
      local n_done = 0
      for _, host in ipairs(one:stats().hosts) do
        assert(host.name:find "/[12]$" and host.state == "up" and host.losses == 0)
        n_done = n_done + host.done
      end
      equal(n_done, 20)
      local me = here:apply(pid)
      assert(owner[me] == nil and me == pid())
      one:terminate()
      assert(two:apply(pid))
    ]]
  end)

  it("arguments, results and captures may be large, and arrays travel", function()
    passes([[
      local big = ("x"):rep(40 << 20)
      local function size(s) return #s end
      equal(parallel.map(size, {big, "abc"}), {40 << 20, 3, n = 2})
      equal(#parallel.map(function(i) return ("y"):rep(i) end, {40 << 20, 5})[1], 40 << 20)
      local n = 40 << 20
      equal(parallel.map(function(i) return #big + i end, {1, 2, 3}), {n + 1, n + 2, n + 3, n = 3})
      local a, b = parallel.array(100000, "int64"), parallel.array(100000, "int64")
      for i = 1, #a do a[i] = i end
      parallel.map(function(x) return 2 * x end, a, {into = b})
      for i = 1, #a do assert(b[i] == 2 * i, i) end
    ]], 3, {timeout = 240})
  end)

  it("large values go both ways at once", function()
    passes([[
      local text = ("abcdefgh"):rep(1 << 18)
      for i, s in parallel.imap_unordered(function(i) return text .. i end, parallel.range(1, 60)) do
        assert(#s == #text + #tostring(i) and s:sub(-#tostring(i)) == tostring(i))
      end
      local items = {}
      for i = 1, 60 do items[i] = text .. i end
      local results = parallel.map(function(s) return s .. "." end, items)
      for i = 1, 60 do assert(results[i] == items[i] .. ".") end
    ]], 3, {timeout = 240})
  end)

  it("what calls and their programs print comes home, stderr too", function()
    local result = passes [[
      parallel.map(function(i)
        print(i)
        io.stderr:write("e", i, "\n")
        os.execute("echo p" .. i .. "; echo q" .. i .. " >&2")
      end, parallel.range(1, 20))
      print "end"
    ]]
    for i = 1, 20 do
      assert(("\n" .. result.stdout):find(("\n%d\n"):format(i)))
      assert(("\n" .. result.stdout):find(("\np%d\n"):format(i)))
      assert(("\n" .. result.stderr):find(("\ne%d\n"):format(i)))
      assert(("\n" .. result.stderr):find(("\nq%d\n"):format(i)))
    end
    assert.equal("end\n", result.stdout:match "[^\n]*\n$")
  end)
end)
