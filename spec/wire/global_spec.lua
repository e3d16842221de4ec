-- The script's own globals: those that a function names go along, transitively.
local script = require "support.script"

for _, host in ipairs {{name = "in moons"}, script.lua54} do
  describe("globals " .. host.name, function()
    local function passes(code)
      return script.passes(code, host)
    end

    it("that a function names travel", function()
      passes [[
        n, t = 5, {6}
        function add(x) return x + n end
        equal(parallel.map(function(x) return add(x) + t[1] end, {1, 2}), {12, 13})
      ]]
    end)

    it("that globals name travel, and so on", function()
      passes [[
        function a(x) return b(x) + 1 end
        function b(x) return c.f(x) + 1 end
        c = {f = function(x) return d(x) + 1 end}
        function d(x) return x == 0 and 0 or e * a(x - 1) end
        e = 1
        equal(parallel.map(a, {0, 3}), {3, 12})
      ]]
    end)

    it("named in nested functions travel", function()
      passes [[
        deep = "deep"
        local function f() return function() return function() return deep end end end
        equal(parallel.map(function() return f()()() end, {0}), {"deep"})
      ]]
    end)

    it("named in methods of captured tables, metatables and arguments travel", function()
      passes [[
        unit = "m"
        function format(x) return x .. unit end
        local captured = {show = function(x) return format(x) end}
        local object = setmetatable({}, {__tostring = function() return format("object") end})
        equal(parallel.map(function(x)
          return captured.show(x) .. " " .. tostring(object)
        end, {1}), {"1m objectm"})
        local argument = setmetatable({x = 2}, {__index = {show = function(t) return format(t.x) end}})
        equal(parallel.map(function(o) return o:show() end, {argument, argument}), {"2m", "2m"})
        equal(parallel.map(function(f) return f(7) end, {function(x) return format(x) end}), {"7m"})
      ]]
    end)

    it("named by init and its functions travel", function()
      passes [[
        base = 100
        function prepare() ready = base + 1 end
        local r = parallel.map(function(x) return ready + x end, {1, 2}, {init = function() prepare() end})
        equal(r, {102, 103})
        equal(ready, nil)
      ]]
    end)

    it("that do not exist are nil there too", function()
      passes [[
        equal(parallel.map(function() return missing == nil and type(missing) end, {0}), {"nil"})
      ]]
    end)

    it("that are false or nil by now are so there too", function()
      passes [[
        flag = true
        local function f() return tostring(flag) end
        equal(parallel.map(f, {0}), {"true"})
        flag = false
        equal(parallel.map(f, {0}), {"false"})
        flag = nil
        equal(parallel.map(f, {0}), {"nil"})
      ]]
    end)

    it("that a call sets are seen by no other call and not by the caller", function()
      passes [[
        counter = 0
        local r = parallel.map(function() counter = counter + 1 other = (other or 0) + 1
          return counter + other end, {1, 2, 3})
        equal(r, {2, 2, 2})
        equal({counter, other}, {0, nil})
      ]]
    end)

    it("that hold each other in cycles travel", function()
      passes [[
        parent = {name = "parent"}
        child = {name = "child", parent = parent}
        parent.child = child
        equal(parallel.map(function()
          return parent.child == child and child.parent == parent and child.name
        end, {0}), {"child"})
      ]]
    end)

    it("share tables with captured values", function()
      passes [[
        shared = {}
        local captured = shared
        equal(parallel.map(function() return captured == shared end, {0}), {true})
      ]]
    end)

    it("reached through _G and _ENV travel", function()
      passes [[
        x, y = 1, 2
        local name = "y"
        equal(parallel.map(function() return _G.x + _ENV.x + _G[name] + _ENV[name] end, {0}), {6})
        equal(parallel.map(function()
          local n = 0
          for k in pairs(_G) do if k == "x" or k == "y" or k == "print" then n = n + 1 end end
          return n
        end, {0}), {3})
        equal(parallel.map(function() return _G == _ENV and _G._G == _G end, {0}), {true})
        local env = _ENV
        equal(parallel.map(function() return env == _G and env.x end, {0}), {1})
      ]]
    end)

    it("reached through a table that holds _G travel", function()
      passes [[
        x = "global"
        equal(parallel.map(function(t) return t.g.x end, {{g = _G}, {g = _G}}), {"global", "global"})
        local t = {g = _G}
        equal(parallel.map(function() return t.g.x end, {0}), {"global"})
        local sandbox = setmetatable({own = "own"}, {__index = _G})
        equal(parallel.map(load("return x .. own", "code", "t", sandbox), {0}), {"globalown"})
      ]]
    end)

    it("reached through load travel", function()
      passes [[
        x = 20
        function double(n) return 2 * n end
        equal(parallel.map(function(code) return load(code)() end,
          {"return x", "return double(x)", "return double(math.floor(2.5))"}), {20, 40, 4})
      ]]
    end)

    it("that cannot be sent do no harm where a function might name them", function()
      passes [[
        handle, thread = io.tmpfile(), coroutine.create(print)
        x = 1
        equal(parallel.map(function() return load("return x")() end, {0}), {1})
        equal(parallel.map(function() return _G.x end, {0}), {1})
      ]]
    end)

    it("that cannot be sent and are not named do no harm", function()
      passes [[
        handle = io.tmpfile()
        equal(parallel.map(function(x) return x end, {1}), {1})
      ]]
    end)

    it("behind a local _ENV are fields of that table", function()
      passes [[
        x = "global"
        local function f()
          local _ENV = {x = "local"}
          y = x
          return y
        end
        equal(parallel.map(f, {0}), {"local"})
        local function g(_ENV) return x end
        equal(parallel.map(g, {{x = "argument"}}), {"argument"})
        local env = setmetatable({z = "z"}, {__index = _G})
        local function h() local _ENV = env return x .. z end
        equal(parallel.map(h, {0}), {"globalz"})
        equal({y}, {})
      ]]
    end)

    it("of a strict script work", function()
      passes [[
        declared = 5
        function declared_function() return declared end
        setmetatable(_G, {
          __newindex = function(_, name) error("assignment to undeclared " .. name, 2) end,
          __index = function(_, name) error("undeclared " .. name, 2) end,
        })
        equal(parallel.map(function(x) return declared_function() + x end, {1}), {6})
        local f = setmetatable({}, {__call = function(_, x) return declared + x end})
        equal(parallel.map(f, {1}), {6})
      ]]
    end)

    it("that do not exist are for their metatable to say", function()
      passes [[
        local n_set, set = 0, {}
        setmetatable(_G, {
          __index = function(_, name) return set[name] or name .. "?" end,
          __newindex = function(_, name, value) n_set = n_set + 1 set[name] = value end,
        })
        local function f(x) y = x z = y + 1 return absent .. y .. z .. n_set end
        equal(parallel.map(f, {1, 2}), {"absent?122", "absent?232"})
        equal(parallel.map(function(g) return g(3) end, {f}), {"absent?342"})
        equal(parallel.map(function() return _G.absent end, {0}), {"absent?"})
        equal(parallel.map(load "return absent", {0}), {"absent?"})
        equal(parallel.map(function() return w end, {0}, {init = function() w = 5 end}), {5})
        equal(parallel.map(function() return parallel.map(f, {4})[1] end, {0}), {"absent?452"})
        equal(parallel.map(function() return getmetatable(_G).__index == getmetatable(_G).__index end, {0}), {true})
        equal({n_set, rawget(_G, "y")}, {0, nil})
      ]]
    end)

    it("have a metatable that cannot be sent: an error where it would count, otherwise no harm", function()
      passes [[
        there = 1
        setmetatable(_G, {__index = coroutine.create(print)})
        equal(parallel.map(function() return there end, {0}), {1})
        equal(parallel.map(function() return _G.there end, {0}), {1})
        local ok, err = pcall(parallel.map, function() return absent end, {0})
        equal({ok, err.kind}, {false, "marshal"})
        equal(err.message, "the metatable of _G.__index: cannot send a coroutine")
      ]]
    end)

    it("that stand for standard ones travel", function()
      passes [[
        local original = select
        function print(...) return "mine", original("#", ...) end
        function select() return "my select" end
        rawlen = function(x) return "<" .. x .. ">" end
        local r = parallel.map(function() return {rawlen(5), select(5), print(1, 2)} end, {0})
        equal(r[1], {"<5>", "my select", "mine", 2})
      ]]
    end)

    it("that were standard ones and are gone are gone there too", function()
      passes [[
        local exists = parallel.map(function() return dofile ~= nil end, {0})[1]
        dofile = nil
        equal({exists, parallel.map(function() return dofile == nil end, {0})[1]}, {true, true})
      ]]
    end)

    it("that the script adds to standard libraries travel", function()
      passes [[
        function string.trim(s) return (s:gsub("^%s+", ""):gsub("%s+$", "")) end
        function table.sum(t) local s = 0 for _, x in ipairs(t) do s = s + x end return s end
        math.tau = 2 * math.pi
        equal(parallel.map(function(s) return s:trim() end, {"  a b "}), {"a b"})
        equal(parallel.map(function(s) return string.trim(s) end, {"  a b "}), {"a b"})
        equal(parallel.map(function(t) return table.sum(t) end, {{1, 2, 3}}), {6})
        equal(parallel.map(table.sum, {{1, 2, 3}}), {6})
        equal(parallel.map(function() return math.tau end, {0}), {2 * math.pi})
      ]]
    end)

    it("that the script changes in standard libraries travel", function()
      passes [[
        local floor = math.floor
        math.floor = function(x) return "floor " .. floor(x) end
        string.len = nil
        equal(parallel.map(function(x) return math.floor(x) end, {1.5}), {"floor 1"})
        equal(parallel.map(math.floor, {1.5}), {"floor 1"})
        equal(parallel.map(floor, {1.5}), {1})
        equal(parallel.map(function(s) return s.len == nil and string.len == nil end, {"x"}), {true})
      ]]
    end)

    it("changed libraries that only an argument names travel", function()
      passes [[
        local function call(g) return g() end
        math.tau = 5
        equal(parallel.map(call, {function() return math.tau end}), {5})
        utf8.own = function() return "own" end
        equal(parallel.map(call, {function() return utf8.own() end}), {"own"})
        function string.trim() return "trimmed" end
        equal(parallel.map(call, {function() return ("x"):trim() end}), {"trimmed"})
      ]]
    end)

    it("the metatable of strings travels where the script has changed it", function()
      passes [[
        local meta = getmetatable("")
        meta.__add = function(a, b) return "added" end
        meta.__call = function(s, x) return s .. x end
        equal(parallel.map(function(s) return (s + "y") .. s("!") end, {"x"}), {"addedx!"})
      ]]
    end)

    it("of any name travel", function()
      passes [[
        _G["not a name"] = 1
        _G[("long"):rep(100)] = 2
        local e = load("return " .. ("long"):rep(100))
        equal(parallel.map(e, {0}), {2})
        equal(parallel.map(function() return _G["not a name"] end, {0}), {1})
      ]]
    end)
  end)
end
