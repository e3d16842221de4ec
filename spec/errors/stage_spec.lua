-- Where errors come from: arguments, results, modules, init, iterators, maps within maps.
local script = require "support.script"
local temporary = require "support.temporary"

describe("an error", function()
  it("of an iterator is raised as it is", function()
    script.passes [[
      local function iterator(last)
        local i = 0
        return function()
          i = i + 1
          if i == last then error("iterator at " .. i, 0) end
          return i
        end
      end
      for _, options in ipairs {{}, {errors = "collect"}, {chunk = 1}, {workers = 1, chunk = 10}} do
        local ok, err = pcall(parallel.map, function(x) return x end, iterator(20), options)
        equal({ok, tostring(err)}, {false, "iterator at 20"})
        local object = {}
        ok, err = pcall(parallel.map, function(x) return x end, function() error(object) end, options)
        assert(not ok and err == object)
      end
      equal(parallel.map(function(x) return x end, {1}), {1})
    ]]
  end)

  it("of a sequence's __index is raised as it is", function()
    script.passes [[
      local xs = setmetatable({}, {
        __len = function() return 5 end,
        __index = function(_, i) if i == 3 then error("no item " .. i, 0) end return i end,
      })
      local ok, err = pcall(parallel.map, function(x) return x end, xs)
      equal({ok, tostring(err)}, {false, "no item 3"})
    ]]
  end)

  it("of init is that of a call, and says so", function()
    script.passes [[
      for _, fresh in ipairs {true, false} do
        local ok, err = pcall(parallel.map, function(x) return x end, {1, 2, 3},
          {fresh = fresh, init = function() error("cannot start", 0) end})
        assert(not ok and type(err) == "table")
        assert(err.message:find("init", 1, true) and err.message:find("cannot start", 1, true))
        assert(err.index >= 1 and err.index <= 3)
        local r, errors = parallel.map(function(x) return x end, {1, 2, 3},
          {fresh = fresh, errors = "collect", init = function() error({code = 5}) end})
        equal(r, {n = 3})
        for i = 1, 3 do equal({errors[i].index, errors[i].value}, {i, {code = 5}}) end
        equal(parallel.map(function(x) return x end, {1, 2}, {fresh = fresh}), {1, 2})
      end
    ]]
  end)

  it("of a stack overflow in init is told", function()
    script.passes [[
      local function endless() return 1 + endless() end
      local ok, err = pcall(parallel.map, function(x) return x end, {1}, {init = endless})
      assert(not ok and err.message:find("stack overflow", 1, true))
      equal(parallel.map(function(x) return x end, {1}), {1})
    ]]
  end)

  -- Modules that hold what cannot be sent go by name.
  local HOLDS_FILE = "local file = io.tmpfile() local f = function() return file ~= nil end return {f = f, t = {1}}"

  it("of a module that is not found there names the module", function()
    temporary.folder({["here.lua"] = HOLDS_FILE}, function(folder)
      script.passes(([[
        local path = package.path
        package.path = %q .. "/?.lua"
        local here = require "here"
        local f = here.f
        package.path = path -- the other side cannot find it any more
        local ok, err = pcall(parallel.map, function() return f() end, {1})
        assert(not ok and err.message:find("module 'here' not found", 1, true), tostring(err))
        equal({err.kind, err.index}, {"marshal", 1})
        ok, err = pcall(parallel.map, function(f) return f() end, {f})
        assert(not ok and err.message:find("module 'here' not found", 1, true), tostring(err))
        equal({err.kind, err.index}, {"marshal", 1})
        equal(parallel.map(function(t) return t end, {here.t}), {{1}})
      ]]):format(folder))
    end)
  end)

  it("of a class whose module the caller lacks fails that call", function()
    temporary.folder({["there.lua"] = "local C = {} C.__index = C return C"}, function(folder)
      script.passes(([[
        local folder = %q
        local r, errors = parallel.map(function(x)
          if x ~= 2 then return x end
          package.path = folder .. "/?.lua"
          return setmetatable({}, require "there")
        end, {1, 2, 3}, {errors = "collect"})
        equal({r[1], r[2], r[3]}, {1, nil, 3})
        assert(errors[2].kind == "marshal" and errors[2].message:find("'there'", 1, true))
      ]]):format(folder))
    end)
  end)

  it("crosses maps within maps", function()
    script.passes [[
      local ok, err = pcall(parallel.map, function(x)
        return parallel.map(function(y)
          return parallel.map(function(z)
            if x == 2 and y == 3 and z == 1 then error({at = {x, y, z}}) end
            return z
          end, {1, 2})
        end, {1, 2, 3})
      end, {1, 2})
      assert(not ok)
      equal({err.index, err.kind}, {2, "error"})
      equal({err.value.index, err.value.kind}, {3, "error"})
      equal({err.value.value.index, err.value.value.kind}, {1, "error"})
      equal(err.value.value.value.at, {2, 3, 1})
      assert(err.message:find("3", 1, true) and #tostring(err) > 0)
    ]]
  end)

  it("of a map within a map can be caught there", function()
    script.passes [[
      local r = parallel.map(function(x)
        local ok, err = pcall(parallel.map, function(y) error({y = y}) end, {x}, {workers = 1})
        return {ok, err.value.y, err.index, getmetatable(err).__name, tostring(err)}
      end, {5, 6})
      equal({r[1][1], r[1][2], r[1][3]}, {false, 5, 1})
      equal({r[2][2], r[2][4]}, {6, "parallel.error"})
      assert(r[1][5]:find("stdin:2: call 1 (item 5) failed", 1, true), r[1][5])
    ]]
  end)

  it("value can be sent to a call and home again", function()
    script.passes [[
      local _, err = pcall(parallel.map, function() error({code = 1}) end, {1})
      local r = parallel.map(function(e) return {e, e.value.code, tostring(e) ~= nil} end, {err})
      equal({r[1][2], r[1][3]}, {1, true})
      assert(getmetatable(r[1][1]) == getmetatable(err) and r[1][1].index == 1)
    ]]
  end)

  it("of os.exit is that of the call", function()
    script.passes [[
      local r, errors = parallel.map(function(x)
        if x == 2 then os.exit(3) end
        if x == 3 then pcall(os.exit) end
        return x
      end, {1, 2, 3, 4}, {errors = "collect"})
      equal({r[1], r[2], r[3], r[4], r.n}, {1, nil, nil, 4, 4})
      assert(errors[2].message:find("os.exit", 1, true) and errors[3].message:find("os.exit", 1, true))
      equal({errors[2].kind, errors[3].kind}, {"error", "error"})
    ]]
  end)
end)

describe("with errors = 'collect'", function()
  for _, host in ipairs(script.hosts) do
    it("all calls run, failed ones leave nil and an error each " .. host.name, function()
      script.passes([[
        local r, errors = parallel.map(function(x)
          if x % 7 == 0 then error({x = x}) end
          return x * 2
        end, parallel.range(1, 1000), {errors = "collect"})
        equal(r.n, 1000)
        local n_errors = 0
        for i = 1, 1000 do
          if i % 7 == 0 then
            equal({r[i], errors[i].index, errors[i].value, errors[i].kind}, {nil, i, {x = i}, "error"})
            n_errors = n_errors + 1
          else
            equal({r[i], errors[i]}, {2 * i, nil})
          end
        end
        for _ in pairs(errors) do n_errors = n_errors - 1 end
        equal(n_errors, 0)
      ]], host)
    end)
  end

  it("no error gives an empty table", function()
    script.passes [[
      local r, errors = parallel.map(function(x) return x end, {1, 2}, {errors = "collect"})
      equal({r, r.n, errors}, {{1, 2}, 2, {}})
      r, errors = parallel.map(function(x) return x end, {}, {errors = "collect"})
      equal({r, r.n, errors}, {{}, 0, {}})
    ]]
  end)

  it("every call may fail", function()
    script.passes [[
      local r, errors = parallel.map(error, parallel.range(1, 300), {errors = "collect"})
      equal(r, {n = 300})
      for i = 1, 300 do equal({errors[i].index, errors[i].value}, {i, i}) end
    ]]
  end)

  it("pack and kept states work the same", function()
    script.passes [[
      local function f(x) if x == 2 then error("two", 0) end return x, nil, x end
      local r, errors = parallel.map(f, {1, 2, 3}, {errors = "collect", pack = true, fresh = false})
      equal({r[1], r[2], r[3], r.n}, {{1, nil, 1, n = 3}, nil, {3, nil, 3, n = 3}, 3})
      equal({errors[1], errors[2].message, errors[3]}, {nil, "two", nil})
    ]]
  end)

  it("iterators work the same", function()
    script.passes [[
      local i = 0
      local r, errors = parallel.map(function(x) return x == 5 and error "five" or x end,
        function() i = i + 1 return i <= 10 and i or nil end, {errors = "collect"})
      equal({r.n, r[4], r[5], r[6], errors[5].index}, {10, 4, nil, 6, 5})
    ]]
  end)
end)

describe("after an error", function()
  it("the next maps work, a hundred times #threads", function()
    script.passes [[
      local function endless() return 1 + endless() end
      local bad = {
        function() error "x" end,
        function() error({}) end,
        function() return coroutine.create(print) end,
        function() return ("x"):rep(1 << 50) end,
        function() os.exit(1) end,
        function() return require "no.such.module" end,
      }
      for i = 1, 100 do
        assert(not pcall(parallel.map, bad[i % #bad + 1], parallel.range(1, 20), {workers = 4, fresh = i % 3 > 0}))
        equal(parallel.map(function(x) return x + i end, {1, 2, 3}, {workers = 4, fresh = i % 2 > 0}),
          {1 + i, 2 + i, 3 + i})
      end
      assert(not pcall(parallel.map, endless, {1}))
    ]]
  end)

  it("nothing that the failed call did is seen", function()
    script.passes [[
      count = 0
      local t = {}
      local function f(x)
        count = count + 1
        t[#t + 1] = x
        string.added = (string.added or 0) + 1
        if x % 2 == 0 then error({count, #t, string.added}) end
        return {count, #t, string.added}
      end
      local r, errors = parallel.map(f, parallel.range(1, 20), {errors = "collect", workers = 1})
      for i = 1, 20 do equal(i % 2 == 0 and errors[i].value or r[i], {1, 1, 1}) end
    ]]
  end)
end)
