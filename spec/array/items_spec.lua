-- Arrays as items of maps: workers read them where they lie.
local script = require "support.script"

local start = [==[
  local function same(x) return x end
  local numbers = parallel.array({1, 2, 3, 4, 5, 6, 7}, "int32")
  local m = parallel.array({{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}}, "int32")
  local MODES = {{}, {fresh = false}, {chunk = 1}, {chunk = 3, workers = 2}, {fresh = false, chunk = 2, workers = 2}}
]==]

script.on_hosts("items of an array", function(case)
  case("are its numbers, of every type", [[
    for _, type in ipairs {"float64", "float32", "int64", "int32", "uint8"} do
      local a = parallel.array(parallel.range(0, 250), type)
      for _, options in ipairs(MODES) do
        local expected = {}
        for i = 1, #a do expected[i] = a[i] end
        equal(parallel.map(same, a, options), expected)
        equal(parallel.map(function(x) return math.type(x) end, a, options)[251], math.type(a[1]))
      end
    end
  ]])

  case("are numbers row by row, or rows, as is asked for", [[
    for _, options in ipairs(MODES) do
      equal(parallel.map(same, m, options), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
      equal(parallel.map(same, m:rows(), options), m:totable())
      equal(parallel.map(function(row) return row[1] + #row end, m:rows(), options), {4, 7, 10, 13})
      equal(parallel.starmap(function(a, b, c, d) return a + b * c, d end, m:rows(), options), {7, 34, 79, 142})
      equal(parallel.starmap(function(...) return select("#", ...) end, m:rows(), options), {3, 3, 3, 3})
      equal(parallel.map(same, numbers:rows(), options)[7], {7})
    end
  ]])

  case("work in every call that takes items", [[
    local seen = {}
    for i, value in parallel.imap(same, numbers) do seen[i] = value end
    equal(seen, numbers:totable())
    for i, value in parallel.imap_unordered(function(x) return -x end, numbers, {chunk = 2}) do seen[i] = value end
    equal(seen, {-1, -2, -3, -4, -5, -6, -7})
    for i, value in parallel.istarmap(function(a, b, c) return c end, m:rows()) do equal(value, m:get(i, 3)) end
    equal(parallel.map_async(same, numbers):get(), numbers:totable())
    equal(parallel.starmap_async(math.max, m:rows()):get(), {3, 6, 9, 12})
    equal({parallel.first(function(x) return x > 3 and x end, numbers, {workers = 1, chunk = 1})}, {4, 4})
    local pool <close> = parallel.pool(2)
    equal(pool:map(same, numbers), numbers:totable())
    equal(pool:starmap(math.min, m:rows(), {pack = true})[2], {4, n = 1})
    local told
    parallel.map(same, numbers, {progress = function(done, total) told = {done, total} end})
    equal(told, {7, 7})
  ]])

  case("may be none", [[
    for _, options in ipairs(MODES) do
      equal(parallel.map(same, parallel.array(0), options), {n = 0})
      equal(parallel.starmap(same, parallel.array({0, 4}):rows(), options), {n = 0})
      equal(parallel.map(function(row) return #row end, parallel.array({3, 0}):rows(), options), {0, 0, 0})
    end
  ]])

  case("draw the random numbers of their call", [[
    local function draw() return math.random(1 << 40) end
    for _, options in ipairs(MODES) do
      options.seed = 5
      equal(parallel.map(draw, numbers, options), parallel.map(draw, {1, 2, 3, 4, 5, 6, 7}, {seed = 5}))
      equal(parallel.starmap(draw, m:rows(), options), parallel.map(draw, {1, 2, 3, 4}, {seed = 5}))
    end
  ]])

  case("are named by errors, with their place", [[
    for _, options in ipairs(MODES) do
      options.errors = "collect"
      local _, errors = parallel.map(function(x) if x == 5 then error "five" end end, numbers, options)
      equal({errors.n, errors[5].index, errors[5].item}, {1, 5, 5})
      assert(errors[5].message:find "five")
      _, errors = parallel.starmap(function(a) if a == 7 then error "seven" end end, m:rows(), options)
      equal({errors.n, errors[3].item}, {1, {7, 8, 9}})
      _, errors = parallel.map(function(row) return row[1] + row.x end, m:rows(), options)
      equal({errors.n, errors[1].kind}, {4, "error"})
      options.errors = nil
    end
  ]])

  case("do not go to starmap as single numbers", [[
    for _, name in ipairs {"starmap", "istarmap", "starmap_async"} do
      local ok, err = pcall(function() local _ = parallel[name](same, numbers) end)
      assert(not ok and err:find "^stdin:%d+: " and err:find("write a:rows()", 1, true), err)
    end
  ]])

  case("cost no bytes", [[
    local pool <close> = parallel.pool(2)
    local a = parallel.array(1000000)
    pool:map(function() end, a, {chunk = 10000, fresh = false})
    assert(pool:stats().sent < 100000, pool:stats().sent)
  ]])

  case("may be long rows", [[
    local wide = parallel.array({2, 20000}):fill(1)
    equal(parallel.starmap(function(...) return select("#", ...) end, wide:rows()), {20000, 20000})
    local wider = parallel.array({1, 2000000})
    for _, fresh in ipairs {true, false} do
      local ok, err = pcall(parallel.starmap, function() end, wider:rows(), {fresh = fresh})
      assert(not ok and err.message:find("too many arguments", 1, true), tostring(err))
      equal(parallel.map(function(row) return #row end, wider:rows(), {fresh = fresh}), {2000000})
    end
  ]])

  case("are tried again, and shared among workers, like others", [[
    local sleepy = parallel.map(function(x) if x <= 2 then parallel.sleep(0.05) end return x end, numbers,
      {chunk = 7, workers = 2})
    equal(sleepy, numbers:totable())
    local kept = {fresh = false, workers = 1, retries = 3}
    equal(parallel.map(function(x)
      tries = (tries or 0) + 1
      if tries < 3 then error "not yet" end
      return x
    end, numbers, kept), numbers:totable())
  ]])
end, start)
