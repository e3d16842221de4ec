-- Where no string can turn up, a call's state is made without libraries. A script cannot tell.
local script = require "support.script"

local start = [[
  local function same(f, xs, options)
    local results, errors = parallel.map(f, xs, options or {})
    for i = 1, results.n do equal(results[i], f(xs[i])) end
    return results, errors
  end
]]

script.on_hosts("a function that names no library", function(case)
  case("maps numbers", [[
    local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
    same(function(x) return x ^ 2 end, {1, 2.5, -3, math.huge, math.mininteger})
    same(fib, parallel.range(0, 15))
    same(function(x) local t = {} for i = 1, x do t[i] = {i} end return t end, parallel.range(0, 5))
    same(function(x) if x > 1 then return x end end, {1, 2, 3})
    same(function(x) return x > 1 end, {1, 2, 3})
    function square(x) return x * x end
    offset = 0.5
    same(function(x) return square(x) + offset end, {1, 2, 3})
  ]])

  case("maps strings and tables that hold them", [[
    local mixed = {1, "abc", {"x", "yz"}, 2.5, "12"}
    same(function(x) return #x end, {"abc", "", {"x", "yz"}})
    same(function(x) return x end, mixed)
    same(function(x) return {x, x} end, mixed)
    same(function(x) return x * 2 end, {1, "12", "0x10", 2.5})
    same(function(x, y) return x end, {("x"):rep(1000), 1, "y"}, {chunk = 1})
    equal(parallel.starmap(function(x, i) return x[i] end, {{{"a", "b"}, 2}, {{1, 2}, 1}}), {"b", 1})
    local captured = {"one", "two"}
    same(function(x) return captured[x] end, {1, 2, 3})
    local text = "12"
    same(function(x) return text + x end, {1, 2, 3})
  ]])

  case("fails as it would elsewhere", [[
    local function f(x) return x + {} end
    local _, errors = parallel.map(f, {1, "x"}, {errors = "collect"})
    for i, x in ipairs {1, "x"} do
      local ok, message = pcall(f, x)
      equal(errors[i].message, message)
      equal(errors[i].kind, "error")
      assert(errors[i].traceback:find "in function <stdin:%d+>", errors[i].traceback)
    end
    local function endless() while true do end end
    local ok, err = pcall(parallel.map, endless, {1}, {timeout = 0.05})
    equal(err.kind, "timeout")
    local function grow() local t = {} for i = 1, 1e9 do t[i] = i end end
    ok, err = pcall(parallel.map, grow, {1}, {memory = 4 << 20})
    equal(err.kind, "memory")
    local function deep(n) return deep(n) + 1 end
    ok, err = pcall(parallel.map, deep, {1})
    assert(err.message:find "stack overflow", err.message)
  ]])

  case("gives functions, also to calls", [[
    local adders = parallel.map(function(x) return function(y) return x + y end end, {1, 2})
    equal(adders[2](3), 5)
    equal(parallel.map(function(f) return f(1) end, adders), {2, 3})
    equal(parallel.map(function(f) return f(4.5) end, {math.floor, math.ceil}), {4, 5})
    equal(parallel.map(function(f) return f(4.5) end, {tostring, print and math.type}), {"4.5", "float"})
    equal(parallel.map(function(f) return f() end, {function() return ("x"):rep(3) end}), {"xxx"})
  ]])

  case("is told of a changed library only where a string turns up, be that late", [[
    local function second(s) return s[2] end
    getmetatable("").__index = function(s, i) return math.type(i) and "changed" or string[i] end
    local xs = {}
    for i = 1, 40 do xs[i] = i % 10 == 0 and "text" or {0, i} end
    for _, chunk in ipairs {1, 7, 40} do
      local results = parallel.map(second, xs, {chunk = chunk})
      for i = 1, 40 do equal(results[i], i % 10 == 0 and "changed" or i) end
    end
    equal(parallel.map(second, {{1, 2}, {3, 4}}), {2, 4})
    getmetatable("").__index = string
    equal(parallel.map(second, {{1, 2}, "text"}), {2})
  ]])

  case("runs with init and with libraries that the script has changed", [[
    local function f(x) return x * factor end
    equal(parallel.map(f, {1, 2}, {init = function() factor = 3 end}), {3, 6})
    equal(parallel.map(f, {1, 2}, {init = function() factor = tonumber("4") end}), {4, 8})
    local sub = string.sub
    getmetatable("").__index = function(s, i) return math.type(i) and sub(s, i, i) or string[i] end
    equal(parallel.map(function(s) return s[2] end, {"abc", "xyz"}), {"b", "y"})
  ]])
end, start)
