-- Anything reachable in a loaded module travels by name; where modules are found is the caller's.
local script = require "support.script"
local temporary = require "support.temporary"
local travels = require "wire.travels"

describe("values of the standard libraries", function()
  it("are those of the other side", function()
    travels([[
      return math.floor, string, print, string.format, _G, io.stdout, package.loaded, coroutine.wrap,
        {math, table.concat}
    ]], [[
      local a, b, c, d, e, f, g, h, t = ...
      assert(a == math.floor and b == string and c == print and d == string.format and e == _G)
      assert(f == io.stdout and g == package.loaded and h == coroutine.wrap)
      assert(t[1] == math and t[2] == table.concat)
    ]])
  end)

  it("can be mapped", function()
    script.passes [[
      equal(parallel.map(math.floor, {1.5, 2.5}), {1, 2})
      equal(parallel.map(string.upper, {"a"}), {"A"})
      equal(parallel.map(("x").rep, {"a"}, {errors = "collect"})[1], nil)
      equal(parallel.starmap(string.rep, {{"ab", 3}, {"c", 2, "-"}}), {"ababab", "c-c"})
      equal(parallel.starmap(math.max, {{1, 5, 3}}), {5})
      equal(parallel.map(tostring, {1, "x"}), {"1", "x"})
      equal(parallel.map(parallel.cpus, {0}), {parallel.cpus()})
    ]]
  end)

  it("kept in local variables travel", function()
    script.passes [[
      local floor, insert, format = math.floor, table.insert, string.format
      equal(parallel.map(function(x)
        local t = {}
        insert(t, floor(x))
        return format("%d", t[1])
      end, {1.5}), {"1"})
    ]]
  end)

  it("reach what they need there: streams, methods, patterns", function()
    script.prints([[
      local out, write = io.stdout, io.write
      parallel.map(function() out:write("a\n") write("b\n") end, {0})
    ]], "a\nb")
  end)
end)

local MODULES = {
  ["shape.lua"] = [[
    local shape = {sides = {triangle = 3}, list = {{name = "first"}}}
    shape.__index = shape
    shape.self = shape
    loads = (loads or 0) + 1
    function shape.new(n) return setmetatable({n = n}, shape) end
    function shape:area() return self.n * 2 end
    function shape.helper() return "helped" end
    shape.unit = shape.new(1)
    return shape
  ]],
  ["deep/inner.lua"] = "return {name = ..., shape = require 'shape'}",
  ["deep/init.lua"] = "return {inner = require 'deep.inner'}",
  ["fails.lua"] = "error 'cannot load this'",
  ["state.lua"] = "local n = 0 return {add = function() n = n + 1 return n end, n = function() return n end}",
  ["callable.lua"] = "return function(x) return 'module ' .. x end",
}

local PATHS = [[package.path = %q .. "/?.lua;" .. %q .. "/?/init.lua;" .. package.path; ]]

local function passes(code, options)
  temporary.folder(MODULES, function(folder)
    script.passes(PATHS:format(folder, folder) .. code, options)
  end)
end

describe("modules of the caller", function()
  for _, host in ipairs(script.hosts) do
    it("are found by require in a call " .. host.name, function()
      passes([[
        equal(parallel.map(function(x) return require("shape").new(x):area() end, {1, 2}), {2, 4})
        equal(package.loaded.shape, nil)
        equal(parallel.map(function() return require("deep").inner.name end, {0}), {"deep.inner"})
      ]], host)
    end)

    it("and what is in them travel by name " .. host.name, function()
      passes([[
        local shape = require "shape"
        local helper, sides, unit, first = shape.helper, shape.sides, shape.unit, shape.list[1]
        equal(parallel.map(function(x)
          local there = require "shape"
          assert(shape == there and helper == there.helper and sides == there.sides)
          assert(unit == there.unit and first == there.list[1] and shape.self == shape)
          return helper() .. sides.triangle
        end, {0}), {"helped3"})
        local r = parallel.map(function(s) return {s, s.sides, s == require "shape"} end, {shape})[1]
        assert(r[1] == shape and r[2] == shape.sides and r[3])
        assert(parallel.map(function() return require("shape").helper end, {0})[1] == shape.helper)
      ]], host)
    end)
  end

  it("in folders travel by name", function()
    passes [[
      local inner = require "deep.inner"
      local r = parallel.map(function() return {inner == require("deep").inner, inner.name, inner} end, {0})[1]
      assert(r[1] and r[2] == "deep.inner" and r[3] == inner)
    ]]
  end)

  it("hold classes whose objects keep them, here and there", function()
    passes [[
      local shape = require "shape"
      local r = parallel.map(function(s)
        assert(getmetatable(s) == require "shape")
        return {s, shape.new(s.n + 1), s:area()}
      end, {shape.new(4)})[1]
      assert(getmetatable(r[1]) == shape and getmetatable(r[2]) == shape)
      equal({r[1].n, r[2].n, r[3]}, {4, 5, 8})
      r = parallel.map(function() return require("shape").new(7) end, {0}) -- not loaded before the call
      assert(getmetatable(r[1]) == shape and r[1]:area() == 14)
    ]]
  end)

  it("that return a function travel by name", function()
    passes [[
      local callable = require "callable"
      equal(parallel.map(callable, {"x"}), {"module x"})
      assert(parallel.map(function(f) return f end, {callable})[1] == callable)
    ]]
  end)

  it("are found where only an argument names them", function()
    passes [[
      local function call(g) return g() end
      local shape = require "shape"
      equal(parallel.map(call, {shape.helper, shape.helper}), {"helped", "helped"})
      equal(parallel.map(call, {function() return require("shape").helper() end}), {"helped"})
      package.preload.own = function() return {f = function() return "own" end} end
      equal(parallel.map(call, {require("own").f}), {"own"})
      equal(parallel.map(call, {function() return require("own").f() end}), {"own"})
      equal(parallel.map(function(s) return s:area() end, {shape.new(3)}), {6})
    ]]
  end)

  it("are loaded anew in the other state, and once", function()
    passes [[
      local state = require "state"
      state.add() state.add()
      equal(parallel.map(function() return state.add() end, {1, 2, 3}), {1, 1, 1})
      equal(state.n(), 2)
      local loads = parallel.map(function()
        local shape = require "shape"
        require "shape" require "deep"
        return loads
      end, {1, 2})
      equal(loads, {1, 1})
    ]]
  end)

  it("that cannot be loaded there fail the call with their own message", function()
    passes [[
      local ok, err = pcall(parallel.map, function() return require "fails" end, {0})
      assert(not ok and err.message:find("cannot load this", 1, true))
      ok, err = pcall(parallel.map, function() return require "no.such.module" end, {0})
      assert(not ok and err.message:find("module 'no.such.module' not found", 1, true))
    ]]
  end)

  it("made by hand in package.loaded are named by the error", function()
    passes [[
      package.loaded["made by hand"] = {f = function() return 1 end}
      local f = require("made by hand").f
      local ok, err = pcall(parallel.map, function() return f() end, {0})
      assert(not ok and err.message:find("made by hand", 1, true))
      equal(err.kind, "marshal")
    ]]
  end)

  it("in package.preload travel as functions", function()
    passes [[
      local n = 5
      function package.preload.own(name) return {name = name, n = n, get = function() return n end} end
      equal(parallel.map(function() return require("own").name end, {0}), {"own"})
      local own = require "own"
      equal(parallel.map(function() return own == require "own" and own.get() end, {0}), {5})
      package.preload.own2 = function() return require("shape").helper end
      equal(parallel.map(function() return require("own2")() end, {0}), {"helped"})
    ]]
  end)

  it("are found by the caller's paths as they are now", function()
    passes [[
      local path, cpath = package.path, package.cpath
      equal(parallel.map(function() return {package.path, package.cpath} end, {0}), {{path, cpath}})
      package.path, package.cpath = "./x/?.lua", "./y/?.so"
      equal(parallel.map(function() return {package.path, package.cpath} end, {0}), {{"./x/?.lua", "./y/?.so"}})
      local found = parallel.map(function() return (pcall(require, "shape")) end, {0})
      equal(found, {false})
    ]]
  end)

  it("are not changed for others by a call", function()
    passes [[
      local shape = require "shape"
      local r = parallel.map(function()
        local before = require("shape").added
        require("shape").added = true
        package.loaded.shape = nil
        return {before == nil, require("shape").added == nil}
      end, {1, 2}, {workers = 1})
      equal(r, {{true, true}, {true, true}})
      equal(shape.added, nil)
    ]]
  end)

  it("loaded by init are there in every call", function()
    passes [[
      local r = parallel.map(function(x) return shape.new(x):area() end, {1, 2},
        {init = function() shape = require "shape" end})
      equal(r, {2, 4})
    ]]
  end)
end)

-- Declares a case that needs a C module.
local function with(module, name, code)
  it(name, function()
    local check = ("os.exit(pcall(require, %q) and 0 or 7)"):format(module)
    if script.run(check, {flags = {"-E"}}).code ~= 0 then
      pending(module .. " is not installed")
      return
    end
    script.passes(code)
  end)
end

describe("C modules #unsanitized", function()
  with("cjson", "bring their functions, tables and values by name", [[
    local cjson = require "cjson"
    local null, encode = cjson.null, cjson.encode
    local r = parallel.map(function(x)
      assert(cjson == require "cjson" and encode == cjson.encode)
      return {encode(x), null == require("cjson").null, null}
    end, {{1, 2}})[1]
    equal({r[1], r[2]}, {"[1,2]", true})
    assert(r[3] == cjson.null)
    equal(parallel.map(cjson.decode, {"[1.5, {\"a\": \"x\"}]"}), {{1.5, {a = "x"}}})
    assert(parallel.map(function(x) return x end, {null})[1] == null)
    assert(parallel.map(cjson.decode, {"null"})[1] == null)
  ]])

  with("lpeg", "work in every call, one after the other", [[
    local lpeg = require "lpeg"
    local r = parallel.map(function(s)
      local lpeg = require "lpeg"
      local number = lpeg.R("09") ^ 1 / tonumber
      return lpeg.match(lpeg.Ct(number * ("," * number) ^ 0), s)
    end, {"1,2", "3", "4,5,6", "7", "8", "9"})
    equal({r[1], r[3], r[6]}, {{1, 2}, {4, 5, 6}, {9}})
    local P, match = lpeg.P, lpeg.match
    equal(parallel.map(function(s) return match(P "a", s) end, {"a", "a"}), {2, 2})
  ]])

  with("lpeg", "whose userdata cannot be sent are refused by type", [[
    local pattern = require("lpeg").P "a"
    local ok, err = pcall(parallel.map, function() return pattern:match "a" end, {1})
    assert(not ok and err.message:find("upvalue 'pattern': cannot send a userdata (lpeg-pattern)", 1, true))
  ]])

  with("lfs", "that hold userdata of their own work in every call", [[
    local r = parallel.map(function(x)
      local lfs = require "lfs"
      local n = 0
      for _ in lfs.dir "." do n = n + 1 end
      return n > 0 and lfs.attributes(".", "mode")
    end, {1, 2, 3, 4, 5, 6})
    for i = 1, 6 do equal(r[i], "directory") end
  ]])
end)
