-- Grids: all settings of some parameters, which are never built.
local script = require "support.script"

local START = [[
  local experiment = require "parallel.experiment"
  local function lines(settings, names)
    local list = {}
    for i, setting in ipairs(settings) do
      local values = {}
      for place, name in ipairs(names) do values[place] = tostring(setting[name]) end
      list[i] = table.concat(values, " ")
    end
    return list
  end
]]

script.on_hosts("a grid", function(case)
  case("has all settings, in the order of the sorted names, the last one fastest", [[
    local grid = experiment.grid {lr = {0.1, 0.01}, Depth = parallel.range(2, 3), act = {"a"}}
    equal(#grid, 4)
    equal(lines(grid, {"Depth", "act", "lr"}), {"2 a 0.1", "2 a 0.01", "3 a 0.1", "3 a 0.01"})
    equal(grid[4], {Depth = 3, act = "a", lr = 0.01})
  ]])

  case("has them in another order where that is given", [[
    local grid = experiment.grid({a = {1, 2}, b = {3, 4}, c = {5}}, {order = {"b", "c", "a"}})
    equal(lines(grid, {"b", "c", "a"}), {"3 5 1", "3 5 2", "4 5 1", "4 5 2"})
  ]])

  case("keeps values as they are: false, nil, tables, and both kinds of numbers", [[
    local shared = {1}
    local grid = experiment.grid {x = {n = 5, false, nil, shared, 1, 1.0}}
    equal({#grid, grid[1].x, grid[2], grid[3].x == shared}, {5, false, {}, true})
    equal({math.type(grid[4].x), math.type(grid[5].x)}, {"integer", "float"})
  ]])

  case("gives nil outside, and for what is no place", [[
    local grid = experiment.grid {a = {1, 2}}
    for _, key in ipairs {0, -1, 3, 1.5, "1", "x", math.maxinteger, math.mininteger, true} do
      equal(grid[key], nil)
    end
    equal(grid[2.0], {a = 2})
  ]])

  case("stands where sequences do", [[
    local grid = experiment.grid {a = {1, 2, 3}, b = parallel.range(10, 11)}
    local function f(s) return s.a * s.b end
    local expected = {10, 11, 20, 22, 30, 33, n = 6}
    equal(parallel.map(f, grid), expected)
    equal(parallel.map(f, grid, {chunk = 4}), expected)
    equal(parallel.map_async(f, grid):get(), expected)
    equal(parallel.map(f, experiment.grid {a = grid, b = {1}}, {errors = "collect"}).n, 6)
    local seen, n = {n = 6}, 0
    for i, value in parallel.imap(f, grid) do seen[i] = value end
    equal(seen, expected)
    seen = {n = 6}
    for i, value in parallel.imap_unordered(f, grid) do seen[i] = value end
    equal(seen, expected)
    equal({parallel.first(function(s) return s.a == 2 and s.b end, experiment.grid {a = {1, 2}, b = {5}})}, {5, 2})
    local pool <close> = parallel.pool(2)
    equal(pool:map(f, grid), expected)
    for _, setting in pairs(grid) do n = n + setting.a end
    equal(n, 12)
  ]])

  case("is never built: of 10^9 settings an iteration makes as many as it reads", [[
    local range = parallel.range(0, 999)
    local grid = experiment.grid {a = range, b = range, c = range}
    equal(#grid, 1000000000)
    equal(grid[123456790], {a = 123, b = 456, c = 789})
    equal(grid[1000000000], {a = 999, b = 999, c = 999})
    local before = collectgarbage "count"
    for i, value in parallel.imap(function(s) return s.c end, grid) do
      assert(value == (i - 1) % 1000)
      if i == 5000 then break end
    end
    collectgarbage()
    assert(collectgarbage "count" - before < 20000)
  ]])

  case("travels: captured, as an argument, and home", [[
    local grid = experiment.grid {a = parallel.range(1, 1000), b = {"x", "y"}}
    local function f(other) return {grid[4].a, grid[4].b, #other, other[1].c} end
    equal(parallel.map(f, {experiment.grid {c = {7, 8}}})[1], {2, "y", 2, 7})
    local back = parallel.map(function() return experiment.grid {a = {1, 2}} end, {1})[1]
    equal({#back, back[2], getmetatable(back) == getmetatable(grid)}, {2, {a = 2}, true})
  ]])

  case("can be made in a call that has loaded nothing else", [[
    local function f() return require "parallel.experiment".grid {a = {1, 2}}[2].a end
    equal(parallel.map(f, {1})[1], 2)
  ]])

  case("shows its setting in the error of a call", [[
    local ok, err = pcall(parallel.map, function(s) if s.a == 2 then error "two" end end,
      experiment.grid {a = {1, 2}})
    assert(not ok and err.index == 2 and err.item.a == 2 and tostring(err):find("{a = 2}", 1, true), tostring(err))
  ]])

  case("is refused at the script's line where it can be none", [[
    local range = parallel.range(1, math.maxinteger)
    for text, call in pairs {
      ["table of lists by name expected, got nil"] = function() experiment.grid() end,
      ["table of lists by name expected, got one that has [1]"] = function() experiment.grid {{1}} end,
      ["table of lists by name expected, got a table without any"] = function() experiment.grid {} end,
      ["parameter 'a': list of values, as in {0.1, 0.2}, expected, got number"] = function()
        experiment.grid {a = 1}
      end,
      ["parameter 'a': list of values, as in {0.1, 0.2}, expected, got string"] = function()
        experiment.grid {a = "12"}
      end,
      ['parameter \'a\': list of values, as in {0.1, 0.2}, expected, got a table with the key "b"'] = function()
        experiment.grid {a = {b = 1}}
      end,
      ["parameter 'a': list of values expected, got an empty one"] = function() experiment.grid {a = {}} end,
      ["more settings than an integer can count"] = function() experiment.grid {a = range, b = {1, 2}} end,
      ["unknown option 'ordr' to 'grid'; there is 'order'"] = function() experiment.grid({a = {1}}, {ordr = {}}) end,
      ["table of options, {order = ...}, expected, got number"] = function() experiment.grid({a = {1}}, 1) end,
      ["option 'order' of 'grid' must be a list of names, not a string"] = function()
        experiment.grid({a = {1}}, {order = "a"})
      end,
      ["option 'order' of 'grid' has 'b', which is no parameter, or there twice"] = function()
        experiment.grid({a = {1}}, {order = {"b"}})
      end,
      ["option 'order' of 'grid' lacks the parameter 'a'"] = function() experiment.grid({a = {1}}, {order = {}}) end,
      ["a grid cannot be changed"] = function() experiment.grid {a = {1}}[1] = 2 end,
    } do
      local ok, err = pcall(call)
      assert(not ok and err:find "^stdin:%d+: " and err:find(text, 1, true), text .. " / " .. tostring(err))
    end
  ]])
end, START)

describe("the module parallel.experiment", function()
  for _, host in ipairs(script.hosts) do
    it("can be required before the module parallel, " .. host.name, function()
      script.prints([[
        local experiment = require "parallel.experiment"
        print(require "parallel.experiment" == experiment, package.loaded.parallel ~= nil)
        print(#experiment.grid {a = {1, 2}})
      ]], "true\ttrue\n2", host)
    end)
  end

  it("loads nothing of it that is not used", function()
    script.prints([[
      local function loaded()
        local n = 0
        for name in pairs(package.loaded) do n = n + (name:find "^parallel%.experiment" and 1 or 0) end
        return n
      end
      parallel.map(function(x) return x end, {1})
      print(loaded())
      local experiment = require "parallel.experiment"
      print(loaded())
      experiment.grid {a = {1}}
      print(package.loaded["parallel.experiment.grid"] ~= nil, package.loaded["parallel.experiment.chart"])
    ]], "0\n1\ntrue\tnil")
  end)
end)
