-- Metatables and classes: metamethods work on the other side, and classes keep who they are.
local script = require "support.script"
local travels = require "wire.travels"

describe("metatables", function()
  it("travel with their tables, metamethods and all", function()
    travels([[
      local log = {}
      local meta = {__name = "thing"}
      meta.__index = function(t, k) return k .. "!" end
      meta.__newindex = function(t, k, v) rawset(t, k, v * 2) end
      meta.__add = function(a, b) return "sum" end
      meta.__eq = function(a, b) return rawequal(a, b) or rawget(a, "n") == rawget(b, "n") end
      meta.__lt = function(a, b) return rawget(a, "n") < rawget(b, "n") end
      meta.__le = function(a, b) return rawget(a, "n") <= rawget(b, "n") end
      meta.__len = function() return 42 end
      meta.__call = function(self, x) return x + rawget(self, "n") end
      meta.__concat = function(a, b) return "joined" end
      meta.__tostring = function(self) return "thing " .. rawget(self, "n") end
      meta.__unm = function(self) return -rawget(self, "n") end
      meta.__pairs = function() return function(_, k) if not k then return 1, "one" end end end
      meta.__close = function(self) rawset(self, "closed", true) end
      return setmetatable({n = 1}, meta), setmetatable({n = 1}, meta), setmetatable({n = 2}, meta)
    ]], [[
      local a, b, c = ...
      assert(getmetatable(a) == getmetatable(b))
      equal({a.x, a + 1, a == b, a == c, a < c, a <= b, #a, a(10), a .. "", tostring(a), -c},
        {"x!", "sum", true, false, true, true, 42, 11, "joined", "thing 1", -2})
      a.y = 21
      equal(rawget(a, "y"), 42)
      for k, v in pairs(a) do equal({k, v}, {1, "one"}) end
      do local t <close> = a end
      equal(rawget(a, "closed"), true)
    ]])
  end)

  it("that are protected travel", function()
    travels("return setmetatable({1}, {__metatable = 'locked', __index = {x = 5}})",
      "local t = ... equal({getmetatable(t), t[1], t.x}, {'locked', 1, 5})")
  end)

  it("that make a table weak travel", function()
    travels([[
      local strong = {}
      return setmetatable({[strong] = 1, [{}] = 2}, {__mode = "k"}), strong
    ]], [[
      local weak, strong = ...
      collectgarbage() collectgarbage()
      local n = 0
      for _ in pairs(weak) do n = n + 1 end
      assert(n == 1 and weak[strong] == 1)
    ]])
  end)

  it("of metatables travel", function()
    travels([[
      local meta = setmetatable({}, {__index = function(_, k) return k == "__index" and {x = 9} or nil end})
      local c = setmetatable({}, setmetatable({__index = {y = 3}}, {__call = function() return "called" end}))
      return c
    ]], "local c = ... equal({c.y, getmetatable(c)()}, {3, 'called'})")
  end)

  it("that are their own travel", function()
    travels("local t = {x = 1} t.__index = t return setmetatable(t, t)",
      "local t = ... assert(getmetatable(t) == t and t.__index == t and t.x == 1)")
  end)

  it("with __gc finalize on the other side, before the next call", function()
    script.prints([[
      local function new(name)
        return setmetatable({name = name}, {__gc = function(t) print("gone: " .. t.name) end})
      end
      local xs = {new "a", new "b", new "c"}
      local r = parallel.map(function(t) print("call " .. t.name) return t.name end, xs, {workers = 1})
      print(table.concat(r, " "))
      io.stdout:flush()
      os.exit(xs ~= nil, false) -- without the finalizers of this side
    ]], [[
call a
gone: a
call b
gone: b
call c
gone: c
a b c]])
  end)

  it("with __gc finalize in the caller where they are results", function()
    script.passes [[
      local r = parallel.map(function(i)
        return setmetatable({i = i}, {__gc = function(t) total = (total or 0) + t.i end})
      end, {1, 2, 3})
      assert(getmetatable(r[1]).__gc)
      r = nil
      collectgarbage() collectgarbage()
      equal(total, 6)
    ]]
  end)

  it("with __gc that were captured finalize once for each call", function()
    local result = script.run([[
      local t = setmetatable({}, {__gc = function() io.write("gone\n") end})
      parallel.map(function() return t ~= nil end, {1, 2, 3}, {workers = 1})
      io.stdout:flush()
      os.exit(true, false)
    ]])
    assert.equal(0, result.code)
    local _, n = result.stdout:gsub("gone\n", "")
    assert.is_true(n >= 3)
  end)
end)

local CLASSES = [[
  local Animal = {} Animal.__index = Animal
  function Animal.new(name) return setmetatable({name = name}, Animal) end
  function Animal:speak() return self.name .. " makes a sound" end
  local Dog = setmetatable({}, {__index = Animal}) Dog.__index = Dog
  Dog.super, Dog.class = Animal, Dog
  function Dog.new(name) return setmetatable(Animal.new(name), Dog) end
  function Dog:speak() return Dog.super.speak(self) .. ": woof" end
]]

local function passes(code, options)
  return script.passes(CLASSES .. code, options)
end

describe("a class", function()
  for _, host in ipairs(script.hosts) do
    it("that is captured is that of arguments and results " .. host.name, function()
      passes([[
        local r = parallel.map(function(a)
          assert(getmetatable(a) == Animal)
          return Animal.new(a.name .. "!")
        end, {Animal.new "x", Animal.new "y"})
        assert(getmetatable(r[1]) == Animal and getmetatable(r[2]) == Animal)
        equal(r[2]:speak(), "y! makes a sound")
      ]], host)
    end)
  end

  it("that is reached through arguments alone comes back as itself", function()
    passes [[
      local r = parallel.map(function(x) return x end, {Animal.new "a", {Animal.new "b"}, {k = Dog.new "c"}})
      assert(getmetatable(r[1]) == Animal)
      assert(getmetatable(r[2][1]) == Animal)
      assert(getmetatable(r[3].k) == Dog)
      equal(r[3].k:speak(), "c makes a sound: woof")
    ]]
  end)

  it("that is reached through arguments alone makes new objects there", function()
    passes [[
      local r = parallel.map(function(a) return setmetatable({name = "new"}, getmetatable(a)) end, {Dog.new "x"})
      assert(getmetatable(r[1]) == Dog and r[1].name == "new")
    ]]
  end)

  it("that inherits keeps its parent and itself as a field", function()
    passes [[
      local r = parallel.map(function(d)
        assert(getmetatable(d) == Dog and Dog.super == Animal and Dog.class == Dog)
        assert(getmetatable(Dog).__index == Animal)
        return {d, d:speak(), Dog, Animal, getmetatable(Dog)}
      end, {Dog.new "rex"})[1]
      assert(getmetatable(r[1]) == Dog)
      equal(r[2], "rex makes a sound: woof")
      assert(r[3] == Dog and r[4] == Animal and r[5] == getmetatable(Dog))
    ]]
  end)

  it("that is reached through a subclass in arguments is the same class", function()
    passes [[
      local r = parallel.starmap(function(d, a)
        return getmetatable(getmetatable(d)).__index == getmetatable(a) and d.super == getmetatable(a)
      end, {{Dog.new "d", Animal.new "a"}})
      equal(r, {true})
    ]]
  end)

  it("of objects in many calls is one class to the caller", function()
    passes [[
      local xs = {}
      for i = 1, 500 do xs[i] = i % 2 == 0 and Animal.new(i) or Dog.new(i) end
      local r = parallel.map(function(x) x.name = x.name * 2 return x end, xs)
      for i = 1, 500 do
        assert(getmetatable(r[i]) == (i % 2 == 0 and Animal or Dog))
        equal(r[i].name, 2 * i)
      end
    ]]
  end)

  it("that is a global comes back as itself", function()
    script.passes [[
      Point = {} Point.__index = Point
      function Point.new(x, y) return setmetatable({x = x, y = y}, Point) end
      function Point.__add(a, b) return Point.new(a.x + b.x, a.y + b.y) end
      local r = parallel.map(function(p)
        assert(getmetatable(p) == Point)
        return p + Point.new(1, 1)
      end, {Point.new(1, 2)})
      assert(getmetatable(r[1]) == Point and r[1].x == 2 and r[1].y == 3)
      assert(getmetatable(r[1] + r[1]) == Point)
    ]]
  end)

  it("comes back as itself in a kept state too", function()
    passes [[
      for round = 1, 3 do
        local r = parallel.map(function(a)
          assert(getmetatable(a) == Animal)
          return {a, Dog.new "d"}
        end, {Animal.new "x", Animal.new "y", Animal.new "z"}, {fresh = false})
        for i = 1, 3 do
          assert(getmetatable(r[i][1]) == Animal and getmetatable(r[i][2]) == Dog)
        end
      end
    ]]
  end)

  it("that was changed between two maps is sent as it is now", function()
    passes [[
      local function speak(a) return a:speak() end
      equal(parallel.map(speak, {Animal.new "a"}), {"a makes a sound"})
      function Animal:speak() return self.name .. " is silent" end
      equal(parallel.map(speak, {Animal.new "a"}), {"a is silent"})
      equal(parallel.map(speak, {Dog.new "d"}), {"d is silent: woof"})
    ]]
  end)

  it("is not changed by what a call does to it", function()
    passes [[
      local r = parallel.map(function(a)
        Animal.count = (Animal.count or 0) + 1
        getmetatable(a).speak = nil
        return {Animal.count, a}
      end, {Animal.new "x", Animal.new "y"}, {workers = 1})
      equal({r[1][1], r[2][1]}, {1, 1})
      assert(Animal.count == nil and Animal.speak and getmetatable(r[2][2]) == Animal)
    ]]
  end)

  it("that a call makes arrives as a new class", function()
    passes [[
      local r = parallel.map(function(x)
        local Class = {__index = {get = function(self) return self.x end}}
        return {setmetatable({x = x}, Class), setmetatable({x = x + 1}, Class)}
      end, {1, 5})
      assert(getmetatable(r[1][1]) == getmetatable(r[1][2]))
      equal({r[1][1]:get(), r[2][2]:get()}, {1, 6})
    ]]
  end)

  it("with __eq and __index functions compares there as here", function()
    script.passes [[
      local Value = {}
      Value.__eq = function(a, b) return a.v == b.v end
      Value.__index = function(t, k) return rawget(Value, k) or "no " .. k end
      local function value(v) return setmetatable({v = v}, Value) end
      local one = value(1)
      local r = parallel.map(function(x) return {x == one, x ~= one, x.missing, x} end, {value(1), value(2)})
      equal({r[1][1], r[1][2], r[1][3]}, {true, false, "no missing"})
      equal({r[2][1], r[2][2]}, {false, true})
      assert(r[1][4] == one and r[2][4] ~= one and getmetatable(r[1][4]) == Value)
    ]]
  end)

  it("without metamethods, a metatable alone, comes back as itself", function()
    script.passes [[
      local Tag = {}
      local r = parallel.map(function(x) return {x} end, {setmetatable({}, Tag)})
      assert(getmetatable(r[1][1]) == Tag)
      local object = setmetatable({}, Tag)
      r = parallel.map(function(x) return {x, object, getmetatable(object) == Tag} end, {0})[1]
      assert(getmetatable(r[2]) == Tag and r[3])
    ]]
  end)

  it("of objects in a list thousands deep comes back as itself", function()
    passes [[
      local list
      for i = 1, 3000 do list = Animal.new(list) end
      local r = parallel.map(function(l)
        local n = 0
        while l do assert(getmetatable(l) == Animal) n = n + 1 l = l.name end
        return n
      end, {list})
      equal(r, {3000})
      local at, n = parallel.map(function(l) return l end, {list})[1], 0
      while at do assert(getmetatable(at) == Animal) n = n + 1 at = at.name end
      equal(n, 3000)
    ]]
  end)

  it("of keys comes back as itself", function()
    passes [[
      local key = Animal.new "key"
      local r = parallel.map(function(t) return t end, {{[key] = key}})[1]
      local k, v = next(r)
      assert(k == v and getmetatable(k) == Animal)
    ]]
  end)

  it("of a functable to map works", function()
    script.passes [[
      local Adder = {}
      Adder.__index = Adder
      Adder.__call = function(self, x) return self:add(x) end
      function Adder:add(x) return x + self.n end
      equal(parallel.map(setmetatable({n = 10}, Adder), {1, 2}), {11, 12})
    ]]
  end)

  it("of two maps, one within the other, is one class", function()
    passes [[
      local r = parallel.map(function(a)
        local inner = parallel.map(function(b)
          assert(getmetatable(b) == Animal)
          return Animal.new(b.name .. "2")
        end, {a, Animal.new "z"})
        assert(getmetatable(inner[1]) == Animal and getmetatable(inner[2]) == Animal)
        return inner[1]
      end, {Animal.new "x"})
      assert(getmetatable(r[1]) == Animal and r[1].name == "x2")
    ]]
  end)
end)

describe("plain tables", function()
  it("come back by value, captured or not", function()
    script.passes [[
      local captured = {1}
      local r = parallel.map(function(t) return {t, captured, t == captured} end, {captured})[1]
      assert(r[1] ~= captured and r[2] ~= captured and r[3] == false)
      equal(r[1], {1}) equal(r[2], {1})
    ]]
  end)
end)
