-- Worker processes are there while there is work, and no longer than the process that has started them.
local forking = require "support.forking"
local script = require "support.script"
local temporary = require "support.temporary"

local moons = os.getenv "MOONS"
local is_linux = io.open "/proc/self/stat" ~= nil

local function passes(code, options)
  return script.passes(code, setmetatable(options or {}, {__index = {flags = {"-b", "processes"}}}))
end

-- Whether a process is there that has not ended.
local function runs(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read "a"
  if file then file:close() end
  return text ~= nil and not text:find "%) [ZX] "
end

-- Waits until it has ended, for at most 10 s.
local function ends(pid)
  for _ = 1, 1000 do
    if not runs(pid) then return true end
    os.execute "sleep 0.01"
  end
  return false
end

local function read_numbers(name)
  local numbers = {}
  for line in io.lines(name) do numbers[#numbers + 1] = tonumber(line) end
  return numbers
end

describe("worker processes, where the script is stopped by SIGTSTP, as by Ctrl-Z #linux #unsanitized", function()
  if not is_linux or not os.execute "command -v bash >/dev/null" then
    pending "needs bash" -- which has a group for each job without a terminal
    return
  end

  it("stop as well, and go on with it", function()
    local result = script.execute({"bash", "-c", [==[
      set -m
      "$0" -b processes -e '
        local results = parallel.map(function(i)
          os.execute "sleep 0.2"
          return 2 * i
        end, parallel.range(1, 60), {workers = 2})
        for i = 1, 60 do assert(results[i] == 2 * i) end
        print "ends well"' &
      caller=$!
      set +m
      states() { # of the caller and its workers, in one word
        for pid in $caller $(pgrep -P $caller); do sed "s/.*) //; s/ .*//" /proc/$pid/stat; done 2>/dev/null |
          tr -d "\\n"
      }
      await() {
        for i in $(seq 500); do [[ $(states) =~ $1 ]] && return; sleep 0.02; done
        echo "never $1: $(states)"
      }
      await "^...$"
      kill -TSTP $caller
      await "^TTT$"
      sleep 0.5
      states
      kill -CONT $caller
      wait $caller
    ]==], moons}, {timeout = 50})
    assert(result.stdout:find "^TTTends well\n$", result.stdout .. result.stderr)
    assert.equal(0, result.code)
  end)
end)

describe("worker processes #linux", function()
  if not is_linux then return end

  it("get no handle that means nothing there, and NULL as it is", function()
    passes [[
      local function handle() return debug.upvalueid(function() return parallel end, 1) end
      for _, bad in ipairs {
        function() return parallel.map(function(h) return h end, {handle()}) end,
        function() return parallel.map(handle, {1}) end,
      } do
        local ok, err = pcall(bad)
        equal({ok, err.kind}, {false, "marshal"})
        assert(err.message:find("a light userdata to another process", 1, true), err.message)
      end
      local null = require "cjson".null
      equal(parallel.map(function(x) return x == null end, {null}), {true})
      equal(parallel.map(function(x) return x end, {null}), {null})
    ]]
  end)

  it("are not started before there is work, and no more of them than it needs", function()
    passes [[
      local function count()
        local pipe <close> = io.popen("ps --ppid " .. io.open "/proc/self/stat":read "n" .. " -o args=")
        return select(2, pipe:read "a":gsub("moons %-%-serve", ""))
      end
      local pool <close> = parallel.pool(8)
      equal(count(), 0)
      equal(pool:apply(function(x) return x end, 5), 5)
      equal(count(), 1)
      for i = 1, 20 do pool:apply(tostring, i) end
      equal(count(), 1)
      pool:map(function() parallel.sleep(0.01) end, parallel.range(1, 100), {chunk = 1})
      equal(count(), 8)
      pool:close()
      equal(count(), 0)
    ]]
  end)

  it("are gone, with all that they have started, when the caller is killed", function()
    temporary.folder({["run.lua"] = [[
      local name = ...
      parallel.map(function(i)
        os.execute(("sleep 987 & echo $! >> %s; echo $PPID >> %s"):format(name, name))
        while true do end
      end, {1, 2}, {workers = 2})
    ]]}, function(folder)
      local result = script.execute({"sh", "-c", ([[
        "$0" -b processes %s/run.lua %s/pids &
        caller=$!
        while [ "$(wc -l <%s/pids 2>/dev/null || echo 0)" -lt 4 ]; do sleep 0.02; done
        kill -KILL $caller
      ]]):format(folder, folder, folder), moons})
      assert.equal(0, result.code)
      local pids = read_numbers(folder .. "/pids")
      assert.equal(4, #pids)
      for _, pid in ipairs(pids) do assert(ends(pid), pid .. " runs on") end
    end)
  end)

  it("are gone when the caller is killed while they are idle, with what calls have left", function()
    temporary.folder({["run.lua"] = [[
      local name = ...
      parallel.map(function()
        os.execute(("sleep 987 >/dev/null 2>&1 & echo $! >> %s"):format(name))
      end, {1, 2, 3, 4, 5, 6}, {workers = 6})
      os.execute "kill -KILL $PPID"
    ]]}, function(folder)
      script.execute {"sh", "-c", ([["$0" -b processes %s/run.lua %s/pids || true]]):format(folder, folder), moons}
      local pids = read_numbers(folder .. "/pids")
      assert.equal(6, #pids)
      for _, pid in ipairs(pids) do assert(ends(pid), pid .. " runs on") end
    end)
  end)

  for _, case in ipairs {{"INT", 130}, {"TERM", 143}, {"HUP", 129}} do
    it(("end when SIG%s ends the caller, which tells %d"):format(case[1], case[2]), function()
      temporary.folder({["run.lua"] = [[
        local name = ...
        parallel.map(function()
          os.execute("echo $PPID >> " .. name)
          while true do end
        end, {1, 2}, {workers = 2})
      ]]}, function(folder)
        local result = script.execute({"sh", "-c", ([[
          "$0" -b processes %s/run.lua %s/pids &
          caller=$!
          while [ "$(wc -l <%s/pids 2>/dev/null || echo 0)" -lt 2 ]; do sleep 0.02; done
          kill -%s $caller
          wait $caller
          echo $?
        ]]):format(folder, folder, folder, case[1]), moons})
        assert.equal(tostring(case[2]), result.stdout:match "%d+")
        for _, pid in ipairs(read_numbers(folder .. "/pids")) do assert(ends(pid), pid .. " runs on") end
      end)
    end)
  end

  it("do not keep the output of the caller open", function()
    local result = script.execute({"sh", "-c", [[
      out=$("$0" -b processes -e 'parallel.map(function() os.execute "sleep 30 &" end, {1, 2}) print "done"')
      echo "got $out"
    ]], moons}, {timeout = 20})
    assert.equal("got done\n", result.stdout)
  end)

  it("start none of their own, whatever the environment says", function()
    local init = "parallel.map(function(x) return x end, {1, 2, 3})"
    passes([[equal(parallel.map(function(x) return x + 1 end, {1, 2}), {2, 3, n = 2})]], {env = {LUA_INIT = init}})
    passes [[
      local ok, err = pcall(parallel.map, function()
        local pool <close> = parallel.pool {backend = "processes"}
      end, {1})
      assert(not ok and err.message:find "cannot start worker processes", tostring(err))
    ]]
  end)

  it("are no way to start the command", function()
    for _, words in ipairs {{"--serve"}, {"--serve", "1"}, {"--serve", "0", "x"}} do
      local result = script.execute {moons, table.unpack(words)}
      assert.equal(1, result.code)
      assert(result.stderr:find "backend 'processes'")
    end
    assert.equal(1, script.execute({moons, "--serve", "0"}).code)
  end)

  it("may be stopped and go on", function()
    passes([[
      local forking = require "forking"
      local me = io.open "/proc/self/stat":read "n"
      os.execute(("(while kill -0 %d; do sleep 0.1; pkill -CONT -P %d; done) >/dev/null 2>&1 &"):format(me, me))
      equal(parallel.map(function(i) return i == 2 and forking.raise(19) or i end, {1, 2, 3}), {1, 2, 3, n = 3})
    ]], forking.options {flags = {"-b", "processes"}})
  end)
end)

describe("the option backend of a pool", function()
  it("chooses where its calls run, and is none of other calls", function()
    script.passes [[
      for _, backend in ipairs {"threads", "processes", "inline"} do
        local pool <close> = parallel.pool {backend = backend, workers = 2}
        equal(pool:map(function(x) return 2 * x end, {1, 2, 3}), {2, 4, 6, n = 3})
        equal(pool:submit(function(x) return x end, 4):get(), 4)
      end
      local ok, err = pcall(parallel.map, print, {1}, {backend = "processes"})
      assert(not ok and err:find("left to the pool", 1, true))
    ]]
    script.refuses("backend", [[{"cluster", "", 1, true, {}}]])
  end)
end)

describe("in worker processes", function()
  it("results, errors, seeds and numbers of workers are those of threads", function()
    local code = [[
      local function show(...) io.write(table.concat({...}, " "), "\n") end
      local function draw(i) return i * math.random(1000000) end
      show(table.unpack(parallel.map(draw, parallel.range(1, 200), {seed = 7})))
      local _, errors = parallel.map(function(i) return i % 3 == 0 and error {code = i} or i end, parallel.range(1, 9),
        {errors = "collect"})
      for i = 3, 9, 3 do show(errors[i].kind, errors[i].index, errors[i].value.code) end
      show(select(2, pcall(parallel.map, function(i) local t = nil; return t.x end, {1})).message)
      local report = {}
      parallel.map(function(i) return i end, parallel.range(1, 5), {report = report, workers = 2})
      for i = 1, 5 do show(report[i].worker >= 1 and report[i].worker <= 2 and "worker", report[i].tries) end
    ]]
    local here = passes(code)
    assert.equal(script.passes(code).stdout, here.stdout)
  end)

  it("calls are in the script's locale and folder", function()
    passes([[
      local function place() return os.setlocale(), io.popen "pwd":read "l" end
      equal(parallel.map(place, {1}, {pack = true})[1], {"C", "/", n = 2})
      assert(os.setlocale "C.UTF-8" or os.setlocale "")
      equal(parallel.map(place, {1}, {pack = true})[1], {os.setlocale(), "/", n = 2})
    ]], {folder = "/"})
  end)

  it("maps may be nested three deep", function()
    passes [[
      local function f(i)
        return parallel.map(function(j)
          return #parallel.map(function(k) return k end, parallel.range(1, j))
        end, parallel.range(1, i))
      end
      local results = parallel.map(f, parallel.range(1, 6))
      for i = 1, 6 do
        for j = 1, i do equal(results[i][j], j) end
      end
    ]]
  end)

  it("arguments, results and captures may have 100 MB", function()
    passes([[
      local big = ("x"):rep(100 << 20)
      local function size(s) return #s end
      equal(parallel.map(size, {big, "abc"}), {100 << 20, 3, n = 2})
      local results = parallel.map(function(i) return ("y"):rep(i) end, {100 << 20, 5}, {workers = 1, chunk = 2})
      equal({#results[1], results[2]}, {100 << 20, "yyyyy"})
      equal(parallel.map(function(i) return #big + i end, {1, 2}), {(100 << 20) + 1, (100 << 20) + 2, n = 2})
    ]], {timeout = 240})
  end)

  it("lines that calls print come whole, and before their results", function()
    local result = passes [[
      local text = ("z"):rep(5000)
      local function tell(i) print(i, text) io.stderr:write("e", i, "\n") end
      parallel.map(tell, parallel.range(1, 100), {workers = 4})
      print "end"
    ]]
    local seen, last = {}, nil
    for line in result.stdout:gmatch "[^\n]*\n" do
      local i, text = line:match "^(%d+)\t(z+)\n$"
      if i then
        assert.equal(5000, #text)
        seen[tonumber(i)] = true
      end
      last = line
    end
    assert.equal(100, #seen)
    assert.equal("end\n", last)
    assert.equal(100, select(2, result.stderr:gsub("e%d+\n", "")))
  end)

  it("a call that others cancel ends, and so does a stopped map", function()
    passes [[
      local pool <close> = parallel.pool(2)
      local future = pool:submit(function() while true do end end)
      parallel.sleep(0.1)
      future:cancel()
      equal(pool:apply(function() return 7 end), 7)
      local ok, err = pcall(parallel.map, function(i)
        if i == 1 then error "stop" end
        while true do end
      end, {2, 1}, {workers = 2})
      assert(not ok and err.index == 2)
      equal(parallel.first(function(i) return i == 3 and i end, parallel.range(1, 1000)), 3)
    ]]
  end)

  it("calls that one worker has not begun are shared with those that have nothing to do", function()
    passes [[
      local report = {}
      local options = {workers = 3, chunk = 24, report = report}
      parallel.map(function() parallel.sleep(0.05) end, parallel.range(1, 24), options)
      local n = {}
      for i = 1, 24 do n[report[i].worker] = true end
      assert(n[1] and n[2] and n[3])
    ]]
  end)
end)

describe("worker processes that cannot be started #unsanitized #linux", function()
  local code = [[
    local function same(x) return x end
    local pool = parallel.pool {backend = "processes", workers = 2}
    local ok, err = pcall(pool.map, pool, same, {1, 2, 3})
    assert(not ok and err.kind == "system", tostring(err))
    local _, errors = pool:map(same, parallel.range(1, 1000), {errors = "collect"})
    equal(errors.n, 1000)
    io.write(err.message)
    pool:close()
  ]]

  -- What is said where the command beside the module is this.
  local function said(command)
    return temporary.folder({["lib/x"] = ""}, function(folder)
      assert(os.execute(("cp %s %s/lib/parallel.so"):format(moons:gsub("[^/]*$", "parallel.so"), folder)))
      if command then
        local file = assert(io.open(folder .. "/lib/moons", "w"))
        file:write(command)
        file:close()
        os.execute(("chmod +x %s/lib/moons"):format(folder))
      end
      local result = script.passes(code, {
        interpreter = script.lua54.interpreter,
        env = {LUA_CPATH = folder .. "/lib/?.so", PATH = "/usr/bin:/bin"},
      })
      return result.stdout
    end)
  end

  it("are an error of the calls that says why", function()
    assert.truthy(said():find("there is no command 'moons' beside the library or on the PATH", 1, true))
    assert.truthy(said "#!/bin/sh\necho it is broken >&2\nexit 1\n":find("it is broken", 1, true))
    assert.truthy(said "#!/nowhere/sh\n":find("no such file", 1, true))
  end)

  it("are refused where they are of another version, and both are named", function()
    local other = "Moons 9.9.9, Lua 5.4.0"
    local frame = ("<I4I4I8"):pack(0, 0, #other) .. other
    local bytes = ("\n\1moons worker\1\n" .. frame):gsub(".", function(c) return ("\\%03o"):format(c:byte()) end)
    local text = said(("#!/bin/sh\nprintf '%s' >&3\nsleep 1\n"):format(bytes))
    assert.truthy(text:find(other, 1, true))
    assert.truthy(text:find("this is Moons", 1, true))
  end)
end)
