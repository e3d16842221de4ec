-- `moons --trace`: what stands in the file, however the script ends; and SIGUSR1, which asks what runs now.
local agents = require "support.agents"
local json = require "cjson"
local script = require "support.script"
local temporary = require "support.temporary"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- Runs a script with a trace; returns its result and the text of the trace.
local function trace(code, options)
  options = options or {}
  return temporary.folder({["a.lua"] = code}, function(folder)
    local arguments = table.move(options.flags or {}, 1, #(options.flags or {}), 3, {"--trace", "out.json"})
    table.insert(arguments, "a.lua")
    table.move(options.args or {}, 1, #(options.args or {}), #arguments + 1, arguments)
    local result = script.moons(arguments, {folder = folder, timeout = options.timeout})
    return result, read(folder .. "/out.json")
  end)
end

-- The events of a trace, by category: those that have a time, in its order, and all those that name threads.
local function events_of(text)
  local events = {call = {}, chunk = {}, ["set-up"] = {}, threads = {}, processes = {}}
  for _, event in ipairs(json.decode(text)) do
    if event.cat then
      table.insert(events[event.cat], event)
    elseif event.name == "thread_name" then
      events.threads[event.tid] = event.args.name
    elseif event.name == "process_name" then
      events.processes[event.pid] = event.args.name
    end
  end
  for _, category in ipairs {"call", "chunk", "set-up"} do
    table.sort(events[category], function(a, b) return a.ts < b.ts end)
  end
  return events
end

local function traced(code, options)
  local result, text = trace(code, options)
  assert.message(result.stderr).equal((options or {}).code or 0, result.code)
  return events_of(text), result, text
end

-- A time in ns, for µs with three digits are no exact floats.
local function ns(us)
  return math.floor(us * 1000 + 0.5)
end

-- Whether one event lies within another one of its thread.
local function is_within(inner, outer)
  return inner.tid == outer.tid and ns(inner.ts) >= ns(outer.ts)
    and ns(inner.ts) + ns(inner.dur) <= ns(outer.ts) + ns(outer.dur)
end

local function is_within_any(inner, outers)
  for _, outer in ipairs(outers) do
    if is_within(inner, outer) then return true end
  end
  return false
end

-- The numbers of calls that a function made, each with how often it is there.
local function numbers(calls, name)
  local counts = {}
  for _, call in ipairs(calls) do
    if call.name == name then
      counts[call.args.call] = (counts[call.args.call] or 0) + 1
    end
  end
  return counts
end

local function names_of(list)
  local names = {}
  for _, name in pairs(list) do
    assert.equal(nil, names[name])
    names[name] = true
  end
  return names
end

local function once_each(n)
  local counts = {}
  for i = 1, n do counts[i] = 1 end
  return counts
end

local THREADS = script.hosts[1]
local INLINE = script.hosts[2]
local PROCESSES = {name = "on processes", flags = {"-b", "processes"}}
local HOSTS = {name = "on hosts", flags = {"-H", "one:2,two:1", "--launch", "exec " .. agents.launch}}

describe("a trace #here", function()
  local WAYS = {
    ["calls that leave no trace"] = "return x * 2",
    ["calls whose state is put back"] = "last = x return x",
    ["calls that return strings of many lengths"] = "return ('x'):rep(x % 60)",
    ["calls that return tables"] = "return {x}",
    ["calls that return this and that"] = "return x % 3 == 0 and x or tostring(x)",
  }
  for _, host in ipairs {THREADS, INLINE, PROCESSES, HOSTS} do
    for way, body in pairs(WAYS) do
      it(("has each of many %s once, within its chunk, %s"):format(way, host.name), function()
        local code = ("local function work(x) %s end parallel.map(work, parallel.range(1, 3000))"):format(body)
        local events = traced(code, {flags = host.flags})
        assert.same(once_each(3000), numbers(events.call, "work (a.lua:1)"))
        local n_calls = 0
        for _, chunk in ipairs(events.chunk) do n_calls = n_calls + chunk.args.calls end
        assert.equal(3000, n_calls)
        for i = 1, #events.call, 50 do
          assert.truthy(is_within_any(events.call[i], events.chunk))
        end
      end)
    end
  end

  for _, host in ipairs {THREADS, PROCESSES, HOSTS} do
    it("has no two calls of one worker at once " .. host.name, function()
      local events = traced("parallel.map(function(x) return x end, parallel.range(1, 5000))", {flags = host.flags})
      local ends = {}
      for _, call in ipairs(events.call) do
        assert.truthy(ns(call.ts) >= (ends[call.tid] or 0))
        ends[call.tid] = ns(call.ts) + ns(call.dur)
      end
    end)

    it("says how long calls took " .. host.name, function()
      local events = traced("parallel.map(parallel.sleep, {0.05, 0.2}, {workers = 2})", {flags = host.flags})
      assert.equal(2, #events.call)
      for _, call in ipairs(events.call) do
        assert.truthy(call.dur >= (call.args.call == 1 and 50000 or 200000), call.dur)
      end
    end)
  end

  for _, host in ipairs {THREADS, PROCESSES} do
    it("has a row for each worker, by name, those of pools too " .. host.name, function()
      local events = traced([[
        local function wait() parallel.sleep(0.2) end
        parallel.map(wait, {1, 2, 3}, {workers = 3, chunk = 1})
        local pool <close> = parallel.pool(2)
        pool:map(wait, {1, 2}, {chunk = 1})
      ]], {flags = host.flags})
      local names = {}
      for _, call in ipairs(events.call) do names[events.threads[call.tid]] = true end
      assert.same({["worker 1"] = true, ["worker 2"] = true, ["worker 3"] = true, ["pool 1, worker 1"] = true,
        ["pool 1, worker 2"] = true}, names)
    end)
  end

  it("has rows for the workers of each host, by name, those of pools too", function()
    local events = traced([[
      local function wait() parallel.sleep(0.2) end
      parallel.map(wait, {1, 2, 3}, {workers = 3, chunk = 1})
      local pool <close> = parallel.pool {hosts = {"three:1", launch = ...}}
      pool:map(wait, {1})
    ]], {flags = HOSTS.flags, args = {agents.launch}})
    local rows = {}
    for _, call in ipairs(events.call) do
      rows[("%s: %s"):format(events.processes[call.pid], events.threads[call.tid])] = true
    end
    assert.same({["one: one, worker 1"] = true, ["one: one, worker 2"] = true, ["two: two, worker 1"] = true,
      ["pool 1, three: pool 1, three, worker 1"] = true}, rows)
  end)

  for _, shift in ipairs {5000, -10} do
    it(("has times of a host whose clock is %d s off, by the script's clock #linux"):format(shift), function()
      local command = ("unshare --user --map-root-user --time --monotonic %d --fork --kill-child "):format(shift)
      if not os.execute(command .. "true 2>/dev/null") then return pending "unshare cannot set clocks here" end
      local events = traced([[
        local here, there = parallel.pool(1), parallel.pool {hosts = {"one:1", launch = ...}}
        local function before() end
        local function work() end
        local function after() end
        there:map(work, {1})
        for _, row in ipairs {{here, before}, {there, work}, {here, after}} do
          parallel.sleep(0.2)
          row[1]:map(row[2], {1, 2}, {chunk = 2})
        end
      ]], {args = {command .. agents.launch}})
      local names = {}
      for _, call in ipairs(events.call) do
        assert.truthy(call.ts < 100e6, call.ts)
        table.insert(names, (call.name:match "^%a+"))
      end
      assert.same({"work", "before", "before", "work", "work", "after", "after"}, names)
    end)
  end

  it("has short calls that the script's own thread makes in its row", function()
    local events = traced [[
      local function f(x) return x end
      for _ = 1, 200 do parallel.map(f, {1}) end
    ]]
    assert.equal(200, numbers(events.call, "f (a.lua:1)")[1])
    local by_thread = {}
    for _, call in ipairs(events.call) do by_thread[events.threads[call.tid]] = true end
    assert.truthy(by_thread["script's thread"])
  end)

  for _, host in ipairs {THREADS, INLINE, PROCESSES, HOSTS} do
    it("has the calls of a map in a call within that call " .. host.name, function()
      local events = traced([[
        local function inner(x) return x end
        local function outer(x) return #parallel.map(inner, {x, x, x}, {workers = 1}) end
        parallel.map(outer, {1}, {workers = 1})
      ]], {flags = host.flags})
      local outers, n_inner = {}, 0
      for _, call in ipairs(events.call) do
        if call.name == "outer (a.lua:2)" then table.insert(outers, call) end
      end
      assert.equal(1, #outers)
      for _, call in ipairs(events.call) do
        if call.name == "inner (a.lua:1)" then
          n_inner = n_inner + 1
          assert.truthy(is_within(call, outers[1]))
        end
      end
      assert.equal(3, n_inner)
    end)
  end

  for _, host in ipairs {THREADS, PROCESSES, HOSTS} do
    it("marks calls that fail, with kind and message " .. host.name, function()
      local events = traced([[
        local function fail(x)
          if x == 2 then error('a "quoted" \\ message\nof two lines') end
          if x == 3 then parallel.sleep(9) end
          if x == 4 then local s = ("x"):rep(1 << 30) return #s end
          if x == 5 then error("caf\xe9 \xc3\xa9 \1") end
          return x
        end
        parallel.map(fail, {1, 2, 3, 4, 5}, {errors = "collect", timeout = 0.1, memory = 1 << 20})
      ]], {flags = host.flags})
      local failed = {}
      for _, call in ipairs(events.call) do failed[call.args.call] = call end
      assert.equal(nil, failed[1].args.failed)
      assert.equal("error", failed[2].args.failed)
      assert.equal('a.lua:2: a "quoted" \\ message', failed[2].args.message)
      assert.equal("timeout", failed[3].args.failed)
      assert.equal("memory", failed[4].args.failed)
      assert.equal("a.lua:5: caf\u{FFFD} \u{E9} \1", failed[5].args.message)
      local n_failed = 0
      for _, chunk in ipairs(events.chunk) do n_failed = n_failed + chunk.args.failed end
      assert.equal(4, n_failed)
    end)

    it("has each try of a call " .. host.name, function()
      local events = traced("parallel.map(function() error 'no' end, {1}, {retries = 2, errors = 'collect'})",
        {flags = host.flags})
      local tries = {}
      for _, call in ipairs(events.call) do table.insert(tries, call.args.try or 1) end
      assert.same({1, 2, 3}, tries)
    end)

    it("marks calls whose set-up has failed " .. host.name, function()
      local events = traced([[
        parallel.map(print, {1, 2}, {init = function() error 'no' end, errors = 'collect', workers = 1})
      ]], {flags = host.flags})
      assert.equal("error", events["set-up"][1].args.failed)
      assert.same({"error", "error"}, {events.call[1].args.failed, events.call[2].args.failed})
    end)
  end

  for _, host in ipairs {THREADS, PROCESSES, HOSTS} do
    it("marks a call that was cancelled " .. host.name, function()
      local events = traced([[
        local pool <close> = parallel.pool(2)
        local future = pool:submit(function()
          io.open("begun", "w"):close()
          while true do end
        end)
        while not io.open "begun" do parallel.sleep(0.01) end
        future:cancel()
        future:wait()
      ]], {flags = host.flags})
      assert.equal("cancelled", events.call[1].args.failed)
    end)
  end

  it("has a call that was given up #unsanitized", function()
    local events = traced([[
      local function hang() return (("x"):rep(60)):find(("x*"):rep(30) .. "y") end
      parallel.map(hang, {1}, {timeout = 0.1, errors = "collect"})
      os.exit(0)
    ]], {timeout = 20})
    assert.equal("timeout", events.call[1].args.failed)
    assert.truthy(events.call[1].dur >= 100000)
    assert.truthy(is_within(events.call[1], events.chunk[1]))
  end)

  it("names functions as their source does", function()
    local events = traced([[
      local module = {}
      function module.work() end
      module.other = function() end
      local make = function() return function() end end
      local in_string = load("return function() end", "=in a string")()
      for _, f in ipairs {module.work, module.other, make(), in_string, math.sin} do
        parallel.map(f, {1})
      end
    ]])
    local names = {}
    for _, call in ipairs(events.call) do names[call.name] = true end
    assert.same({["module.work (a.lua:2)"] = true, ["module.other (a.lua:3)"] = true, ["a.lua:4"] = true,
      ["in a string:1"] = true, ["[C]"] = true}, names)
  end)

  for _, host in ipairs {PROCESSES, HOSTS} do describe("of worker processes " .. host.name, function()
    local function calls_of(code, options)
      local events = traced(code, setmetatable(options or {}, {__index = host}))
      return events.call, events
    end

    it("names the process of each chunk", function()
      local _, events = calls_of "parallel.map(parallel.sleep, {0.2, 0.2}, {workers = 2, chunk = 1})"
      local process = {}
      for _, chunk in ipairs(events.chunk) do process[chunk.tid] = chunk.args.process end
      local pids = {}
      for _, pid in pairs(process) do table.insert(pids, pid) end
      assert.equal(2, #pids)
      assert.truthy(pids[1] ~= pids[2] and pids[1] > 1 and pids[2] > 1)
    end)

    it("has all calls of a chunk with more than the process keeps", function()
      local calls = calls_of "parallel.map(tostring, parallel.range(1, 3000), {chunk = 3000, workers = 1})"
      assert.same(once_each(3000), numbers(calls, "[C]"))
    end)

    it("has a call that was lost, and those of its chunk", function()
      local calls, events = calls_of [[
        local function work(i)
          if i == 30 then parallel.sleep(0.1) os.execute "kill -ABRT $PPID" end
        end
        parallel.map(work, parallel.range(1, 50), {chunk = 50, workers = 1, errors = "collect"})
      ]]
      assert.same(once_each(50), numbers(calls, "work (a.lua:1)"))
      for _, call in ipairs(calls) do
        assert.equal(call.args.call == 30 and "lost" or nil, call.args.failed)
        if call.args.call == 30 then
          assert.equal("its worker process died of signal 6 (SIGABRT)", call.args.message)
          assert.truthy(call.dur >= 100000)
          assert.truthy(is_within_any(call, events.chunk))
        end
      end
    end)

    it("has each try of a call that was lost", function()
      local calls = calls_of [[
        parallel.map(function() os.execute "kill -ABRT $PPID" end, {1}, {retries = 1, errors = "collect"})
      ]]
      assert.equal(2, #calls)
      for try, call in ipairs(calls) do
        assert.same({"lost", try}, {call.args.failed, call.args.try or 1})
      end
    end)

    it("has a call whose process was killed for it #unsanitized", function()
      local calls = calls_of [[
        local function hang() return (("x"):rep(60)):find(("x*"):rep(30) .. "y") end
        parallel.map(hang, {1}, {timeout = 0.1, errors = "collect"})
      ]]
      assert.same({"timeout", "hang (a.lua:1)"}, {calls[1].args.failed, calls[1].name})
      assert.truthy(calls[1].dur >= 100000)
    end)
  end) end

  it("has the calls of a host that was lost, but for those that it had not finished #linux", function()
    agents.noted(function(folder, launch)
      local events = traced([[
        local folder = ...
        parallel.map(function(i)
          if i == 5 and not io.open "killed" then
            io.open("killed", "w"):close()
            os.execute("kill -KILL $(cat " .. folder .. "/one.pid)")
          end
          parallel.sleep(0.05)
        end, parallel.range(1, 20), {chunk = 1})
      ]], {flags = {"-H", "one:2,two:1", "--launch", launch}, args = {folder}})
      local calls = numbers(events.call, "a.lua:2")
      for i = 1, 20 do assert.truthy(calls[i]) end
      assert.same({["a.lua"] = true, one = true, two = true}, names_of(events.processes))
    end)
  end)

  describe("is whole", function()
    local ENDS = {
      {"where the script fails", "error 'no'", 1},
      {"where a map fails", "parallel.map(error, {1})", 1},
      {"after os.exit", "os.exit(3)", 3},
      {"after os.exit that closes", "os.exit(3, true)", 3},
    }
    for _, row in ipairs(ENDS) do
      it(row[1], function()
        local code = "if true then parallel.map(function(x) return x end, {1, 2, 3}) end " .. row[2]
        local events = traced(code, {code = row[3]})
        assert.truthy(#events.call >= 3)
      end)
    end

    it("where no call is made", function()
      assert.same({}, traced("print 'x'").call)
    end)

    local SCRIPTS = {
      {"a script", "parallel.sleep(0.1)"},
      {"a script that does not end", "('x'):rep(60):find(('x*'):rep(30) .. 'y')"},
    }
    for signal, code in pairs {INT = 130, TERM = 143} do
      for _, row in ipairs(SCRIPTS) do
        it(("after SIG%s of %s #unsanitized"):format(signal, row[1]), function()
          local _, _, text = traced(([[
            parallel.map(function(x) return x end, {1, 2, 3})
            os.execute("(sleep 0.2; kill -%s $PPID) &")
            while true do %s end
          ]]):format(signal, row[2]), {code = code})
          assert.truthy(text:find("\n]\n$"))
        end)
      end
    end

    it("where a map is ended by Ctrl-C, with the calls that ran", function()
      local events = traced([[
        os.execute("(sleep 0.3; kill -INT $PPID) &")
        parallel.map(function() while true do end end, {1, 2}, {workers = 2})
      ]], {code = 130})
      assert.equal("cancelled", events.call[1].args.failed)
      assert.equal(2, #events.call)
    end)

    for _, host in ipairs {PROCESSES, HOSTS} do
      it("where a map is ended by Ctrl-C " .. host.name, function()
        local _, _, text = traced([[
          os.execute("(sleep 0.3; kill -INT $PPID) &")
          parallel.map(function() while true do end end, {1, 2}, {workers = 2})
        ]], {code = 130, flags = host.flags})
        assert.truthy(text:find("\n]\n$"))
      end)
    end
  end)

  it("of a process that was killed lacks nothing but its end", function()
    local result, text = trace [[
      parallel.map(function(x) parallel.sleep(0.01) return x end, {1, 2, 3, 4}, {chunk = 1})
      os.execute "kill -9 $PPID"
    ]]
    assert.equal(137, result.code == "hangs" and 137 or result.code)
    local events = events_of(text .. "]")
    assert.equal(4, #events.call)
  end)

  it("is what a script's process alone writes, and no child of it", function()
    local events, _, text = traced "io.popen('true'):close() parallel.map(print, {1})"
    assert.equal(1, #events.call)
    assert.equal(1, select(2, text:gsub("process_name", "")))
  end)

  it("that cannot be written is refused before the script runs", function()
    for _, path in ipairs {"/nowhere/at/all.json", "/dev/full"} do
      local result = script.moons {"--trace", path, "-e", "print 'runs'"}
      assert.equal(1, result.code)
      assert.equal("", result.stdout)
      assert.truthy(result.stderr:find("--trace cannot write '" .. path .. "': ", 1, true), result.stderr)
    end
  end)

  it("wants a file", function()
    for _, words in ipairs {{"--trace"}, {"--trace="}, {"--trace", "-e", "print(1)"}} do
      local result = script.moons(words)
      assert.equal(1, result.code)
      assert.truthy(result.stderr:find("--trace wants the name of a file", 1, true), result.stderr)
    end
  end)

  it("that has no room on its disk ends where it was full, and that is told #linux", function()
    temporary.folder({["a.lua"] = "parallel.map(tostring, parallel.range(1, 5000))"}, function(folder)
      local result = script.execute({"sh", "-c", "ulimit -f 100; trap '' XFSZ; exec \"$0\" --trace=out.json a.lua",
        os.getenv "MOONS" or "build/moons"}, {folder = folder})
      assert.equal(0, result.code)
      assert.truthy(result.stderr:find("events are missing from the trace: ", 1, true), result.stderr)
      local text = read(folder .. "/out.json")
      -- A block of at most 32 KiB is written whole or not at all, into a file of 50 KiB, or of 100 where the shell
      -- counts in KiB.
      assert.truthy(#text > (50 - 32) * 1024 and #text <= 100 * 1024, #text)
      assert.truthy(#events_of(text:gsub("%s*%]%s*$", "") .. "]").call > 0)
    end)
  end)
end)

describe("SIGUSR1 #here", function()
  local function asks(code, flags, ...)
    local arguments = table.move(flags or {}, 1, #(flags or {}), 1, {})
    table.move({"a.lua", ...}, 1, 1 + select("#", ...), #arguments + 1, arguments)
    return temporary.folder({["a.lua"] = code}, function(folder)
      local result = script.moons(arguments, {folder = folder})
      assert.message(result.stderr).equal(0, result.code)
      local lines = {}
      for line in result.stderr:gmatch "[^\n]+" do
        table.insert(lines, (line:gsub("^%S*moons: ", "moons: "):gsub("%d+%.%d+ s$", "T")))
      end
      return lines, result
    end)
  end

  it("lists the calls that run, with function, place, number and worker", function()
    local lines = asks [[
local function inner() parallel.sleep(3) end
local function score(x) return x == 1 and parallel.sleep(3) or parallel.map(inner, {5}) end
os.execute "(sleep 1; kill -USR1 $PPID) &"
local pool = parallel.pool(1)
local future = pool:submit(

function() parallel.sleep(3) end)
parallel.map(score, {1, 2}, {workers = 2})
future:get()
    ]]
    assert.equal("moons: 4 calls run", lines[1])
    local is_turned = table.concat(lines, "\n"):find "\n  worker 1: call 2 of score" -- whoever was there first
    for i, line in ipairs(lines) do
      lines[i] = is_turned and line:gsub("^  worker (%d)", {["1"] = "  worker 2", ["2"] = "  worker 1"}) or line
    end
    table.sort(lines)
    assert.same({
      "  pool 1, worker 1: call 1 of a.lua:7, for T",
      "  worker 1: call 1 of score (a.lua:2), for T",
      "  worker 2: call 1 of inner (a.lua:1), for T",
      "  worker 2: call 2 of score (a.lua:2), for T",
      "moons: 4 calls run",
    }, lines)
  end)

  for host, rows in pairs {
    [PROCESSES] = {"pool 1, worker 1", "worker 1", "worker 2", "worker 3"},
    [HOSTS] = {"one, worker 1", "one, worker 2", "pool 1, one, worker 1", "two, worker 1"},
  } do
    it("lists the calls that run " .. host.name, function()
      local lines = asks([[
local script = io.popen("echo $PPID"):read "n"
local function meet(x)
  io.open("begun" .. x, "w"):close()
  for i = 1, 4 do
    while not io.open("begun" .. i) do parallel.sleep(0.01) end
  end
  if x == 1 then os.execute("kill -USR1 " .. script) end
  parallel.sleep(3)
end
local pool = parallel.pool(1)
local future = pool:submit(meet, 4)
parallel.map(meet, {1, 2, 3}, {workers = 3, chunk = 1})
future:get()
      ]], host.flags)
      assert.equal("moons: 4 calls run", lines[1])
      local found, calls = {}, {}
      for i = 2, #lines do
        local row, call = lines[i]:match "^  (.*): call (%d) of meet %(a.lua:2%), for T$"
        assert.truthy(row, lines[i])
        table.insert(found, row)
        if not row:find "pool" then calls[tonumber(call)] = true end
      end
      table.sort(found)
      assert.same({rows, {true, true, true}}, {found, calls})
    end)
  end

  for _, host in ipairs {THREADS, PROCESSES, HOSTS} do
    it("tells of calls in large chunks how long they have run at most " .. host.name, function()
      local _, result = asks([[
        local script = io.popen("echo $PPID"):read "n"
        parallel.map(function(i)
          parallel.sleep(0.02)
          if i == 20 then os.execute("kill -USR1 " .. script) end
          if i > 20 and i < 25 then parallel.sleep(0.5) end
        end, parallel.range(1, 50), {chunk = 50, workers = 1})
      ]], host.flags)
      local call, seconds = result.stderr:match ": call (%d+) of a.lua:2, for at most (%d+%.%d+) s"
      assert.truthy(seconds and tonumber(seconds) > 0.1, result.stderr)
      assert.truthy(tonumber(call) >= 20 and tonumber(call) <= 25, call)
    end)

    it("tells of a set-up " .. host.name, function()
      local lines = asks([[
        local script = io.popen("echo $PPID"):read "n"
        local function init()
          os.execute("kill -USR1 " .. script)
          parallel.sleep(2)
        end
        parallel.map(print, {1}, {init = init, workers = 1})
      ]], host.flags)
      assert.equal("moons: 1 call runs", lines[1])
      assert.truthy(lines[2]:find ": the set%-up of a map, for T$", lines[2])
    end)
  end

  it("tells of a host that does not answer what it has #linux", function()
    agents.noted(function(folder, launch)
      local lines = asks([=[
        local script = io.popen("echo $PPID"):read "n"
        local folder = ...
        parallel.map(function(x)
          io.open("begun" .. x, "w"):close()
          for i = 1, 3 do
            while not io.open("begun" .. i) do parallel.sleep(0.01) end
          end
          if x == 1 then
            os.execute(([[agent=$(cat %s/one.pid); kill -STOP $agent
              while ! grep -q ') T' /proc/$agent/stat; do sleep 0.01; done
              sleep 0.2; kill -USR1 %d; sleep 3; kill -CONT $agent]]):format(folder, script))
            io.open("told", "w"):close()
          end
          while not io.open "told" do parallel.sleep(0.01) end
        end, {1, 2, 3}, {chunk = 1})
      ]=], {"-H", "one:2,two:1", "--launch", launch}, folder)
      local silent = "^  one: it does not answer; it has call %d of a map, for at most T$"
      assert.equal("moons: 3 calls run", lines[1])
      assert.truthy(lines[2]:find(silent), lines[2])
      assert.truthy(lines[3]:find(silent), lines[3])
      assert.truthy(lines[4]:find "^  two, worker 1: call %d of a.lua:3, for T$", lines[4])
    end)
  end)

  it("says so where none runs", function()
    assert.same({"moons: no call runs"}, (asks [[
      os.execute "kill -USR1 $PPID"
      parallel.sleep(0.3)
    ]]))
  end)

  for _, host in ipairs {THREADS, PROCESSES, HOSTS} do
    it("that comes hundreds of times, while workers come and go, ends nothing " .. host.name, function()
      local _, result = asks([[
        os.execute "(for i in $(seq 300); do kill -USR1 $PPID; done; touch asked) &"
        local n_pools = tonumber((...))
        local function f(x) return x end
        repeat
          local pool <close> = parallel.pool(2)
          for _ = 1, 5 do assert(#pool:map(f, parallel.range(1, 50)) == 50) end
          n_pools = n_pools - 1
        until n_pools <= 0 and io.open "asked"
        parallel.sleep(0.3)
      ]], host.flags, host == THREADS and "60" or "10")
      assert.truthy(result.stderr:find "runs?\n")
    end)
  end
end)
