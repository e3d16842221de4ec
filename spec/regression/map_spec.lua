local script = require "support.script"
local temporary = require "support.temporary"

describe("regression: a map", function()
  local passes = script.passes

  it("stops reading an endless iterator when a call has failed #threads", function()
    passes [[
      for _ = 1, 20 do
        local i = 0
        local function items() i = i + 1 return i end
        local ok, err = pcall(parallel.map, function() error "stop" end, items, {workers = 2, chunk = 1})
        assert(not ok and err.index <= 20, err)
      end
    ]]
  end)

  it("does not take what has __index and no __len for an empty list", function()
    passes [[
      local squares = setmetatable({}, {__index = function(_, i) return i <= 3 and i * i or nil end})
      local ok, err = pcall(parallel.map, math.sqrt, squares)
      assert(not ok and err:find("length 0 whose metatable has __index: give it __len", 1, true), err)
      local List = {}
      List.__index = List
      equal(parallel.map(math.sqrt, setmetatable({}, List)), {n = 0})
      equal(parallel.map(math.sqrt, setmetatable({4}, List)), {2.0, n = 1})
    ]]
  end)

  it("shows the keys of an item whose call has failed in one line, and without control bytes", function()
    passes [[
      local ok, err = pcall(parallel.map, error, {{["k\n\27[31m"] = 1, good = 2, ["a b"] = 3, ["end\0"] = 4}})
      local line = tostring(err):match "^[^\n]*"
      assert(line:find('(item {["a b"] = 3, ["end\\0"] = 4, good = 2, ["k\\n\\27[31m"] = 1})', 1, true), line)
    ]]
  end)

  it("leaves nothing of an earlier one in a table for its report", function()
    passes [[
      local report = {title = "own"}
      parallel.map(math.abs, {1, 2, 3}, {report = report})
      equal(#report, 3)
      parallel.map(math.abs, {1}, {report = report})
      equal({#report, report.title}, {1, "own"})
    ]]
  end)

  it("reads a range by pairs as by ipairs, here and in calls", function()
    passes [[
      local function all(range)
        local found = {}
        for i, x in pairs(range) do found[#found + 1] = {i, x} end
        return found
      end
      local range = parallel.range(5, 1, -2)
      equal(all(range), {{1, 5}, {2, 3}, {3, 1}})
      equal(parallel.map(function() return all(range) end, {1})[1], all(range))
    ]]
  end)

  it("does not ask a sequence with __len for its field n", function()
    passes [[
      local asked = {}
      local xs = setmetatable({}, {
        __len = function() return 3 end,
        __index = function(_, key) asked[#asked + 1] = key return key end,
      })
      equal(parallel.map(function(x) return x end, xs), {1, 2, 3})
      equal(asked, {1, 2, 3})
    ]]
  end)

  it("takes a range of integer bounds and a step that is none", function()
    passes "equal(parallel.map(function(x) return x end, parallel.range(1, 2, 0.5)), {1.0, 1.5, 2.0})"
  end)

  it("with one worker uses one state only #threads", function()
    passes [[
      local n = 0
      local function f() n = n + 1 return n end
      for _ = 1, 20 do
        local results = parallel.map(f, parallel.range(1, 100), {fresh = false, workers = 1, chunk = 1})
        equal(results[100], results[1] + 99)
      end
    ]]
  end)

  it("ends a recursion of maps that has no end #threads", function()
    passes [[
      local function forever(n) return parallel.map(forever, {n + 1}) end
      local ok, err = pcall(forever, 1)
      assert(not ok and err.kind == "error", err)
      assert(tostring(err):find "nested too deeply", tostring(err):sub(1, 500))
    ]]
  end)

  it("draws init's random numbers from the seed", function()
    passes [[
      local drawn
      local function init() drawn = math.random(0) end
      local function f() return drawn end
      local first = parallel.map(f, {1, 2}, {seed = 2, init = init})
      equal(first[1], first[2])
      equal(parallel.map(f, {1, 2}, {seed = 2, init = init}), first)
      assert(parallel.map(f, {1}, {seed = 3, init = init})[1] ~= first[1])
    ]]
  end)

  it("sends functions that the script has put into standard libraries", function()
    passes [[
      function string.trim(s) return (s:gsub("%s+$", "")) end
      equal(parallel.map(function(s) return s:trim() end, {"a "}), {"a"})
      local trim = string.trim
      equal(parallel.map(function(s) return trim(s) end, {"a "}), {"a"})
      equal(parallel.map(string.trim, {"a "}), {"a"})
      local function inner(s) return s:trim() end
      equal(parallel.map(function(s) return parallel.map(inner, {s})[1] end, {"a "}), {"a"})
      local function patching()
        function string.zip(s) return s .. "z" end
        return parallel.map(function(s) return s:zip() end, {"a"})[1]
      end
      equal(parallel.map(patching, {1}), {"az"})
      equal(string.zip, nil)
    ]]
  end)

  it("sends functions of package.preload", function()
    passes [[
      package.preload.answers = function() return {all = 42} end
      equal(parallel.map(function() return require "answers".all end, {1}), {42})
    ]]
  end)

  it("sends standard functions that the script has wrapped", function()
    local result = passes [[
      local real_print, real_upper, real_require = print, string.upper, require
      function print(...) real_print("log:", ...) end
      function string.upper(s) return real_upper(s) .. "!" end
      function require(name) return name == "fake" and 5 or real_require(name) end
      equal(parallel.map(function(x) print(x) return ("a"):upper() .. require "fake" end, {1}), {"A!5"})
      equal(parallel.map(function() return real_require "string" == string end, {1}), {true})
    ]]
    assert.equal("log:\t1\n", result.stdout)
  end)

  it("raises the failed call's error, not one of calls that were dropped #threads", function()
    passes [[
      local function f(x) if x == 2 then error "two" end return x end
      for _ = 1, 2000 do
        local ok, err = pcall(parallel.map, f, {1, 2, 3}, {chunk = 1})
        assert(not ok and err.index == 2 and err.kind == "error", err)
      end
    ]]
  end)

  it("takes from calls what the script has taken from the standard libraries", function()
    passes [[
      string.lower, os.getenv, dofile = nil, nil, nil
      equal(parallel.map(function() return {string.lower == nil, os.getenv == nil, dofile == nil} end, {1}),
        {{true, true, true}})
    ]]
  end)

  it("sends a number that took the place of a standard one, though both are equal", function()
    passes [[
      local kinds = {}
      for _, n in ipairs {math.mininteger + 0.0, math.mininteger} do
        math.mininteger = n
        kinds[#kinds + 1] = parallel.map(function() return math.type(math.mininteger) end, {1})[1]
      end
      equal(kinds, {"float", "integer"})
    ]]
  end)

  it("refuses a sequence whose length is none, and blames the caller's line", function()
    passes [[
      for _, length in ipairs {-5, 3.5, "many"} do
        local xs = setmetatable({}, {__len = function() return length end})
        local ok, err = pcall(function() return parallel.map(math.sqrt, xs), nil end)
        assert(not ok and err:find "^stdin:%d+: bad argument #2 to 'map' %(its length must be", err)
        assert(err:find("not " .. length, 1, true))
      end
      equal(parallel.map(math.abs, setmetatable({-1, -2}, {__len = function() return 1.0 end})), {1})
    ]]
  end)

  it("blames the caller's line where what `run` is given is no call", function()
    passes [[
      local pool <close> = parallel.pool(1)
      local call = parallel.delayed(math.sqrt)(4)
      for _, calls in ipairs {{1}, {call, 5}} do
        for _, run in ipairs {parallel.run, function(list) return pool:run(list) end} do
          local ok, err = pcall(function() return run(calls), nil end)
          assert(not ok and err:find "^stdin:%d+: bad argument #1 to 'run' %(item %d", err)
        end
      end
    ]]
  end)

  it("a misspelt global in a strict script is an error in a call too", function()
    script.passes [[
      setmetatable(_G, {__index = function(_, name) error("undeclared " .. name, 2) end})
      local ok, err = pcall(parallel.map, function() return mispelt end, {1})
      equal(ok, false)
      equal(err.message, "stdin:2: undeclared mispelt")
    ]]
  end)

  it("what a script changes before it requires the module travels too #unsanitized", function()
    for _, host in ipairs {{}, script.lua54} do
      script.prints([[
        string.trim = function(s) return (s:gsub("^%s+", ""):gsub("%s+$", "")) end
        math.tau, math.pi, string.len, table.pack = 6, 3, nil, {"pack"}
        local original = print
        function print(...) return "my print" end
        function select() return "my select" end
        setmetatable(_G, {__index = function(_, name) return name .. "?" end})
        local parallel = require "parallel"
        local function f(s)
          return table.concat({s:trim(), absent, math.tau + math.pi, tostring(string.len), table.pack[1], print(s),
            select(s), tostring(original ~= print)}, " ")
        end
        original(parallel.map(f, {" a "})[1])
        original(parallel.map(function(s) original(s:rep(2)) return math.abs(-1) end, {"b"})[1])
      ]], "a absent? 9 nil pack my print my select true\nbb\n1", host)
    end
  end)

  it("a global that was 1 and is 1.0 is 1.0 in calls", function()
    script.passes [[
      local host = _VERSION
      _VERSION = 1
      equal(parallel.map(function() return math.type(_VERSION) end, {0}), {"integer"})
      _VERSION = 1.0
      equal(parallel.map(function() return math.type(_VERSION) end, {0}), {"float"})
      _VERSION = host
    ]]
  end)

  it("integers near 2^63 among floats stay integers", function()
    script.passes [[
      local max, min = math.maxinteger, math.mininteger
      local large = {1 << 62, 2.0^62, (1 << 62) - 1, max - 511, 2.0^63, max - 1024, -2.0^63, min, min + 1}
      local list = {0.5, max, 0.5, table.unpack(large)}
      local function same(a, b)
        for i, value in ipairs(a) do
          equal({i, b[i], math.type(b[i])}, {i, value, math.type(value)})
        end
      end
      same(list, parallel.map(function(t) return t end, {list})[1])
      same(list, parallel.map(function() return list end, {1})[1])
      for _, fresh in ipairs {true, false} do
        same(list, parallel.map(function(x) return x end, list, {fresh = fresh}))
        same(list, parallel.map(function(i) return list[i] end, parallel.range(1, #list), {fresh = fresh, chunk = 13}))
      end
    ]]
  end)

  it("standard functions and libraries under other names from early on are so in calls #unsanitized", function()
    for _, host in ipairs {{}, script.lua54} do
      script.prints([[
        string.len, math.mod, math.sin, next = string.upper, math.fmod, math.cos, pairs
        getmetatable("").__call = string.rep
        local original, whole = require, math
        require = function(name) return original(name) end
        math = {floor = whole.floor}
        local parallel = require "parallel"
        print(parallel.map(function(s)
          local moved = {string.len(s), tostring(math.sin), math.floor(2.5), whole.mod(7, 4), whole.sin(0), s(2)}
          return table.concat(moved, " ") .. " " .. type(next {}) .. " " .. type(require "parallel")
        end, {"ab"})[1])
      ]], "AB nil 2 3 1.0 abab function table", host)
    end
  end)

  it("functions that rebuild values know the globals that they name, those of __marshal within globals too", function()
    script.passes [[
      prefix = "<"
      function helper(x) return prefix .. x end
      setmetatable(_G, {__index = function(_, name) return name == "absent" and "absent" or nil end})
      local object = setmetatable({}, {__marshal = function()
        return function(f) return helper(absent) .. parallel.map(function(x) return x + 1 end, {1})[1] .. f() end,
          function() return prefix end
      end})
      for _, fresh in ipairs {true, false} do
        equal(parallel.map(function(x) return x end, {object}, {fresh = fresh}), {"<absent2<"})
        equal(parallel.map(function() return object end, {1}, {fresh = fresh}), {"<absent2<"})
      end
      b = 5
      a = setmetatable({}, {__marshal = function() return function() return {b = b} end end})
      equal(parallel.map(function() return a.b + b end, {1}), {10})
    ]]
  end)

  it("an error value whose __tostring fails comes home all the same", function()
    script.passes [[
      for _, tell in ipairs {function() return nil end, function() error "no" end} do
        local _, errors = parallel.map(function()
          error(setmetatable({code = 5}, {__tostring = tell}))
        end, {1}, {errors = "collect"})
        equal({errors[1].value.code, errors[1].message:sub(1, 29)}, {5, "(the error cannot be told: te"})
      end
    ]]
  end)

  it("a row with a negative n has no arguments", function()
    script.passes [[
      equal(parallel.starmap(function(...) return select("#", ...) end, {{n = -1}, {1, n = 3}}), {0, 3})
    ]]
  end)
end)

for _, host in ipairs(script.hosts) do
  it("regression: an error that a hook raises is that of the map, and of no call, " .. host.name, function()
    script.passes([[
      local left
      local function count_down()
        left = left - 1
        if left < 0 then
          debug.sethook()
          error("hook", 0)
        end
      end
      local function map()
        local set = debug.sethook
        set(count_down, "cr")
        local results, errors = parallel.map(function(x) return {x} end, {1, 2, {3}, "four"},
          {errors = "collect", chunk = 1, workers = 2})
        set()
        return results, errors
      end
      local n_raised = 0
      for n = 1, 200 do
        left = n
        local ok, results, errors = pcall(map)
        debug.sethook()
        if ok then
          equal({results.n, errors.n}, {4, 0})
        else
          equal(results, "hook")
          n_raised = n_raised + 1
        end
      end
      assert(n_raised > 20, n_raised)
    ]], host)
  end)
end

describe("a map to which the script sends a module's functions", function()
  for _, host in ipairs(script.hosts) do
    it("sends them also where the module has changed since the map began " .. host.name, function()
      script.passes([[
        for _, change in ipairs {
          function(M) M.c = string.gmatch("x", "x") end, -- which goes by name then
          function(M) for i = 1, 10 do M["c" .. i] = string.gmatch("x", "x") end end, -- like a library in C
        } do
          package.loaded.changed = nil
          package.preload.changed = function()
            return {f = function() return 42 end, g = function() return 43 end}
          end
          local M = require "changed"
          local n = 0
          local function items()
            n = n + 1
            if n == 5 then
              for i = 1, 500 do M["data" .. i] = {} end
              change(M)
            end
            return ({1, 2, 3, 4, M.f, M.g, 7})[n]
          end
          local function f(x) return type(x) == "function" and x() or x end
          equal(parallel.map(f, items, {chunk = 1}), {1, 2, 3, 4, 42, 43, 7, n = 7})
        end
      ]], host)
    end)
  end
end)

describe("regression: a map whose function holds a module that is a single function in C", function()
  for _, host in ipairs(script.hosts) do
    it("has it in calls too " .. host.name, function()
      temporary.folder({["add.lua"] = 'return getmetatable("").__add'}, function(folder)
        script.passes(([[
          package.path = %q .. "/?.lua"
          local add = require "add"
          equal(parallel.map(function(x) return add(x, "1") end, {1, 2}), {2, 3})
        ]]):format(folder), host)
      end)
    end)
  end
end)

describe("regression: an array that init throws", function()
  it("is named as what cannot be sent #threads", function()
    script.passes [[
      local ok, err = pcall(parallel.map, math.abs, {1}, {init = function() error(parallel.array({1, 2, n = 2})) end})
      assert(not ok and err.value == nil and err.message:find "array of 2", err)
      assert(err.unsent:find("an array cannot be sent with an error of 'init'", 1, true), err.unsent)
    ]]
  end)
end)

describe("regression: a map that shows progress and has short results, then large ones that take their time", function()
  for _, host in ipairs(script.hosts) do
    it("has all of them " .. host.name, function()
      script.passes([[
        local xs = {}
        for i = 1, 40 do xs[i] = "item " .. i end
        local results = parallel.map(function(s)
          local i = tonumber(s:match "%d+")
          if i % 2 == 1 then return s end
          parallel.sleep(0.15)
          return s:rep(1 << 16)
        end, xs, {chunk = 1, workers = 2, progress = function() end})
        for i = 1, 40 do assert(results[i] == (i % 2 == 1 and xs[i] or xs[i]:rep(1 << 16)), i) end
      ]], host)
    end)
  end
end)
