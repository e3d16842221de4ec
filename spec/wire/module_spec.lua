-- What standard libraries and C libraries hold travels by name, modules in Lua by value; where modules are found is
-- the caller's.
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

  it("and their metatables are those of the other side", function()
    script.passes [[
      local of_files, of_strings, read = getmetatable(io.stdout), getmetatable "", io.stdout.read
      equal(parallel.map(function()
        local file <close> = io.tmpfile()
        file:write "x"
        file:seek "set"
        return {getmetatable(file) == of_files, getmetatable "" == of_strings, read(file)}
      end, {0}), {{true, true, "x"}})
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
  ["config.lua"] = "return {epochs = 10, list = {1}}",
  ["store.lua"] = [[
    local cache = {}
    return {weights = {}, cache = function(x) cache[x] = cache[x] or {key = x} return cache[x] end}
  ]],
  ["split.lua"] = [[
    local parallel = require "parallel"
    local M, state = {}, {value = "default"}
    function M.set(value) state.value = value end
    function M.get() return state.value end
    function M.run()
      return parallel.map(function()
        local before = {state.value, M.get()}
        M.set "call"
        before[3] = require("split").get()
        return before
      end, {1})[1]
    end
    return M
  ]],
  ["registry.lua"] = [[
    local M = {loaded = {}, metrics = {}}
    function M.load(name) M.loaded[name] = M.loaded[name] or {rows = {1, 2, 3}} return M.loaded[name] end
    function M.register(name, f) M.metrics[name] = f return f end
    return M
  ]],
  ["logger.lua"] = [[
    local file, config = io.tmpfile(), require "config"
    local M = {level = 1}
    function M.open() return io.type(file) == "file" end
    function M.epochs() return config.epochs end
    function M.level_of() return M.level end
    return M
  ]],
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

    it("and what is in them are one again in the call " .. host.name, function()
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
        assert(r[1] == shape and r[3])
        equal(r[2], {triangle = 3})
        equal(parallel.map(function() return require("shape").helper end, {0})[1](), "helped")
      ]], host)
    end)

    it("are there as the script has left them " .. host.name, function()
      passes([[
        local config, state, shape = require "config", require "state", require "shape"
        config.epochs, config.list[2] = 50, "added"
        state.add() state.add()
        function shape:double() return self.n * 2 + state.n() end
        shape.helper = function() return "replaced" end
        equal(parallel.map(function() return {config.epochs, config.list, state.add(), shape.helper()} end, {0}),
          {{50, {1, "added"}, 3, "replaced"}})
        equal(parallel.map(function() return require("config").epochs + require("state").n() end, {0}), {52})
        equal(parallel.map(function(name) return require(name).epochs end, {"config"}), {50})
        equal(parallel.map(function() return load "return require('config').epochs" () end, {0}), {50})
        equal(parallel.map(function() return package.loaded.config.epochs end, {0}), {50})
        equal(parallel.map(function(c) return c.epochs end, {config}), {50})
        equal(parallel.map(function(s) return s:double() end, {shape.new(5)}), {12})
        equal(parallel.map(function(f) return f() end, {state.add, shape.helper}), {3, "replaced"})
        equal({state.n(), config.epochs}, {2, 50})
        local pool <close> = parallel.pool(2)
        equal(pool:apply(function() return config.epochs end), 50)
        config.epochs = 51
        equal(pool:submit(function() return config.epochs end):get(), 51)
        for _, epochs in pool:imap(function(c) return c.epochs end, coroutine.wrap(function()
          for i = 1, 3 do config.epochs = i coroutine.yield(config) end
        end)) do
          equal(epochs, epochs // 1)
        end
      ]], host)
    end)

    it("give the call's own back, not the caller's " .. host.name, function()
      passes([[
        local store, state = require "store", require "state"
        store.weights.a = 1
        local r = parallel.map(function(x)
          store.weights[x] = x
          state.add()
          return {store.weights, store.cache(x), state.n, state}
        end, {"x"})[1]
        equal({r[1], r[2], r[3](), r[4].n()}, {{a = 1, x = "x"}, {key = "x"}, 1, 1})
        equal(store.weights, {a = 1})
      ]], host)
    end)

    it("share their variables with what captures them " .. host.name, function()
      passes([[
        local split = require "split"
        split.set "mine"
        equal(split.run(), {"mine", "mine", "call"})
        equal(split.get(), "mine")
      ]], host)
    end)

    it("take what the script gives them along " .. host.name, function()
      passes([[
        local registry = require "registry"
        local iris = registry.load "iris"
        local rmse = registry.register("rmse", function(x) return x + #iris.rows end)
        equal(parallel.map(function(d) return #d.rows end, {iris}), {3})
        equal(parallel.map(function() return #iris.rows + rmse(1) end, {0}), {7})
        equal(parallel.map(rmse, {1}), {4})
        equal(parallel.map(function(name) return registry.metrics[name](1) end, {"rmse"}), {4})
        local wine = registry.load "wine"
        require "shape"
        equal(parallel.map(function(d) return #d.rows end, {wine}), {3})
        equal(parallel.map(function(f) return f(2) end, {rmse}), {5})
      ]], host)
    end)

    it("that cannot go by value go by name, and -W says so once " .. host.name, function()
      local flags = table.move(host.flags or {}, 1, #(host.flags or {}), 2, {"-W"})
      temporary.folder(MODULES, function(folder)
        local result = script.passes(PATHS:format(folder, folder) .. [[
          local logger, config = require "logger", require "config"
          config.epochs, logger.level = 7, 9
          local function f() return {logger.level, logger.open(), config.epochs, logger.epochs()} end
          for _ = 1, 2 do equal(parallel.map(f, {0}), {{1, true, 7, 7}}) end
          local get = logger.level_of
          equal(parallel.map(function() return get() end, {0}), {1})
          logger.own = function() return "script's" end
          local own = logger.own
          equal(parallel.map(function() return own() end, {0}), {"script's"})
        ]], setmetatable({flags = flags}, {__index = host}))
        local text = "calls load the module 'logger' anew, without what the script has set in it: "
        assert.truthy(result.stderr:find(text, 1, true), result.stderr)
        assert.truthy(result.stderr:find("upvalue 'file': cannot send a userdata (FILE*)", 1, true), result.stderr)
        assert.equal(1, select(2, result.stderr:gsub("anew", "")))
      end)
    end)
  end

  it("that reach globals by names that they make get those that are named, and -W says so once", function()
    temporary.folder({["eval.lua"] = "return {eval = function(code) return load(code)() end}"}, function(folder)
      local result = script.passes(PATHS:format(folder, folder) .. [[
        local eval = require "eval"
        named, other = 1, 2
        local function f() return {named, eval.eval "return named", eval.eval "return other"} end
        for _ = 1, 2 do equal(parallel.map(f, {0}), {{1, 1}}) end
      ]], {flags = {"-W"}})
      local text = "the module 'eval' can reach globals by names that it makes"
      assert.equal(1, select(2, result.stderr:gsub(text, "")), result.stderr)
    end)
  end)

  it("can be of any value", function()
    passes [[
      package.loaded.number, package.loaded.text = 5, "text"
      equal(parallel.map(function() return {require "number", require "text", require "callable" (1)} end, {0}),
        {{5, "text", "module 1"}})
      package.loaded["made by hand"] = {f = function() return 1 end}
      local f = require("made by hand").f
      equal(parallel.map(function() return f() + require("made by hand").f() end, {0}), {2})
      package.loaded.config = nil
      equal(parallel.map(function() return require("config").epochs end, {0}), {10})
    ]]
  end)

  it("in folders are one again", function()
    passes [[
      local inner = require "deep.inner"
      local r = parallel.map(function() return {inner == require("deep").inner, inner.name, inner} end, {0})[1]
      assert(r[1] and r[2] == "deep.inner" and r[3].name == "deep.inner")
    ]]
  end)

  it("travel into maps within calls as the call has left them", function()
    passes [[
      local config, shape = require "config", require "shape"
      config.epochs = 50
      equal(parallel.map(function(x)
        config.epochs = config.epochs + x
        local function f(s) return {config.epochs, require("config").epochs, s:area()} end
        return (parallel.map(f, {shape.new(2)}))[1]
      end, {1, 2}), {{51, 51, 4}, {52, 52, 4}})
    ]]
  end)

  it("are many where a list of objects needs them, one after the other", function()
    passes [[
      local classes, objects = {}, {}
      for i = 1, 8 do
        local class = {}
        class.__index, class.name = class, function(o) return o.n .. " of " .. i end
        package.loaded["class" .. i] = {Class = class, other = {}}
        classes[i] = class
        for k = 1, 20 do objects[#objects + 1] = setmetatable({n = k}, class) end
      end
      local r = parallel.map(function(o) return {o, o:name()} end, objects, {chunk = 7})
      for i, pair in ipairs(r) do
        local class = (i - 1) // 20 + 1
        equal(pair[2], (i - 1) % 20 + 1 .. " of " .. class)
        if class <= 3 then assert(getmetatable(pair[1]) == classes[class]) end
        equal(pair[1]:name(), pair[2])
      end
    ]]
  end)

  it("with deep structure travel whole", function()
    passes [[
      local m = {}
      local at = m
      for i = 1, 300 do
        local inner = {f = function() return i end}
        at.f = function() return inner end
        at = inner
      end
      package.loaded.deep_one = m
      equal(parallel.map(function()
        local x, n = require "deep_one", 0
        while type(x.f()) == "table" do x, n = x.f(), n + 1 end
        return {n, x.f()}
      end, {0}), {{300, 300}})
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

  it("can be functions", function()
    passes [[
      local callable = require "callable"
      equal(parallel.map(callable, {"x"}), {"module x"})
      equal(parallel.map(function(f) return f end, {callable})[1] "y", "module y")
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

  it("are loaded once by a call that loads them", function()
    passes [[
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

describe("what the script has changed in its own state", function()
  for _, host in ipairs(script.hosts) do
    it("is there: metatables of basic types " .. host.name, function()
      script.passes([[
        local owner = {__index = function(n, key) return key == "half" and n / 2 or math[key] end}
        debug.setmetatable(0, owner)
        debug.setmetatable(print, {__index = {kind = "function"}, __concat = function() return "joined" end})
        debug.setmetatable(true, {__index = {flag = true}})
        debug.setmetatable(nil, {__index = function() return "nothing" end})
        debug.setmetatable(coroutine.create(print), {__index = {is_thread = 1}})
        local function f(n)
          local co = coroutine.create(print)
          return {(16):sqrt(), n.half, print.kind, print .. 1, (true).flag, (nil).x, co.is_thread,
            getmetatable(1) == owner}
        end
        for _, fresh in ipairs {true, false} do
          local r = parallel.map(f, {3}, {fresh = fresh})[1]
          for i, value in ipairs {4.0, 1.5, "function", "joined", true, "nothing", 1, true} do equal(r[i], value) end
        end
        local inner = parallel.map(function() return parallel.map(function(n) return n.half end, {5})[1] end, {1})
        equal(inner[1], 2.5)
        for _, value in ipairs {0, print, true, coroutine.create(print)} do debug.setmetatable(value, nil) end
        debug.setmetatable(nil, nil)
        equal(parallel.map(function() return getmetatable(1) == nil end, {1})[1], true)
        parallel.map(function() debug.setmetatable(0, {__index = math}) end, {1, 2}, {workers = 1})
        equal(parallel.map(function() return getmetatable(1) == nil end, {1, 2}, {workers = 1}), {true, true})
      ]], host)
    end)

    it("is there: searchers of modules " .. host.name, function()
      script.passes([[
        table.insert(package.searchers, 2, function(name)
          local base = name:match "^virtual%.(.+)"
          if not base then return "no virtual module" end
          return function(...) return {name = base, arguments = {...}} end, ":virtual:"
        end)
        local a = require "virtual.a"
        local function f(name) return {require("virtual." .. name).name, a.name, #package.searchers} end
        equal(parallel.map(f, {"b", "c"}), {{"b", "a", 5}, {"c", "a", 5}})
        equal(parallel.map(f, {"b", "c"}, {fresh = false}), {{"b", "a", 5}, {"c", "a", 5}})
        local inner = parallel.map(function() return parallel.map(f, {"d"})[1] end, {1})
        equal(inner, {{"d", "a", 5}})
        for i = #package.searchers, 3, -1 do package.searchers[i] = nil end
        local found = parallel.map(function() return {pcall(require, "no.such"), #package.searchers} end, {1})[1]
        equal({found[1], found[#found]}, {false, 2})
        table.remove(package.searchers, 1)
        equal(parallel.map(f, {"e"}), {{"e", "a", 1}})
      ]], host)
    end)

    it("is there, though the file has gone: the rows of a data module " .. host.name, function()
      temporary.folder({["rows.lua"] = "local rows = {} for i = 1, 300 do rows[i] = {x = i} end return rows"},
        function(folder)
          script.passes(([[
            package.path = %q .. "/?.lua;" .. package.path
            local rows = require "rows"
            assert(os.remove(%q .. "/rows.lua"))
            rows[1].x = 99
            local r = parallel.map(function(row) return row.x end, rows)
            equal({r[1], r[2], r[300]}, {99, 2, 300})
          ]]):format(folder, folder), host)
        end)
    end)
  end
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

  with("cjson", "bring what the script has put into them", [[
    local cjson = require "cjson"
    function cjson.pretty(x) return "<" .. cjson.encode(x) .. ">" end
    cjson.options = {depth = 5}
    equal(parallel.map(function(x)
      return {cjson.pretty(x), require("cjson").options.depth, cjson.null == require("cjson").null}
    end, {{1}}), {{"<[1]>", 5, true}})
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
