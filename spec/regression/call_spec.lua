local script = require "support.script"

describe("a fault that was mended", function()
  it("a finalizer that runs while results are sent changes none of them, in the first call or in others", function()
    script.passes [[
      local captured = {3, 1, 2, list = {{1}, {2}}, name = "a"}
      for n = 1, 600 do
        local function f()
          local made = {3, 1, 2, 4, x = 1, y = 2.5, sub = {5, 7, x = 2}, list = {{3, 1, x = 1}, {5, 7, x = 2}}}
          setmetatable({}, {__gc = function() made.x = "finalized" end})
          for i = 1, 8 * n do local _ = {i, i} end -- for some n the collector is just about to run
          made.x = -3
          return captured.name, n, made
        end
        local results = parallel.map(f, {1, 2, 3}, {workers = 1, pack = true})
        equal({n, results[2][3].x, results[3][3].x}, {n, results[1][3].x, results[1][3].x})
      end
    ]]
  end)

  it("warn that a call turns on is off in the next", function()
    local result = script.passes [[
      parallel.map(function(x)
        warn("call ", tostring(x))
        warn "@on"
      end, {1, 2, 3}, {workers = 1})
    ]]
    assert.equal("", result.stderr)
  end)

  it("a failing init leaves no file open #linux", function()
    script.passes [[
      local function count()
        local pipe = io.popen "ls /proc/$PPID/fd | wc -l"
        local n = pipe:read "n"
        pipe:close()
        return n
      end
      local function fail()
        FILE = io.open "/dev/null"
        error "no"
      end
      local before = count()
      for _ = 1, 30 do assert(not pcall(parallel.map, print, {1}, {init = fail})) end
      assert(count() < before + 10, count())
    ]]
  end)

  it("an idle worker keeps little of what its last call needed #linux #unsanitized", function()
    script.passes [[
      local function resident_kib()
        for line in io.lines "/proc/self/status" do
          local kib = line:match "^VmRSS:%s*(%d+)"
          if kib then return tonumber(kib) end
        end
      end
      local before = resident_kib()
      parallel.map(function() return #("x"):rep(100000000) end, {1, 2})
      assert(resident_kib() < before + 50000, resident_kib())
    ]]
  end)

  it("a function with more than 64 upvalues brings the globals that it names", function()
    script.passes [[
      function helper() return 7 end
      local names, sum = {}, {}
      for i = 1, 70 do
        names[i] = ("local v%d = %d"):format(i, i)
        sum[i] = "v" .. i
      end
      local code = table.concat(names, "\n") .. "\nreturn function() return " .. table.concat(sum, "+")
        .. " + helper() end"
      assert(parallel.map(assert(load(code:gsub("local v(%d+)", function(i)
        return i == "1" and "local v1" or "local v" .. i
      end)))(), {1})[1] == 70 * 71 // 2 + 7)
    ]]
  end)

  it("calls made in one go in a kept state give numbers, others and errors in their places", function()
    script.passes [[
      local function f(x)
        if x % 97 == 0 then error {x} end
        if x % 31 == 0 then return "text " .. x end
        if x % 13 == 0 then return nil end
        if x % 7 == 0 then return x end
        return x + 0.5
      end
      for _, xs in ipairs {parallel.range(1, 1000), parallel.range(1.0, 1000)} do
        local options = {fresh = false, errors = "collect", chunk = 300}
        local kept, kept_errors = parallel.map(f, xs, options)
        options.fresh = true
        local fresh, fresh_errors = parallel.map(f, xs, options)
        equal(kept.n, 1000)
        for i = 1, kept.n do
          equal(kept[i], fresh[i])
          equal(math.type(kept[i]), math.type(fresh[i]))
          equal(kept_errors[i] and kept_errors[i].value, fresh_errors[i] and fresh_errors[i].value)
          equal(kept_errors[i] and kept_errors[i].index, kept_errors[i] and i)
        end
      end
      local ok, err = pcall(parallel.map, f, parallel.range(1, 1000), {fresh = false, chunk = 1000})
      equal({ok, err.index}, {false, 97})
    ]]
  end)

  it("a call made in one go that keeps the error of os.exit from itself fails all the same, in its place", function()
    script.passes [[
      for _, last in ipairs {5, 10} do
        local function f(x)
          if x == last then coroutine.resume(coroutine.create(function() os.exit(1) end)) end
          return x * 10
        end
        local options = {fresh = false, workers = 1, chunk = 10, errors = "collect"}
        local results, errors = parallel.map(f, parallel.range(1, 10), options)
        equal(results.n, 10)
        for i = 1, results.n do
          equal(results[i], i ~= last and 10 * i or nil)
          equal(errors[i] and errors[i].message, i == last and "os.exit was called" or nil)
        end
        options.errors = nil
        local ok, err = pcall(parallel.map, f, parallel.range(1, 10), options)
        equal({ok, err.index}, {false, last})
      end
    ]]
  end)

  it("os.exit in a coroutine ends its call though those that wait for it would go on", function()
    script.passes [[
      local function f()
        coroutine.wrap(function()
          coroutine.resume(coroutine.create(os.exit), 3)
          while true do end
        end)()
      end
      local ok, err = pcall(parallel.map, f, {1})
      equal({ok, err.kind}, {false, "error"})
      assert(err.message:find "os.exit", err.message)
    ]]
  end)

  it("a call that has too little memory for its stack fails for memory, also after others in one go", function()
    script.passes [[
      for _, memory in ipairs {1, 1000, 10000} do
        local _, errors = parallel.map(function(x) return ("x"):rep(x) end, {100000, 100000, 100000},
          {memory = memory, errors = "collect", chunk = 3, fresh = false})
        for i = 1, 3 do equal(errors[i].kind, "memory") end
      end
    ]]
  end)
end)
