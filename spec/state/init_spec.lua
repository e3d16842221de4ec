local script = require "support.script"
local temporary = require "support.temporary"

script.on_hosts("what init leaves", function(case, passes)
  it("may come from a file that it read and closed", function()
    temporary.file("alpha\nbeta\n", function(name)
      passes([[
        local name, lines = arg[1], {}
        local function init()
          for line in io.lines(name) do lines[#lines + 1] = line end
          local file <close> = io.open(name)
          lines.all = file:read "a"
        end
        local function f(i)
          lines[#lines + 1] = "more"
          return lines[i] .. #lines .. #lines.all
        end
        equal(parallel.map(f, {1, 2, 1, 2}, {init = init, workers = 2, chunk = 2}),
          {"alpha311", "beta311", "alpha311", "beta311"})
      ]], {args = {name}})
    end)
  end)

  it("may be an open file, which every call finds as init left it", function()
    temporary.file("one\ntwo\n", function(name)
      passes([[
        local name, file, other = arg[1]
        local function init()
          file = io.open(name)
          other = io.open(name, "a")
          file:read "l"
        end
        local function f(x) return {file:read "l", io.type(file), x} end
        local results = parallel.map(f, parallel.range(1, 40), {init = init, workers = 2, chunk = 6})
        for i = 1, 40 do equal(results[i], {"two", "file", i}) end
        local function close() return {file:close(), io.type(file)} end
        for _, result in ipairs(parallel.map(close, parallel.range(1, 10), {init = init, chunk = 5})) do
          equal(result, {true, "closed file"})
        end
      ]], {args = {name}})
    end)
  end)

  it("may have finalizers, which run when the state ends", function()
    local result = passes [[
      local function init()
        guard = setmetatable({}, {__gc = function() io.write "finalized\n" end})
      end
      local function f(x) return type(guard) .. x end
      equal(parallel.map(f, {1, 2, 3}, {init = init, workers = 2, chunk = 2}), {"table1", "table2", "table3"})
    ]]
    assert.truthy(result.stdout:find("finalized\n", 1, true))
  end)

  case("may be coroutines, which every call finds suspended where init left them", [[
    local counter
    local function init()
      counter = coroutine.wrap(function() for i = 1, math.huge do coroutine.yield(i) end end)
      counter()
    end
    local function f() return counter() * 10 + counter() end
    local results = parallel.map(f, parallel.range(1, 40), {init = init, workers = 2, chunk = 7})
    for i = 1, 40 do equal(results[i], 23) end
  ]])

  case("may be weak tables and closures that share values", [[
    local weak, get, set
    local function init()
      weak = setmetatable({}, {__mode = "v"})
      local value = 1
      get = function() return value end
      set = function(v) value = v end
      weak[1], weak[2] = get, {}
      set(5)
    end
    local function f(x)
      local before = get()
      set(x)
      collectgarbage()
      return {before, get(), weak[1] == get, weak[2] == nil}
    end
    local results = parallel.map(f, parallel.range(1, 30), {init = init, workers = 2, chunk = 4})
    for i = 1, 30 do equal(results[i], {5, i, true, true}) end
  ]])

  case("may be large, and is put back whole", [[
    local index
    local function init()
      index = {}
      for i = 1, 20000 do index["key " .. i] = {i} end
    end
    local function f(x)
      local record = index["key " .. x]
      local value = record[1]
      record[1] = nil
      for i = x, 20000, 100 do index["key " .. i] = nil end
      return value
    end
    local results = parallel.map(f, parallel.range(1, 100), {init = init, workers = 2, chunk = 10})
    for i = 1, 100 do equal(results[i], i) end
  ]])

  case("may be functions that it defines or replaces", [[
    function replaced(x) return x end
    local captured = function(x) return x end
    local function init()
      function defined(x) return x * 2 end
      function replaced(x) return x * 3 end
      captured = function(x) return x * 5 end
      function string.twice(s) return s .. s end
    end
    local function f(x) return defined(x) + replaced(x) + captured(x) .. ("a"):twice() end
    equal(parallel.map(f, {1, 2}, {init = init}), {"10aa", "20aa"})
    equal({replaced(1), captured(1), defined, string.twice}, {1, 1})
  ]])

  case("may be done by the function itself", [[
    local n = 0
    local function f() n = n + 1 return n end
    equal(parallel.map(f, {1, 2, 3}, {init = f, workers = 1}), {2, 2, 2})
  ]])

  case("is not seen by the next map", [[
    local function f() return {left, string.left, package.loaded.left} end
    local function init() left, string.left, package.loaded.left = 1, 1, 1 end
    equal(parallel.map(f, {1}, {init = init}), {{1, 1, 1}})
    equal(parallel.map(f, {1}), {{}})
  ]])
end)
