-- In worker processes, whatever a call does to its process costs that call, and no other.
local forking = require "support.forking"
local script = require "support.script"

local start = [==[
  local forking = require "forking"
  local ways = {
    SEGV = forking.crash,
    KILL = function() forking.raise(9) end,
    ABRT = forking.abort,
    BUS = function() forking.raise(7) end,
    overflow = forking.overflow,
    exit = function() forking.exit(3) end,
    leave = function() forking.leave(0) end,
  }
  local texts = {SEGV = "signal 11", KILL = "signal 9", ABRT = "signal 6", BUS = "signal 7", overflow = "signal 11",
    exit = "status 3", leave = "status 0"}

  -- What each call has written into a file, as often as it was made.
  local function read_calls(name)
    local calls = {}
    for line in io.lines(name) do
      calls[tonumber(line)] = (calls[tonumber(line)] or 0) + 1
    end
    os.remove(name)
    return calls
  end

  local function note(name, i)
    local file <close> = io.open(name, "a")
    file:write(i, "\n")
  end
]==]

local function passes(code, options)
  options = setmetatable(options or {}, {__index = forking.options {flags = {"-b", "processes"}}})
  return script.passes(start .. code, options)
end

describe("in worker processes, a call that is lost #unsanitized #linux", function()
  for _, way in ipairs {"SEGV", "KILL", "ABRT", "BUS", "overflow", "exit", "leave"} do
    it("by " .. way .. ", is one call, wherever it is in whichever chunk; all others are made once", function()
      passes(([[
        local crash, text = ways.%s, texts.%s
        for _, chunk in ipairs {1, 10, 200} do
          for _, bad in ipairs {1, 205, 400} do
            local name = os.tmpname()
            local results, errors = parallel.map(function(i)
              note(name, i)
              return i == bad and crash() or 2 * i
            end, parallel.range(1, 400), {errors = "collect", chunk = chunk, workers = 3})
            local calls = read_calls(name)
            local where = ("chunk %%d, call %%d: "):format(chunk, bad)
            equal(errors.n, 1)
            assert(errors[bad].kind == "lost" and errors[bad].message:find(text), where .. tostring(errors[bad]))
            assert(errors[bad].worker >= 1 and errors[bad].worker <= 3, where .. tostring(errors[bad].worker))
            for i = 1, 400 do
              assert(calls[i] == 1, where .. i .. " was made " .. tostring(calls[i]))
              assert(results[i] == (i ~= bad and 2 * i or nil), where .. i)
            end
          end
        end
      ]]):format(way, way))
    end)
  end

  it("is one call where it is lost while decoding, encoding, in a finalizer, __tostring or a coroutine", function()
    passes [[
      local function same(x) return x end
      local function crash() forking.crash() end
      local stages = {
        decoding = {same, setmetatable({}, {__marshal = function() return crash end})},
        encoding = {function(x) return x == "bad" and setmetatable({}, {__marshal = crash}) or x end, "bad"},
        finalizer = {function(x)
          if x == "bad" then setmetatable({}, {__gc = crash}) collectgarbage() end
          return x
        end, "bad"},
        text = {function(x) return x == "bad" and tostring(setmetatable({}, {__tostring = crash})) or x end, "bad"},
        coroutine = {function(x) return x == "bad" and coroutine.wrap(crash)() or x end, "bad"},
        nested = {function(x) return x == "bad" and parallel.map(crash, {1, 2}) or x end, "bad"},
      }
      for _, fresh in ipairs {true, false} do
        for stage, case in pairs(stages) do
          for _, chunk in ipairs {1, 4, 9} do
            local xs = {1, 2, 3, 4, case[2], 6, 7, 8, 9}
            local options = {errors = "collect", chunk = chunk, fresh = fresh, workers = 2}
            local results, errors = parallel.map(case[1], xs, options)
            assert(errors.n == 1 and errors[5].kind == "lost", stage .. ": " .. tostring(errors[5]))
            for i = 1, 9 do assert(results[i] == (i ~= 5 and i or nil), stage .. " " .. i) end
          end
        end
      end
    ]]
  end)

  it("raises in a map, a future, apply and iterations", function()
    passes [[
      local pool <close> = parallel.pool(2)
      local function f(i) return i == 5 and forking.crash() or i end
      local xs = parallel.range(1, 9)
      local function lost(ok, err) assert(not ok and err.kind == "lost", tostring(err)) return err.index end
      equal(lost(pcall(parallel.map, f, xs)), 5)
      lost(pcall(pool.apply, pool, f, 5))
      lost(pcall(function() return pool:submit(f, 5):get() end))
      equal(pool:apply(f, 4), 4)
      local n = 0
      equal(lost(pcall(function() for _, x in pool:imap(f, xs) do n = n + x end end)), 5)
      equal(n, 10)
      n = 0
      for _, value, err in pool:imap_unordered(f, xs, {errors = "collect"}) do n = n + (value or 0) end
      equal(n, 40)
      equal(pool:stats().lost, 4)
    ]]
  end)

  it("is made again as often as `retries` says", function()
    passes [[
      local name = os.tmpname()
      local results, errors = parallel.map(function(i)
        note(name, i)
        return i % 3 == 0 and forking.crash() or i
      end, parallel.range(1, 10), {errors = "collect", retries = 2, chunk = 5})
      local calls = read_calls(name)
      for i = 1, 10 do equal(calls[i], i % 3 == 0 and 3 or 1) end
      equal(errors.n, 3)
      local first = os.tmpname()
      os.remove(first)
      equal(parallel.map(function(i)
        local file = io.open(first)
        if i == 5 and not file then note(first, i) forking.crash() end
        return i
      end, parallel.range(1, 9), {retries = 1}), {1, 2, 3, 4, 5, 6, 7, 8, 9, n = 9})
      os.remove(first)
    ]]
  end)

  it("has printed what it has printed, in whole lines, before its error comes", function()
    local result = passes [[
      local ok, err = pcall(parallel.map, function(i)
        print("call", i) io.write "unfinished"
        forking.crash()
      end, {1}, {workers = 1})
      print(ok, err.kind)
    ]]
    assert.equal("call\t1\nfalse\tlost\n", result.stdout)
  end)

  it("may be each call: a thousand in a row leave no process, no file and no memory", function()
    passes([[
      local function count(command)
        local pipe <close> = io.popen(command)
        return select(2, pipe:read "a":gsub("\n", ""))
      end
      local stat = io.open "/proc/self/stat"
      local me = stat:read "n"
      stat:close() -- no garbage is counted
      local function descriptors() -- once this process has closed its other end of the pipe
        return count(("sleep 0.2; ls /proc/%d/fd"):format(me))
      end
      local pool = parallel.pool {workers = 4, backend = "processes"}
      local before = descriptors()
      local _, errors = pool:map(function(i) forking.leave(i % 200) end, parallel.range(1, 1000), {errors = "collect"})
      equal(errors.n, 1000)
      for i = 1, 1000 do equal(errors[i].message:match "status (%d+)", tostring(i % 200)) end
      pool:close()
      equal(descriptors(), before)
      equal(count(("ps --ppid %d -o pid= -o comm= | grep moons || true"):format(me)), 0)
    ]], {timeout = 240})
  end)
end)

describe("in worker processes, what happens before a call #unsanitized #linux", function()
  it("is nobody's fault: a crash in init fails all calls soon, and starts few processes", function()
    passes [[
      local name = os.tmpname()
      local _, errors = parallel.map(function(x) return x end, parallel.range(1, 10000), {errors = "collect",
        workers = 2, init = function() note(name, 1) forking.crash() end})
      equal(errors.n, 10000)
      equal({errors[1].kind, errors[10000].kind}, {"lost", "lost"})
      local n = read_calls(name)[1]
      assert(n <= 6, n)
    ]]
  end)

  it("costs nothing where it was an accident", function()
    passes [[
      local name = os.tmpname()
      os.remove(name)
      equal(parallel.map(function(x) return x end, {1, 2, 3}, {workers = 1, init = function()
        local file = io.open(name)
        if not file then note(name, 1) forking.crash() end
      end}), {1, 2, 3, n = 3})
      os.remove(name)
    ]]
  end)
end)

describe("in worker processes, a call whose time is over #unsanitized #linux", function()
  it("ends also in a C function, and costs no other", function()
    passes [[
      for _, fresh in ipairs {true, false} do
        local results, errors = parallel.map(function(i) return i == 4 and forking.hang() or i end,
          parallel.range(1, 20), {errors = "collect", timeout = 0.2, chunk = 10, fresh = fresh})
        equal({errors.n, errors[4].kind}, {1, "timeout"})
        for i = 1, 20 do equal(results[i], i ~= 4 and i or nil) end
      end
    ]]
  end)

  it("ends its process also where that was stopped", function()
    passes [[
      local _, errors = parallel.map(function(i) return i == 2 and forking.raise(19) or i end, {1, 2, 3},
        {errors = "collect", timeout = 0.2})
      equal({errors.n, errors[2].kind}, {1, "timeout"})
    ]]
  end)

  it("takes the programs that it has started along", function()
    passes [[
      local name = os.tmpname()
      local ok, err = pcall(parallel.map, function()
        os.execute("sleep 987 & echo $! > " .. name)
        forking.hang()
      end, {1}, {timeout = 0.3})
      equal({ok, err.kind}, {false, "timeout"})
      local pid = io.open(name):read "n"
      os.remove(name)
      local function runs() -- it was killed, but on a busy machine has not gone yet
        local stat = io.open(("/proc/%d/stat"):format(pid))
        return stat and not stat:read "a":find "%) [ZX] "
      end
      for _ = 1, 500 do
        if runs() then parallel.sleep(0.01) end
      end
      assert(not runs(), "it runs")
    ]]
  end)
end)
