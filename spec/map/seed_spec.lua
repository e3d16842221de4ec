local script = require "support.script"

-- Draws of every kind, as text.
local draw = [[
  local function draw()
    return ("%a %d %d %d"):format(math.random(), math.random(100), math.random(-5, 5), math.random(0))
  end
]]

script.on_hosts("the random numbers of calls", function(case)
  case("depend on these however math.random is reached", [[
    local m, drawn, name = math, {by = math.random, lib = {math}}, "ran"
    local ways = {
      function() return m.random(0) end,
      function() return drawn.by(0) end,
      function() return drawn.lib[1].random(0) end,
      function() return math[name .. "dom"](0) end,
      function() for k, v in pairs(math) do if k == name .. "dom" then return v(0) end end end,
      function() return _G.math.random(0) end,
      function() return load("return math.ran" .. "dom(0)")() end,
      function() return require "math".random(0) end,
      function() local a = math local b = a.floor return b(a[name .. "dom"](0)) end,
      function() return (function() local q = m return q[name .. "dom"](0) end)() end,
    }
    local expected = parallel.map(function() return math.random(0) end, parallel.range(1, 6), {seed = 3})
    for _, fresh in ipairs {true, false} do
      for _, f in ipairs(ways) do
        equal(parallel.map(f, parallel.range(1, 6), {seed = 3, fresh = fresh, chunk = 2}), expected)
      end
    end
    local function call(f) return f(0) end
    local sent = {math.random, math.random, math.random}
    equal(parallel.map(call, sent, {seed = 3}), table.move(expected, 1, 3, 1, {}))
  ]])

  case("depend on the seed and the number of the call alone", [[
    local function f() return draw() end
    local expected = parallel.map(f, parallel.range(1, 100), {seed = 7, workers = 1})
    for _, workers in ipairs {1, 2, 8, 64} do
      for _, chunk in ipairs {1, 7, 1000} do
        for _, fresh in ipairs {true, false} do
          equal(parallel.map(f, parallel.range(1, 100),
            {seed = 7, workers = workers, chunk = chunk, fresh = fresh}), expected)
        end
      end
    end
    local i = 0
    local function items() i = i + 1 return i <= 100 and {i} or nil end
    equal(parallel.starmap(f, items, {seed = 7}), expected)
    local function init() math.random() end
    equal(parallel.map(f, parallel.range(1, 100), {seed = 7, init = init}), expected)
    local captured = {}
    for k = 1, 100 do captured[k] = k end
    equal(parallel.map(function() return draw(captured) end, parallel.range(1, 50), {seed = 7}),
      table.move(expected, 1, 50, 1, {}))
  ]])

  case("differ from call to call and from seed to seed", [[
    local seen = {}
    for _, seed in ipairs {0, 1, 2, -1, math.maxinteger, math.mininteger} do
      local all = parallel.map(function() return draw() end, parallel.range(1, 100), {seed = seed})
      for _, numbers in ipairs(all) do
        assert(not seen[numbers], numbers)
        seen[numbers] = true
      end
    end
  ]])

  case("differ from map to map without a seed", [[
    local seen = {}
    for _ = 1, 10 do
      for _, numbers in ipairs(parallel.map(function() return draw() end, {1, 2, 3})) do
        assert(not seen[numbers], numbers)
        seen[numbers] = true
      end
    end
  ]])

  case("without a seed follow the caller's", [[
    local function f() return draw() end
    local function both() return {parallel.map(f, {1, 2, 3})[3], parallel.map(f, {1, 2, 3})[3]} end
    math.randomseed(5)
    local first = both()
    math.randomseed(5)
    equal(both(), first)
    assert(first[1] ~= first[2])
    math.randomseed(6)
    assert(both()[1] ~= first[1])
  ]])

  case("without a seed follow what the script has put in the place of its random numbers", [[
    local random, n = math.random, 0
    local function f() return random(0) end
    for _, mine in ipairs {
      function(...) assert(... == 0) n = n + 1 return n end, -- as Lua's
      function(...) assert(select("#", ...) == 0) n = n + 1 return n / 1000 end, -- as that of Lua 5.3
    } do
      math.random = mine
      n = 0
      local first = {parallel.map(f, {1, 2})[2], parallel.map(f, {1, 2})[2]}
      assert(first[1] ~= first[2])
      n = 0
      equal({parallel.map(f, {1, 2})[2], parallel.map(f, {1, 2})[2]}, first)
    end
    local seen = {}
    for _, odd in ipairs {function() error "none" end, function() return "4" end, function() end,
        coroutine.yield, false, 5} do
      math.random = odd
      math.randomseed = odd
      local drawn = parallel.map(f, {1})[1]
      assert(not seen[drawn])
      seen[drawn] = true
    end
  ]])

  case("do not touch those of the caller, but for the seed of a map that is given none", [[
    math.randomseed(5)
    local expected = {math.random(), math.random()}
    math.randomseed(5)
    local first = math.random()
    parallel.map(function() return math.random() end, {1, 2, 3}, {seed = 9})
    parallel.map(function() math.randomseed(1) return math.random() end, {1, 2, 3}, {seed = 9})
    equal({first, math.random()}, expected)
  ]])

  case("are not touched by what another call seeds", [[
    local expected = parallel.map(function() return draw() end, parallel.range(1, 50), {seed = 3})
    local function f(x)
      local numbers = draw()
      math.randomseed(1)
      return numbers
    end
    for _, fresh in ipairs {true, false} do
      local options = {seed = 3, workers = 2, chunk = 9, fresh = fresh}
      equal(parallel.map(f, parallel.range(1, 50), options), expected)
    end
  ]])

  case("are those of math.randomseed where a call seeds them itself", [[
    local function f() math.randomseed(42) return draw() end
    math.randomseed(42)
    local expected = draw()
    equal(parallel.map(f, {1, 2}), {expected, expected})
  ]])

  case("are the next ones after math.randomseed without arguments", [[
    local function f() math.randomseed() local a = draw() math.randomseed() return a .. " " .. draw() end
    local first = parallel.map(f, parallel.range(1, 50), {seed = 4, chunk = 1})
    equal(parallel.map(f, parallel.range(1, 50), {seed = 4, workers = 1}), first)
    equal(parallel.map(f, parallel.range(1, 50), {seed = 4, fresh = false}), first)
    local seen = {}
    for _, numbers in ipairs(first) do
      assert(not seen[numbers])
      seen[numbers] = true
    end
    local drawn = parallel.map(f, {1, 2})
    assert(drawn[1] ~= drawn[2])
  ]])

  case("are not seeded by what is no number, which is an error of the call's line", [[
    for _, case in ipairs {{1, {}}, {1, nil, n = 1}, {2, 1, {}}} do
      local ok, err = pcall(parallel.map, function()
        math.randomseed(table.unpack(case, 2, case.n and case.n + 1 or #case))
      end, {1})
      local text = "^stdin:%d+: bad argument #" .. case[1] .. " to 'randomseed'"
      assert(not ok and err.message:find(text), err.message)
    end
  ]])

  case("are seeded though the script has put another function in the place of math.randomseed", [[
    math.randomseed = function() end
    local function f() return draw() end
    local drawn = parallel.map(f, {1, 2}, {seed = 3})
    assert(drawn[1] ~= drawn[2])
    equal(parallel.map(f, {1, 2}, {seed = 3}), drawn)
  ]])

  case("decide on those of maps within the call", [[
    local function innermost() return draw() end
    local function inner() return table.concat(parallel.map(innermost, {1, 2, 3}), "; ") end
    local function outer() return table.concat(parallel.map(inner, {1, 2}), "; ") end
    local expected = parallel.map(outer, {1, 2, 3, 4}, {seed = 11, workers = 1})
    for _, workers in ipairs {1, 2, 5} do
      equal(parallel.map(outer, {1, 2, 3, 4}, {seed = 11, workers = workers, chunk = 1}), expected)
    end
    local seen = {}
    for _, all in ipairs(expected) do
      for numbers in all:gmatch "[^;]+" do
        assert(not seen[numbers], "twice: " .. numbers)
        seen[numbers] = true
      end
    end
    local function again() return parallel.map(function() return draw() end, {1}, {seed = 5})[1] end
    local twice = parallel.map(again, {1, 2})
    equal(twice[1], twice[2])
  ]])

  case("that init draws are the same for every worker", [[
    local drawn
    local function init() drawn = draw() end
    local function f()
      local sum = 0
      for i = 1, 20000 do sum = sum + i end
      return drawn
    end
    local expected = parallel.map(f, {1}, {seed = 2, init = init})[1]
    for _, workers in ipairs {1, 4} do
      local options = {seed = 2, init = init, workers = workers, chunk = 1}
      for _, got in ipairs(parallel.map(f, parallel.range(1, 200), options)) do
        equal(got, expected)
      end
    end
  ]])
end, draw)

describe("the random numbers of calls", function()
  it("are the same wherever the calls run", function()
    local code = draw .. [[
      print(table.concat(require "parallel".map(function() return draw() end, {1, 2, 3}, {seed = 12}), "\n"))
    ]]
    local expected = script.run(code).stdout
    for _, host in ipairs {script.hosts[1], script.hosts[2]} do
      script.prints(code, expected, host)
    end
  end)

  it("are the same in stock lua #unsanitized", function()
    local code = draw .. [[
      print(table.concat(require "parallel".map(function() return draw() end, {1, 2, 3}, {seed = 12}), "\n"))
    ]]
    script.prints(code, script.run(code).stdout, script.lua54)
  end)
end)
