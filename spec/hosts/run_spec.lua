-- Calls on hosts: two and three agents on this machine stand for machines.
local agents = require "support.agents"
local script = require "support.script"
local temporary = require "support.temporary"

local moons = os.getenv "MOONS"

local function passes(code, options)
  return script.passes(code, options or agents.options())
end

describe("on hosts", function()
  it("results, errors and seeds are those of threads, bit for bit", function()
    assert.equal(script.passes(agents.draws).stdout, passes(agents.draws).stdout)
  end)

  it("there are as many workers as all together have, and a job may have fewer", function()
    passes [[
      equal(parallel.cpus(), 3)
      local function count_hosts(workers)
        local report = {}
        local options = {workers = workers, report = report, chunk = 1}
        parallel.map(function() parallel.sleep(0.05) end, parallel.range(1, 12), options)
        local hosts, n = {}, 0
        for i = 1, 12 do
          n = n + (hosts[report[i].host] and 0 or 1)
          hosts[report[i].host] = true
        end
        return n
      end
      equal(count_hosts(3), 2)
      equal(count_hosts(1), 1)
    ]]
    local own = script.passes("io.write(parallel.cpus())").stdout
    assert.equal(2 * own | 0, tonumber(passes("io.write(parallel.cpus())", agents.options("one,two")).stdout))
  end)

  it("chunks that come one after the other each get a host at once", function()
    temporary.folder({}, function(folder)
      passes([[
        local folder, launch = ...
        local pool <close> = parallel.pool {hosts = {"one:1", "two:1", launch = launch}}
        local function meet(i, round)
          io.open(("%s/%d.%d"):format(folder, round, i), "w"):close()
          local ends = parallel.clock() + 0.4
          while not io.open(("%s/%d.%d"):format(folder, round, 3 - i)) do
            if parallel.clock() > ends then return false end
            parallel.sleep(0.001)
          end
          return true
        end
        local n_met = 0
        for round = 1, 40 do
          local met = pool:starmap(meet, {{1, round}, {2, round}}, {chunk = 1})
          if met[1] and met[2] then n_met = n_met + 1 end
        end
        assert(n_met >= 30, n_met) -- a host that is not woken looks after a second: then some 20 meet
      ]], {args = {folder, agents.launch}})
    end)
  end)

  it("a report and an error name the host and its worker", function()
    passes [[
      local report = {}
      local _, errors = parallel.map(function(i)
        parallel.sleep(0.01)
        return i % 2 == 0 and error "no" or i
      end, parallel.range(1, 12), {report = report, errors = "collect", chunk = 1})
      local seen = {}
      for i = 1, 12 do
        seen[report[i].host] = true
        assert(report[i].worker == 1 or report[i].host == "one" and report[i].worker == 2)
        if i % 2 == 0 then
          local host, worker = report[i].host, report[i].worker
          equal({errors[i].host, errors[i].worker}, {host, worker})
          assert(tostring(errors[i]):find(("(on host '%s', worker %d)"):format(host, worker), 1, true))
        end
      end
      assert(seen.one and seen.two)
      local _, local_errors = parallel.pool {backend = "threads"}:map(error, {1}, {errors = "collect"})
      equal(local_errors[1].host, nil)
    ]]
  end)

  it("what calls print comes before their results, in whole lines, and what their programs print too", function()
    local result = passes [[
      local text = ("z"):rep(5000)
      parallel.map(function(i)
        print(i, text)
        io.stderr:write("e", i, "\n")
        os.execute("echo from a program " .. i .. "; echo complaint " .. i .. " >&2")
      end, parallel.range(1, 60))
      print "end"
    ]]
    for i = 1, 60 do
      assert(("\n" .. result.stdout):find(("\n%d\t%s\n"):format(i, ("z"):rep(5000)), 1, true), i)
      assert(("\n" .. result.stdout):find(("\nfrom a program %d\n"):format(i), 1, true), i)
      assert(("\n" .. result.stderr):find(("\ne%d\n"):format(i), 1, true), i)
      assert(("\n" .. result.stderr):find(("\ncomplaint %d\n"):format(i), 1, true), i)
    end
    assert.equal("end\n", result.stdout:match "[^\n]*\n$")
  end)

  it("modules travel, and hosts need none", function()
    temporary.folder({["ours.lua"] = "return {twice = function(x) return 2 * x end, epochs = 1}"}, function(folder)
      passes([[
        local ours = require "ours"
        ours.epochs = 500
        assert(os.remove(...))
        equal(parallel.map(function(x) return ours.twice(x) + ours.epochs end, {1, 2}), {502, 504, n = 2})
      ]], agents.options(nil, nil, {env = {LUA_PATH = folder .. "/?.lua;;"}, args = {folder .. "/ours.lua"}}))
    end)
  end)

  it("arrays are read, and take results", function()
    passes [[
      local pool <close> = parallel.pool()
      for _, n in ipairs {10, 20000, 300000} do
        local a, b = parallel.array(n, "int64"), parallel.array(n, "int64")
        for i = 1, n do a[i] = i end
        for round = 1, 2 do
          a[n] = round
          equal(pool:map(function(i) return a[i] + a[n] end, {1, n}, {chunk = 1}), {1 + round, 2 * round, n = 2})
        end
        a[n] = n
        pool:map(function(x) return 2 * x end, a, {into = b})
        pool:map(function(x) return x + 1 end, b, {into = b})
        for i = 1, n do assert(b[i] == 2 * i + 1, i) end
      end
      local one, two = parallel.array(20000, "int64"), parallel.array(20000, "int64")
      for i = 1, 20000 do one[i] = i end
      local futures = {
        pool:map_async(function(x) return 2 * x end, one, {into = one, chunk = 50}),
        pool:map_async(function(i) return 3 * i end, parallel.range(1, 20000), {into = two, chunk = 50}),
      }
      for _, future in ipairs(futures) do future:get() end
      for i = 1, 20000 do equal({one[i], two[i]}, {2 * i, 3 * i}) end
      local arrays = parallel.map(function(i)
        local a = parallel.array(1000, "int64")
        a[1] = i
        return a
      end, parallel.range(1, 20))
      for i = 1, 20 do equal({#arrays[i], arrays[i][1]}, {1000, i}) end
    ]]
  end)

  it("an array, or what a function captures, goes to a host once while it stays as it is", function()
    temporary.folder({}, function(folder)
      script.passes([[
        local file = ...
        local function sent() -- to the host since the last time, in MB
          local handle <close> = io.open(file)
          local n = handle:seek "end"
          n, last = n - (last or 0), n
          return n >> 20
        end
        local pool <close> = parallel.pool()
        local a, b = parallel.array(1 << 20, "int64"), parallel.array(1000, "int64")
        local big = ("x"):rep(8 << 20)
        a[7], b[3] = 5, 6
        local function f(i) return a[7] + b[3] + i end
        local function size(i) return #big + i end
        equal(pool:map(f, {1, 2}), {12, 13})
        equal(pool:map(size, {1, 2})[2], (8 << 20) + 2)
        assert(sent() >= 16)
        for round = 1, 3 do
          equal(pool:map(f, {1, 2, 3}, {chunk = 1}), {12, 13, 14})
          equal(pool:map(size, {1, 2})[2], (8 << 20) + 2)
          equal(pool:map(function(x) return x + a[7] end, b, {chunk = 100})[3], 11)
          equal(pool:starmap(function(x, y) return x[7] + y end, {{a, 1}, {a, 2}, {b, 3}}, {chunk = 1}), {6, 7, 3})
        end
        equal(sent(), 0)
        for round = 1, 3 do -- what the script writes, what results are put there, is seen
          a[7], b[3] = round, 10 * round
          equal(pool:map(f, {0, 0}), {11 * round, 11 * round})
          equal(sent(), 8)
          pool:map(function(x) return x + 1 end, b, {into = b})
          equal(pool:apply(f, 0), 11 * round + 1)
          equal(pool:starmap(function(x) return x[3] end, {{b}, {a}}), {10 * round + 1, round - 1})
          a:fill(round)
          equal(pool:map(function(x) return x:sum() end, {a, b}), {round << 20, 1009 * round + 1})
          assert(sent() >= 8)
        end
      ]], agents.options("only:2", ("tee %s/bytes | %s"):format(folder, agents.launch), {args = {folder .. "/bytes"}}))
    end)
  end)

  it("arguments, results and captures may have 40 MB", function()
    passes([[
      local big = ("x"):rep(40 << 20)
      local function size(s) return #s end
      equal(parallel.map(size, {big, "abc"}), {40 << 20, 3, n = 2})
      equal(#parallel.map(function(i) return ("y"):rep(i) end, {40 << 20, 5})[1], 40 << 20)
      local n = 40 << 20
      equal(parallel.map(function(i) return #big + i end, {1, 2, 3}), {n + 1, n + 2, n + 3, n = 3})
    ]], agents.options(nil, nil, {timeout = 240}))
  end)

  it("maps may be nested, state may be kept, and `init` runs", function()
    passes [[
      local results = parallel.map(function(i)
        return #parallel.map(function(j) return j end, parallel.range(1, i))
      end, parallel.range(1, 6))
      for i = 1, 6 do equal(results[i], i) end
      local counts = parallel.map(function() n = n + 1 return n end, parallel.range(1, 40),
        {fresh = false, init = function() n = 100 end, workers = 1})
      equal({counts[1], counts[40]}, {101, 140})
      local report, worker_of = {}, {}
      local options = {fresh = false, workers = 2, chunk = 1, report = report}
      parallel.map(function() parallel.sleep(0.002) end, parallel.range(1, 60), options)
      for i = 1, 60 do
        local host = report[i].host
        assert(report[i].worker == (worker_of[host] or report[i].worker), i)
        worker_of[host] = report[i].worker
      end
    ]]
  end)

  it("a long chunk is shared, and what one host has is left", function()
    passes [[
      local report = {}
      parallel.map(function() parallel.sleep(0.05) end, parallel.range(1, 30), {chunk = 30, report = report})
      local n = {}
      for i = 1, 30 do n[report[i].host] = (n[report[i].host] or 0) + 1 end
      assert(n.one and n.two and n.one < 30 and n.two < 30)
    ]]
  end)

  it("a slow one gets fewer calls", function()
    passes([[
      local report, n, seen = {}, {slow = 0, fast = 0}, {}
      repeat -- until both are there
        parallel.map(function() parallel.sleep(0.02) end, {1, 2, 3, 4}, {report = report, chunk = 1})
        for i = 1, 4 do seen[report[i].host] = true end
      until seen.slow and seen.fast
      local results = parallel.map(function(i)
        parallel.sleep(os.getenv "SPEC_HOST" == "slow" and 0.2 or 0.01)
        return i
      end, parallel.range(1, 100), {report = report})
      for i = 1, 100 do
        equal(results[i], i)
        n[report[i].host] = n[report[i].host] + 1
      end
      assert(n.fast > 2 * n.slow, n.slow)
    ]], agents.options("slow:1,fast:1", "SPEC_HOST={host} exec " .. agents.launch))
  end)

  it("a limit of time or memory, and a failed call, end what they end", function()
    passes [[
      local function kind(f, options)
        local ok, err = pcall(parallel.map, f, {1}, options)
        return not ok and err.kind
      end
      equal(kind(function() while true do end end, {timeout = 0.1}), "timeout")
      equal(kind(function() return #("x"):rep(1 << 26) end, {memory = 1 << 22}), "memory")
      local ok, err = pcall(parallel.map, function(i)
        if i == 1 then error "stop" end
        while true do end
      end, {2, 1})
      assert(not ok and err.index == 2)
      local pool <close> = parallel.pool()
      local future = pool:submit(function() while true do end end)
      parallel.sleep(0.1)
      future:cancel()
      equal(pool:apply(function() return 7 end), 7)
    ]]
  end)

  it("a pool of a script may have hosts of its own", function()
    script.passes(([[
      local launch = %q
      local pool <close> = parallel.pool {hosts = {"one:2", "two:1", launch = launch}}
      equal(pool:stats().workers, 3)
      equal(pool:map(function(x) return 2 * x end, {1, 2, 3}), {2, 4, 6, n = 3})
      local few <close> = parallel.pool {hosts = {"one:2", launch = launch}, workers = 1}
      equal(few:stats().workers, 1)
      equal(few:apply(function(x) return x end, 3), 3)
      for _, list in ipairs {{"one two"}, {"one#", "two"}, {[1] = "one", [9] = "two"}} do
        local made, why = pcall(parallel.pool, {hosts = list})
        assert(not made and why:find("a list of hosts, such as", 1, true), why)
      end
      local ok, err = pcall(parallel.map, print, {1}, {hosts = {"one"}})
      assert(not ok and err:find("left to the pool", 1, true))
      local fails, why = pcall(pool.apply, pool, function() return parallel.pool {hosts = {"three"}} end)
      assert(not fails and why.message:find("cannot start worker processes", 1, true))
    ]]):format(agents.launch))
  end)
end)

describe("-H", function()
  local function refuses(hosts, text)
    local result = script.execute {moons, "-H", hosts, "-e", "print(1)"}
    assert.equal(1, result.code)
    assert(result.stderr:find(text, 1, true), result.stderr)
  end

  it("takes brackets, and a file with a host a line", function()
    local code = [[
      local hosts, names, n = {}, {}, tonumber(...)
      local ends = os.time() + 20
      while #names < n and os.time() < ends do -- on a busy machine some start late
        local report = {}
        parallel.map(function() parallel.sleep(0.05) end, parallel.range(1, 12), {report = report, chunk = 1})
        for i = 1, #report do
          local name = report[i].host
          if not hosts[name] then names[#names + 1] = name end
          hosts[name] = true
        end
      end
      table.sort(names)
      io.write(parallel.cpus(), " ", table.concat(names, " "))
    ]]
    local options = agents.options("n[09-11]:1,m[1,7-8]x:2", nil, {args = {"6"}})
    assert.equal("9 m1x m7x m8x n09 n10 n11", passes(code, options).stdout)
    temporary.file("# ours\none:2\ntwo:1 # slow\n\n", function(name)
      assert.equal("3 one two", passes(code, agents.options("@" .. name, nil, {args = {"2"}})).stdout)
    end)
  end)

  it("refuses what is no list of hosts, and says why", function()
    refuses("", "wants hosts")
    refuses("a:0", "a number of workers")
    refuses("a:x", "a number of workers")
    refuses("a;reboot", "is no name of a host")
    refuses("-oProxyCommand=x", "wants hosts")
    refuses("a,-oProxyCommand=x", "is no name of a host")
    refuses("n[3-1]", "no numbers in its brackets")
    refuses("n[1-]", "no numbers in its brackets")
    refuses("@/nowhere/hosts", "cannot read '/nowhere/hosts'")
    local result = script.execute({moons, "-H", "slurm", "-e", "print(1)"}, {env = {SLURM_JOB_NODELIST = ""}})
    assert.equal(1, result.code)
    result = script.execute {moons, "--launch", "ssh {host}", "-e", "print(1)"}
    assert(result.code == 1 and result.stderr:find("{moons}", 1, true))
    assert.equal(1, script.execute({moons, "-b", "hosts"}).code)
  end)

  it("takes the nodes of a Slurm allocation", function()
    local srun = "#!/bin/sh\nwhile [ \"${1#-}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n"
    temporary.folder({srun = srun}, function(folder)
      assert(os.execute(("chmod +x %s/srun"):format(folder)))
      local env = {SLURM_JOB_NODELIST = "n[1-2],login", PATH = folder .. ":" .. os.getenv "PATH"}
      script.passes([[
        local hosts = {}
        repeat -- each host says how many cores it has, so all are there
          local report = {}
          parallel.map(function() parallel.sleep(0.02) end, parallel.range(1, 12), {report = report, chunk = 1})
          for i = 1, #report do hosts[report[i].host] = true end
        until hosts.n1 and hosts.n2 and hosts.login
      ]], {flags = {"-H", "slurm"}, env = env})
    end)
  end)
end)
