-- Values with __marshal are rebuilt on the other side by the function that it returns.
local script = require "support.script"
local travels = require "wire.travels"

local COUNTER = [[
  local Counter = {}
  Counter.__index = Counter
  local function counter(n) return setmetatable({n = n, secret = coroutine.create(print)}, Counter) end
  function Counter:__marshal() return function(n) return counter(n) end, self.n end
  function Counter:get() return self.n end
]]

describe("__marshal", function()
  it("rebuilds a table on the other side, and back", function()
    travels(COUNTER .. "return counter(5), counter(6)", [[
      local a, b = ...
      equal({a:get(), b:get(), type(a.secret)}, {5, 6, "thread"})
      assert(getmetatable(a) == getmetatable(b))
    ]])
  end)

  it("of a captured class gives objects of that class", function()
    script.passes(COUNTER .. [[
      local r = parallel.map(function(c)
        assert(getmetatable(c) == Counter)
        return counter(c:get() + 1)
      end, {counter(1), counter(2)})
      assert(getmetatable(r[1]) == Counter)
      equal({r[1]:get(), r[2]:get()}, {2, 3})
    ]])
  end)

  it("rebuilds a shared object once for each message", function()
    travels(COUNTER .. "local c = counter(5) return c, {c, c}, c",
      "local a, t, b = ... assert(a == b and t[1] == a and t[2] == a)")
  end)

  it("is asked in values inside other values", function()
    travels(COUNTER .. [[
      return {list = {counter(1), {counter(2)}}, [counter(3)] = true, f = (function()
        local c = counter(4)
        return function() return c:get() end
      end)()}
    ]], [[
      local t = ...
      equal({t.list[1]:get(), t.list[2][1]:get(), t.f()}, {1, 2, 4})
      for k in pairs(t) do if type(k) == "table" then equal(k:get(), 3) end end
    ]])
  end)

  it("may return what has __marshal itself", function()
    travels([[
      local Leaf = {__marshal = function(t) return function(v) return {leaf = v} end, t.v end}
      local Node = {__marshal = function(t)
        return function(a, b) return {a = a, b = b} end, t.a, t.b
      end}
      local function leaf(v) return setmetatable({v = v}, Leaf) end
      return setmetatable({a = leaf(1), b = setmetatable({a = leaf(2), b = leaf(3)}, Node)}, Node)
    ]], "equal(..., {a = {leaf = 1}, b = {a = {leaf = 2}, b = {leaf = 3}}})", {rebuilt = true})
  end)

  it("may return any arguments: nils, tables, functions, none", function()
    travels([[
      local function new(...) return setmetatable(table.pack(...), {
        __marshal = function(t)
          return function(...) return {args = table.pack(...)} end, table.unpack(t, 1, t.n)
        end,
      }) end
      return new(), new(nil), new(nil, 1, nil), new({1}, function() return 2 end)
    ]], [[
      local a, b, c, d = ...
      equal(a.args, {n = 0}) equal(b.args, {n = 1}) equal(c.args, {[2] = 1, n = 3})
      equal({d.args[1], d.args[2](), d.args.n}, {{1}, 2, 2})
    ]], {rebuilt = true})
  end)

  it("may return a function of a module", function()
    travels([[
      return setmetatable({}, {__marshal = function() return string.rep, "ab", 3 end}),
        setmetatable({}, {__marshal = function() return math.max, 1, 2 end})
    ]], "equal({...}, {'ababab', 2})", {rebuilt = true})
  end)

  it("may rebuild a value as nil, false or a number", function()
    script.passes [[
      local function as(v) return setmetatable({}, {__marshal = function() return function() return v end end}) end
      local r = parallel.starmap(function(...) return table.pack(...) end, {{as(nil), as(false), as(5), as("x")}})
      equal(r[1], {[2] = false, [3] = 5, [4] = "x", n = 4})
    ]]
  end)

  it("stands before being a class or a module's value", function()
    script.passes [[
      local Handle = {__marshal = function(h) return function(id) return "handle " .. id end, h.id end}
      Handle.__index = Handle
      local h = setmetatable({id = 7}, Handle)
      equal(parallel.map(function(x) return {x, h} end, {h}), {{"handle 7", "handle 7"}})
    ]]
  end)

  it("works for userdata: a file is opened again there", function()
    script.passes [[
      local name = os.tmpname()
      local file <close> = assert(io.open(name, "w"))
      file:write("line 1\nline 2\n")
      file:flush()
      getmetatable(file).__marshal = function() return io.open, name end
      local lines = parallel.map(function(f) local l = f:read "l" f:close() return l end, {file, file})
      equal(lines, {"line 1", "line 1"})
      equal(parallel.map(function() return file:read "a" end, {0}), {"line 1\nline 2\n"})
      os.remove(name)
    ]]
  end)

  it("sees a class in what it returns as it is", function()
    script.passes(COUNTER .. [[
      local Box = {}
      Box.__marshal = function(b) return function(x) return x end, b.x end
      local object = setmetatable({}, {__index = {y = 3}})
      local r = parallel.map(function(o) return o.y end, {setmetatable({x = object}, Box)})
      equal(r, {3})
    ]])
  end)

  it("for a list thousands deep is refused with an error, not a crash", function()
    script.passes [[
      local Node = {__marshal = function(n) return function(x) return {x} end, n.next end}
      local list
      for i = 1, 100000 do list = setmetatable({next = list}, Node) end
      local ok, err = pcall(parallel.map, function(l) return 1 end, {list})
      assert(not ok and tostring(err):find("nested", 1, true))
      equal(parallel.map(function() return 1 end, {0}), {1})
    ]]
  end)
end)

describe("a bad __marshal", function()
  local function refuses(metamethod, message)
    script.passes(([[
      local bad = setmetatable({}, {__marshal = %s})
      local ok, err = pcall(parallel.map, function() return 1 end, {{x = bad}})
      assert(not ok)
      if not err.message:find(%q, 1, true) then error(err.message) end
      equal({err.kind, err.index}, {"marshal", 1})
      local r, errors = parallel.map(function(x) return x end, {1, {bad}, 3}, {errors = "collect"})
      equal({r[1], r[2], r[3], r.n}, {1, nil, 3, 3})
      equal(errors[2].kind, "marshal")
      ok, err = pcall(parallel.map, function() return bad end, {0})
      assert(not ok and err.kind == "marshal")
    ]]):format(metamethod, message))
  end

  it("that returns nothing is named", function()
    refuses("function() end", "its __marshal must return a function and that function's arguments")
  end)

  it("that returns no function is named", function()
    refuses("function() return 5, 6 end", "argument 1: .x")
  end)

  it("that is no function is named", function()
    refuses("5", "argument 1: .x: its __marshal must be a function")
    refuses("{}", "argument 1: .x: its __marshal must be a function")
  end)

  it("that raises an error passes it on", function()
    refuses("function() error 'not now' end", "not now")
  end)

  it("that returns the value itself is named", function()
    refuses("function(t) return function(x) return x end, t end",
      "cannot send a value whose __marshal returns itself")
  end)

  it("that returns what cannot be sent is named, with the path", function()
    refuses("function(t) return function(x) return x end, {c = coroutine.create(print)} end",
      "cannot send a coroutine")
  end)

  it("whose function fails on the other side fails that call", function()
    script.passes [[
      local bad = setmetatable({}, {__marshal = function() return function() error "cannot rebuild" end end})
      local r, errors = parallel.map(function(x) return x end, {1, bad, 3}, {errors = "collect"})
      equal({r[1], r[2], r[3]}, {1, nil, 3})
      assert(errors[2].message:find("cannot rebuild", 1, true) and errors[2].kind == "marshal")
      local ok, err = pcall(parallel.map, function() return bad end, {1}) -- captured
      assert(not ok and err.message:find("cannot rebuild", 1, true) and err.kind == "marshal")
    ]]
  end)

  it("whose function fails in the caller fails that call", function()
    script.passes [[
      local r, errors = parallel.map(function(i)
        if i ~= 2 then return i end
        return setmetatable({}, {__marshal = function() return function() error "cannot rebuild" end end})
      end, {1, 2, 3}, {errors = "collect"})
      equal({r[1], r[2], r[3]}, {1, nil, 3})
      assert(errors[2].message:find("cannot rebuild", 1, true) and errors[2].kind == "marshal")
    ]]
  end)
end)
