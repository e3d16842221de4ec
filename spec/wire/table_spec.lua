-- Tables: by value, with cycles and shared parts; keys of every kind.
local script = require "support.script"
local travels = require "wire.travels"

-- Makes tables of elements 1 to 3 and two other keys, put into a hash part in every order.
local HASHED = [=[
  local function put(keys, list)
    local v = {}
    for i = 1, 5 do
      v[i] = math.type(keys[i]) == "integer" and keys[i] < 3 and keys[i] / 4 or keys[i]
    end
    local t = {[keys[1]] = v[1], [keys[2]] = v[2], [keys[3]] = v[3], [keys[4]] = v[4], [keys[5]] = v[5]}
    list[#list + 1] = t
    if #list % 3 == 0 then
      t[keys[#list % 5 + 1]] = nil
    end
  end
  local function permute(keys, n, list)
    if n == 1 then
      return put(keys, list)
    end
    for i = 1, n do
      keys[i], keys[n] = keys[n], keys[i]
      permute(keys, n - 1, list)
      keys[i], keys[n] = keys[n], keys[i]
    end
  end
  local function hashed()
    local list = {}
    for _, key in ipairs {"x", 2^53, 0, -1, 0.5, 4, 5, 11, true, "1", math.mininteger} do
      permute({1, 2, 3, "2", key}, 5, list)
    end
    return list
  end
]=]

describe("tables", function()
  it("empty and nested ones travel", function()
    travels("return {}, {{}}, {{{{}}}, x = {y = {}}}",
      "local a, b, c = ... equal(a, {}) equal(b, {{}}) equal(c, {{{{}}}, x = {y = {}}})")
  end)

  it("arrive by value", function()
    script.passes [[
      local t = {n = 1, sub = {2}}
      local r = parallel.map(function(x) x.n = 5 x.sub[1] = 6 return x end, {t})[1]
      equal(t, {n = 1, sub = {2}})
      equal(r, {n = 5, sub = {6}})
      assert(r ~= t and r.sub ~= t.sub)
    ]]
  end)

  it("with cycles travel", function()
    travels([[
      local a, b = {name = "a"}, {name = "b"}
      a.self, a.b, b.a, a[a], b[1] = a, b, a, b, b
      return a
    ]], [[
      local a = ...
      local b = a.b
      assert(a.name == "a" and b.name == "b" and a.self == a and b.a == a and a[a] == b and b[1] == b)
    ]])
  end)

  it("that are shared in one message stay shared", function()
    travels([[
      local shared = {1}
      return shared, {shared, shared, deep = {{shared}}}, shared
    ]], [[
      local a, t, b = ...
      assert(a == b and t[1] == a and t[2] == a and t.deep[1][1] == a)
    ]])
  end)

  it("that are shared by two calls are two tables", function()
    script.passes [[
      local shared = {}
      local r = parallel.map(function(t) t.seen = (t.seen or 0) + 1 return t end, {shared, shared})
      assert(r[1] ~= r[2] and r[1].seen == 1 and r[2].seen == 1 and shared.seen == nil)
    ]]
  end)

  it("keep what they share with captured ones within the function", function()
    script.passes [[
      local shared = {}
      local a, b = {shared}, {shared}
      local r = parallel.map(function() return a[1] == b[1] and a[1] == shared end, {1, 2})
      equal(r, {true, true})
    ]]
  end)

  it("with elements in their hash part travel, and other keys among them in every order", function()
    travels(HASHED .. "return hashed()", HASHED .. "local list = ... equal(list, hashed())")
  end)

  it("of numbers travel with other keys after them, and holes among them", function()
    travels([[
      local list = {}
      for n = 0, 70 do
        local t = {}
        for i = 1, n do
          t[i] = n % 2 == 0 and i or i / 3
        end
        t[n + 2], t[-n], t["1"], t["0x1p0"], t[2^53], t.n = n, -n, "one", 1, 1.0, n
        if n % 5 == 0 then t[n // 2 + 1] = nil end
        if n % 7 == 0 then t[n // 3 + 1] = tostring(n) end
        list[n + 1] = t
      end
      return list
    ]], [[
      for index, t in ipairs(...) do
        local n, n_keys = index - 1, 0
        for i = 1, n do
          local wanted = n % 2 == 0 and i or i / 3
          if n % 7 == 0 and i == n // 3 + 1 then
            wanted = tostring(n)
          elseif n % 5 == 0 and i == n // 2 + 1 then
            wanted = nil
          end
          assert(t[i] == wanted and math.type(t[i]) == math.type(wanted), i)
        end
        assert(t[n + 2] == n and t["1"] == "one" and t["0x1p0"] == 1 and t.n == n)
        assert(math.type(t[2^53]) == "float" and (n == 0 or t[-n] == -n))
        for _ in pairs(t) do n_keys = n_keys + 1 end
        local at, lacks = n // 2 + 1, 0
        if n % 5 == 0 and at <= n and not (n % 7 == 0 and at == n // 3 + 1) then lacks = 1 end
        local more = n % 7 == 0 and n // 3 + 1 > n and 1 or 0
        assert(n_keys == n + 6 - lacks + more, n)
      end
    ]])
  end)

  it("that get elements while they are sent end all the same", function()
    script.passes [[
      local t = {1, 2}
      t[3] = setmetatable({}, {__marshal = function()
        setmetatable(t, {__index = function() return 1 end})
        return function() return "there" end
      end})
      t[4], t[5] = 4, 5
      local r = parallel.map(function(x) return {x[1], x[2], x[3], x[4], x[5], x[6]} end, {t})[1]
      equal({r[1], r[2], r[3], r[4], r[5]}, {1, 2, "there", 4, 5})
    ]]
  end)

  it("with the same keys travel, and those that lack some or have others besides", function()
    travels([[
      local t = {}
      for i = 1, 200 do
        local r = {id = i, name = "record " .. i, score = i / 2, ok = i % 3 == 0, sub = {id = -i, up = t}}
        if i % 4 == 0 then r.id = nil end
        if i % 5 == 0 then r.name, r.score = nil, nil end
        if i % 6 == 0 then r.more, r[2.5], r[1], r[2] = i, i, i, i end
        if i % 7 == 0 then r.self = r end
        t[i] = r
      end
      return t
    ]], [[
      local t = ...
      for i, r in ipairs(t) do
        equal({r.id, r.name, r.score, r.ok, n = 4}, {i % 4 ~= 0 and i or nil,
          i % 5 ~= 0 and "record " .. i or nil, i % 5 ~= 0 and i / 2 or nil, i % 3 == 0, n = 4})
        assert(r.sub.id == -i and r.sub.up == t and r.self == (i % 7 == 0 and r or nil))
        for _, key in ipairs {"more", 2.5, 1, 2} do assert(r[key] == (i % 6 == 0 and i or nil)) end
      end
      assert(#t == 200)
    ]])
  end)

  it("with elements in their hash part and with holes keep length and order", function()
    travels([[
      local backwards, mixed, holes = {}, {x = 1, y = 2, z = 3}, {1, nil, 3, nil, 5.5, 6, "7", nil, 9}
      for i = 50, 1, -1 do backwards[i] = i % 2 == 0 and i or i / 2 end
      mixed.x, mixed.y = nil, nil
      mixed[2], mixed[1], mixed["1"], mixed[-1] = "b", "a", "text", "minus"
      return backwards, mixed, holes
    ]], [[
      local backwards, mixed, holes = ...
      assert(#backwards == 50 and #mixed == 2 and #holes == 9)
      for i = 1, 50 do
        assert(backwards[i] == (i % 2 == 0 and i or i / 2) and
          math.type(backwards[i]) == (i % 2 == 0 and "integer" or "float"))
      end
      equal(mixed, {"a", "b", ["1"] = "text", [-1] = "minus", z = 3})
      for i, v in pairs {1, nil, 3, nil, 5.5, 6, "7", nil, 9} do assert(holes[i] == v) end
      assert(holes[2] == nil and holes[4] == nil and holes[8] == nil)
    ]])
  end)

  it("keys of every kind travel", function()
    travels([[
      local key, f = {"key"}, function() return "f" end
      return {
        [1.5] = "float", [-1] = "negative", [0] = "zero", [2^53] = "large", [math.mininteger] = "least",
        [math.maxinteger] = "most", [true] = "true", [false] = "false", [""] = "empty", ["a\0b"] = "zero byte",
        [1/0] = "inf", [-1/0] = "-inf", [key] = "table", [f] = "function", [math.floor] = "library",
        [("k"):rep(300)] = "long", ["end"] = "keyword",
      }, key, f
    ]], [[
      local t, key, f = ...
      local n = 0
      for _ in pairs(t) do n = n + 1 end
      equal(n, 17)
      equal({t[1.5], t[-1], t[0], t[2^53], t[math.mininteger], t[math.maxinteger], t[true], t[false], t[""]},
        {"float", "negative", "zero", "large", "least", "most", "true", "false", "empty"})
      equal({t["a\0b"], t[1/0], t[-1/0], t[key], t[f], t[math.floor], t[("k"):rep(300)], t["end"]},
        {"zero byte", "inf", "-inf", "table", "function", "library", "long", "keyword"})
      for k in pairs(t) do assert(k ~= 2^53 or math.type(k) == "integer") end
    ]])
  end)

  it("values of false are not lost", function()
    travels("return {false, true, false, x = false}",
      "local t = ... equal(t, {false, true, false, x = false})")
  end)
end)

describe("arrays", function()
  it("with holes travel", function()
    travels([[
      return {1, nil, 3, nil, nil, 6}, {nil, nil, 3}, table.pack(nil, 2, nil), {[2] = 2, [3] = 3, [100] = 100}
    ]], [[
      local a, b, c, d = ...
      equal(a, {[1] = 1, [3] = 3, [6] = 6})
      equal(b, {[3] = 3})
      equal(c, {[2] = 2, n = 3})
      equal(d, {[2] = 2, [3] = 3, [100] = 100})
    ]])
  end)

  it("whose elements were removed travel", function()
    travels([[
      local t = {}
      for i = 1, 1000 do t[i] = i end
      for i = 1, 1000 do if i % 3 == 0 or i > 700 then t[i] = nil end end
      local u = {}
      for i = 1, 64 do u[i] = i end
      for i = 1, 63 do u[i] = nil end
      return t, u
    ]], [[
      local t, u = ...
      for i = -10, 1100 do equal(t[i], i >= 1 and i <= 700 and i % 3 ~= 0 and i or nil) end
      equal(u, {[64] = 64})
    ]])
  end)

  it("that were filled backwards or at random travel", function()
    travels([[
      local t, u = {}, {}
      for i = 300, 1, -1 do t[i] = i end
      for i = 0, 1008 do local at = i * 7 % 1009 if at > 0 then u[at] = tostring(at) end end
      return t, u
    ]], [[
      local t, u = ...
      equal(#t, 300)
      for i = 1, 300 do equal(t[i], i) end
      equal(#u, 1008)
      for i = 1, 1008 do equal(u[i], tostring(i)) end
    ]])
  end)

  it("with fields beside their elements travel", function()
    travels([[
      local t = {1, 2, 3, x = 1, y = {2}, [-1] = "a", [0] = "b", [1.5] = "c"}
      for i = 4, 50 do t[i] = i t["k" .. i] = i end
      return t
    ]], [[
      local t = ...
      equal({#t, t.x, t.y[1], t[-1], t[0], t[1.5]}, {50, 1, 2, "a", "b", "c"})
      for i = 4, 50 do assert(t[i] == i and t["k" .. i] == i) end
    ]])
  end)

  it("of integers and floats in runs keep their kinds", function()
    travels([[
      local t = {}
      for i = 1, 2000 do t[i] = (i // 7) % 2 == 0 and i or i + 0.0 end
      for i = 100, 2000, 100 do t[i] = "s" .. i end
      t[150], t[151] = math.mininteger, -0.0
      return t
    ]], [[
      local t = ...
      equal(#t, 2000)
      for i = 1, 2000 do
        local expected = (i // 7) % 2 == 0 and i or i + 0.0
        if i % 100 == 0 then expected = "s" .. i end
        if i == 150 then expected = math.mininteger end
        if i == 151 then expected = -0.0 end
        equal(t[i], expected)
      end
      equal(1 / t[151], -math.huge)
    ]])
  end)

  it("of a million floats travel #large", function()
    script.passes [[
      local t = {}
      for i = 1, 1000000 do t[i] = i / 3 end
      local r = parallel.map(function(x)
        local sum = 0
        for i = 1, #x do sum = sum + x[i] x[i] = -x[i] end
        return {sum, x}
      end, {t})[1]
      local sum = 0
      for i = 1, #t do sum = sum + t[i] end
      equal(r[1], sum)
      equal(#r[2], #t)
      for i = 1, #t do assert(r[2][i] == -t[i]) end
    ]]
  end)

  it("of every small length travel", function()
    travels([[
      local all = {}
      for n = 0, 40 do
        local ints, floats, strings, mixed = {}, {}, {}, {}
        for i = 1, n do
          ints[i], floats[i], strings[i] = i * 1000003, i / 7, "s" .. i
          mixed[i] = i % 2 == 0 and i or {i}
        end
        all[n + 1] = {ints, floats, strings, mixed}
      end
      return all
    ]], [[
      local all = ...
      for n = 0, 40 do
        local ints, floats, strings, mixed = table.unpack(all[n + 1])
        for i = 1, n do
          equal(ints[i], i * 1000003) equal(floats[i], i / 7) equal(strings[i], "s" .. i)
          equal(mixed[i], i % 2 == 0 and i or {i})
        end
        assert(#ints == n and #floats == n and #strings == n and #mixed == n)
      end
    ]])
  end)
end)

describe("structures", function()
  it("at random travel as they are", function()
    script.passes [[
      math.randomseed(42)
      local function any(depth)
        local kind = math.random(depth > 0 and 9 or 6)
        if kind == 1 then return math.random(0)
        elseif kind == 2 then return math.random()
        elseif kind == 3 then return tostring(math.random(1000)):rep(math.random(30))
        elseif kind == 4 then return math.random(2) == 1
        elseif kind == 5 then return math.random(200) - 100
        elseif kind == 6 then return 2.0 ^ math.random(-50, 50) end
        local t = {}
        for _ = 1, math.random(0, 12) do
          local key = kind == 7 and #t + 1 or math.random(3) == 1 and math.random(20) or any(0)
          t[key] = any(depth - 1)
        end
        return t
      end
      local xs = {}
      for i = 1, 400 do xs[i] = any(5) end
      local back = parallel.map(function(x) return x end, xs)
      for i = 1, 400 do equal(back[i], xs[i]) end
      local all = parallel.map(function() return xs end, {0})[1]
      for i = 1, 400 do equal(all[i], xs[i]) end
    ]]
  end)

  it("of a list linked a thousand deep, with a look back at each step, travel", function()
    travels([[
      local first = {}
      local last = first
      for i = 1, 1000 do last.next = {i = i, back = last, first = first} last = last.next end
      return first
    ]], [[
      local first, n = ..., 0
      local at = first
      while at.next do
        n = n + 1
        assert(at.next.back == at and at.next.first == first and at.next.i == n)
        at = at.next
      end
      equal(n, 1000)
    ]])
  end)

  it("of a list linked a million deep travel #large", function()
    script.passes [[
      local function list(n)
        local l
        for i = n, 1, -1 do l = {i, next = l} end
        return l
      end
      local function check(l)
        local n = 0
        while l do n = n + 1 assert(l[1] == n) l = l.next end
        return n
      end
      equal(parallel.map(check, {list(1000000)}), {1000000}) -- argument
      equal(check(parallel.map(list, {1000000})[1]), 1000000) -- result
      local captured = list(1000000)
      equal(parallel.map(function() return check(captured) end, {0}), {1000000})
    ]]
  end)

  it("of a list linked through keys and metatables travel", function()
    travels([[
      local a, b
      for i = 1, 3000 do
        a = {[a or 0] = i}
        b = setmetatable({i = i}, {__index = b})
      end
      return a, b
    ]], [[
      local a, b = ...
      for i = 3000, 1, -1 do
        local key, value = next(a)
        equal(value, i)
        a = key
      end
      equal(a, 0)
      for i = 3000, 1, -1 do
        equal(b.i, i)
        b = getmetatable(b).__index
      end
      equal(b, nil)
    ]])
  end)

  it("of a hundred thousand closures in a chain travel #large", function()
    script.passes [[
      local function chain(n)
        local f = function() return nil, 0 end
        for i = 1, n do
          local inner = f
          f = function() return inner, i end
        end
        return f
      end
      local function check(f)
        local n = 0
        while f do f = f() n = n + 1 end
        return n
      end
      equal(parallel.map(check, {chain(100000)}), {100001})
      equal(check(parallel.map(chain, {100000})[1]), 100001)
    ]]
  end)

  it("wide and deep at once travel", function()
    travels([[
      local function tree(depth)
        if depth == 0 then return {leaf = true} end
        return {tree(depth - 1), tree(depth - 1), depth = depth}
      end
      local deep = tree(10)
      for i = 1, 500 do deep = {deep, i, {i}} end
      return deep
    ]], [[
      local deep = ...
      for i = 500, 1, -1 do
        assert(deep[2] == i and deep[3][1] == i)
        deep = deep[1]
      end
      local function check(t, depth)
        if depth == 0 then assert(t.leaf) return end
        equal(t.depth, depth)
        check(t[1], depth - 1) check(t[2], depth - 1)
      end
      check(deep, 10)
    ]])
  end)
end)
