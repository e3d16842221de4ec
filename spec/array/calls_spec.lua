-- Arrays in calls: captured, as arguments, returned, made there; and what the script may do meanwhile.
local script = require "support.script"

local start = [==[
  local a = parallel.array(parallel.range(1, 100), "int32")
  local MODES = {{}, {fresh = false}, {chunk = 1, workers = 2}, {fresh = false, chunk = 3, workers = 2}}

]==] .. require "array.refused"

script.on_hosts("in calls an array", function(case)
  case("that is captured is the same numbers", [[
    local m, rows = parallel.array({{1, 2}, {3, 4}}), parallel.array({{5, 6}, {7, 8}}):rows()
    local config = {weights = a, deep = {again = a}}
    for _, options in ipairs(MODES) do
      local results = parallel.map(function(i)
        return {a[i], a:sum(), #a, a.type, a.shape, config.weights == a, config.deep.again:get(i), m:row(2),
          rows[2][1], tostring(a), {a:unpack(1, 2)}, a:dot(a), a:copy():max()}
      end, {1, 2, 3, 4, 5, 6, 7}, options)
      for i = 1, 7 do
        equal(results[i], {i, 5050, 100, "int32", {100}, true, i, {3.0, 4.0},
          7.0, "array of 100 int32", {1, 2}, 338350, 100})
      end
    end
  ]])

  case("that is an argument, or lies in one, is the same memory", [[
    local b = parallel.array({1, 2, 3})
    for _, options in ipairs(MODES) do
      equal(parallel.map(function(x) return x:sum() end, {b, b, b}, options), {6.0, 6.0, 6.0})
      equal(parallel.starmap(function(x, t) return x == t[1], #t[1] end, {{b, {b}}}, options), {true})
      local item = {rows = b:rows(), list = {b}}
      equal(parallel.map(function(t) return t.rows[2][1] + t.list[1][3] end, {item}, options), {5.0})
    end
    equal({parallel.apply(function(x, i) return x[i], x.type end, b, 2)}, {2.0, "float64"})
    equal(parallel.submit(function(x) return x:mean() end, b):get(), 2.0)
  ]])

  case("is read-only", [[
    for _, options in ipairs(MODES) do
      for _, f in ipairs {function() a[1] = 0 end, function() a:set(1, 0) end, function() a:fill(0) end} do
        local err = refused("read-only in a call", parallel.map, f, {1, 2, 3, 4}, options)
        equal(err.kind, "error")
        assert(err.message:find "^stdin:%d+: ", err.message)
      end
    end
    equal(a:sum(), 5050)
  ]])

  case("that comes home is the one that was sent", [[
    local b, rows = parallel.array({1, 2}, "uint8"), a:rows()
    for _, options in ipairs(MODES) do
      local results = parallel.map(function(x) return {a, x, a} end, {b, b, b, b}, options)
      for i = 1, 4 do assert(results[i][1] == a and results[i][2] == b and results[i][3] == a) end
      local back = parallel.map(function() return rows end, {1}, options)[1]
      equal({#back, back[3]}, {100, {3}})
      local err = refused("thrown", parallel.map, function()
        error(setmetatable({a}, {__tostring = function() return "thrown" end}))
      end, {1}, options)
      assert(err.value[1] == a)
    end
    local wanted = parallel.submit(function(x) return x end, parallel.array({4, 5, n = 2}, "int64"))
    collectgarbage()
    local got = wanted:get()
    got[1] = 40
    equal(got:totable(), {40, 5})
  ]])

  case("that it has made is its own, and is the caller's once it is returned", [[
    for _, options in ipairs(MODES) do
      local results = parallel.map(function(i)
        local own = parallel.array(3, "int64")
        own:fill(i)
        own[2] = 7
        mine = own
        return own
      end, {1, 2, 3, 4}, options)
      for i = 1, 4 do
        equal({results[i]:totable(), results[i].type}, {{i, 7, i}, "int64"})
        results[i][1] = 100
        equal(results[i]:sum(), 107 + i)
      end
      assert(results[1] ~= results[2])
    end
    local kept = {fresh = false, workers = 1}
    local pool <close> = parallel.pool(kept)
    local b = pool:map(function() mine = parallel.array(2); return mine end, {1})[1]
    b:fill(9)
    equal(pool:map(function() return mine:sum() end, {1}), {0.0})
  ]])

  case("feeds maps within, and takes their results", [[
    for _, options in ipairs(MODES) do
      equal(parallel.map(function(k)
        local results = parallel.map(function(x) return x * k end, a)
        local own = parallel.array(100, "int32")
        parallel.map(function(i) return a[i] * k end, parallel.range(1, 100), {into = own})
        local rows = parallel.map(function(row) return row[1] end, a:rows(), {into = parallel.array(100)})
        return results[100] + own:sum() + rows:sum()
      end, {1, 2}, options), {10200.0, 15350.0})
    end
    refused("read-only in a call", parallel.map, function() parallel.map(math.abs, a, {into = a}) end, {1})
  ]])

  case("is there in init, and in a state that cannot be put back", [[
    local function plain() total = a:sum() end
    local function with_own() own = parallel.array(2, "int32"):fill(a:sum()); total = own[1] end
    local function with_finalizer() kept = setmetatable({}, {__gc = function() end}); total = a:sum() end
    for _, init in ipairs {plain, with_own, with_finalizer} do
      for _, fresh in ipairs {true, false} do
        equal(parallel.map(function(i) return total + a[i] end, {1, 2, 3}, {init = init, fresh = fresh}),
          {5051, 5052, 5053})
      end
    end
  ]])

  case("goes through coroutines, closures and globals", [[
    global_array = a
    local function read(i) return coroutine.wrap(function(...) coroutine.yield(global_array[i] + a[i]) end)() end
    for _, options in ipairs(MODES) do
      equal(parallel.map(read, {1, 2, 3}, options), {2, 4, 6})
      equal(parallel.map(function(f) return f(5) end, {read, read}, options), {10, 10})
      local f = parallel.map(function() return function(i) return a[i] * 2 end end, {1}, options)[1]
      equal(f(50), 100)
    end
  ]])

  case("that a kept state has stored cannot be read after its map, but another time with one", [[
    local pool <close> = parallel.pool {workers = 1, fresh = false}
    do
      local b = parallel.array({1, 2, 3})
      equal(pool:map(function(x) stored = x; return stored:sum() end, {b}), {6.0})
    end
    collectgarbage()
    collectgarbage()
    local err = refused("the array came with a map that is over", pool.map, pool, function() return stored[1] end, {1})
    equal(err.kind, "error")
    local c = parallel.array({4, 5, 6})
    pool:map(function(x) stored = x end, {c})
    equal(pool:map(function(x) return stored == x and stored:sum() end, {c}), {15.0})
    pool:map(function() other = c:rows() end, {1})
    refused("a map that is over", pool.map, pool, function() return other[1] end, {1})
  ]])

  case("is held as long as any call may read it", [[
    local future
    do
      local b = parallel.array(100000):fill(2)
      future = parallel.map_async(function(i) parallel.sleep(0.02); return b:sum() + i end, {1, 2, 3, 4}, {chunk = 1})
    end
    for _ = 1, 3 do collectgarbage() end
    equal(future:get(), {200001.0, 200002.0, 200003.0, 200004.0})
  ]])

  case("cannot be written to while a map reads it, nor read while one writes to it", [[
    for _, start in ipairs {
      function() return parallel.map_async(function(x) parallel.sleep(0.05) return x end, a, {chunk = 50}) end,
      function() return parallel.map_async(function(i) parallel.sleep(0.05) return a[i] end, {1, 2}) end,
      function() return parallel.submit(function(x) parallel.sleep(0.05) return x[1] end, a) end,
    } do
      local future = start()
      local err = refused("a map that runs reads it", function() a[1] = 5 end)
      assert(err:find "^stdin:%d+: ", err)
      refused("a map that runs reads it", function() a:fill(5) end)
      refused("option 'into': the array cannot be written to now", function()
        parallel.map(math.abs, parallel.range(1, 100), {into = a})
      end)
      equal(a[1], 1)
      future:get()
      a[1] = 1
    end
    local b = parallel.array(2)
    local future = parallel.map_async(function(i) parallel.sleep(0.05) return i end, {1, 2}, {into = b})
    for _, f in ipairs {function() return b[1] end, function() return b:sum() end, function() b[1] = 5 end,
        function() parallel.map(math.abs, b) end, function() parallel.map(function() return b end, {1}) end,
        function() parallel.map(math.abs, {1, 2}, {into = b}) end, function() return b:copy() end} do
      refused("a map that runs writes to it", f)
    end
    equal(future:get():totable(), {1.0, 2.0})
    b[1] = 5
  ]])

  case("can be written to once a loop was left, and nothing comes after", [[
    for _ = 1, 20 do
      local b = parallel.array(1000)
      for i in parallel.imap(function(x) return x + 1 end, a, {chunk = 1}) do
        if i == 3 then break end
      end
      a[1] = 1
      for i in parallel.imap(function(x) return 7 end, parallel.range(1, 1000), {into = b, chunk = 1}) do
        if i == 3 then break end
      end
      b:fill(0)
      parallel.sleep(0.001)
      equal(b:sum(), 0.0)
    end
    local future = parallel.map_async(function(i) while true do a:get(i) end end, {1, 2, 3})
    future:cancel()
    a[1] = 1
    refused("a map that runs reads it", parallel.map, function(x) return x end, a,
      {progress = function() a[1] = 2 end})
  ]])

  case("may be larger than a call may hold", [[
    local big = parallel.array(4000000)
    equal(parallel.map(function(i) return big[i] + #big end, {1, 2}, {memory = 1 << 20}), {4000000.0, 4000000.0})
  ]])

  case("that it makes counts as its memory", [[
    for _, fresh in ipairs {true, false} do
      local options = {memory = 8 << 20, errors = "collect", fresh = fresh, workers = 1}
      local results, errors = parallel.map(function(n)
        if n == 0 then -- what is dropped counts no more
          for _ = 1, 50 do parallel.array(200000) end
          return parallel.apply(function() return parallel.array(10):fill(1) end):sum()
        end
        return parallel.array(n):fill(1):sum()
      end, {1000, 2000000, 0, 100000}, options)
      equal({results[1], results[3], results[4]}, {1000.0, 10.0, 100000.0})
      equal({errors.n, errors[2].kind}, {1, "memory"})
    end
    local _, errors = parallel.map(function()
      parallel.map(function() return parallel.array(1000000):fill(1):sum() end, {1})
    end, {1}, {memory = 4 << 20, errors = "collect"})
    equal(errors[1].value.kind, "memory")
  ]])

  case("in great numbers is in nobody's way", [[
    local list = {}
    for i = 1, 3000 do list[i] = parallel.array({i, i, i}) end
    local sums = parallel.map(function(x) return x:sum() end, list)
    for i = 1, 3000 do assert(sums[i] == 3.0 * i) end
    local all = parallel.map(function(i) return list[i] end, parallel.range(1, 3000), {chunk = 500})
    for i = 1, 3000 do assert(all[i] == list[i]) end
  ]])
end, start)

describe("an array of a call that is given up #threads", function()
  it("stays until its thread comes back", function()
    script.passes [[
      local stuck
      do
        local a = parallel.array(1000):fill(3)
        stuck = function(i)
          if i == 1 then os.execute "sleep 0.01" end
          return a:sum() + i
        end
      end
      for _ = 1, 20 do
        parallel.map(stuck, {1, 2, 3}, {timeout = 0.005, errors = "collect"})
      end
      collectgarbage()
      equal(parallel.map(stuck, {2, 3}), {3002.0, 3003.0})
    ]]
  end)
end)
