-- Calls that are proved to leave no trace, and those that look as if they did: each case runs with proofs at once and
-- without any, and both must give the same.
local script = require "support.script"

-- What the scripts begin with: `both(f, items, options)` maps with proofs and without, compares results or errors, and
-- returns the results, and how many calls were proved.
local PRELUDE = [[
  local core = require "parallel.core"

  local function map(f, items, options, after)
    core.prove_after(after)
    local pool <close> = parallel.pool(2)
    local ok, results = pcall(pool.map, pool, f, items, options)
    return ok and results or tostring(results), pool:stats()
  end

  local function both(f, items, options)
    local results, stats = {}
    for i, after in ipairs {math.maxinteger, 0} do
      results[i], stats = map(f, items, options, after)
    end
    equal(results[2], results[1])
    return results[2], stats.proved
  end

  -- All calls are proved, or none is.
  local function proved(f, items, options)
    local results, n = both(f, items, options)
    assert(n == #results, ("%d of %d are proved"):format(n, #results))
    return results
  end
  local function unproved(f, items, options)
    local results, n = both(f, items, options)
    assert(n == 0, n .. " are proved")
    return results
  end

  local function numbers(n)
    local t = {}
    for i = 1, n do t[i] = i end
    return t
  end
]]

local function case(name, code)
  it(name, function() script.passes(PRELUDE .. code) end)
end

describe("a proof", function()
  case("is found for small functions, whatever they get and give", [[
    local cfg, points = {a = 2, b = 3}, {}
    for i = 1, 1000 do points[i] = {x = i, y = -i, name = "p" .. i} end
    proved(function(x) return x * x end, numbers(2000))
    proved(function(x) return math.sin(x) end, numbers(2000))
    proved(function(x) return cfg.a * x + cfg.b end, numbers(2000), {chunk = 100})
    proved(function(i) local p = points[i % 1000 + 1] return p.name .. p.x + p.y end, numbers(2000))
    proved(function(s) return s:upper():gsub("%d", "#") end, {"a1", "b2", "c3"})
    proved(function(t) t.n = #t return t end, {{1, 2}, {3}, {}, {x = {y = 1}}})
    proved(function(x) return x % 3 == 0 and "three" or x % 2 == 0 and {x} or nil end, numbers(2000))
  ]])

  case("holds for tables and garbage of any size", [[
    proved(function(n) local t = {} for i = 1, n do t[i] = {i, tostring(i)} end return #t end, {1, 10, 100, 1000, 5000})
    proved(function(n) local s = "" for i = 1, n do s = s .. i end return #s end, {1, 10, 100, 1000})
    local results = proved(function(n) return ("x"):rep(n) end, {0, 1, 100, 1000, 100000})
    equal(#results[5], 100000)
  ]])

  case("leaves random numbers those of the call", [[
    local function f(n)
      if n % 7 == 0 then math.randomseed(n) end
      return math.random() + math.random(n)
    end
    proved(f, numbers(1000), {seed = 3})
    proved(function() return math.random(1, 1000000) end, numbers(1000), {seed = 4, chunk = 7})
  ]])

  case("follows classes, metamethods, closures, coroutines and errors that are caught", [[
    local Vec = {}
    Vec.__index = Vec
    function Vec.__add(a, b) return setmetatable({a[1] + b[1]}, Vec) end
    function Vec.__eq(a, b) return a[1] == b[1] end
    function Vec:__tostring() return "<" .. self[1] .. ">" end
    function Vec:get() return self[1] end
    proved(function(n)
      local v = setmetatable({n}, Vec) + setmetatable({1}, Vec)
      return {v:get(), tostring(v), v == setmetatable({n + 1}, Vec)}
    end, numbers(100))
    proved(function(n)
      local sum = 0
      for v in coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) do sum = sum + v end
      return sum
    end, numbers(100))
    proved(function(n) return {pcall(function() return n < 50 and n or error {n} end)} end, numbers(100))
    proved(function(...) return select("#", ...) + select(1, ...) end, numbers(100))
  ]])

  case("is not found where a call changes what outlives it", [[
    local cache, count, Class = {}, 0, {n = 0}
    Class.__index = Class
    local function f(n) if n < 2 then return n end cache[n] = cache[n] or f(n - 1) + f(n - 2) return cache[n] end
    unproved(f, numbers(30))
    unproved(function(n) count = count + 1 return count end, numbers(300))
    unproved(function(n) total = (total or 0) + n return total end, numbers(300))
    unproved(function(n) string.n = (string.n or 0) + 1 return string.n end, numbers(300))
    unproved(function(n) Class.n = Class.n + 1 return setmetatable({}, Class).n end, numbers(300))
    unproved(function(n) local t = cache t.x = (t.x or 0) + 1 return t.x end, numbers(300))
    unproved(function(n)
      local mt = getmetatable("")
      mt.n = (mt.n or 0) + 1
      return mt.n
    end, numbers(300))
    equal({next(cache)}, {})
    equal({count, total, string.n, Class.n}, {0, nil, nil, 0})
  ]])

  case("reads captured arrays, which a call cannot write to", [[
    local list, matrix = parallel.array {1, 2, 3, 4, n = 4}, parallel.array({{1, 2.5}, {3, 4}}, "float32")
    proved(function(i) return list[i % #list + 1] * list:get(1) + list:sum() end, numbers(100))
    proved(function(i)
      local sum = 0
      for j = 1, #list do sum = sum + list[j] end
      return {sum, list:mean(), list.min(list), list:max(), list:dot(list), select("#", list:unpack()), list.type, i}
    end, numbers(100))
    proved(function(i)
      local row, all = matrix:row(i % 2 + 1), matrix:totable()
      row[1], all[1][2], all[3] = i, i, matrix:column(2)
      return {row, all, matrix.shape, list:totable(2, 3)}
    end, numbers(100))
    proved(function(row) return row[1] + matrix:get(2, 2) end, matrix:rows())
    proved(function(i) return pcall(function() return list[i] end) and 1 or 2 end, numbers(10))
  ]])

  case("is not found where a call may do more with an array", [[
    local list = parallel.array {1, 2, 3}
    unproved(function(i) return pcall(function() list[1] = i end) end, numbers(10))
    unproved(function(i) return pcall(list.set, list, 1, i) end, numbers(10))
    unproved(function(i) return list:copy():fill(i):sum() end, numbers(10))
    unproved(function(i) return list[i % 2 == 0 and "sum" or "max"](list) end, numbers(10))
    unproved(function(x) x[1] = 5 return x:sum() end, {parallel.array {1, 2}})
    unproved(function() return #tostring(list) end, numbers(10))
    local n = 0
    local function init()
      local methods = debug.getupvalue(debug.getmetatable(list).__index, 1) and
        select(2, debug.getupvalue(debug.getmetatable(list).__index, 1))
      methods.sum = function() n = n + 1 return n end
    end
    equal(unproved(function() return list:sum() end, numbers(10), {init = init}), {1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
  ]])

  case("goes by what init has changed", [[
    local seen = {}
    local function init()
      string.upper = function(s) seen.n = (seen.n or 0) + 1 return s .. seen.n end
    end
    local results = unproved(function(s) return s:upper() end, {"a", "b", "c"}, {init = init})
    equal(results, {"a1", "b1", "c1"})
    local function own() math.sin = function(x) return x + 1 end end
    equal(proved(function(x) return math.sin(x) end, numbers(3), {init = own}), {2, 3, 4})
  ]])

  case("does not hold for arguments that are more than data", [[
    local Counter = {}
    Counter.__index = Counter
    function Counter:up() self.n = self.n + 1 return self.n end
    unproved(function(c) return c:up() + c:up() end, {setmetatable({n = 0}, Counter), setmetatable({n = 5}, Counter)})
    unproved(function(g) return g(3) end, {math.sqrt, function(x) return x end, function() return 7 end})
    local n = 0
    unproved(function(g) return g() end, {function() n = n + 1 return n end, function() n = n + 2 return n end})
  ]])

  case("does not hold for results that are more than data", [[
    local function f(n) return function() return n end end
    for _, after in ipairs {math.maxinteger, 0} do
      local results = map(function(n) return n % 2 == 0 and f(n) or n end, numbers(10), nil, after)
      equal({results[3], results[4](), results[10]()}, {3, 4, 10})
    end
    local Point = {__marshal = function(p) return tostring, p[1] end}
    both(function(n) return setmetatable({n}, Point) end, numbers(10))
    local Plain = {}
    Plain.__index = Plain
    for _, after in ipairs {math.maxinteger, 0} do
      local results = map(function(n) return setmetatable({n}, Plain) end, numbers(10), nil, after)
      assert(getmetatable(results[7]) == Plain and results[7][1] == 7)
    end
  ]])

  case("leaves errors as they are, and what comes after them", [[
    local function f(n)
      if n % 10 == 0 then error("number " .. n) elseif n % 11 == 0 then return nil + n end
      return n
    end
    for _, options in ipairs {{errors = "collect"}, {errors = "collect", chunk = 64}} do
      local results, errors = {}, {}
      for i, after in ipairs {math.maxinteger, 0} do
        core.prove_after(after)
        results[i], errors[i] = parallel.map(f, numbers(500), options)
      end
      equal(results[2], results[1])
      for i = 1, 500 do equal(tostring(errors[2][i]), tostring(errors[1][i])) end
    end
    both(f, numbers(500), {chunk = 500}) -- with its message, and the traceback
  ]])

  case("leaves strings that a go gave in their places where one of it fails", [[
    local function f(s) return #s > 3 and error("long: " .. s) or s .. s end
    local items = {}
    for i = 1, 2000 do items[i] = ("x"):rep(i % 7 == 0 and i > 1000 and 4 or i % 4) end
    core.prove_after(0)
    local results, errors = parallel.map(f, items, {errors = "collect", chunk = 500})
    for i, s in ipairs(items) do
      if #s > 3 then
        assert(tostring(errors[i]):find("long: xxxx", 1, true), i)
      else
        equal(results[i], s .. s)
      end
    end
  ]])

  case("leaves the limit of memory as it is", [[
    local function f(n) local t = {} for i = 1, n do t[i] = i end return #t end
    core.prove_after(0)
    local options = {memory = 1 << 20, errors = "collect", workers = 1}
    local results, errors = parallel.map(f, {10, 1000000, 10, 100}, options)
    equal({results[1], results[3], results[4]}, {10, 10, 100})
    assert(tostring(errors[2]):find "memory", tostring(errors[2]))
    -- A refusal that is caught is seen as it would be without a proof.
    local function g(n) return (pcall(string.rep, "x", n)) end
    equal(parallel.map(g, {10, 1 << 30, 10}, {memory = 1 << 20, workers = 1}), {true, false, true})
  ]])

  case("leaves time limits and cancelling as they are", [[
    core.prove_after(0)
    local function f(n) while n == 500 do end return n end
    local results, errors = parallel.map(f, numbers(600), {timeout = 0.5, errors = "collect", workers = 2})
    for i = 1, 600 do if i ~= 500 then equal(results[i], i) end end
    assert(tostring(errors[500]):find "timed out", tostring(errors[500]))
    local pool <close> = parallel.pool(1)
    local future = pool:submit(function() while true do end end)
    future:cancel()
    assert(not pcall(future.get, future))
    equal(pool:submit(function(x) return x + 1 end, 1):get(), 2)
  ]])

  case("leaves the depth of recursion as it is where errors are caught", [[
    local function depth()
      local n = 0
      local function f() n = n + 1 return 1 + f() end
      pcall(f)
      return n
    end
    both(depth, numbers(5), {chunk = 5})
    local function through_c()
      local n = 0
      local function f() n = n + 1 return (("x"):gsub("x", f)) end
      pcall(f)
      return n
    end
    unproved(through_c, numbers(5), {chunk = 5})
  ]])

  case("is not tried before some calls were made", [[
    core.prove_after(200)
    local pool <close> = parallel.pool(1)
    local function f(x) return x + 1 end
    pool:map(f, numbers(100))
    equal(pool:stats().proved, 0)
    pool:map(f, numbers(1000))
    equal({pool:stats().proved, pool:stats().restored}, {900, 200})
  ]])

  case("sees that table.move compares what overlaps with __eq", [[
    local seen = {}
    local note = {__eq = function(a) seen.n = (seen.n or 0) + 1 return true end}
    local from, plain = setmetatable({1, 2, 3}, note), {1, 2, 3}
    unproved(function() table.move(from, 1, 3, 3, {}) return seen.n end, numbers(20))
    proved(function() return table.move(plain, 1, 3, 3, {7, 8, 9})[5] end, numbers(20))
  ]])

  it("that fails is warned of, once for a function that is called often", function()
    local result = script.passes([[
      warn "@on"
      local cache = {}
      local function f(n)
        cache[n] = true
        return n
      end
      for _ = 1, 4 do parallel.map(f, parallel.range(1, 100000), {workers = 2}) end
      parallel.map(function(n) return n end, parallel.range(1, 200000))
    ]])
    local _, n = result.stderr:gsub("Lua warning: [^\n]*stdin:3: line 4 writes to the captured table 'cache'", "")
    assert.equal(1, n, result.stderr)
  end)

  case("is of one function, and others take turns in the same state", [[
    core.prove_after(0)
    local pool <close> = parallel.pool(1)
    local seen = {}
    local function clean(x) return x + 1 end
    local function dirty(x) seen[#seen + 1] = x return #seen end
    for i = 1, 20 do
      equal(pool:map(clean, {i, i + 1}), {i + 1, i + 2})
      equal(pool:map(dirty, {1, 2, 3}), {1, 1, 1})
    end
    equal({pool:stats().proved, pool:stats().restored}, {40, 60})
  ]])
end)
