-- What `moons` tells when the process crashes, and that it dies as it would have.
local forking = require "support.forking"
local script = require "support.script"

-- Runs a script that knows `forking`, with lines counted from 1.
local function run(code, flags)
  local options = {flags = flags}
  return script.run('local forking = require "forking" ' .. code, forking.options(options))
end

-- Asserts that the script has died of a signal, and returns the lines of the report.
local function dies(signal, code, flags)
  local result = run(code, flags)
  assert.message(result.stderr).equal(128 + signal, result.code)
  local lines = {}
  for line in result.stderr:gmatch "[^\n]+" do
    lines[#lines + 1] = line:match "^%S*moons: (.*)$"
  end
  return lines, result
end

local SEGV, ABRT, FPE = 11, 6, 8

describe("a crash #unsanitized #here", function()
  for _, host in ipairs {script.hosts[1], script.hosts[2]} do
    it("names the call that it was in " .. host.name, function()
      local lines = dies(SEGV, [[
        parallel.map(function(x)
          if x == "bad" then forking.crash() end
        end, {1, 2, "bad"}, {workers = 1})
      ]], host.flags)
      assert.truthy(lines[1]:find("^crashed in call 3 of stdin:1 %(worker 1%): SIGSEGV, "), lines[1])
      assert.equal(1, #lines)
    end)

    it("names the calls around that " .. host.name, function()
      local lines = dies(ABRT, [[

        local function inner(x) if x == 2 then forking.abort() end end
        parallel.map(function(x)
          if x == 7 then parallel.map(inner, {1, 2}, {workers = 1}) end
        end, {7}, {workers = 1})
      ]], host.flags)
      assert.truthy(lines[1]:find("^crashed in call 2 of stdin:2 %(worker 1%): SIGABRT, "), lines[1])
      assert.equal("within call 1 of stdin:3 (worker 1)", lines[2])
      assert.equal(2, #lines)
    end)

    it("of a stack in C that is too deep is told too " .. host.name, function()
      local lines = dies(SEGV, "parallel.map(function() forking.overflow() end, {1}, {workers = 1})", host.flags)
      assert.truthy(lines[1]:find("^crashed in call 1 of stdin:1 %(worker 1%): SIGSEGV, "), lines[1])
    end)

    it("of the script is told, and of a set-up " .. host.name, function()
      assert.truthy(dies(SEGV, "forking.overflow()", host.flags)[1]:find "^crashed in the script: SIGSEGV, ")
      local lines = dies(FPE, "parallel.map(print, {1}, {init = function() forking.raise(8) end})", host.flags)
      assert.truthy(lines[1]:find("^crashed in the set%-up of a map %(worker %d+%): SIGFPE, "), lines[1])
    end)
  end

  it("names the calls that ran on other workers", function()
    local lines = dies(SEGV, [[
      local path = os.tmpname()
      parallel.map(function(x)
        if x ~= 3 then io.open(path, "a"):write "x":close() parallel.sleep(60) end
        repeat local file <close> = io.open(path) until #file:read "a" == 2
        os.remove(path)
        forking.crash()
      end, {1, 2, 3}, {workers = 3, chunk = 1})
    ]])
    assert.truthy(lines[1]:find("^crashed in call 3 of stdin:2 %(worker %d%): SIGSEGV, "), lines[1])
    table.sort(lines)
    assert.truthy(lines[1]:find("^also running: call 1 of stdin:2 %(worker %d%)$"), lines[1])
    assert.truthy(lines[2]:find("^also running: call 2 of stdin:2 %(worker %d%)$"), lines[2])
    assert.equal(3, #lines)
  end)

  it("names the call among those that are made in one go", function()
    local lines = dies(SEGV, [[
      parallel.map(function(x)
        if x == 777 then os.execute "kill -SEGV $PPID; exec sleep 5 >/dev/null 2>&1" end
        return x
      end, parallel.range(1, 2000), {workers = 1, chunk = 2000, fresh = false})
    ]])
    assert.truthy(table.concat(lines, "\n"):find "call 777 of stdin:1 %(worker 1%)", lines[1])
  end)

  it("of a finalizer at the end of a call is that call's", function()
    local lines = dies(SEGV, [[
      parallel.map(function(x)
        if x == 3 then KEPT = setmetatable({}, {__gc = function() forking.crash() end}) end
      end, {1, 2, 3, 4}, {workers = 1, fresh = true})
    ]])
    assert.truthy(lines[1]:find "^crashed in call 3 of stdin:1 %(worker 1%): SIGSEGV, ", lines[1])
  end)

  it("in the child of a fork names no calls that only the parent has", function()
    local result = run [[
      local pool <close> = parallel.pool {workers = 1}
      local path = os.tmpname()
      local future = pool:submit(function()
        io.open(path, "a"):write "x":close()
        while io.open(path) do parallel.sleep(0.01) end
      end)
      repeat local file <close> = io.open(path) until file:read "a" == "x"
      local child = forking.fork()
      if child == 0 then forking.crash() end
      assert(forking.wait(child) == -11)
      os.remove(path)
      future:get()
    ]]
    assert.equal(0, result.code)
    assert.truthy(result.stderr:find "crashed in the script: SIGSEGV, ", result.stderr)
    assert.falsy(result.stderr:find "also running", 1, true)
  end)

  it("of two calls at once is told once", function()
    local lines = dies(SEGV, [[
      parallel.map(function() forking.crash() end, parallel.range(1, 8), {workers = 8, chunk = 1})
    ]])
    assert.truthy(lines[1]:find "^crashed in call %d+ of stdin:1 ")
    for i = 2, #lines do
      assert.truthy(lines[i]:find "^also running: ")
    end
  end)

  it("that somebody has sent is told as such #linux", function()
    local lines = dies(SEGV, 'io.popen("kill -SEGV " .. io.open "/proc/self/stat":read "n"):close() parallel.sleep(60)')
    assert.truthy(lines[1]:find "^got a signal from outside in the script: SIGSEGV, ")
  end)

  it("leaves what calls have printed before", function()
    local _, result = dies(SEGV, [[
      parallel.map(function() print "before" parallel.sleep(0.3) forking.crash() end, {1}, {workers = 1})
    ]])
    assert.equal("before\n", result.stdout)
  end)
end)
