local script = require "support.script"

script.on_hosts("an iterator as input", function(case)
  case("is called until it returns nil", [[
    local i, ended = 0, 0
    local results = parallel.map(function(x) return x * x end, function()
      i = i + 1
      if i <= 1000 then return i end
      ended = ended + 1
    end)
    equal(results.n, 1000)
    equal(#results, 1000)
    equal(results[1000], 1000000)
    equal(ended, 1)
  ]])

  case("may be a function of the standard library or of a coroutine", [[
    equal(parallel.map(string.upper, ("ab cd ef"):gmatch "%a+"), {"AB", "CD", "EF"})
    local numbers = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
    equal(parallel.map(function(x) return -x end, numbers), {-1, -2, -3})
  ]])

  case("may return false, which is an input", [[
    local values = {1, false, 2}
    local i = 0
    equal(parallel.map(function(x) return x end, function() i = i + 1 return values[i] end), values)
  ]])

  case("gives one input a time, whatever else it returns", [[
    local i = 0
    local function pairs_of()
      i = i + 1
      if i <= 3 then return i, "more" end
    end
    equal(parallel.map(function(...) return select("#", ...) end, pairs_of), {1, 1, 1})
  ]])

  case("is read a bounded number of items ahead", [[
    for _, chunk in ipairs {1, 7} do
      local n_read = 0
      local function items()
        n_read = n_read + 1
        return n_read <= 100000 and n_read or nil
      end
      local ok = pcall(parallel.map, function() error "stop" end, items, {workers = 2, chunk = chunk})
      assert(not ok)
      assert(n_read <= 50 * chunk, n_read)
    end
    local n_read = 0
    local function endless() n_read = n_read + 1 return n_read end
    local ok, err = pcall(parallel.map, function(x) if x == 100 then error "stop" end end, endless)
    assert(not ok and err.index == 100, err)
  ]])

  case("that raises passes on that very error, and the next map works", [[
    local problem = setmetatable({}, {__tostring = function() return "problem" end})
    for _, last in ipairs {0, 1, 10, 5000} do
      local i = 0
      local function items()
        i = i + 1
        if i > last then error(problem) end
        return i
      end
      for _, options in ipairs {{}, {chunk = 1}, {errors = "collect"}} do
        i = 0
        local ok, err = pcall(parallel.map, function(x) return x end, items, options)
        assert(not ok and rawequal(err, problem), err)
        equal(parallel.map(function(x) return x end, {1, 2}), {1, 2})
      end
    end
    local ok, err = pcall(parallel.map, print, function() error("plain", 0) end)
    equal({ok, err}, {false, "plain"})
    ok, err = pcall(parallel.map, print, function() error() end)
    equal({ok, err}, {false, nil})
  ]])

  case("may run maps itself", [[
    local i = 0
    local function items()
      i = i + 1
      if i <= 20 then return parallel.map(function(x) return x + 1 end, {i})[1] end
    end
    local results = parallel.map(function(x) return x end, items)
    equal({#results, results[20]}, {20, 21})
  ]])

  case("may give values of every kind that travels", [[
    local base = 5
    local values = {"a", 1.5, {1, {2}}, function() return base end, math.floor, true}
    local i = 0
    local function items() i = i + 1 return values[i] end
    local kinds = parallel.map(function(x) return type(x) == "function" and x(5) or type(x) end, items)
    equal(kinds, {"string", "number", "table", 5, 5, "boolean"})
  ]])
end)
