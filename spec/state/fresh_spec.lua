local script = require "support.script"

script.on_hosts("the state of a call", function(case, passes)
  -- All calls of f must give the same, and the caller's things must stay as they are.
  case("sees no globals that other calls have set", [[
    count = 10
    local function f()
      count = count + 1
      added = (added or 0) + 1
      _G.other = (rawget(_G, "other") or 0) + 1
      return {count, added, other}
    end
    for _, result in ipairs(parallel.map(f, parallel.range(1, 100), {workers = 2, chunk = 10})) do
      equal(result, {11, 1, 1})
    end
    equal({count, added, other}, {10})
  ]])

  case("sees no upvalues and captured tables that other calls have changed", [[
    local n, list, deep = 0, {1}, {a = {b = {0}}}
    local function helper() n = n + 1 return n end
    local function f()
      list[#list + 1] = 1
      deep.a.b[1] = deep.a.b[1] + 1
      deep.a.c = {}
      helper()
      return {helper(), #list, deep.a.b[1]}
    end
    for _, result in ipairs(parallel.map(f, parallel.range(1, 100), {workers = 2, chunk = 10})) do
      equal(result, {2, 2, 1})
    end
    equal({n, list, deep}, {0, {1}, {a = {b = {0}}}})
  ]])

  case("sees no libraries, metatables and modules that other calls have changed", [[
    local function f()
      local before = {string.extra, math.pi, string.upper ~= nil, getmetatable("").__call,
        package.loaded.invented, debug.getmetatable(1), ("x"):rep(2), debug.getregistry().mine, package.path}
      string.extra, math.pi, string.upper = 1, 3, nil
      string.rep = function() return "no" end
      getmetatable("").__call = function() return 1 end
      package.loaded.invented = true
      package.path = "nowhere"
      debug.setmetatable(1, {__index = math})
      debug.getregistry().mine = true
      return before
    end
    local expected = {nil, math.pi, true, nil, nil, nil, "xx", nil, package.path}
    for _, result in ipairs(parallel.map(f, parallel.range(1, 100), {workers = 2, chunk = 10})) do
      equal(result, expected)
    end
    expected[8], expected[9] = nil, nil
    equal({string.extra, math.pi, string.upper ~= nil, getmetatable("").__call, package.loaded.invented,
      debug.getmetatable(1), ("x"):rep(2)}, expected)
  ]])

  case("shares no metatables of arguments with other calls", [[
    local class = {}
    class.__index = class
    function class:name() return "class" end
    local function f(object)
      local name = object:name()
      function class:name() return "changed" end
      getmetatable(object).extra = true
      return name
    end
    local objects = {}
    for i = 1, 50 do objects[i] = setmetatable({}, class) end
    for _, name in ipairs(parallel.map(f, objects, {workers = 2, chunk = 10})) do equal(name, "class") end
    equal({class.extra, class:name()}, {nil, "class"})
  ]])

  case("is put back after a call that failed, however it failed", [[
    count = 0
    local list = {}
    local function f(x)
      count = count + 1
      list[#list + 1] = x
      if count > 1 or #list > 1 then return "seen" end
      if x % 6 == 1 then error "text" end
      if x % 6 == 2 then error {} end
      if x % 6 == 3 then local function deep() return 1 + deep() end deep() end
      if x % 6 == 4 then coroutine.wrap(function() error "in coroutine" end)() end
      if x % 6 == 5 then ("x"):rep(1 << 40) end
      return "as new"
    end
    local options = {errors = "collect", workers = 2, chunk = 9}
    local results, errors = parallel.map(f, parallel.range(1, 24), options)
    for i = 6, 24, 6 do equal(results[i], "as new") end
    for i = 1, 24 do equal(errors[i] ~= nil, i % 6 ~= 0) end
  ]])

  case("holds coroutines, closed or left suspended", [[
    local kept
    local function f(n)
      assert(kept == nil)
      local sum = 0
      for i = 1, n do
        local co = coroutine.create(function(x)
          local closed <close> = setmetatable({}, {__close = function() sum = sum + 1 end})
          coroutine.yield(x)
        end)
        sum = sum + select(2, coroutine.resume(co, i))
        if i % 2 == 0 then coroutine.close(co) end
        kept = co
      end
      return sum
    end
    local results = parallel.map(f, parallel.range(1, 60), {workers = 2, chunk = 7})
    for n = 1, 60 do equal(results[n], n * (n + 1) // 2 + n // 2) end
  ]])

  case("can be collected, stopped and measured by the call", [[
    local weak = setmetatable({}, {__mode = "k"})
    local captured = {}
    for i = 1, 1000 do captured[i] = {i} end
    local function f(x)
      local before = collectgarbage "count"
      local junk = {}
      for i = 1, 2000 do junk[i] = {i} end
      weak[junk] = true
      junk = nil
      collectgarbage()
      local mode = x % 3 == 0 and collectgarbage "generational" or x % 3 == 1 and collectgarbage "stop"
      captured[x] = nil
      collectgarbage()
      collectgarbage "step"
      return {next(weak) == nil, collectgarbage "count" < before + 400, #captured >= 999}
    end
    for _, result in ipairs(parallel.map(f, parallel.range(1, 200), {workers = 2, chunk = 9})) do
      equal(result, {true, true, true})
    end
    equal(#captured, 1000)
  ]])

  case("has the collector running as the call found it", [[
    local function f(x)
      local was = {collectgarbage "isrunning", collectgarbage "incremental"}
      collectgarbage "stop"
      collectgarbage "generational"
      return was
    end
    for _, was in ipairs(parallel.map(f, parallel.range(1, 40), {workers = 2, chunk = 5})) do
      equal(was, {true, "incremental"})
    end
  ]])

  it("runs finalizers of the call's objects when the call ends", function()
    local result = passes [[
      local function f(x)
        for i = 1, 3 do
          setmetatable({}, {__gc = function() io.write("gone ", x, " ", i, "\n") end})
        end
        return x
      end
      equal(parallel.map(f, {1, 2, 3}, {workers = 2, chunk = 2}), {1, 2, 3})
      kept = nil
      local function g(x)
        kept = setmetatable({}, {__gc = function() io.write("gone ", x, " kept\n") end})
      end
      parallel.map(g, {1, 2, 3})
    ]]
    for x = 1, 3 do
      for _, what in ipairs {"1", "2", "3", "kept"} do
        assert.message(result.stdout).truthy(result.stdout:find(("gone %d %s\n"):format(x, what), 1, true))
      end
    end
  end)

  case("survives finalizers that fail", [[
    local function f(x)
      setmetatable({}, {__gc = function() error "in __gc" end})
      if x % 2 == 0 then collectgarbage() end
      return x
    end
    equal(parallel.map(f, {1, 2, 3, 4}), {1, 2, 3, 4})
    equal(parallel.map(f, {1, 2, 3, 4}), {1, 2, 3, 4})
  ]])

  it("closes files that the call has opened and left open", function()
    require "support.temporary".folder({a = "one\ntwo\n"}, function(folder)
      passes([[
        local folder = arg[1]
        local function write(x)
          local file = assert(io.open(folder .. "/out" .. x, "w"))
          file:write("text ", x)
          assert(count == nil)
          count = 1
          return x
        end
        equal(#parallel.map(write, parallel.range(1, 50), {workers = 2, chunk = 5}), 50)
        for x = 1, 50 do
          local file <close> = io.open(folder .. "/out" .. x)
          equal(file:read "a", "text " .. x)
        end
        local function read(x)
          local file = io.open(folder .. "/a")
          local second
          for line in io.lines(folder .. "/a") do second = line end
          return file:read "l" .. second
        end
        -- More than a process may have open at once.
        local results = parallel.map(read, parallel.range(1, 3000))
        for i = 1, 3000 do equal(results[i], "onetwo") end
      ]], {args = {folder}})
    end)
  end)

  it("gives io.output and io.input back", function()
    require "support.temporary".folder({a = "one\ntwo\n"}, function(folder)
      local result = passes([[
        local folder = arg[1]
        local function f(x)
          io.output(folder .. "/out" .. x)
          io.write("text ", x)
          io.input(folder .. "/a")
          return io.read "l"
        end
        equal(parallel.map(f, {1, 2, 3}, {chunk = 2}), {"one", "one", "one"})
        for x = 1, 3 do
          local file <close> = io.open(folder .. "/out" .. x)
          equal(file:read "a", "text " .. x)
        end
        parallel.map(function(x) io.write("line ", x, "\n") end, {1})
      ]], {args = {folder}})
      assert.equal("line 1\n", result.stdout)
    end)
  end)

  case("has a memory of its own, which small calls after a large one do not pay for #large", [[
    local function f(megabytes)
      local parts = {}
      for i = 1, megabytes do parts[i] = ("x"):rep((1 << 20) + i) end
      return #parts
    end
    local xs, expected = {}, {}
    for i = 1, 200 do xs[i] = i == 5 and 200 or i == 100 and 30 or 0 expected[i] = xs[i] end
    equal(parallel.map(f, xs, {workers = 2, chunk = 7}), expected)
  ]])

  case("starts with large captured tables whole, whatever calls do to them #large", [[
    local records, index = {}, {}
    for i = 1, 100000 do
      records[i] = {id = i, name = "record " .. i, score = i * 0.5}
      index["record " .. i] = records[i]
    end
    local function f(x)
      local record = index["record " .. x]
      assert(record == records[x], "shared no more")
      assert(record.score == x * 0.5 and #records == 100000 and not next(records[1], nil) == false)
      for i = x, 100000, 1000 do
        records[i].score = -1
        records[i].name = records[i].name .. "!"
      end
      for i = 100000, 90001, -1 do records[i] = nil end
      index[record.name] = nil
      return #records
    end
    for _, n in ipairs(parallel.map(f, parallel.range(1, 24), {workers = 2, chunk = 4})) do
      equal(n, 90000)
    end
    local function sum()
      local total = 0
      for i = 1, #records do total = total + records[i].score end
      records[#records] = nil
      return total
    end
    for _, total in ipairs(parallel.map(sum, parallel.range(1, 6), {workers = 2})) do
      equal(total, 0.5 * 100000 * 100001 / 2)
    end
    equal({#records, records[7].name}, {100000, "record 7"})
  ]])

  case("can grow large captured tables and collect them #large", [[
    local words = {}
    for i = 1, 60000 do words[i] = "word " .. i end
    local function f(x)
      for i = 1, 20000 do words[#words + 1] = "more " .. i end
      collectgarbage()
      local n = #words
      words = nil
      collectgarbage()
      collectgarbage()
      return n
    end
    for _, n in ipairs(parallel.map(f, parallel.range(1, 10), {workers = 2, chunk = 3})) do
      equal(n, 80000)
    end
    equal(#words, 60000)
  ]])
end)
