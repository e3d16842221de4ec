-- Lua functions: code, captured values, recursion.
local script = require "support.script"
local travels = require "wire.travels"

describe("functions", function()
  it("travel with what they capture", function()
    travels([[
      local n, s, t = 1, "s", {2}
      return function(x) return n + x, s, t end
    ]], [[
      local n, s, t = (...)(10)
      equal({n, s, t}, {11, "s", {2}})
    ]])
  end)

  it("that share an upvalue share it still", function()
    travels([[
      local n = 0
      local function add(x) n = n + x end
      local function get() return n end
      return add, get, {get = get, add = function() n = n + 100 end}
    ]], [[
      local add, get, t = ...
      local before = get()
      add(5)
      assert(get() == before + 5 and t.get() == before + 5 and t.get == get)
      t.add()
      equal(get(), before + 105)
    ]])
  end)

  it("that share an upvalue through different layers share it still", function()
    travels([[
      local n = 0
      local function outer()
        local function inner() n = n + 1 return n end
        return inner
      end
      return outer(), outer(), function() return n end
    ]], [[
      local a, b, get = ...
      local before = get()
      a() b() a()
      equal(get(), before + 3)
    ]])
  end)

  it("that capture a variable that changes see the change", function()
    script.passes [[
      local x = 1
      local function f() return x end
      equal(parallel.map(f, {0}), {1})
      x = 2
      equal(parallel.map(f, {0}), {2})
    ]]
  end)

  it("recursive ones travel", function()
    travels("local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end return fib",
      "equal((...)(15), 610)")
  end)

  it("mutually recursive ones travel", function()
    travels([[
      local even, odd
      function even(n) if n == 0 then return true end return odd(n - 1) end
      function odd(n) if n == 0 then return false end return even(n - 1) end
      return even, odd
    ]], "local even, odd = ... assert(even(10) and odd(7) and not even(3) and not odd(4))")
  end)

  it("that capture themselves through a table travel", function()
    travels([[
      local object = {n = 3}
      function object:f() return object == self and object.n end
      object.list = {object.f, object}
      return object
    ]], "local o = ... assert(o:f() == 3 and o.list[1] == o.f and o.list[2] == o)")
  end)

  it("with variable arguments and results travel", function()
    travels("return function(...) return select('#', ...), ... end",
      "local p = table.pack((...)(nil, 2, nil)) equal(p, {3, nil, 2, nil, n = 4})")
  end)

  it("with default parameters, goto, integer division and attribs travel", function()
    travels([[
      return function(n, ...)
        local limit <const> = 3
        local log = {}
        do
          local c <close> = setmetatable({}, {__close = function() log[#log + 1] = "closed" end})
          ::again::
          n = n // 2
          log[#log + 1] = n & 7
          if n > limit then goto again end
        end
        return log
      end
    ]], "equal((...)(100), {2, 1, 4, 6, 3, 'closed'})")
  end)

  it("that make coroutines travel", function()
    travels([[
      return function(n)
        return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end)
      end
    ]], "local t = {} for i in (...)(4) do t[#t + 1] = i end equal(t, {1, 2, 3, 4})")
  end)

  it("as arguments and results can be called", function()
    script.passes [[
      local fs = {}
      for i = 1, 20 do fs[i] = function(x) return x * i end end
      local r = parallel.map(function(f) return f(10) end, fs)
      for i = 1, 20 do equal(r[i], 10 * i) end
      local made = parallel.map(function(i) return function(x) return x + i end end, {1, 2, 3})
      equal({made[1](10), made[2](10), made[3](10)}, {11, 12, 13})
    ]]
  end)

  it("with more than 256 constants travel, and find their globals", function()
    script.passes [[
      local parts = {"local t = {}"}
      for i = 1, 600 do parts[#parts + 1] = ("t[%d] = 'string %d'"):format(i, i) end
      parts[#parts + 1] = "late_set = helper(t[600]) return late_set .. late_global"
      function helper(s) return s:upper() end
      late_global = "!"
      local f = assert(load(table.concat(parts, "\n")))
      equal(parallel.map(f, {0}), {"STRING 600!"})
      equal(late_set, nil)
    ]]
  end)

  it("with 200 local variables and 255 upvalues travel", function()
    script.passes [[
      local code = {"local f = {}"}
      for i = 1, 120 do code[#code + 1] = ("local v%d = %d"):format(i, i) end
      code[#code + 1] = "return function() return 0"
      for i = 1, 120 do code[#code + 1] = (" + v%d"):format(i) end
      code[#code + 1] = " end"
      local f = assert(load(table.concat(code, "\n")))()
      equal(parallel.map(f, {0}), {7260})
    ]]
  end)

  it("of 100 000 lines travel", function()
    script.passes [[
      local code = {"local n = 0"}
      for i = 2, 100000 do code[i] = "n = n + 1" end
      code[#code + 1] = "return n"
      local f = assert(load(table.concat(code, "\n")))
      equal(parallel.map(f, {0}), {99999})
    ]]
  end)

  it("keep their names and lines for errors and debug", function()
    script.passes [[
      local function f() return debug.getinfo(1, "Sl") end
      local info = parallel.map(f, {0})[1]
      local here = debug.getinfo(f, "S")
      equal({info.short_src, info.linedefined, info.currentline},
        {here.short_src, here.linedefined, here.linedefined})
    ]]
  end)

  it("that were stripped of debug information travel", function()
    script.passes [[
      factor = 3
      local f = load(string.dump(function(x) return math.floor(x * factor) end, true))
      equal(parallel.map(f, {1.5}), {4})
    ]]
  end)

  it("are the same function when they stand twice in a message", function()
    travels("local f = function() end return f, {f, [f] = f}",
      "local f, t = ... assert(t[1] == f and t[f] == f)")
  end)

  it("as results do not bring the worker's globals to the caller", function()
    script.passes [[
      name = "caller"
      local f = parallel.map(function()
        name = "worker"
        return function() return name end
      end, {0})[1]
      equal({f(), name}, {"caller", "caller"})
    ]]
  end)

  it("that set captured variables change nothing in the caller or other calls", function()
    script.passes [[
      local n, list = 0, {}
      local r = parallel.map(function(x) n = n + x list[#list + 1] = x return {n, #list} end, {5, 6, 7})
      equal(r, {{5, 1}, {6, 1}, {7, 1}})
      equal({n, #list}, {0, 0})
    ]]
  end)

  it("loaded from text travel", function()
    script.passes [[
      local f = load "local a = ... return a * k"
      k = 4
      equal(parallel.map(f, {1, 2}), {4, 8})
    ]]
  end)

  it("loaded with an environment of their own take it along", function()
    script.passes [[
      local env = {n = 5, tostring = tostring}
      local f = load("n = n + 1 return tostring(n)", "f", "t", env)
      equal(parallel.map(f, {0, 0}), {"6", "6"})
      equal(env.n, 5)
    ]]
  end)

  it("that are mapped again are sent as they are by then", function()
    script.passes [[
      local k, t = 1, {v = 1}
      local function f(x) return x + k + t.v + (extra or 0), math.sin(0) + #("a"):rep(2), require "of_mine".v end
      package.loaded.of_mine = {v = "first"}
      local function now()
        return parallel.map(f, {1}, {pack = true})[1]
      end
      local function is(...)
        for _ = 1, 2 do equal(now(), {n = 3, ...}) end
      end
      is(3, 2.0, "first")
      k = 10
      is(12, 2.0, "first")
      t.v = 20
      is(31, 2.0, "first")
      extra = 100
      is(131, 2.0, "first")
      extra = nil
      is(31, 2.0, "first")
      local sin, rep = math.sin, string.rep
      math.sin = function() return 7 end
      is(31, 9, "first")
      math.sin, string.rep = sin, function() return "four" end
      is(31, 4.0, "first")
      string.rep = rep
      package.loaded.of_mine = {v = "second"}
      is(31, 2.0, "second")
      local function other() return k, t end
      k = 0
      local one = 1000
      debug.upvaluejoin(f, 1, function() return one end, 1)
      is(1021, 2.0, "second")
      debug.setupvalue(f, 1, 2000)
      is(2021, 2.0, "second")
      equal({one, k, (select(2, other()))}, {2000, 0, t})
    ]]
  end)

  it("that are mapped again see what else is an environment of theirs by then", function()
    script.passes [[
      local env = {n = 5}
      local f = load("return n, m", "f", "t", env)
      n, m = 1, 2
      equal(parallel.map(f, {0}, {pack = true})[1], {5, n = 2})
      debug.setupvalue(f, 1, _ENV)
      equal(parallel.map(f, {0}, {pack = true})[1], {1, 2, n = 2})
      m = 3
      equal(parallel.map(f, {0}, {pack = true})[1], {1, 3, n = 2})
      debug.setupvalue(f, 1, env)
      equal(parallel.map(f, {0}, {pack = true})[1], {5, n = 2})

      local t = {n = 7}
      local function g() return t.n end
      equal(parallel.map(g, {0})[1], 7)
      debug.setupvalue(g, 1, _ENV)
      equal(parallel.map(g, {0})[1], 1)
      n = 8
      equal(parallel.map(g, {0})[1], 8)
      debug.setupvalue(g, 1, {n = 9})
      equal(parallel.map(g, {0})[1], 9)
    ]]
  end)

  it("that were mapped are collected", function()
    script.passes [[
      local gone = setmetatable({}, {__mode = "k"})
      for i = 1, 20 do
        local f = function(x) return x + i end
        gone[f] = true
        equal(parallel.map(f, {1, 2}), {1 + i, 2 + i})
      end
      collectgarbage()
      collectgarbage()
      assert(next(gone) == nil)
    ]]
  end)
end)
