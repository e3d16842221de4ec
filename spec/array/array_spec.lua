-- Arrays in the script: how they are made, and what can be asked of them.
local script = require "support.script"

local start = [==[
  local TYPES = {"float64", "float32", "int64", "int32", "uint8"}

  -- Asserts that a call raises an error at the script's line, which says so.
  local function refused(expected, f, ...)
    local ok, err = pcall(f, ...)
    assert(not ok and type(err) == "string", "no error: " .. expected)
    assert(err:find(expected, 1, true), err)
    return err
  end
]==]

script.on_hosts("an array", function(case)
  case("of a size is all zeros", [[
    for _, type in ipairs(TYPES) do
      local a, m = parallel.array(3, type), parallel.array({2, 3}, type)
      local zero = type:find "float" and 0.0 or 0
      equal(a:totable(), {zero, zero, zero})
      equal(m:totable(), {{zero, zero, zero}, {zero, zero, zero}})
      equal({a.type, a.shape, #a, m.type, m.shape, #m}, {type, {3}, 3, type, {2, 3}, 6})
    end
    equal({parallel.array(2).type, #parallel.array(0), #parallel.array({0, 5})}, {"float64", 0, 0})
  ]])

  case("holds the numbers of a list, of rows, a range, results, an array", [[
    equal(parallel.array({1, 2.5, -0.0}):totable(), {1.0, 2.5, -0.0})
    equal(parallel.array({3, 4, 5}, "int32"):totable(), {3, 4, 5})
    equal(parallel.array({{1, 2}, {3, 4}, {5, 6}}, "uint8"):totable(), {{1, 2}, {3, 4}, {5, 6}})
    equal(parallel.array(parallel.range(1, 4), "int64"):totable(), {1, 2, 3, 4})
    equal(parallel.array(parallel.map(function(x) return x * 2 end, {1, 2})):totable(), {2.0, 4.0})
    equal(parallel.array(parallel.array({{1, 2}}, "int32"), "float32"):totable(), {{1.0, 2.0}})
    equal(parallel.array(parallel.array({1, 2, 3}, "int32")).type, "int32")
    equal(#parallel.array({}), 0)
  ]])

  case("takes a table of two integers for a size, and of two floats, or with 'n', for a list", [[
    equal(parallel.array({2, 3}).shape, {2, 3})
    equal(parallel.array({2, 3, n = 2}):totable(), {2.0, 3.0})
    equal(parallel.array({2.0, 3.0}):totable(), {2.0, 3.0})
    equal(parallel.array({{2, 3}}):totable(), {{2.0, 3.0}})
  ]])

  case("keeps each number as its type has it", [[
    local limits = {
      float64 = {1e308, -5e-324, 1/0, 2^53}, float32 = {0.5, -1/0, 3.4028234663852886e38},
      int64 = {math.maxinteger, math.mininteger}, int32 = {2147483647, -2147483648}, uint8 = {0, 255},
    }
    for type, numbers in pairs(limits) do
      local a = parallel.array(1, type)
      for _, number in ipairs(numbers) do
        a[1] = number
        equal(a[1], number)
      end
    end
    local nan = parallel.array(1)
    nan[1] = 0/0
    assert(nan[1] ~= nan[1])
    local f = parallel.array({0.1, 16777217}, "float32")
    equal(f:totable(), {0.10000000149011612, 16777216.0})
    local i = parallel.array(1, "int32")
    i[1] = 3.0
    equal(i[1], 3)
  ]])

  case("refuses a number that its type cannot hold, and stays as it was", [[
    local cases = {
      {"int32", 2.5, "has a fraction"}, {"int32", 2147483648, "is out of range"}, {"int64", 2^63, "is out of range"},
      {"int64", 0/0, "is no integer"}, {"int64", 1/0, "is out of range"}, {"uint8", -1, "is out of range"},
      {"uint8", 256, "is out of range"}, {"uint8", 0.5, "has a fraction"},
      {"float64", (1 << 53) + 1, "would be rounded"},
      {"float64", math.maxinteger, "would be rounded"}, {"float32", 1e39, "is out of range"},
      {"float64", "5", "is no number"}, {"float64", true, "is no number"}, {"int64", nil, "is no number"},
    }
    for _, case in ipairs(cases) do
      local type, value, why = table.unpack(case, 1, 3)
      why = case[3] or "is no number"
      local a = parallel.array(2, type)
      local err = refused(why, function() a[2] = value end)
      assert(err:find("^stdin:%d+: cannot put .* into an array of " .. type), err)
      refused(why, function() a:fill(value) end)
      refused(why, function() a:set(1, value) end)
      equal(a:sum(), a.type:find "float" and 0.0 or 0)
    end
  ]])

  case("names the number of a list that does not fit", [[
    local err = refused("number 2: 1.5 cannot be of type int32: it has a fraction", function()
      parallel.array({1, 1.5, 2}, "int32")
    end)
    assert(err:find "^stdin:%d+: bad argument #1 to 'array'", err)
    refused("row 2, number 1: a string cannot be of type float64", function() parallel.array {{1, 2}, {"3", 4}} end)
    refused("row 2 has 1 numbers, and the first has 2", function() parallel.array {{1, 2}, {3}} end)
    refused("row 3 must be a list as the first one is, not 5", function() parallel.array {{1}, {3}, 5} end)
    refused("number 2: nil cannot be", function() parallel.array {n = 3, 1, nil, 3} end)
    refused("number 3 cannot be of type uint8", function() parallel.array(parallel.array({1, 2, 300}), "uint8") end)
  ]])

  case("cannot be made of what is no size, list or type", [[
    for _, value in ipairs {-1, 1.5, "x", true, print} do
      local err = refused("bad argument #1 to 'array'", function() parallel.array(value) end)
      assert(err:find "^stdin:%d+: ", err)
    end
    refused("bad argument #1 to 'array'", function() parallel.array() end)
    refused("must be an integer, 0 or more, not -2", function() parallel.array({3, -2}) end)
    refused("a table without a list", function() parallel.array({a = 1}) end)
    for _, type in ipairs {"double", "", 8, true} do
      refused("bad argument #2 to 'array'", function() parallel.array(3, type) end)
    end
  ]])

  case("that no memory can hold is refused", [[
    for _, size in ipairs {math.maxinteger, 1 << 60, {1 << 40, 1 << 40}, {math.maxinteger, math.maxinteger}} do
      local err = refused("no memory for an array of", function() parallel.array(size) end)
      assert(err:find "^stdin:%d+: ", err)
    end
  ]])

  case("gives rows, columns and parts", [[
    local m = parallel.array({{1, 2, 3}, {4, 5, 6}}, "int64")
    equal({m:get(2, 3), m[4], m:row(2), m:column(2)}, {6, 4, {4, 5, 6}, {2, 5}})
    equal({m:unpack()}, {1, 2, 3, 4, 5, 6})
    equal({m:unpack(3, 4)}, {3, 4})
    equal({m:totable(2, 2), m:totable(2)}, {{{4, 5, 6}}, {{4, 5, 6}}})
    m:set(2, 1, 40)
    m[6] = 60
    equal(m:totable(), {{1, 2, 3}, {40, 5, 60}})
    local a = parallel.array({1, 2, 3}, "int64")
    a:set(2, 20)
    equal({a:get(2), a:row(3), a:column(1), {a:unpack(2)}, a:totable(1, 2)}, {20, {3}, {1, 20, 3}, {20, 3}, {1, 20}})
    equal({select("#", a:unpack(3, 2)), #a:totable(1, 0)}, {0, 0})
    equal({table.unpack(a)}, {1, 20, 3})
  ]])

  case("refuses what is out of range at the script's line", [[
    local a, m = parallel.array(3), parallel.array({2, 3})
    local cases = {
      {"index 4 is out of range: the array has 3 numbers", function() return a[4] end},
      {"index 0 is out of range", function() return a[0] end},
      {"index -1 is out of range", function() a[-1] = 0 end},
      {"index 7 is out of range: the array has 6 numbers", function() return m[7] end},
      {"row 3 is out of range: the array has 2 rows", function() return m:get(3, 1) end},
      {"column 4 is out of range: the array has 3 columns", function() return m:set(1, 4, 0) end},
      {"row 0 is out of range", function() return m:row(0) end},
      {"column 0 is out of range", function() return m:column(0) end},
      {"index 4 is out of range", function() return a:unpack(2, 4) end},
      {"row 3 is out of range", function() return m:totable(1, 3) end},
      {"number has no integer representation", function() return a[1.5] end},
      {"'ipairs' does not find the end", function() for _ in ipairs(a) do end end},
      {"an array has no field 'x'", function() a.x = 1 end},
    }
    for _, case in ipairs(cases) do
      local err = refused(case[1], case[2])
      assert(case[1]:find "ipairs" or err:find "^stdin:%d+: ", err)
    end
    equal({a[2.0], a.nothing}, {0.0})
  ]])

  case("adds up, and finds what is least and greatest", [[
    local a, i = parallel.array {1e16, 1.0, -1e16, 0.5}, parallel.array({3, -1, 7}, "int32")
    equal({a:sum(), a:mean(), a:min(), a:max()}, {1.5, 0.375, -1e16, 1e16})
    equal({i:sum(), i:mean(), i:min(), i:max(), i:dot(i)}, {9, 3.0, -1, 7, 59})
    equal(i:dot(parallel.array {0.5, 0.5, 0.5}), 4.5)
    equal({parallel.array(0):sum(), parallel.array {1/0, 1.0}:sum()}, {0.0, 1/0})
    local nan = parallel.array {1.0, 0/0, 2.0}
    for _, what in ipairs {"sum", "mean", "min", "max"} do
      local x = nan[what](nan)
      assert(x ~= x, what)
    end
    refused("beyond what an integer can hold", function() parallel.array({math.maxinteger, 1, 0}, "int64"):sum() end)
    refused("beyond what an integer can hold", function()
      local b = parallel.array({math.maxinteger, 1, 0}, "int64")
      return b:dot(b)
    end)
    for _, what in ipairs {"mean", "min", "max"} do
      refused("an empty array has no", function() local e = parallel.array(0); return e[what](e) end)
    end
    refused("4 and 3 numbers", function() return a:dot(i) end)
    refused("array expected", function() return a:dot({1, 2}) end)
  ]])

  case("is filled and copied", [[
    local a = parallel.array({2, 3}, "int32"):fill(7)
    local b = a:copy()
    b[1] = 1
    equal({a[1], b[1], b[6], b.type, b.shape}, {7, 1, 7, "int32", {2, 3}})
    equal(a:copy("float64"):totable(), {{7.0, 7.0, 7.0}, {7.0, 7.0, 7.0}})
    refused("number 2 cannot be of type uint8: it is out of range", function()
      return parallel.array({1, 300, 2}):copy("uint8")
    end)
  ]])

  case("has rows as a sequence", [[
    local rows = parallel.array({{1, 2}, {3, 4}}, "int32"):rows()
    equal({#rows, rows[1], rows[2], tostring(rows)}, {2, {1, 2}, {3, 4}, "rows of an array of 2 x 2 int32"})
    refused("row 3 is out of range", function() return rows[3] end)
    refused("cannot be set", function() rows[1] = {1, 2} end)
    equal(parallel.array({1, 2, 3}):rows()[3], {3.0})
  ]])

  case("is told from other values, and hides its inside", [[
    local a = parallel.array(3)
    equal({tostring(a), tostring(parallel.array({2, 3}, "uint8"))}, {"array of 3 float64", "array of 2 x 3 uint8"})
    equal({getmetatable(a), type(a)}, {false, "userdata"})
    refused("array expected, got", function() a.sum(io.stdout) end)
    refused("array expected, got table", function() a.get({1}, 1) end)
    refused("array expected", function() a.sum(a:rows()) end)
  ]])

  case("goes when nobody has it, though Lua does not know how large it is #unsanitized", [[
    local function resident()
      local file <close> = io.open "/proc/self/statm"
      return file and tonumber(file:read "a":match "%d+ (%d+)") * 4096 or 0
    end
    for _ = 1, 50 do
      parallel.array(1000000):fill(1)
    end
    local bytes = resident()
    assert(bytes < 250 << 20, bytes)
  ]])
end, start)
