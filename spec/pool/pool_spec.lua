local script = require "support.script"

local start = [==[
  local function forever() while true do end end
  local function same(...) return ... end
  local function double(x) return x * 2 end
]==]

-- Each method, called rightly on a pool.
local methods = [==[
  local calls = {
    map = function(pool, options) return pool:map(double, {1, 2}, options) end,
    starmap = function(pool, options) return pool:starmap(double, {{1}, {2}}, options) end,
    run = function(pool, options) return pool:run({parallel.delayed(double)(1)}, options) end,
    imap = function(pool, options) return pool:imap(double, {1, 2}, options)() end,
    istarmap = function(pool, options) return pool:istarmap(double, {{1}, {2}}, options)() end,
    imap_unordered = function(pool, options) return pool:imap_unordered(double, {1, 2}, options)() end,
    map_async = function(pool, options) return pool:map_async(double, {1, 2}, options):get() end,
    starmap_async = function(pool, options) return pool:starmap_async(double, {{1}, {2}}, options):get() end,
  }
]==]

-- Inline no call runs while nobody waits for it, so pools that are left busy are for the others.
local hosts = {}
for _, host in ipairs(script.hosts) do
  hosts[#hosts + 1] = not host.name:find("inline") and host or nil
end

script.on_hosts("a pool", function(case, passes)
  case("is made of nothing, of a number of workers, or of options", [[
    for _, argument in ipairs {false, 1, 3, {}, {workers = 2}, {workers = 2, chunk = 5, fresh = false}} do
      local pool <close> = parallel.pool(argument or nil)
      equal({pool:map(double, {1, 2, 3})}, {{2, 4, 6, n = 3}})
    end
    local pool <close> = parallel.pool(3)
    equal(pool:stats().workers, 3)
  ]])

  case("maps, starmaps and runs as the module does", [[
    local pool <close> = parallel.pool(2)
    equal(pool:map(same, {1, nil, 3, n = 3}).n, 3)
    equal({pool:map(double, parallel.range(1, 4))}, {{2, 4, 6, 8, n = 4}})
    equal({pool:map(string.upper, ("a b"):gmatch "%a")}, {{"A", "B", n = 2}})
    equal({pool:map(double, {})}, {{n = 0}})
    equal({pool:starmap(math.max, {{1, 5}, {3, 2}})}, {{5, 3, n = 2}})
    equal({pool:run {parallel.delayed(math.max)(1, 5)}}, {{5, n = 1}})
    equal(pool:map(same, {1}, {pack = true}), {{1, n = 1}})
  ]])

  case("applies a function and gives all its values", [[
    local pool <close> = parallel.pool {workers = 2, pack = false}
    equal(table.pack(pool:apply(same, nil, 1, nil)), {nil, 1, nil, n = 3})
    equal(select("#", pool:apply(same)), 0)
    local ok, err = pcall(pool.apply, pool, error, {5})
    equal({ok, err.value, err.kind}, {false, {5}, "error"})
    local collecting <close> = parallel.pool {workers = 1, errors = "collect"}
    ok, err = pcall(collecting.apply, collecting, error, {5})
    equal({ok, err.value}, {false, {5}})
  ]])

  case("has options that hold for all calls, and a call's own come first", [[
    local base
    local pool <close> = parallel.pool {workers = 2, pack = true, seed = 5,
      init = function() base = 100 end, errors = "collect"}
    local function f(x) if x == 3 then error "three" end return x + base, math.random(0) end
    local results, errors = pool:map(f, {1, 2, 3})
    equal({results.n, results[1].n, results[1][1], errors[3].index}, {3, 2, 101, 3})
    equal(pool:map(f, {1}, {pack = false}), {101})
    equal(pool:apply(f, 1), 101)
    assert(not pcall(pool.map, pool, f, {3}, {errors = "raise"}))
    assert(pool:map(f, {1, 2}, {seed = 6})[2][2] ~= results[2][2])
  ]])

  case("counts what it has done", [[
    local pool <close> = parallel.pool(2)
    local before = pool:stats()
    equal({before.workers, before.done, before.failed, before.retried}, {2, 0, 0, 0})
    pool:map(double, parallel.range(1, 100))
    pool:apply(double, 1)
    pool:map(function(x) if x > 95 then error "x" end end, parallel.range(1, 100), {errors = "collect"})
    local stats = pool:stats()
    equal({stats.failed, stats.retried, stats.lost}, {5, 0, 0})
    assert(stats.done == 196 or stats.done == 201, stats.done)
    for _, name in ipairs {"sent", "received", "busy", "restored"} do
      assert(stats[name] > 0, name)
    end
    equal(stats.proved, 0) -- before 200 calls in a state nobody tries
  ]])

  it("that is closed refuses every call, with an error of the script's line", function()
    passes(methods .. [[
      for _, how in ipairs {"close", "terminate"} do
        local pool = parallel.pool(2)
        pool:map(double, {1})
        pool[how](pool)
        pool[how](pool) -- twice is no error
        pool:close() pool:terminate()
        calls.apply = function(p) return p:apply(double, 1) end
        calls.submit = function(p) return p:submit(double, 1) end
        for name, call in pairs(calls) do
          local ok, err = pcall(function() local _ = call(pool) end)
          assert(not ok and err:find "^stdin:%d+: .*the pool is closed", name .. ": " .. tostring(err))
        end
      end
    ]])
  end)

  case("is closed at the end of its block, and terminated when an error leaves it", [[
    local kept, future
    do
      local pool <close> = parallel.pool(2)
      kept, future = pool, pool:submit(double, 4)
    end
    equal({future:get(), (pcall(kept.map, kept, double, {1}))}, {8, false})
    local ok, err = pcall(function()
      local pool <close> = parallel.pool(2)
      kept, future = pool, pool:submit(forever)
      error("left", 0)
    end)
    equal({ok, err}, {false, "left"})
    ok, err = pcall(future.get, future)
    equal({ok, err.kind, (pcall(kept.map, kept, double, {1}))}, {false, "cancelled", false})
  ]])

  case("may be collected without being closed, busy or not", [[
    for i = 1, 30 do
      local pool = parallel.pool(2)
      pool:map(double, {1, 2})
      if i % 2 == 0 then pool:submit(double, 1) end
      pool = nil
      if i % 5 == 0 then collectgarbage() end
    end
    collectgarbage()
    equal(parallel.map(double, {1}), {2})
  ]])

  case("works beside others", [[
    local pools = {}
    for i = 1, 6 do pools[i] = parallel.pool {workers = i, fresh = i % 2 == 0} end
    for round = 1, 10 do
      local futures = {}
      for i, pool in ipairs(pools) do futures[i] = pool:map_async(double, parallel.range(1, 50 + i)) end
      for i, future in ipairs(futures) do
        local results = future:get()
        equal({results.n, results[50]}, {50 + i, 100})
      end
      equal(parallel.map(double, {round}), {round * 2})
    end
    for _, pool in ipairs(pools) do pool:close() end
  ]])

  it("of arguments that are none says which, of the script's line", function()
    passes(methods .. [[
      local pool <close> = parallel.pool(1)
      for name in pairs(calls) do
        if name ~= "run" then
          for _, case in ipairs {{1, 5, {1}}, {1, nil, {1}}, {2, double, 5}, {2, double, nil}, {3, double, {}, 5}} do
            local number = case[1]
            local ok, err = pcall(function() local _ = pool[name](pool, table.unpack(case, 2, 4)) end)
            local text = "^stdin:%d+: bad argument #" .. number .. " to '" .. name
            assert(not ok and err:find(text), name .. ": " .. tostring(err))
          end
        end
      end
      for _, name in ipairs {"apply", "submit", "run"} do
        local ok, err = pcall(function() local _ = pool[name](pool, 5) end)
        assert(not ok and err:find("^stdin:%d+: bad argument #1 to '" .. name .. "'"), tostring(err))
      end
    ]])
  end)

  it("whose methods are called on something else says so, of the script's line", function()
    passes(methods .. [[
      local pool <close> = parallel.pool(1)
      for _, name in ipairs {"map", "starmap", "run", "imap", "istarmap", "imap_unordered", "map_async",
          "starmap_async", "apply", "submit", "close", "terminate", "stats"} do
        for _, this in ipairs {double, {}, false} do
          local ok, err = pcall(function() local _ = pool[name](this, {1}) end)
          local text = "^stdin:%d+: bad self of '" .. name .. "' %(a pool expected, got " .. type(this) .. "%)"
          assert(not ok and err:find(text), err)
        end
      end
      equal(pool:apply(double, 2), 4)
    ]])
  end)

  it("names an option that is unknown or wrong, of the script's line", function()
    passes(methods .. [[
      local pool <close> = parallel.pool(1)
      calls.pool = function(_, options) local _ <close> = parallel.pool(options) end
      for name, call in pairs(calls) do
        local ok, err = pcall(function() local _ = call(pool, {speed = 5}) end)
        assert(not ok and err:find "^stdin:%d+: unknown option 'speed'" and err:find(name, 1, true), tostring(err))
        ok, err = pcall(function() local _ = call(pool, {chunk = 0}) end)
        assert(not ok and err:find("^stdin:%d+: option 'chunk' of '" .. name .. "'"), tostring(err))
      end
      for _, workers in ipairs {0, -1, 1.5, "2", true} do
        local ok, err = pcall(function() local _ <close> = parallel.pool(workers) end)
        assert(not ok and err:find "^stdin:%d+: ", tostring(err))
      end
    ]])
  end)

  case("runs again after each kind of failure, without losing other calls", [[
    local pool <close> = parallel.pool(2)
    local bad = {
      function() error "x" end,
      function() error({{}}) end,
      function() return coroutine.create(print) end,
      function() os.exit(1) end,
      function() error(setmetatable({}, {__tostring = function() error "nested" end})) end,
    }
    for i = 1, 40 do
      local other = pool:map_async(double, parallel.range(1, 20))
      assert(not pcall(pool.map, pool, bad[i % #bad + 1], parallel.range(1, 10)))
      equal(other:get().n, 20)
    end
  ]])
end, start, hosts)

describe("a pool #threads", function()
  local function passes(code)
    return script.passes(start .. code)
  end

  it("can be terminated while it is busy without end", function()
    passes [[
      for _, f in ipairs {forever, function() while true do pcall(forever) end end,
          function() parallel.map(forever, {1, 2}) end} do
        local pool = parallel.pool(3)
        local futures = {pool:submit(f), pool:map_async(f, parallel.range(1, 50)), pool:submit(double, 1)}
        futures[1]:wait(0.01)
        pool:terminate()
        for i = 1, 2 do
          local ok, err = pcall(futures[i].get, futures[i])
          equal({ok, err.kind}, {false, "cancelled"})
        end
      end
    ]]
  end)

  it("has 64 workers", function()
    passes [[
      local pool <close> = parallel.pool(64)
      equal(pool:stats().workers, 64)
      for _ = 1, 3 do
        local results = pool:map(double, parallel.range(1, 1000), {chunk = 1})
        equal({results.n, results[1000]}, {1000, 2000})
      end
    ]]
  end)

  it("leaves no thread behind, 200 in turn #linux", function()
    passes [[
      local function n_threads()
        local n = 0
        local pid = io.open "/proc/self/stat":read "n"
        for _ in io.popen("ls /proc/" .. pid .. "/task"):lines() do n = n + 1 end
        return n
      end
      parallel.map(double, {1, 2}, {timeout = 60})
      local before = n_threads()
      for i = 1, 200 do
        local pool = parallel.pool(3)
        equal(pool:map(double, {1, i}), {2, i * 2})
        if i % 3 == 0 then pool:submit(forever) pool:terminate() elseif i % 3 == 1 then pool:close() end
        pool = nil
        if i % 3 == 2 then collectgarbage() end
      end
      collectgarbage() collectgarbage()
      assert(n_threads() <= before + 1, n_threads())
    ]]
  end)
end)

describe("a pool that is dropped without being closed", function()
  local code = [[
    warn "@on"
    local parallel = require "parallel"
    do local pool = parallel.pool(1) pool:apply(print, "used") end
    collectgarbage()
    collectgarbage()
    print "collected"
    do local pool <close> = parallel.pool(1) end
    local pool = parallel.pool(1)
    pool:close()
    left = parallel.pool(1)
  ]]
  for _, host in ipairs(script.hosts) do
    it("is warned of, when it is collected or the program ends " .. host.name, function()
      local result = script.run(code, host)
      assert.equal(0, result.code)
      assert.equal("used\ncollected\n", result.stdout)
      local _, n = result.stderr:gsub("Lua warning: parallel: a pool was dropped that was not closed\n", "")
      assert.equal(2, n)
    end)
  end

  for _, host in ipairs {script.hosts[1], script.hosts[3]} do
    it("is not warned of where it could not be made #here " .. host.name, function()
      local result = script.passes([[
        parallel.map(function()
          warn "@on"
          assert(not pcall(parallel.pool, 1024)) -- more threads than the pools of calls may have
          collectgarbage()
        end, {1, 2})
      ]], host)
      assert.equal("", result.stderr)
    end)
  end
end)
