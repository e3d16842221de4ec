local script = require "support.script"

script.on_hosts("regression: a pool", function(case)
  case("that is terminated drops all that waits, also where callbacks fail", [[
    local pool = parallel.pool(2)
    local futures, n_called = {}, 0
    for i = 1, 5 do
      futures[i] = pool:submit(function() while true do end end)
      for _ = 1, 2 do
        futures[i]:on_done(function() n_called = n_called + 1 error("callback " .. n_called) end)
      end
    end
    local ok, err = pcall(pool.terminate, pool)
    assert(not ok and err:find "callback 1$", err)
    equal(n_called, 10)
    for _, future in ipairs(futures) do
      equal(future:wait(0), true)
      local got, failure = pcall(future.get, future)
      equal({got, failure.kind}, {false, "cancelled"})
    end
    pool:terminate()
  ]])

  case("makes no calls of futures that are cancelled", [[
    local pool <close> = parallel.pool(1)
    local first = pool:submit(function() while true do end end)
    local second = pool:submit(print, "made")
    equal({first:cancel(), second:cancel(), second:cancel()}, {true, true, false})
    local third = pool:submit(math.abs, -3)
    equal({third:get(), third:cancel()}, {3, false})
  ]])

  case("can still be closed after it was to be by what a map of its own reads", [[
    local pool = parallel.pool(2)
    local i = 0
    local ok, err = pcall(pool.map, pool, math.sqrt, function()
      i = i + 1
      if i == 3 then pool:terminate() end
      return i
    end)
    assert(not ok and tostring(err):find "cannot be ended by what it reads", err)
    equal(pool:apply(math.abs, -4), 4)
    pool:close()
    assert(not pcall(pool.apply, pool, math.abs, -4))
  ]])

  case("tells of an item that cannot be sent as soon as it is met, also in an endless stream", [[
    local pool <close> = parallel.pool(2)
    local function items()
      local i = 0
      return function()
        i = i + 1
        return i == 3 and coroutine.create(print) or i
      end
    end
    local n = 0
    local ok, err = pcall(function()
      for _ in pool:imap_unordered(math.abs, items()) do
        n = n + 1
        assert(n < 100000, "never told")
      end
    end)
    equal({ok, err.kind, err.index}, {false, "marshal", 3})
    local told
    n = 0
    for i, value, failure in pool:imap_unordered(math.abs, items(), {errors = "collect"}) do
      n = n + 1
      equal(value, i ~= 3 and i or nil)
      told = told or failure
      if told and n > 1000 then break end
      assert(n < 100000, "never told")
    end
    equal({told.kind, told.index}, {"marshal", 3})
  ]])

  case("a future that was done before anybody asked tells the last of its progress", [[
    local pool <close> = parallel.pool(2)
    local told = {}
    local future = pool:map_async(math.abs, parallel.range(1, 10), {progress = function(...)
      told[#told + 1] = {...}
    end})
    for _ = 1, 100 do -- inline it is done when it is asked
      if pool:stats().done == 10 then break end
      parallel.sleep(0.02)
    end
    parallel.sleep(0.1) -- its last chunk comes home
    local n_done = 0
    future:on_done(function() n_done = n_done + 1 end)
    equal({future:ok(), n_done, told[#told]}, {true, 1, {10, 10, 0}})
  ]])

  case("a callback for a future that is done is one too: within it no others are called", [[
    local pool <close> = parallel.pool(1)
    local seen = {}
    local done = pool:submit(function() end)
    done:wait()
    local gate = os.tmpname()
    local other = pool:submit(function() -- ends when there is a callback for it
      repeat local file = io.open(gate) until not (file and file:close())
    end)
    other:on_done(function() table.insert(seen, "another") end)
    os.remove(gate)
    parallel.sleep(0.1)
    done:on_done(function(future)
      table.insert(seen, "begins")
      future:get()
      table.insert(seen, "ends")
    end)
    other:wait()
    equal(seen, {"begins", "ends", "another"})
  ]])

  case("calls that ask again and again whether calls of their own are done get them done", [[
    local function polls(x, method, options)
      local future
      if method == "submit" then
        future = parallel.submit(function(y) return 2 * y end, x)
      else
        future = parallel.map_async(function(y) return 2 * y end, {x, x + 1}, options)
      end
      local started = parallel.clock()
      while not future:done() or not future:wait(0) do
        if parallel.clock() > started + 30 then error "never" end
      end
      local result = future:get()
      return type(result) == "table" and result[1] or result
    end
    for _, row in ipairs {{"submit"}, {"map_async"}, {"map_async", {workers = 1}}, {"map_async", {chunk = 1}}} do
      for n_workers = 1, 3 do
        local rows = {}
        for i = 1, 6 do rows[i] = {i, row[1], row[2]} end
        equal(parallel.starmap(polls, rows, {workers = n_workers, chunk = 1}), {2, 4, 6, 8, 10, 12, n = 6})
      end
    end
  ]])

  case("a map that is waited for within what another reads feeds that no more meanwhile", [[
    local pool <close> = parallel.pool(2)
    local n = 0
    local future = pool:map_async(function(x) return type(x) == "table" and -x[1] or x end, function()
      n = n + 1
      if n > 300 then return nil end
      local value = pool:submit(math.abs, n):get()
      return n % 2 == 0 and {value} or value
    end)
    future:on_done(function() end)
    local results = future:get()
    equal(results.n, 300)
    for i = 1, 300 do equal(results[i], i % 2 == 0 and -i or i) end
  ]])

  case("a future cannot be waited for or ended by what it reads or sends, but asked", [[
    local pool <close> = parallel.pool(2)
    local future, told
    local function message(f, ...) return select(2, pcall(f, ...)) end
    local function ask()
      if not future or told then return end
      told = {
        future:done(), future:ok(), message(future.wait, future), message(future.get, future, 1),
        message(future.cancel, future), message(parallel.as_completed {future}),
      }
      future:on_done(function() told.is_done = true end)
    end
    local function check()
      local waits = "a map cannot be waited for by what it reads or sends"
      local ends = "a map cannot be ended by what it reads or sends"
      equal(told, {false, false, waits, waits, ends, waits, is_done = true})
    end
    local n = 0
    future = pool:map_async(math.abs, function()
      n = n + 1
      ask()
      if n <= 100 then return n end
    end)
    equal(future:get().n, 100)
    check()
    told, future = nil, nil
    local asking = setmetatable({}, {__marshal = function() ask() return function() return 1 end end})
    future = pool:map_async(function(x) return x end, function()
      n = n + 1
      if n <= 200 then return asking end
    end)
    equal(future:get().n, 99)
    check()
  ]])

  -- "parallel.progress:80: the job is closed", it said.
  case("what goes on as its pool is terminated, by a callback or in the loop, is cancelled", [[
    local function slow(x) parallel.sleep(0.005) return x == 0 end
    local path = os.tmpname()
    local ways = {
      map = function(pool, options) return pool:map(slow, parallel.range(1, 500), options) end,
      first = function(pool, options) return pool:first(slow, parallel.range(1, 500), options) end,
      imap = function(pool, options) for _ in pool:imap(slow, parallel.range(1, 500), options) do end end,
      imap_unordered = function(pool, options)
        for _ in pool:imap_unordered(slow, parallel.range(1, 500), options) do end
      end,
    }
    for name, way in pairs(ways) do
      for _, store in ipairs {false, name ~= "first" and path or nil} do
        local pool = parallel.pool(2)
        local function progress() pool:terminate() end
        local ok, err = pcall(way, pool, {chunk = 1, progress = progress, store = store or nil})
        assert(not ok and err.kind == "cancelled", name .. ": " .. tostring(err))
      end
    end
    local pool = parallel.pool(2)
    local ok, err = pcall(function()
      for i in pool:imap(slow, parallel.range(1, 500), {chunk = 1, store = path}) do
        if i == 2 then pool:terminate() end
      end
    end)
    assert(not ok and err.kind == "cancelled", tostring(err))
    for _, suffix in ipairs {"", "-wal", "-shm"} do os.remove(path .. suffix) end
  ]])

  -- Ctrl-C is an error of a hook. Where it came as items were read, it was taken for an error of what they are read
  -- from, which waits for the results of those before: for ever, where these do not end.
  case("ends a wait where a hook does, wherever that comes", [[
    local function forever() while true do end end
    local ways = {
      function() for _ in parallel.imap(forever, {1, 2}, {timeout = 0.2, chunk = 1}) do end end,
      function() parallel.map_async(forever, {1, 2}, {timeout = 0.2, chunk = 1}):get() end,
      function() parallel.map(forever, {1, 2}, {timeout = 0.2, chunk = 1}) end,
    }
    local core = require "parallel.core"
    local protects = {[pcall] = true, [core.protect] = true, [core.job] = true, [core.map] = true}
    -- Runs a way in which the k-th function that is called in protected mode is ended at once. Returns how many
    -- there were, and the error.
    local function ended_at(k, way)
      local n, is_over = 0, false
      debug.sethook(function()
        local caller = not is_over and debug.getinfo(3, "f")
        if not caller or not protects[caller.func] then return end
        if debug.getinfo(2, "f").func == way then return end
        n = n + 1
        if n == k then error("stop", 0) end
      end, "c")
      local ok, err = pcall(way)
      is_over = true
      debug.sethook()
      assert(not ok)
      return n, err
    end
    for i, way in ipairs(ways) do
      local n_calls = ended_at(0, way)
      assert(n_calls > 0)
      for k = 1, math.min(n_calls, 20) do
        local n, err = ended_at(k, way)
        if n >= k then equal({i, k, tostring(err)}, {i, k, "stop"}) end
      end
    end
  ]])
end)
