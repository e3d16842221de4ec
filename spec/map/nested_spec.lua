local script = require "support.script"

script.on_hosts("a map within a map", function(case)
  case("works three deep", [[
    local function cell(x) return x + 1 end
    local function row(n) return #parallel.map(cell, parallel.range(1, n)) end
    local function plane(n)
      local sum = 0
      for _, x in ipairs(parallel.map(row, {n, n + 1, n + 2})) do sum = sum + x end
      return sum
    end
    local expected = {}
    for i = 1, 20 do expected[i] = 3 * i + 3 end
    for _, workers in ipairs {1, 2, 7} do
      equal(parallel.map(plane, parallel.range(1, 20), {workers = workers}), expected)
      equal(parallel.map(plane, parallel.range(1, 20), {workers = workers, chunk = 1}), expected)
    end
  ]])

  case("works with more workers than cores, asked for within as well", [[
    local function inner(x) return x end
    local function outer(x)
      return #parallel.map(inner, parallel.range(1, 40), {workers = 5, chunk = 3}) + x
    end
    local results = parallel.map(outer, parallel.range(1, 60), {workers = 40, chunk = 1})
    for i = 1, 60 do equal(results[i], 40 + i) end
  ]])

  case("finds the module as a global, through require, and as a captured value", [[
    local function inner(x) return -x end
    local captured = parallel
    local function f(x)
      local required = require "parallel"
      return {required.map(inner, {x})[1], captured.map(inner, {x})[1], captured == required}
    end
    equal(parallel.map(f, {1}), {{-1, -1, true}})
  ]])

  case("works in init", [[
    local squares
    local function init() squares = parallel.map(function(x) return x * x end, {1, 2, 3}) end
    local function f(i) return squares[i] end
    for _, workers in ipairs {1, 2, 4} do
      equal(parallel.map(f, {1, 2, 3}, {init = init, workers = workers, chunk = 1}), {1, 4, 9})
      equal(parallel.map(f, {1, 2, 3}, {init = init, workers = workers, fresh = false}), {1, 4, 9})
    end
  ]])

  case("may have options of its own", [[
    local function f(x)
      local packed = parallel.map(function(y) return y, x end, {1}, {pack = true, chunk = 1})
      local _, errors = parallel.map(function() error "inner" end, {1, 2}, {errors = "collect"})
      local scale
      local scaled = parallel.map(function(y) return y * scale end, {1, 2},
        {init = function() scale = 10 end, fresh = false})
      return {packed[1], #errors, scaled}
    end
    equal(parallel.map(f, {7, 8}), {{{1, 7, n = 2}, 2, {10, 20}}, {{1, 8, n = 2}, 2, {10, 20}}})
  ]])

  case("that fails is the failure of the outer call, or is caught there", [[
    local function bad(x) error("deep " .. x, 0) end
    local ok, err = pcall(parallel.map, function(x) return parallel.map(bad, {x}) end, {5})
    assert(not ok and err.index == 1, err)
    assert(tostring(err):find "deep 5", tostring(err))
    assert(tostring(err.value):find "deep 5", tostring(err.value))
    local function caught(x)
      local inner_ok, inner_err = pcall(parallel.map, bad, {1, x})
      return {inner_ok, inner_err.message, #parallel.map(math.sqrt, {1, 2})}
    end
    equal(parallel.map(caught, {2, 3}, {chunk = 1})[1][1], false)
    equal(parallel.map(caught, {2, 3})[2][3], 2)
  ]])

  case("leaves the state of the outer call as it was", [[
    counter = 0
    local list = {}
    local function f(x)
      counter = counter + 1
      list[#list + 1] = x
      local inner = parallel.map(function(y)
        counter = counter + y
        list[#list + 1] = y
        return {counter, #list}
      end, {10, 20}, {workers = 2})
      return {counter, #list, inner}
    end
    for _, result in ipairs(parallel.map(f, {1, 2, 3}, {workers = 2, chunk = 2})) do
      equal(result, {1, 1, {{11, 2}, {21, 2}}})
    end
  ]])

  case("takes iterators and ranges of the outer call", [[
    local function f(n)
      local i = 0
      local function items() i = i + 1 return i <= n and i or nil end
      return parallel.map(function(x) return x end, items).n + parallel.map(tostring, parallel.range(1, n)).n
    end
    equal(parallel.map(f, parallel.range(0, 30))[31], 60)
  ]])

  case("sorts by recursion", [[
    local function sorted(list)
      if #list < 2 then return list end
      local less, more, pivot = {}, {}, list[1]
      for i = 2, #list do
        local side = list[i] < pivot and less or more
        side[#side + 1] = list[i]
      end
      local parts = parallel.map(sorted, {less, more})
      local all = table.move(parts[1], 1, #parts[1], 1, {})
      all[#all + 1] = pivot
      return table.move(parts[2], 1, #parts[2], #all + 1, all)
    end
    math.randomseed(1)
    local list = {}
    for i = 1, 60 do list[i] = math.random(1000) end
    local expected = table.move(list, 1, 60, 1, {})
    table.sort(expected)
    equal(sorted(list), expected)
  ]])

  case("goes down twenty levels", [[
    local function depth(n)
      if n == 0 then return 0 end
      return 1 + parallel.map(depth, {n - 1})[1]
    end
    for _ = 1, 3 do equal(depth(20), 20) end
    local function tree(n)
      if n == 0 then return 1 end
      local parts = parallel.map(tree, {n - 1, n - 1})
      return parts[1] + parts[2]
    end
    equal(tree(7), 128)
    local function fib(n)
      if n < 2 then return n end
      local parts = parallel.map(fib, {n - 1, n - 2}, {chunk = 1})
      return parts[1] + parts[2]
    end
    equal(fib(11), 89)
  ]])

  case("that goes down forever ends with an error", [[
    local function forever(n) return parallel.map(forever, {n + 1}) end
    local ok, err = pcall(forever, 1)
    assert(not ok and err.kind, err)
    equal(parallel.map(math.sqrt, {4}), {2.0})
  ]])
end)
