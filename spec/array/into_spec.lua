-- Arrays that take the results of maps.
local script = require "support.script"

local start = [==[
  local function square(x) return x ^ 2 end
  local MODES = {
    {}, {fresh = false}, {chunk = 1}, {chunk = 300, workers = 2}, {fresh = false, chunk = 700, workers = 2},
  }

  local function with(options, more)
    local all = {}
    for name, value in pairs(options) do all[name] = value end
    for name, value in pairs(more) do all[name] = value end
    return all
  end

]==] .. require "array.refused"

script.on_hosts("results in an array", function(case)
  case("are those that a table would have, and the array is returned", [[
    local n = 2000
    local expected = parallel.map(square, parallel.range(1, n))
    local list = {}
    for i = 1, n do list[i] = i end
    for _, type in ipairs {"float64", "float32", "int64", "int32"} do
      local numbers = parallel.array(parallel.range(1, n), type)
      for _, options in ipairs(MODES) do
        for _, items in ipairs {list, parallel.range(1, n), numbers, numbers:rows()} do
          local f = square
          local b = parallel.array(n, type)
          if tostring(items):find "rows" then f = function(row) return row[1] ^ 2 end end
          assert(parallel.map(f, items, with(options, {into = b})) == b)
          for i = 1, n do assert(b[i] == expected[i], type) end
        end
      end
    end
  ]])

  case("are those of every call that makes a map", [[
    local m, b = parallel.array({{1, 2}, {3, 4}, {5, 6}}), parallel.array(3)
    equal(parallel.starmap(function(x, y) return x * y end, m:rows(), {into = b}):totable(), {2.0, 12.0, 30.0})
    equal(parallel.run({parallel.delayed(square)(3), parallel.delayed(math.abs)(-1), parallel.delayed(square)(2)},
      {into = b}):totable(), {9.0, 1.0, 4.0})
    equal(parallel.map_async(square, {4, 5, 6}, {into = b}):get():totable(), {16.0, 25.0, 36.0})
    equal(parallel.starmap_async(math.max, m:rows(), {into = b}):get():totable(), {2.0, 4.0, 6.0})
    local seen = {}
    for i, value in parallel.imap(square, {7, 8, 9}, {into = b}) do seen[i] = value end
    equal({seen, b:totable()}, {{49.0, 64.0, 81.0}, {49.0, 64.0, 81.0}})
    for i, value in parallel.imap_unordered(square, {1, 2, 3}, {into = b, chunk = 1}) do seen[i] = value end
    equal({seen, b:totable()}, {{1.0, 4.0, 9.0}, {1.0, 4.0, 9.0}})
    for i, value in parallel.istarmap(function(x) return x, 2 end, m:rows(), {into = b:copy()}) do seen[i] = value end
    equal(seen, {1.0, 3.0, 5.0})
    local i = 0
    local function next_number() i = i + 1; return i <= 2 and i or nil end
    equal(parallel.map(square, next_number, {into = b}):totable(), {1.0, 4.0, 9.0})
  ]])

  case("are rows with pack", [[
    for _, options in ipairs(MODES) do
      local b = parallel.array({1000, 3}, "int32")
      local function f(i) return i, -i, i * 2 end
      assert(parallel.map(f, parallel.range(1, 1000), with(options, {into = b, pack = true})) == b)
      for i = 1, 1000 do equal(b:row(i), {i, -i, i * 2}) end
    end
    local b = parallel.array({2, 2})
    for i, values in parallel.imap(function(x) return x, x + 1 end, {1, 2}, {into = b, pack = true}) do
      equal(values, {i + 0.0, i + 1.0, n = 2})
    end
    local err = refused("call 2 returned 3 values for a row of 2 numbers", parallel.map,
      function(x) return table.unpack({x, x, x}, 1, x + 1) end, {1, 2}, {into = b, pack = true})
    equal({err.index, err.kind}, {2, "marshal"})
  ]])

  case("that do not fit are errors of their calls, and change nothing", [[
    local cases = {
      {"int32", 2.5, "2.5", "has a fraction"}, {"uint8", 256, "256", "is out of range"},
      {"uint8", -1, "-1", "is out of range"}, {"float32", 1e300, "1e+300", "is out of range"},
      {"float64", (1 << 53) + 1, "9007199254740993", "would be rounded"},
      {"float64", "7", "a string", "is no number"}, {"float64", false, "a boolean", "is no number"},
      {"int64", {}, "a table", "is no number"}, {"int64", nil, "nil", "is no number"},
    }
    for _, case in ipairs(cases) do
      local type, value, text = case[1], case[2], case[3]
      for _, options in ipairs(MODES) do
        local b = parallel.array(500, type):fill(9)
        local function f(i) if i == 400 then return value end return 1 end
        local results, errors = parallel.map(f, parallel.range(1, 500), with(options, {into = b, errors = "collect"}))
        assert(results == b)
        equal({errors.n, errors[400].index, errors[400].kind}, {1, 400, "marshal"})
        local expected = "result 1 of call 400 is " .. text .. ", which an array of " .. type
        assert(errors[400].message:find(expected, 1, true), errors[400].message)
        assert(errors[400].message:find(case[4], 1, true), errors[400].message)
        assert(b[400] == 9 and b[399] == 1 and b[401] == 1 and b:sum() == 508)
      end
    end
  ]])

  case("of calls that have failed stay as they were", [[
    local b = parallel.array(100):fill(-1)
    local _, errors = parallel.map(function(i) if i % 10 == 0 then error "ten" end return i end, parallel.range(1, 100),
      {into = b, errors = "collect", chunk = 7})
    equal(errors.n, 10)
    for i = 1, 100 do assert(b[i] == (i % 10 == 0 and -1 or i)) end
    refused("ten", parallel.map, function() error "ten" end, {1, 2, 3}, {into = parallel.array(3)})
  ]])

  case("must have as many places as there are calls", [[
    local b = parallel.array(5)
    for _, n in ipairs {4, 6} do
      local err = refused(("option 'into': the array has 5 numbers, and there are %d calls"):format(n), function()
        local _ = parallel.map(square, parallel.range(1, n), {into = b})
      end)
      assert(type(err) == "string" and err:find "^stdin:%d+: ", err)
    end
    refused("the array has 5 rows of 1 numbers, and there are 4 calls", parallel.map, square, {1, 2, 3, 4},
      {into = b, pack = true})
    refused("the array has room for 5 results, and there is an item 6", parallel.map, square, counting(9),
      {into = b})
    equal({parallel.map(square, counting(4), {into = b}) == b, b:totable()}, {true, {1.0, 4.0, 9.0, 16.0, b[5]}})
  ]])

  case("may come from the same array", [[
    for _, options in ipairs(MODES) do
      local a = parallel.array(parallel.range(1, 3000), "int64")
      assert(parallel.map(function(x) return x * 3 end, a, with(options, {into = a})) == a)
      for i = 1, #a do assert(a[i] == i * 3) end
      local m = parallel.array({1000, 2}):fill(2)
      parallel.starmap(function(x, y) return x + y, x * y * 2 end, m:rows(), with(options, {into = m, pack = true}))
      equal({m:sum(), m:row(1000)}, {12000.0, {4.0, 8.0}})
    end
  ]])

  case("cannot go where calls can read", [[
    local a, b = parallel.array(3), parallel.array(3)
    local text = "the array is that of the option 'into'"
    local err = refused(text, parallel.map, function(i) return b[i] end, {1, 2, 3}, {into = b})
    assert(tostring(err):find("upvalue 'b'", 1, true), tostring(err))
    refused(text, parallel.map, function(i) return i end, {1, 2, 3}, {into = b, init = function() x = b end})
    refused(text, parallel.map, function(c) return 1 end, {a, b, a}, {into = b})
    refused(text, parallel.map, function(i) return a[1] end, a, {into = a})
    local rows = b:rows()
    refused(text, parallel.map, function(i) return rows[i][1] end, {1, 2, 3}, {into = b})
    b[1] = 5
    equal(b[1], 5.0)
  ]])

  case("is an option of maps, and an array", [[
    for _, value in ipairs {{}, 5, "x", true, parallel.array(2):rows()} do
      refused("option 'into' of 'map' must be an array", parallel.map, square, {1, 2}, {into = value})
    end
    refused("option 'into' of 'pool'", parallel.pool, {into = parallel.array(2)})
    refused("option 'into' of 'first'", parallel.first, square, {1, 2}, {into = parallel.array(2)})
    refused("did you mean 'into'", parallel.map, square, {1, 2}, {out = parallel.array(2)})
  ]])

  case("are reported, limited and tried again like others", [[
    local b, report = parallel.array(3), {}
    parallel.map(square, {1, 2, 3}, {into = b, report = report, timeout = 60, memory = 1 << 24, retries = 1})
    equal({b:totable(), report[3].tries}, {{1.0, 4.0, 9.0}, 1})
    local _, errors = parallel.map(function(i) while i == 2 do end return i end, {1, 2, 3},
      {into = b:fill(0), timeout = 0.1, errors = "collect"})
    equal({b:totable(), errors[2].kind}, {{1.0, 0.0, 3.0}, "timeout"})
  ]])
end, start)
