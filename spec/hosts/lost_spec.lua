-- A call that is lost on a host is one call; a host that is lost costs no result.
local agents = require "support.agents"
local forking = require "support.forking"
local script = require "support.script"
local temporary = require "support.temporary"

local moons = os.getenv "MOONS"
local is_linux = io.open "/proc/self/stat" ~= nil

-- Notes each call in a file, and reads them: how often each was made.
local start = [==[
  local forking = require "forking"
  local folder = ...
  local calls_file = folder and folder .. "/calls"

  local function note(i)
    local file <close> = io.open(calls_file, "a")
    file:write(i, "\n")
  end

  local function read_calls()
    local calls = {}
    for line in io.lines(calls_file) do
      calls[tonumber(line)] = (calls[tonumber(line)] or 0) + 1
    end
    return calls
  end

  -- Kills the agent of a host, from outside.
  local function kill(host, signal)
    os.execute(("kill -%s $(cat %s/%s.pid)"):format(signal or "KILL", folder, host))
  end
]==]

local function passes(code, hosts, more)
  return agents.noted(function(folder, launch)
    more = more or {}
    more.args = {folder}
    return script.passes(start .. code, agents.options(hosts, launch, more))
  end)
end

describe("on hosts, a call that is lost #linux #unsanitized", function()
  if not is_linux then return end

  for _, way in ipairs {"forking.crash()", "forking.raise(9)", "forking.exit(3)", "forking.overflow()"} do
    it("by " .. way .. ", is one call, and all others are made once", function()
      passes(([[
        for _, chunk in ipairs {1, 20, 200} do
          os.remove(calls_file)
          local results, errors = parallel.map(function(i)
            note(i)
            return i == 77 and %s or 2 * i
          end, parallel.range(1, 200), {errors = "collect", chunk = chunk})
          local calls = read_calls()
          equal({errors.n, errors[77].kind}, {1, "lost"})
          assert(errors[77].host == "one" or errors[77].host == "two")
          for i = 1, 200 do
            equal(calls[i], 1)
            equal(results[i], i ~= 77 and 2 * i or nil)
          end
        end
      ]]):format(way))
    end)
  end

  it("is made again as often as `retries` says", function()
    passes [[
      local _, errors = parallel.map(function(i)
        note(i)
        return i % 3 == 0 and forking.crash() or i
      end, parallel.range(1, 10), {errors = "collect", retries = 2, chunk = 5})
      local calls = read_calls()
      for i = 1, 10 do equal(calls[i], i % 3 == 0 and 3 or 1) end
      equal(errors.n, 3)
    ]]
  end)

  it("by a C function that does not return, ends for its timeout", function()
    passes [[
      local _, errors = parallel.map(function(i) return i == 2 and forking.hang() or i end, {1, 2, 3},
        {errors = "collect", timeout = 0.3})
      equal({errors.n, errors[2].kind}, {1, "timeout"})
    ]]
  end)
end)

describe("a host that is lost #linux #unsanitized", function()
  if not is_linux then return end

  it("costs no result: what it had is made elsewhere", function()
    local result = passes [[
      local n_done = 0
      local results = parallel.map(function(i)
        note(i)
        parallel.sleep(0.02)
        return {i, math.random()}
      end, parallel.range(1, 60), {seed = 5, progress = function(done)
        if n_done < 10 and done >= 10 then kill "one" end
        n_done = done
      end})
      local pool <close> = parallel.pool {backend = "threads", seed = 5}
      local expected = pool:map(function(i) return {i, math.random()} end, parallel.range(1, 60))
      local calls = read_calls()
      for i = 1, 60 do
        equal(results[i], expected[i])
        assert(calls[i] == 1 or calls[i] == 2, i)
      end
    ]]
    assert(result.stderr:find("host 'one' was lost", 1, true), result.stderr)
  end)

  it("is started again, though it is the only one", function()
    passes([[
      for round = 1, 4 do
        local n_done = 0
        local results = parallel.map(function(i) parallel.sleep(0.01) return i end, parallel.range(1, 40), {
          progress = function(done)
            if n_done < 5 and done >= 5 then kill "only" end
            n_done = done
          end})
        for i = 1, 40 do equal(results[i], i) end
      end
    ]], "only:2")
  end)

  it("and cannot be reached at once, is started when it can", function()
    agents.noted(function(folder, launch)
      local result = script.passes(start .. [[
        local n_done = 0
        local results = parallel.map(function(i) parallel.sleep(0.01) return i end, parallel.range(1, 40), {
          progress = function(done)
            if n_done < 5 and done >= 5 then
              os.execute(("touch %s/down; (sleep 3; rm %s/down) &"):format(folder, folder))
              kill "only"
            end
            n_done = done
          end})
        for i = 1, 40 do equal(results[i], i) end
      ]], agents.options("only:2", ("[ ! -e %s/down ] || { echo down >&2; exit 9; }; %s"):format(folder, launch),
        {args = {folder}}))
      assert(result.stderr:find("its command ended with status 9: down", 1, true), result.stderr)
    end)
  end)

  it("is told by the statistics of a pool, with what each host has done", function()
    agents.noted(function(folder, launch)
      script.passes(start .. ([[
        local pool <close> = parallel.pool {hosts = {"one:2", "two:1", launch = %q}}
        local one, two
        local function look() one, two = table.unpack(pool:stats().hosts) end
        repeat -- until both are there
          pool:map(parallel.sleep, {0.01, 0.01, 0.01}, {chunk = 1})
          look()
        until one.done > 0 and two.done > 0
        local n_done, n_before = 0, one.done + two.done
        pool:map(function(i)
          parallel.sleep(0.01)
          return i %% 10 == 0 and error "no" or i
        end, parallel.range(1, 100), {errors = "collect", progress = function(done)
          if n_done < 30 and done >= 30 then kill "two" end
          n_done = done
        end})
        look()
        equal({one.name, two.name, one.workers, two.workers}, {"one", "two", 2, 1})
        equal({one.done + two.done - n_before, one.failed + two.failed}, {100, 10})
        equal({one.losses, two.losses, one.state, one.running}, {0, 1, "up", 0})
        assert(math.abs(pool:stats().busy - one.busy - two.busy) < 1e-6 and one.busy > 0)
        equal(parallel.pool(1):stats().hosts, nil)
      ]]):format(launch), forking.options {args = {folder}})
    end)
  end)

  it("three times with a call, fails that call alone", function()
    passes([[
      for _, args in ipairs {{1, 30}, {"x", ("y"):rep(1000)}} do
        local xs = {}
        for i = 1, 30 do xs[i] = {i, args[2]} end
        local results, errors = parallel.map(function(x)
          if x[1] == 17 then os.execute "kill -KILL $(ps -o ppid= -p $PPID)" parallel.sleep(10) end
          return x[1]
        end, xs, {errors = "collect", chunk = 30})
        equal({errors.n, errors[17].kind}, {1, "lost"})
        assert(errors[17].message:find "3 hosts were lost", errors[17].message)
        for i = 1, 30 do equal(results[i], i ~= 17 and i or nil) end
      end
    ]], "one:2,two:1,three:1")
  end)

  it("is seen to be at once where a connection is closed one way, be it to it or from it", function()
    temporary.folder({}, function(folder)
      for _, way in ipairs {"to", "from"} do
        local result = script.passes(([[
          local n_done, results = 0, nil
          results = parallel.map(function(i) parallel.sleep(0.02) return i end, parallel.range(1, 60), {
            progress = function(done)
              if n_done < 10 and done >= 10 then os.execute "kill -KILL $(cat %s/one.%s)" end
              n_done = done
            end})
          for i = 1, 60 do equal(results[i], i) end
        ]]):format(folder, way), agents.options(nil, agents.connected(folder)))
        assert(result.stderr:find("host 'one' was lost, and is started again: the connection has ended", 1, true),
          result.stderr)
      end
    end)
  end)

  it("in the midst of results, or of numbers for an array, costs none of them", function()
    temporary.folder({}, function(folder)
      for i, code in ipairs {
        [[local results = parallel.map(function(i) return ("x"):rep(i << 20) end, {4, 5})
          equal({#results[1], #results[2]}, {4 << 20, 5 << 20})]],
        [[local a = parallel.array({2, 500000}, "int64")
          local row = {}
          for i = 1, 500000 do row[i] = i end
          parallel.map(function() return table.unpack(row) end, {1, 2}, {into = a, pack = true})
          equal({a:sum(), a:get(2, 500000)}, {500001 * 500000, 500000})]]
      } do
        local launch = "AGENT | { [ -e MARK ] && cat || { : >MARK; stdbuf -o0 head -c 3000000; }; }"
        launch = launch:gsub("%u%u+", {AGENT = agents.launch, MARK = ("%s/%d"):format(folder, i)})
        local result = script.passes(code, agents.options("only:2", launch))
        assert(result.stderr:find("was lost, and is started again: the connection has ended", 1, true), result.stderr)
      end
    end)
  end)

  it("leaves numbers in the array of the option `into`", function()
    passes [[
      local a, n_done = parallel.array(400, "int64"), 0
      parallel.map(function(i) parallel.sleep(0.002) return 3 * i end, parallel.range(1, 400), {into = a, chunk = 10,
        progress = function(done)
          if n_done < 50 and done >= 50 then kill "two" end
          n_done = done
        end})
      for i = 1, 400 do equal(a[i], 3 * i) end
    ]]
  end)

  it("again and again at random, costs no result", function()
    passes([[
      local me = io.open "/proc/self/stat":read "n"
      os.execute(([=[
        (while kill -0 %d; do
          sleep 0.$(($(od -An -N1 -tu1 /dev/urandom) %% 5 + 2))
          kill -KILL $(cat $(ls %s/*.pid | shuf -n 1))
        done) >/dev/null 2>&1 &]=]):format(me, folder))
      local pool <close> = parallel.pool()
      for round = 1, 12 do
        local n = math.random(1, 200)
        local results = pool:map(function(i)
          parallel.sleep(i % 10 / 1000)
          return {i, ("x"):rep(i)}
        end, parallel.range(1, n), {chunk = ({1, 7, 50})[math.random(3)]})
        for i = 1, n do assert(results[i][1] == i and #results[i][2] == i) end
      end
    ]], "one:2,two:1,three:2", {timeout = 120})
  end)

  it("and is one of all, is an error that says why, and the script goes on", function()
    local result = passes([[
      local ok, err = pcall(parallel.map, function() kill "one" kill "two" parallel.sleep(10) end, parallel.range(1, 9))
      assert(not ok and (err.kind == "lost" or err.kind == "system"), tostring(err))
      for _ = 1, 9 do
        ok, err = pcall(parallel.map, function() kill "one" kill "two" parallel.sleep(10) end, parallel.range(1, 9))
      end
      assert(not ok and err.kind == "system", tostring(err))
      assert(err.message:find("there is no host left", 1, true))
      assert(err.message:find("'two': the connection has ended", 1, true))
      local _, errors = parallel.map(print, parallel.range(1, 5000), {errors = "collect"})
      equal(errors.n, 5000)
      io.write "goes on"
    ]], nil, {timeout = 100})
    assert.equal("goes on", result.stdout)
  end)
end)

describe("agents and their workers #linux", function()
  if not is_linux then return end

  -- Runs a script that never ends, does something to the caller, and expects that nothing is left.
  local function leaves_nothing(signal, code)
    local mark = ("%d-%s"):format(os.time(), tostring({}):match "%w+$")
    temporary.folder({["run.lua"] = [[
      local name = ...
      parallel.map(function()
        os.execute(("sleep 987 & echo $! >> %s"):format(name))
        while true do end
      end, {1, 2, 3})
    ]]}, function(folder)
      local result = script.execute({"sh", "-c", ([[
        "$0" -H one:2,two:1 --launch "$1" %s/run.lua %s/pids &
        caller=$!
        while [ "$(wc -l <%s/pids 2>/dev/null || echo 0)" -lt 3 ]; do sleep 0.02; done
        kill -%s $caller
        wait $caller
        echo $?
      ]]):format(folder, folder, folder, signal), moons, agents.launch}, {env = {SPEC_MARK = mark}})
      assert.equal(tostring(code), result.stdout:match "%d+")
      for _, pid in ipairs(agents.processes_of(mark)) do assert(agents.ends(pid), pid .. " runs on") end
    end)
  end

  it("are gone when Ctrl-C ends the caller, which tells 130", function() leaves_nothing("INT", 130) end)
  it("are gone when SIGTERM ends the caller", function() leaves_nothing("TERM", 143) end)
  it("are gone when the caller is killed", function() leaves_nothing("KILL", 137) end)

  it("are gone when the script ends, with what its finalizers print", function()
    local mark = ("%d-%s"):format(os.time(), tostring({}):match "%w+$")
    local result = script.passes([[
      parallel.map(function() keep = setmetatable({}, {__gc = function() print "closed" end}) end, {1, 2, 3},
        {fresh = false})
    ]], agents.options(nil, nil, {env = {SPEC_MARK = mark}}))
    assert(result.stdout:find "closed")
    for _, pid in ipairs(agents.processes_of(mark)) do assert(agents.ends(pid), pid .. " runs on") end
  end)

  it("are gone when the connection is cut, and calls are made elsewhere", function()
    passes([[
      local n_done = 0
      local results = parallel.map(function(i) parallel.sleep(0.02) return i end, parallel.range(1, 60), {
        progress = function(done)
          if n_done < 10 and done >= 10 then kill "one" end
          n_done = done
        end})
      for i = 1, 60 do equal(results[i], i) end
    ]])
  end)
end)
