local script = require "support.script"

local start = [==[
  local function forever() while true do end end
  local function same(...) return ... end
  local function kind_of(f, ...)
    local ok, err = pcall(f, ...)
    assert(not ok, "no error")
    return type(err) == "table" and err.kind or err
  end
]==]

script.on_hosts("a future", function(case)
  case("of a call gives all its values, again and again", [[
    local pool <close> = parallel.pool(2)
    local future = pool:submit(same, nil, 1, nil, "a", nil)
    for _ = 1, 3 do equal(table.pack(future:get()), {nil, 1, nil, "a", nil, n = 5}) end
    equal(select("#", pool:submit(function() end):get()), 0)
    equal(table.pack(pool:submit(function() return nil end):get()), {n = 1})
    local t = pool:submit(same, {1, {2}}):get()
    equal(t, {1, {2}})
    local twice = pool:submit(function() return {} end)
    assert(rawequal(twice:get(), (twice:get())))
  ]])

  case("of a map gives what the map gives", [[
    local pool <close> = parallel.pool(2)
    local function f(x) if x ~= 2 then return x * 10 end end
    for _ = 1, 2 do
      equal({pool:map_async(f, {1, 2, 3}):get()}, {{10, nil, 30, n = 3}})
      equal({pool:map_async(f, parallel.range(1, 3)):get()}, {{10, nil, 30, n = 3}})
      equal({pool:starmap_async(same, {{1, 2}, {3}}):get()}, {{1, 3, n = 2}})
      equal({pool:starmap_async(same, {{1, nil, n = 2}}, {pack = true}):get()}, {{{1, n = 2}, n = 1}})
      equal({pool:map_async(f, {}):get()}, {{n = 0}})
    end
    local i = 0
    local future = pool:map_async(f, function() i = i + 1 return i <= 500 and i or nil end)
    local results = future:get()
    equal({#results, results.n, results[500]}, {500, 500, 5000})
    for _, chunk in ipairs {1, 7, 1000} do
      results = pool:map_async(f, parallel.range(1, 300), {chunk = chunk}):get()
      equal({results.n, results[1], results[2], results[300]}, {300, 10, nil, 3000})
    end
  ]])

  case("raises the error of the call or the map, each time", [[
    local pool <close> = parallel.pool(2)
    local function fail(x) error({code = x}) end
    local future = pool:submit(fail, 5)
    for _ = 1, 2 do
      local ok, err = pcall(future.get, future)
      equal({ok, err.kind, err.value, err.index}, {false, "error", {code = 5}, 1})
      assert(err.traceback:find "stdin:%d+: in ", err.traceback)
    end
    equal({future:done(), future:ok(), future:wait()}, {true, false, true})
    future = pool:map_async(function(x) if x == 3 then fail(x) end return x end, {1, 2, 3, 4})
    for _ = 1, 2 do
      local ok, err = pcall(future.get, future)
      equal({ok, err.index, err.value}, {false, 3, {code = 3}})
    end
    equal({future:done(), future:ok()}, {true, false})
    local results, errors = pool:map_async(function(x) if x == 3 then fail(x) end return x end,
      {1, 2, 3, 4}, {errors = "collect"}):get()
    equal({results, results.n, errors[3].index, errors[3].value}, {{1, 2, nil, 4}, 4, 3, {code = 3}})
  ]])

  case("of an argument, a function or a result that cannot be sent fails with kind marshal", [[
    local pool <close> = parallel.pool(2)
    local co = coroutine.create(print)
    local ok, err = pcall(function() return pool:submit(same, co):get() end)
    assert(not ok and err.kind == "marshal" and err.message:find("coroutine", 1, true), tostring(err))
    ok, err = pcall(function() return pool:submit(function() return co end):get() end)
    assert(not ok and err.kind == "marshal" and err.message:find("coroutine", 1, true), tostring(err))
    ok, err = pcall(function() return pool:submit(coroutine.create, print):get() end)
    assert(not ok and err.kind == "marshal", tostring(err))
    ok, err = pcall(function() return pool:map_async(same, {1, co, 3}):get() end)
    assert(not ok and err.kind == "marshal" and err.index == 2, tostring(err))
    equal(pool:submit(same, 1):get(), 1)
  ]])

  case("of a map whose items cannot be read to the end gives that error, each time", [[
    local pool = parallel.pool(2)
    for _, problem in ipairs {{}, "text", false, 0} do
      if problem == 0 then problem = nil end
      for _, last in ipairs {0, 3, 500} do
        local i = 0
        local function items()
          i = i + 1
          if i == last + 1 then error(problem, 0) end
          return i
        end
        local future, called = pool:map_async(same, items), 0
        future:on_done(function() called = called + 1 end)
        for _ = 1, 3 do
          local ok, err = pcall(future.get, future)
          assert(not ok and rawequal(err, problem), tostring(err))
          equal({future:done(), future:ok(), future:wait(), future:cancel()}, {true, false, true, false})
        end
        equal({i, called}, {last + 1, 1}) -- nobody reads on
      end
    end
    local n = 0
    local left = pool:map_async(same, function()
      n = n + 1
      if n % 40 == 0 then error "forty" end
      return n
    end)
    pool:close()
    equal({left:ok(), n, (pcall(left.get, left))}, {false, 40, false})
  ]])

  case("is called though nobody keeps it", [[
    local name = os.tmpname()
    do
      local pool <close> = parallel.pool(1)
      for i = 1, 100 do
        pool:submit(function()
          local file <close> = io.open(name, "a")
          file:write(i, "\n")
        end)
        if i % 10 == 0 then collectgarbage() end
      end
      collectgarbage()
    end
    local n = 0
    for _ in io.lines(name) do n = n + 1 end
    os.remove(name)
    equal(n, 100)
  ]])

  case("gets what its function captures at the time of the call", [[
    local pool <close> = parallel.pool(2)
    local data, futures = {}, {}
    for i = 1, 2000 do data[i] = {i} end
    local function f(i) return data[i][1] end
    for i = 1, 20 do
      if i % 5 == 0 then data[i][1] = -i end
      futures[i] = pool:submit(f, i)
      data[i][1] = "later"
      if i % 3 == 0 then data[i][1] = i end
    end
    for i = 1, 20 do equal(futures[i]:get(), i % 5 == 0 and -i or i) end
    data = nil
    equal((pcall(pool.apply, pool, f, 1)), false)
  ]])

  case("is one of many", [[
    local n = 5000
    local pool = parallel.pool(2)
    local futures, sum = {}, 0
    for round = 1, 2 do
      for i = 1, n do futures[i] = pool:submit(same, i) end
      if round == 1 then futures[n]:wait() end
      for i = 1, n do sum = sum + futures[i]:get() end
      for i = 1, n do futures[i] = pool:submit(same, i) end
      for future in parallel.as_completed(futures) do sum = sum + future:get() end
      local called = 0
      for i = 1, n do futures[i] = pool:submit(same, i):on_done(function() called = called + 1 end) end
      for i = 1, n do futures[i]:wait() end
      equal(called, n)
    end
    equal(sum, 2 * n * (n + 1))
    for i = 1, n do futures[i] = pool:submit(same, i) end
    pool:close()
    equal({futures[1]:get(), futures[n]:get()}, {1, n})
    pool = parallel.pool(1)
    for i = 1, n do futures[i] = pool:submit(same, i) end
    pool:terminate()
    for i = 1, n do assert(futures[i]:done()) end
  ]])

  case("is done and ok once its values are there", [[
    local pool <close> = parallel.pool(2)
    local call, map = pool:submit(same, 1), pool:map_async(same, {1, 2})
    equal({call:wait(), map:wait()}, {true, true})
    equal({call:done(), call:ok(), map:done(), map:ok()}, {true, true, true, true})
    equal({call:wait(0), map:wait(0.001), call:get(0)}, {true, true, 1})
    local polled = pool:submit(same, 2)
    repeat until polled:done()
    equal({polled:ok(), polled:get()}, {true, 2})
    local big = pool:map_async(same, parallel.range(1, 2000), {chunk = 1})
    repeat until big:done()
    equal(big:get().n, 2000)
  ]])

  case("that is done cannot be cancelled", [[
    local pool <close> = parallel.pool(1)
    local future = pool:submit(same, 7)
    future:wait()
    equal({future:cancel(), future:cancel(), future:get()}, {false, false, 7})
    local failed = pool:submit(error, "x")
    failed:wait()
    equal({failed:cancel(), kind_of(failed.get, failed)}, {false, "error"})
  ]])

  case("calls its callbacks once, with itself, on the caller's thread", [[
    local pool <close> = parallel.pool(2)
    local main, seen = coroutine.running(), {}
    local function note(name)
      return function(future)
        equal({future:done(), rawequal(coroutine.running(), main)}, {true, true})
        seen[#seen + 1] = {name, future}
      end
    end
    local future = pool:submit(same, 1)
    assert(rawequal(future:on_done(note "first"), future))
    future:on_done(note "second")
    future:wait()
    future:on_done(note "afterwards") -- at once
    future:get() future:wait() future:done() future:cancel()
    equal({#seen, seen[1][1], seen[2][1], seen[3][1]}, {3, "first", "second", "afterwards"})
    for i = 1, 3 do assert(rawequal(seen[i][2], future)) end
  ]])

  case("calls its callbacks when it is polled, when it has failed, and when it is cancelled", [[
    local pool <close> = parallel.pool(1)
    local n = 0
    local function count() n = n + 1 end
    local future = pool:submit(same, 1):on_done(count)
    repeat until future:done()
    equal(n, 1)
    pcall(future.get, pool:submit(error, "x"):on_done(count))
    equal(n, 2)
    pcall(future.get, pool:map_async(error, {1, 2}):on_done(count))
    equal(n, 3)
    local before = n
    local late = pool:map_async(same, parallel.range(1, 1000), {chunk = 1}):on_done(count)
    late:cancel()
    equal(n, before + 1)
  ]])

  case("calls callbacks in the order in which calls have ended", [[
    local expected = {}
    for i = 1, 99 do expected[i] = i end
    local function wait_for_file(name)
      repeat local file = io.open(name) until file
    end
    for _, is_waited_for in ipairs {true, false} do
      local order, pool, name = {}, parallel.pool(1), os.tmpname()
      os.remove(name)
      pool:submit(wait_for_file, name) -- nothing ends before there is a callback
      for i = 1, 99 do
        pool:submit(same, i):on_done(function(f) order[#order + 1] = f:get() end)
      end
      assert(io.open(name, "w")):close()
      for _ = 1, 100 do -- inline nothing runs meanwhile
        if pool:stats().done < 100 then parallel.sleep(0.001) end
      end
      if is_waited_for then pool:submit(same, 100):get() end
      pool:close()
      os.remove(name)
      equal(order, expected)
    end
  ]])

  case("calls the callbacks of others while one is waited for, and at the end of the pool", [[
    local n = 0
    do
      local pool <close> = parallel.pool(1)
      local futures = {}
      for i = 1, 5 do futures[i] = pool:submit(same, i):on_done(function(f) n = n + f:get() end) end
      futures[5]:wait() -- one worker: those before are done
      equal(n, 15)
      pool:submit(same, 100):on_done(function(f) n = n + f:get() end)
      equal(pool:submit(same, 1):get(), 1)
      equal(n, 115)
      pool:submit(same, 1000):on_done(function(f) n = n + f:get() end)
    end
    equal(n, 1115)
  ]])

  case("calls the callbacks of others also where the one that is waited for is known to be done", [[
    local pool <close> = parallel.pool(1)
    local seen = {}
    local function note(future) table.insert(seen, future:get()) end
    for _, ask in ipairs {"get", "wait"} do
      seen = {}
      for i = 1, 300 do pool:submit(same, i):on_done(note) end
      local last = pool:submit(same, "last")
      parallel.sleep(0.1)
      pool:submit(same, "another") -- takes what has come home
      last[ask](last)
      table.sort(seen)
      equal({#seen, seen[1], seen[300]}, {300, 1, 300})
    end
  ]])

  case("may begin calls in a callback and wait for them", [[
    local pool <close> = parallel.pool(1)
    local sum
    pool:submit(same, 1):on_done(function(first)
      pool:submit(same, first:get() + 1):on_done(function(second)
        sum = pool:apply(same, second:get() + 1)
      end):wait()
    end):wait()
    equal(sum, 3)
  ]])

  case("with an error in a callback raises it from wait or from on_done, and its value stays", [[
    local pool <close> = parallel.pool(1)
    local future = pool:submit(same, 7)
    local ok, err = pcall(function()
      future:on_done(function() error("callback", 0) end)
      future:wait()
    end)
    equal({ok, err}, {false, "callback"})
    equal({future:done(), future:get()}, {true, 7})
    ok, err = pcall(future.on_done, future, function() error("late", 0) end)
    equal({ok, err}, {false, "late"})
    equal(pool:apply(same, 1), 1)
  ]])

  case("keeps its values after its pool is closed", [[
    local pool = parallel.pool(2)
    local call, map = pool:submit(same, 1, 2), pool:map_async(same, parallel.range(1, 500), {chunk = 3})
    local failed, i = pool:submit(error, "x"), 0
    local read = pool:map_async(same, function() i = i + 1 return i <= 300 and i or nil end)
    pool:close()
    equal({call:done(), map:done(), failed:done(), read:done()}, {true, true, true, true})
    equal({call:get()}, {1, 2})
    equal({map:get().n, read:get().n}, {500, 300})
    equal(kind_of(failed.get, failed), "error")
    equal({call:cancel(), call:wait(0), call:ok()}, {false, true, true})
  ]])

  case("may be dropped unread", [[
    local pool <close> = parallel.pool(2)
    for i = 1, 300 do
      pool:submit(same, i)
      pool:map_async(same, {i, i})
      pool:submit(error, "x")
      if i % 50 == 0 then collectgarbage() end
    end
    collectgarbage()
    equal(pool:map(same, {1, 2}), {1, 2})
    do
      local other <close> = parallel.pool(1)
      for i = 1, 50 do other:submit(same, i) end
    end
  ]])

  case("works inside a call, with a pool of its own", [[
    local function f(x)
      local pool <close> = parallel.pool(2)
      local futures, sum = {}, 0
      for i = 1, 5 do futures[i] = pool:submit(function(y) return y * x end, i) end
      for future in parallel.as_completed(futures) do sum = sum + future:get() end
      local ok, err = pcall(function() return pool:submit(error, {x}):get() end)
      return {sum, pool:apply(same, x), pool:map_async(same, {1, 2}):get().n, ok, err.value[1]}
    end
    for _, workers in ipairs {1, 3} do
      equal(parallel.map(f, {1, 2, 3}, {workers = workers}),
        {{15, 1, 2, false, 1}, {30, 2, 2, false, 2}, {45, 3, 2, false, 3}})
    end
  ]])

  case("cannot be sent to a call, nor can its pool or an iterator, which is an error that says what to do", [[
    local pool <close> = parallel.pool(2)
    local future = pool:submit(same, 1)
    local iterator, completion = pool:imap(same, {1}), parallel.as_completed {future}
    local map = parallel.map
    local a_pool = "cannot send a pool: make a map there, it shares the workers"
    local a_future = "cannot send a future: get() it first, and send its values"
    local an_iterator = "cannot send an iterator over results: collect it first"
    local cases = {
      {"the function: upvalue 'pool': " .. a_pool, map, function(x) return pool:map(same, {x}) end, {1}},
      {"argument 1: " .. a_pool, map, same, {pool}},
      {"argument 2: .p[1]: " .. a_pool, parallel.starmap, same, {{1, {p = {pool}}}}},
      {"result 1: " .. a_pool, map, function() return parallel.pool(1) end, {1}},
      {"the function: upvalue 'future': " .. a_future, map, function() return future:get() end, {1}},
      {"argument 1: " .. a_future, pool.apply, pool, same, future},
      {"argument 1: .list[1]: " .. a_future, map, same, {{list = {future}}}},
      {"the function: upvalue 'iterator' upvalue 'iteration': " .. an_iterator, map,
        function() return iterator() end, {1}},
      {"argument 1: upvalue 'iteration': " .. an_iterator, map, same, {iterator}},
      {"argument 1: upvalue 'self': cannot send an iterator over futures: get() their values first", map, same,
        {completion}},
    }
    for _ = 1, 2 do
      for _, case in ipairs(cases) do
        local ok, err = pcall(table.unpack(case, 2))
        assert(not ok and err.kind == "marshal")
        equal(err.message, case[1])
      end
    end
    global_pool = pool
    local ok, err = pcall(map, function() return global_pool:map(same, {1}) end, {1})
    equal({ok, err.message}, {false, "global 'global_pool': " .. a_pool})
    equal({future:get(), pool:apply(same, 2)}, {1, 2})
  ]])

  case("of arguments that are none is an error that says what is wrong, of the script's line", [[
    local pool <close> = parallel.pool(1)
    local future = pool:submit(same, 1)
    for name, call in pairs {
      get = function() future:get("1") end,
      wait = function() future:wait({}) end,
      on_done = function() future:on_done(5) end,
      get_nan = function() future:get(0 / 0) end,
      as_completed = function() parallel.as_completed(5) end,
      with_a_hole = function() parallel.as_completed {future, nil, future} end,
    } do
      local ok, err = pcall(call)
      assert(not ok and type(err) == "string", name)
      assert(err:find "^stdin:%d+: bad argument #1", name .. ": " .. err)
    end
    for _, name in ipairs {"get", "wait", "done", "ok", "cancel", "on_done"} do
      for _, this in ipairs {false, 5, "x", {}, pool} do
        local ok, err = pcall(function() local _ = future[name](this) end)
        local text = "^stdin:%d+: bad self of '" .. name .. "' %(a future expected, got " .. type(this) .. "%)"
        assert(not ok and err:find(text), err)
      end
    end
    equal(future:get(), 1)
  ]])
end, start)

script.on_hosts("as_completed", function(case)
  case("gives each future once, calls and maps of several pools", [[
    local a <close> = parallel.pool(1)
    local b <close> = parallel.pool(2)
    local futures, numbers = {}, {}
    for i = 1, 40 do
      local pool = i % 2 == 0 and a or b
      local future = i % 3 == 0 and pool:map_async(same, {i, i}) or pool:submit(i % 5 == 0 and error or same, i)
      futures[i], numbers[future] = future, i
    end
    local n = 0
    for future in parallel.as_completed(futures) do
      assert(future:done())
      local i = assert(numbers[future])
      numbers[future] = nil
      n = n + 1
      equal(future:ok(), i % 3 == 0 or i % 5 ~= 0)
    end
    equal({n, next(numbers), #futures}, {40, nil, 40})
  ]])

  case("gives those too that are appended to the list meanwhile", [[
    local pool <close> = parallel.pool(2)
    local futures, n = {pool:submit(same, 1)}, 0
    for future in parallel.as_completed(futures) do
      n = n + 1
      if #futures < 200 then
        futures[#futures + 1] = pool:submit(same, 1)
        if n % 10 == 0 then futures[#futures + 1] = pool:map_async(same, {1}) end
        if n % 11 == 0 then futures[#futures + 1] = future end
      end
    end
    equal({n, #futures >= 200}, {#futures, true})
    local late = {pool:submit(same, 1)}
    late[1]:on_done(function() late[2] = pool:submit(same, 2) end)
    local sum = 0
    for future in parallel.as_completed(late) do sum = sum + future:get() end
    equal(sum, 3)
    local wrong = {pool:submit(same, 1)}
    local ok, err = pcall(function()
      for _ in parallel.as_completed(wrong) do wrong[2] = 5 end
    end)
    assert(not ok and err:find "^stdin:%d+: bad argument #1 to 'as_completed' %(item 2: a future expected", err)
  ]])

  case("gives a future as often as it is in the list", [[
    local pool <close> = parallel.pool(2)
    local a, b = pool:submit(same, 1), pool:submit(same, 2)
    local n = 0
    for future in parallel.as_completed {a, b, a, a} do n = n + future:get() end
    equal(n, 5)
    local one, other = parallel.as_completed {a, b}, parallel.as_completed {b, a}
    equal(one():get() + one():get() + other():get() + other():get(), 6)
    equal({one(), other()}, {})
  ]])

  case("of no futures gives none", [[
    for _ in parallel.as_completed {} do error "one" end
    equal(parallel.as_completed {}(), nil)
  ]])

  case("may be left early", [[
    local pool <close> = parallel.pool(2)
    local futures = {}
    for i = 1, 10 do futures[i] = pool:submit(same, i) end
    for future in parallel.as_completed(futures) do assert(future:get()) break end
    for i = 1, 10 do equal(futures[i]:get(), i) end
  ]])
end, start)

-- Where calls run while the caller goes on.
describe("a future #threads", function()
  local function passes(code)
    return script.passes(start .. code)
  end

  it("that is not there in time raises 'timed out' and can be used further", function()
    passes [[
      local pool <close> = parallel.pool(1)
      local future = pool:submit(forever)
      for _, seconds in ipairs {0, 0.01, -1} do
        local ok, err = pcall(future.get, future, seconds)
        assert(not ok and tostring(err):find("timed out", 1, true), tostring(err))
        equal({future:wait(seconds), future:done(), future:ok()}, {false, false, false})
      end
      equal(future:cancel(), true)
      local slow = pool:submit(function() for _ = 1, 3000000 do end return 5 end)
      pcall(slow.get, slow, 0)
      equal(slow:get(60), 5)
      local map = pool:map_async(function() for _ = 1, 100000 do end return 5 end, parallel.range(1, 20))
      pcall(map.get, map, 0)
      equal(#map:get(), 20)
    ]]
  end)

  it("can be cancelled before it runs, and then never runs", function()
    local result = passes [[
      local pool = parallel.pool(1)
      local first = pool:submit(forever)
      local waiting = {}
      for i = 1, 10 do waiting[i] = pool:submit(function() print "runs" end) end
      for i = 1, 10 do
        equal({waiting[i]:cancel(), waiting[i]:done(), waiting[i]:ok()}, {true, true, false})
        equal({kind_of(waiting[i].get, waiting[i]), waiting[i]:cancel()}, {"cancelled", false})
      end
      equal(first:cancel(), true)
      equal(pool:apply(same, 1), 1)
      pool:close()
    ]]
    assert.equal("", result.stdout)
  end)

  it("can be cancelled while it runs without end", function()
    passes [[
      local pool <close> = parallel.pool(2)
      for _, f in ipairs {
        forever,
        function() while true do pcall(forever) end end,
        function() coroutine.wrap(forever)() end,
        function() return parallel.map(forever, {1, 2, 3}) end,
      } do
        local future = pool:submit(f)
        future:wait(0.02)
        equal({future:cancel(), future:done(), kind_of(future.get, future)}, {true, true, "cancelled"})
        local map = pool:map_async(f, parallel.range(1, 10), {chunk = 1})
        map:wait(0.02)
        equal({map:cancel(), kind_of(map.get, map)}, {true, "cancelled"})
        equal(pool:map(same, {1, 2, 3}, {chunk = 1}), {1, 2, 3})
      end
    ]]
  end)

  it("of a terminated pool fails with kind cancelled", function()
    passes [[
      local pool = parallel.pool(2)
      local done = pool:submit(same, 1)
      done:wait()
      local futures = {done}
      for i = 2, 20 do futures[i] = pool:submit(forever) end
      futures[21] = pool:map_async(forever, parallel.range(1, 100))
      local n_called = 0
      for _, future in ipairs(futures) do future:on_done(function() n_called = n_called + 1 end) end
      pool:terminate()
      equal(n_called, 21)
      equal(done:get(), 1)
      for i = 2, 21 do equal({futures[i]:done(), kind_of(futures[i].get, futures[i])}, {true, "cancelled"}) end
    ]]
  end)

  it("is given by as_completed before those that run without end", function()
    passes [[
      local pool = parallel.pool(2)
      local endless = pool:submit(forever)
      local futures = {endless, pool:submit(same, 1), pool:submit(same, 2)}
      local sum, n = 0, 0
      for future in parallel.as_completed(futures) do
        sum, n = sum + future:get(), n + 1
        if n == 2 then break end
      end
      equal({sum, endless:done()}, {3, false})
      pool:terminate()
    ]]
  end)

  it("that is collected leaves its pool usable", function()
    passes [[
      local pool = parallel.pool(1)
      for _ = 1, 20 do
        do local dropped = pool:submit(same, 1) dropped = nil end
        collectgarbage()
        equal(pool:apply(same, 2), 2)
      end
      pool:submit(forever)
      pool:terminate()
    ]]
  end)
end)
