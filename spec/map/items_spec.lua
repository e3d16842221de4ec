local script = require "support.script"

script.on_hosts("the items of a map", function(case)
  case("may be numbers of both kinds among others, and results too: each stays what it is", [[
    local some = {1, 2, 2.0, -0.0, 0, 1e15, 2^53, math.mininteger, math.maxinteger, math.huge, -math.huge,
      "3", "x", false, true, {4}, {5.0}, 6.5, 7, 8}
    local xs = {}
    for i = 1, 3000 do xs[i] = some[(i * 7 + i // 50) % #some + 1] end
    for _, chunk in ipairs {1, 3, 1000, 3000, false} do
      local results = parallel.map(function(x) return x end, xs, {chunk = chunk or nil})
      equal(results.n, 3000)
      equal(results, xs)
    end
    local zeros = parallel.map(function(x) return x end, {0.0, -0.0, -0.0}, {chunk = 3})
    equal({1 / zeros[1], 1 / zeros[2], 1 / zeros[3]}, {math.huge, -math.huge, -math.huge})
    equal(parallel.map(function(x) return x end, {1, 0/0, 2}, {chunk = 3}), {1, 0/0, 2})
    equal(parallel.map(math.type, {1, 1.0, 2, "1", 2.0}, {chunk = 5}),
      {"integer", "float", "integer", nil, "float"})
  ]])

  case("may be strings, and results too, long and short, among others, kept or not", [[
    local xs, lengths = {}, {}
    for i = 1, 3000 do
      xs[i] = i % 97 == 0 and {i} or i % 89 == 0 and i or ("a\0b%d "):format(i):rep(i % 101 == 0 and 5000 or i % 40)
      lengths[i] = type(xs[i]) == "string" and #xs[i] or -1
    end
    for _, fresh in ipairs {true, false} do
      for _, chunk in ipairs {1, 300, 3000} do
        local options = {chunk = chunk, fresh = fresh, workers = 2}
        equal(parallel.map(function(x) return x end, xs, options), xs)
        equal(parallel.map(function(x) return type(x) == "string" and #x or -1 end, xs, options), lengths)
        local numbers = parallel.map(function(n) return n % 7 == 0 and n or ("%d"):rep(n % 9):gsub("%%d", n) end,
          parallel.range(1, 3000), options)
        for i = 1, 3000 do equal(numbers[i], i % 7 == 0 and i or tostring(i):rep(i % 9)) end
      end
    end
  ]])

  case("may be strings whose calls fail in the midst of others", [[
    local words = {}
    for i = 1, 1000 do words[i] = "w" .. i end
    for _, fresh in ipairs {true, false} do
      local results, errors = parallel.map(function(w)
        if w:sub(-2) == "00" then error(w, 0) end
        return w:upper()
      end, words, {chunk = 1000, fresh = fresh, errors = "collect"})
      for i = 1, 1000 do equal(results[i], i % 100 ~= 0 and "W" .. i or nil) end
      for i = 100, 1000, 100 do equal(errors[i].message, "w" .. i) end
    end
  ]])

  case("may be holes between numbers", [[
    local xs, expected = {n = 500}, {}
    for i = 1, 500 do
      xs[i] = i % 5 ~= 0 and i % 7 ~= 0 and (i % 3 == 0 and i + 0.5 or i) or nil
      expected[i] = xs[i] or "none"
    end
    for _, chunk in ipairs {1, 100, 500} do
      equal(parallel.map(function(x) return x == nil and "none" or x end, xs, {chunk = chunk}), expected)
    end
  ]])

  case("are read in order, each once, and __index only for those that are not there", [[
    local asked = {}
    local xs = setmetatable({1, 2, nil, 4, nil, nil, 7.5, 8, nil}, {
      __index = function(_, i) asked[#asked + 1] = i return i * 10 end,
      __len = function() return 10 end,
    })
    local results = parallel.map(function(x) return x end, xs, {chunk = 10})
    equal({results, results.n}, {{1, 2, 30, 4, 50, 60, 7.5, 8, 90, 100}, 10})
    equal(asked, {3, 5, 6, 9, 10})
  ]])

  case("may be changed by __index and __marshal while they are read", [[
    local function make()
      local xs
      xs = setmetatable({1, 2, 3, nil, 5, 6, nil, 8, 9, 10, n = 10}, {__index = function(_, i)
        if i == 4 then
          xs[5], xs[6], xs[8] = nil, 66, "eight" -- comes later
          xs[1] = 11 -- came before
        end
        return -i
      end})
      xs[9] = setmetatable({}, {__marshal = function() xs[10] = "ten" return function() return 99 end end})
      return xs
    end
    local expected = {1, 2, 3, -4, -5, 66, -7, "eight", 99, "ten"}
    for _, chunk in ipairs {1, 10} do
      equal(parallel.map(function(x) return x end, make(), {chunk = chunk, workers = 1}), expected)
    end
  ]])

  case("before one that cannot be read are not lost to the next map", [[
    local problem = {}
    local xs = setmetatable({1, 2, 3}, {
      __index = function() error(problem) end,
      __len = function() return 5 end,
    })
    local ok, err = pcall(parallel.map, function(x) return x end, xs, {chunk = 5})
    assert(not ok and rawequal(err, problem))
    equal(parallel.map(function(x) return x end, {4, 5}, {chunk = 5}), {4, 5})
  ]])

  case("before and after one that cannot be sent are sent", [[
    local xs = {1, 2.5, coroutine.create(print), 4, 5.5, print, 7, io.stdout, 9}
    local results, errors = parallel.map(function(x) return type(x) == "number" and x or nil end, xs,
      {chunk = 100, errors = "collect"})
    equal({results, results.n}, {{1, 2.5, nil, 4, 5.5, nil, 7, nil, 9}, 9})
    equal({errors[3].kind, errors[3].index, errors[6], errors[8]}, {"marshal", 3, nil, nil})
  ]])

  case("may be more than can ever be held, where the map fails early", [[
    local sparse = setmetatable({}, {__len = function() return 1 << 50 end, __index = function(_, i) return i end})
    for _, xs in ipairs {{n = 1 << 40}, {n = math.maxinteger}, parallel.range(1, 1 << 45), sparse} do
      local ok, err = pcall(parallel.map, function() error "stop" end, xs)
      assert(not ok and err.index <= 1000 and err.kind == "error", err) -- hosts are given more while they start
    end
    assert(collectgarbage "count" < 200000)
  ]])
end)

describe("a map of more results than are prepared at once #threads #unsanitized", function()
  it("gives all of them, with their places and errors", function()
    script.passes [[
      local n = 4500000
      local function f(x)
        if x == 4400000 then error "no" end
        return x % 1000 ~= 0 and x or nil
      end
      local options = {fresh = false, errors = "collect"}
      local results, errors = parallel.map(f, parallel.range(1, n), options)
      equal(results.n, n)
      equal(errors[4400000].index, 4400000)
      for i = 1, n do
        local expected = i % 1000 ~= 0 and i ~= 4400000 and i or nil
        if results[i] ~= expected then error(i) end
      end
    ]]
  end)
end)
