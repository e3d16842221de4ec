local script = require "support.script"

script.on_hosts("map", function(case)
  case("returns the results in the order of the inputs, and how many there were", [[
    local results, more = parallel.map(function(x) return x * 2 end, {5, 3, 8})
    equal(results, {10, 6, 16})
    equal(results.n, 3)
    equal(more, nil)
    local many, xs = {}, {}
    for i = 1, 5000 do xs[i], many[i] = i, -i end
    equal(parallel.map(function(x) return -x end, xs), many)
  ]])

  case("gives one value, which can be passed on", [[
    local function double(x) return x and x * 2 end
    equal(table.concat(parallel.map(double, {7, 8})), "1416")
    equal(math.max(table.unpack(parallel.map(double, {7, 8}))), 16)
    equal(select("#", parallel.map(double, {1})), 1)
    local some = parallel.map(function(x) return x % 2 == 0 and x or nil end, {1, 2, 3, 4, 5})
    local again = parallel.map(double, some)
    equal({again, again.n}, {{[2] = 4, [4] = 8}, 5})
    equal(parallel.map(double, some, {pack = true}), {{n = 1}, {4, n = 1}, {n = 1}, {8, n = 1}, {n = 1}})
  ]])

  case("gives nothing for no inputs, and needs no worker for that", [[
    local function f() error "called" end
    for _, xs in ipairs {{}, {n = 0}, parallel.range(1, 0), function() end} do
      equal({parallel.map(f, xs)}, {{n = 0}})
      equal({parallel.starmap(f, xs)}, {{n = 0}})
    end
    equal({parallel.map(f, {}, {errors = "collect"})}, {{n = 0}, {}})
  ]])

  case("takes a single input", [[
    equal({parallel.map(function(x) return x .. "!" end, {"one"})}, {{"one!", n = 1}})
    equal({parallel.map(function(x) return x end, {false})}, {{false, n = 1}})
  ]])

  case("gives results of all kinds, mixed in any way", [[
    local function kind(i)
      local k = i * i * 7 % 11 % 6
      if k == 0 then return i end
      if k == 1 then return i / 2 end
      if k == 2 then return i % 2 == 0 end
      if k == 3 then return nil end
      if k == 4 then return "s" .. i end
      return {i}
    end
    local function truth(i) return i % 3 == 0 end
    local function none() end
    for _, f in ipairs {kind, truth, none} do
      local expected = {}
      for i = 1, 500 do expected[i] = f(i) end
      for k = 0, 5 do
        local options = {fresh = k % 2 == 0, chunk = ({1, 7, 500})[k // 2 + 1]}
        local results = parallel.map(f, parallel.range(1, 500), options)
        assert(results.n == 500)
        for i = 1, 500 do
          equal(results[i], expected[i])
          assert(math.type(results[i]) == math.type(expected[i]))
        end
        local n = 0
        for i, v in parallel.imap(f, parallel.range(1, 500), options) do
          n = n + 1
          assert(i == n)
          equal(v, expected[n])
        end
        assert(n == 500)
      end
    end
  ]])

  case("keeps the places of results that are nil, or none at all", [[
    local results = parallel.map(function(x) if x % 2 == 0 then return x end end, {1, 2, 3, 4, 5})
    equal(results, {[2] = 2, [4] = 4})
    equal(results.n, 5)
    results = parallel.map(function() return nil end, {1, 2, 3})
    equal(results, {n = 3})
  ]])

  case("takes holes where a field n says how many inputs there are", [[
    local results = parallel.map(function(x) return x == nil and "none" or x end, {n = 5, [2] = 7})
    equal(results, {"none", 7, "none", "none", "none"})
    equal(results.n, 5)
    equal(parallel.map(function(...) return select("#", ...) end, table.pack(nil, nil)), {1, 1})
    equal({parallel.map(function(x) return x end, {n = 2, 1, 2, 3, 4})}, {{1, 2, n = 2}})
  ]])

  case("keeps the first value of each call only", [[
    equal(parallel.map(function(x) return x, "second" end, {1, 2}), {1, 2})
  ]])

  case("reads sequences through __index and __len", [[
    local squares = setmetatable({}, {
      __len = function() return 40 end,
      __index = function(_, i) return {square = i * i} end,
    })
    local results = parallel.map(function(x) return x.square end, squares)
    equal(results.n, 40)
    equal(results[40], 1600)
    local base = setmetatable({nil, 2}, {__index = {10, 20, 30}, __len = function() return 3 end})
    equal(parallel.map(function(x) return x end, base), {10, 2, 30})
  ]])

  case("asks a sequence whose metatable has __len for numbers only", [[
    local squares = setmetatable({}, {
      __len = function() return 4 end,
      __index = function(_, i) return i * i end,
    })
    equal({parallel.map(function(x) return x end, squares)}, {{1, 4, 9, 16, n = 4}})
  ]])

  case("passes on the very error that reading a sequence raises", [[
    local problem = {}
    local xs = setmetatable({}, {
      __len = function() return 10 end,
      __index = function(_, i) return i == 7 and error(problem) or i end,
    })
    local function f(x) return x end
    local ok, err = pcall(parallel.map, f, xs, {chunk = 2})
    assert(not ok and rawequal(err, problem))
    equal(parallel.map(f, {1}), {1})
  ]])

  case("takes functions of the standard library and of modules", [[
    equal(parallel.map(math.sqrt, {4, 9}), {2.0, 3.0})
    equal(parallel.map(string.upper, {"a", "b"}), {"A", "B"})
    equal(parallel.map(tostring, {1, 2.5}), {"1", "2.5"})
  ]])

  case("takes a value with __call", [[
    local adder = setmetatable({by = 10}, {__call = function(self, x) return self.by + x end})
    equal(parallel.map(adder, {1, 2}), {11, 12})
    equal(parallel.starmap(adder, {{1, 9}, {2, 9}}), {11, 12})
  ]])

  case("works within a coroutine, and calls can use coroutines", [[
    local results = coroutine.wrap(function()
      local part = parallel.map(function(x) return x + 1 end, {1, 2})
      coroutine.yield(part)
    end)()
    equal(results, {2, 3})
    local function squares(n)
      local list = {}
      for x in coroutine.wrap(function() for i = 1, n do coroutine.yield(i * i) end end) do
        list[#list + 1] = x
      end
      return list
    end
    equal(parallel.map(squares, {1, 3}), {{1}, {1, 4, 9}})
  ]])

  case("works within pcall, metamethods, sort and gsub of the caller", [[
    local function double(x) return 2 * x end
    local function mapped(x) return parallel.map(double, {x})[1] end
    local object = setmetatable({}, {__index = function(_, k) return mapped(k) end})
    equal(object[21], 42)
    equal((("1 2 3"):gsub("%d", function(d) return mapped(d // 1 | 0) end)), "2 4 6")
    local list = {3, 1, 2}
    table.sort(list, function(a, b) return mapped(a) < mapped(b) end)
    equal(list, {1, 2, 3})
  ]])

  case("can be called a thousand times in a row", [[
    for i = 1, 1000 do
      equal(parallel.map(function(x) return x + i end, {1, 2}), {1 + i, 2 + i})
    end
  ]])

  case("keeps apart hundreds of functions that take turns, some with much, some that no image can hold", [[
    local sizes, functions = {200000, 20000, 0, 1, 2, 3, 4}, {}
    for i = 1, 300 do
      local text, list = ("x"):rep(sizes[i % #sizes + 1]), {i}
      functions[i] = function(x)
        list[#list + 1], counted = x, (counted or 0) + 1
        return list[1] + list[#list] + #text + #list - 2 + counted - 1
      end
    end
    local function finalize() kept = setmetatable({}, {__gc = function() end}) end
    for round = 1, 3 do
      for k = 1, #functions do
        local i = round == 2 and #functions + 1 - k or k
        local options = {workers = 2, init = i % 30 == 1 and finalize or nil}
        local expected = i + sizes[i % #sizes + 1]
        equal(parallel.map(functions[i], {10, 20, 30}, options), {expected + 10, expected + 20, expected + 30})
        if i % 100 == 0 then
          assert(not pcall(parallel.map, functions[i], {1}, {workers = 2, init = function() error "no" end}))
        end
      end
    end
  ]])

  case("keeps apart functions that take turns", [[
    local functions = {}
    for k = 1, 9 do
      functions[k] = load(("local x = ... return x * %d + (extra or 0)"):format(k))
    end
    for round = 1, 6 do
      for k, f in ipairs(functions) do
        extra = round % 2 == 0 and round or nil
        equal(parallel.map(f, {1, 2, 3}), {k + (extra or 0), 2 * k + (extra or 0), 3 * k + (extra or 0)})
      end
    end
  ]])

  case("keeps apart many functions that change what they captured", [[
    local fs = {}
    for i = 1, 70 do
      local own = {i}
      fs[i] = load("local own = ... return function(x) own[1] = own[1] + x return own[1] end")(own)
    end
    for round = 1, 3 do
      for i = 1, 70 do equal(parallel.map(fs[i], {1, 2, 3}), {i + 1, i + 2, i + 3}) end
    end
  ]])

  case("sees what the caller has changed since the last map", [[
    local factor, list = 2, {1}
    local function f(x) return x * factor + #list end
    equal(parallel.map(f, {1, 2}), {3, 5})
    factor = 3
    equal(parallel.map(f, {1, 2}), {4, 7})
    list[2] = 2
    equal(parallel.map(f, {1, 2}), {5, 8})
  ]])

  case("works again after calls have failed", [[
    local function f(x) if x == 2 then error "two" end return x end
    for _ = 1, 50 do
      local ok, err = pcall(parallel.map, f, {1, 2, 3})
      assert(not ok and err.index == 2, err)
      equal(parallel.map(f, {1, 3}), {1, 3})
    end
  ]])
end)

script.on_hosts("starmap", function(case)
  case("calls with the values of each row", [[
    equal({parallel.starmap(function(a, b) return a - b end, {{5, 3}, {1, 4}})}, {{2, -3, n = 2}})
    equal(parallel.starmap(math.max, {{1, 7, 3}, {2}}), {7, 2})
    equal(parallel.starmap(string.rep, {{"ab", 2}, {"x", 3, "-"}}), {"abab", "x-x-x"})
  ]])

  case("calls with nils where the row's field n counts them", [[
    local function count(...)
      local text = {}
      for i = 1, select("#", ...) do text[i] = tostring((select(i, ...))) end
      return select("#", ...) .. ":" .. table.concat(text, ",")
    end
    equal(parallel.starmap(count, {{n = 0}, {n = 2}, {nil, 1, n = 3}, {}, {n = 1, 1, 2}}),
      {"0:", "2:nil,nil", "3:nil,1,nil", "0:", "1:1"})
  ]])

  case("takes rows from an iterator", [[
    local i = 0
    local function rows()
      i = i + 1
      if i <= 100 then return {i, i, n = 3} end
    end
    local results = parallel.starmap(function(a, b, c) return a + b + (c or 1) end, rows)
    equal(results.n, 100)
    equal(results[100], 201)
  ]])

  case("takes rows with many values", [[
    local row = {}
    for i = 1, 200 do row[i] = i end
    equal(parallel.starmap(function(...) return select("#", ...) + select(200, ...) end, {row}), {400})
  ]])

  case("says which row is not a table", [[
    local ok, err = pcall(parallel.starmap, function() end, {{1}, 2})
    assert(not ok)
    assert(tostring(err):find("number", 1, true), err)
  ]])
end)
