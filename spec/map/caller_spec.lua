-- Short maps whose calls the script's own thread runs while it waits.
local script = require "support.script"

-- What the scripts begin with. A function is known to be short once some maps of it were.
local HEAD = require "support.threads" .. [[
  local function learn(f, item, options)
    for _ = 1, 8 do pcall(parallel.map, f, {item}, options) end
  end
  -- Whether a new pool starts no thread for what a function does with it.
  local function runs_here(use)
    local pool <close> = parallel.pool(3)
    local before = n_threads()
    use(pool)
    return n_threads() == before
  end
  -- The same, of a function that is known to be short: asked again where the machine was too busy to tell.
  local function comes_to_run_here(f, item, use)
    for _ = 1, 100 do
      learn(f, item)
      if runs_here(use) then return true end
    end
    return false
  end
  local function square(x) return x ^ 2 end
  local function spin(n) local sum = 0 for i = 1, n do sum = sum + i end return sum end
]]

local ONE = {{name = "on threads #threads"}}

script.on_hosts("the thread that waits #linux #here", function(case)
  case("runs maps and calls that are known to be short", [[
    equal(runs_here(function(pool) pool:map(square, {1}) end), false)
    for name, use in pairs {
      map = function(pool) equal(pool:map(square, {3, 4}), {9.0, 16.0}) end,
      range = function(pool) equal(pool:map(square, parallel.range(1, 2)), {1.0, 4.0}) end,
      starmap = function(pool) equal(pool:starmap(square, {{2}, {3}}), {4.0, 9.0}) end,
      apply = function(pool) equal(pool:apply(square, 5), 25.0) end,
    } do
      assert(comes_to_run_here(square, 1, function(pool)
        use(pool)
        local stats = pool:stats()
        local n = name == "apply" and 1 or 2
        equal({stats.workers, stats.done, stats.failed, stats.restored + stats.proved}, {3, n, 0, n})
        assert(stats.sent > 0 and stats.received > 0 and stats.busy > 0)
      end), name)
    end
  ]])

  case("knows of single calls by single calls", [[
    local function cube(x) return x ^ 3 end
    local came
    for _ = 1, 100 do
      for _ = 1, 8 do parallel.apply(cube, 2) end
      came = came or runs_here(function(pool) equal(pool:apply(cube, 2), 8.0) end)
    end
    assert(came)
  ]])

  case("runs no others", [[
    local others = {
      long = function(pool) pool:map(spin, {10000000}) end,
      many = function(pool) pool:map(square, parallel.range(1, 1000000)) end,
      kept = function(pool) pool:map(square, {1}, {fresh = false}) end,
      init = function(pool) pool:map(square, {1}, {init = function() end}) end,
      timeout = function(pool) pool:map(square, {1}, {timeout = 60}) end,
      report = function(pool) pool:map(square, {1}, {report = {}}) end,
      chunk = function(pool) pool:map(square, {1}, {chunk = 1}) end,
      first = function(pool) pool:first(square, {1}) end,
      imap = function(pool) for _ in pool:imap(square, {1}) do end end,
      future = function(pool) pool:submit(square, 1):get() end,
      hook = function(pool)
        debug.sethook(function() end, "", 1000000000)
        pool:map(square, {1})
        debug.sethook()
      end,
    }
    learn(spin, 10000000)
    learn(square, 1, {fresh = false})
    for name, use in pairs(others) do
      assert(comes_to_run_here(square, 1, function(pool) pool:map(square, {1}) end))
      assert(not runs_here(use), name)
    end
    local reaching = {
      function(x) return os.time and x end,
      function(x) return io and x end,
      function(x) return _G and x end,
      function(x) return require and x end,
      function(x) return parallel and x end,
      function(x) return load and x end,
      function(x) return debug and x end,
    }
    for i, f in ipairs(reaching) do
      learn(f, 1)
      assert(not runs_here(function(pool) pool:map(f, {1}) end), i)
    end
    local function call(f) return f(1) end
    local function time() return os.time() end
    assert(comes_to_run_here(call, square, function(pool) pool:map(call, {square}) end))
    assert(not runs_here(function(pool) pool:map(call, {time}) end))
  ]])

  case("makes its part of some more, and what no worker has begun", [[
    local function busy(x)
      local sum = x
      for i = 1, 150 do sum = sum + i % 3 end
      return sum, math.random(1 << 40)
    end
    local function bad(x) return x == 61 and error("no " .. x, 0) or busy(x) end
    local pool <close> = parallel.pool(3)
    for _, f in ipairs {busy, bad} do
      learn(f, 1, {pack = true})
      for n = 10, 200, 5 do
        local items = parallel.range(1, n)
        local results, errors = pool:map(f, items, {pack = true, seed = n, errors = "collect"})
        local others = parallel.map(f, items, {pack = true, seed = n, errors = "collect", chunk = 7})
        equal(results.n, n)
        for i = 1, n do equal(results[i], others[i]) end
        equal(f == bad and n > 60, next(errors) ~= nil)
        assert(not next(errors) or errors[61].index == 61)
      end
    end
    equal(pool:stats().failed, 28)
    local ok, err = pcall(pool.map, pool, bad, parallel.range(1, 100))
    equal({ok, err.index, err.message}, {false, 61, "no 61"})
  ]])

  case("goes back to workers where a call takes longer than was known", [[
    assert(comes_to_run_here(spin, 1, function(pool) equal(pool:map(spin, {2}), {3}) end))
    equal(parallel.map(spin, {10000000}), {50000005000000})
    assert(not runs_here(function(pool) equal(pool:map(spin, {2}), {3}) end))
  ]])

  case("makes calls only while workers have too little to do, and after those that came before", [[
    local function say(x) print(x) end
    learn(say, "learning")
    local pool <close> = parallel.pool(1)
    local future = pool:submit(function()
      local sum = 0
      for i = 1, 20000000 do sum = sum + i end
      print "first"
    end)
    pool:apply(say, "second")
    assert(future:done())
  ]])

  case("gives the same results, errors, seeds and states as workers", [[
    local function f(x)
      assert(count == nil)
      count = 1
      if x == 2 then error {code = x} end
      local co = coroutine.wrap(function() coroutine.yield(math.random(1 << 40)) end)
      return {x, co()}
    end
    local function outcome(items)
      local results, errors = parallel.map(f, items, {seed = 5, errors = "collect", retries = 1})
      local list = {}
      for i = 1, results.n do
        local e = errors[i]
        list[i] = e and {e.index, e.item, e.kind, e.message, e.value.code, e.traceback, #e.caller > 0} or results[i]
      end
      return list
    end
    local first = outcome {1, 2, 3}
    for _ = 1, 20 do equal(outcome {1, 2, 3}, first) end
    local function fails(x) error("no " .. x, 0) end
    learn(fails, 1)
    for _, call in ipairs {parallel.map, function(g, items) return parallel.apply(g, items[1]) end} do
      local ok, err = pcall(call, fails, {7})
      equal({ok, err.kind, err.message, err.index, err.item}, {false, "error", "no 7", 1, 7})
    end
  ]])

  case("bears what overflows stacks and memory", [[
    local function deep(n) return n > 0 and 1 + deep(n - 1) or 0 end
    local function nest(n) return n > 0 and ("x"):gsub("x", function() return nest(n - 1) end) or "" end
    local function fill(n) local t = {} for i = 1, n do t[i] = ("x"):rep(1 << 20) .. i end return #t end
    for _, f in ipairs {deep, nest, fill} do
      learn(f, 1, {memory = 50 << 20})
      local ok, err = pcall(parallel.map, f, {10000000}, {memory = 50 << 20})
      equal(ok, false)
      assert(err.kind == (f == nest and "error" or "memory") or err.message:find "overflow", err)
      equal(parallel.map(square, {2}), {4.0})
    end
  ]])

  case("works in coroutines, and for a job that is closed by what it reads", [[
    learn(square, 1)
    equal(coroutine.wrap(function() return parallel.map(square, {4}) end)(), {16.0, n = 1})
    local class = setmetatable({}, {__index = function(_, i) error "unreadable" end, __len = function() return 1 end})
    local ok = pcall(parallel.map, square, class)
    equal(ok, false)
    equal(parallel.map(square, {5}), {25.0})
  ]])
end, HEAD, ONE)

describe("Ctrl-C while the script's own thread runs a call #linux", function()
  for name, code in pairs {
    ["a loop"] = "parallel.map(f, {true})",
    ["a loop in a coroutine"] = "coroutine.wrap(function() parallel.map(f, {true}) end)()",
    ["a single call"] = "parallel.apply(f, true)",
    ["a loop that catches errors"] = "parallel.map(f, {1})",
  } do
    it("ends it, and the script as usual: " .. name, function()
      local result = script.run([[
        local function f(way)
          while way do
            if way == 1 then pcall(function() while true do end end) end
          end
        end
        for _ = 1, 8 do parallel.map(f, {false}) parallel.apply(f, false) end
        local _ <close> = setmetatable({}, {__close = function(_, err) print("closed: " .. tostring(err)) end})
        os.execute "(sleep 0.3; kill -INT $PPID) & :"
      ]] .. code)
      assert.equal(130, result.code, result.stderr)
      assert.truthy(result.stdout:find "^closed: .*interrupted!", result.stdout .. result.stderr)
    end)
  end
end)
