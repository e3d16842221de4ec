local script = require "support.script"

-- What scripts begin with: `note`, a progress function that notes what it is told in `told`; `is_whole`,
-- which checks that.
local start = [==[
  local now = require "parallel.core".now
  local function wait(seconds)
    local over = now() + seconds
    while now() < over do end
  end
  local function same(x) return x end
  local told = {}
  local function note(done, total, failed)
    told[#told + 1] = {done = done, total = total, failed = failed, at = now()}
  end
  -- Numbers only grow, not too often, and end with these, once.
  local function is_whole(done, total, failed)
    local last = {done = -1, failed = 0, at = -1}
    for i, numbers in ipairs(told) do
      equal(numbers.total, total)
      assert(numbers.done >= last.done and numbers.failed >= last.failed and numbers.failed <= numbers.done)
      assert(i == #told or numbers.at - last.at >= 0.05)
      assert(numbers.done > last.done or numbers.failed > last.failed)
      last = numbers
    end
    equal({last.done, last.failed}, {done, failed})
    told = {}
  end
]==]

script.on_hosts("a progress function", function(_, _, host)
  local function passes(code)
    local result = script.passes(start .. code, host)
    assert.equal("", result.stderr)
  end

  it("is told what is done, of how many, and what has failed", function()
    passes [[
      local function f(x) wait(0.01) return x end
      local options = {progress = note, workers = 2, chunk = 1}
      equal(parallel.map(f, parallel.range(1, 30), options).n, 30)
      assert(#told > 2, #told)
      is_whole(30, 30, 0)
      parallel.starmap(f, {{1}, {2}, {3}}, options)
      is_whole(3, 3, 0)
      parallel.run({parallel.delayed(f)(1), parallel.delayed(f)(2)}, options)
      is_whole(2, 2, 0)
      parallel.map(f, {1, nil, 3, n = 4}, options)
      is_whole(4, 4, 0)
      parallel.map(same, parallel.range(1, 1e5), {progress = note})
      is_whole(100000, 100000, 0)
    ]]
  end)

  it("is told once where there is nothing to do", function()
    passes [[
      parallel.map(same, {}, {progress = note})
      equal(#told, 1)
      is_whole(0, 0, 0)
      parallel.map(same, counting(0), {progress = note})
      equal(#told, 1)
      is_whole(0, nil, 0)
    ]]
  end)

  it("is told no total of an iterator", function()
    passes [[
      parallel.map(same, counting(1000), {progress = note})
      is_whole(1000, nil, 0)
    ]]
  end)

  it("is told of failed calls once, however often they were tried", function()
    passes [[
      local function f(x)
        if x % 3 == 0 then error "three" end
        if x % 7 == 0 then return coroutine.create(print) end
        return x
      end
      local _, errors = parallel.map(f, parallel.range(1, 100),
        {progress = note, errors = "collect", retries = 3, chunk = 4})
      is_whole(100, 100, 33 + 10)
    ]]
  end)

  it("is told of items that cannot be sent as of failed calls", function()
    passes [[
      local bad = coroutine.create(print)
      for _, xs in ipairs {{bad}, {bad, 2, 3}, {1, bad, bad, 4}, {1, 2, bad}} do
        local n_bad = 0
        for _, x in ipairs(xs) do n_bad = n_bad + (x == bad and 1 or 0) end
        parallel.map(same, xs, {progress = note, errors = "collect"})
        is_whole(#xs, #xs, n_bad)
      end
    ]]
  end)

  it("may be any value that can be called", function()
    passes [[
      local object = setmetatable({}, {__call = function(_, ...) note(...) end})
      parallel.map(same, {1, 2, 3}, {progress = object})
      is_whole(3, 3, 0)
    ]]
  end)

  it("can end the map with an error, which reaches the caller", function()
    passes [[
      local problem = {}
      local function complain(done) if done >= 5 then error(problem) end end
      local function f(x) wait(0.01) return x end
      local options = {progress = complain, workers = 2, chunk = 1}
      local pool <close> = parallel.pool(2)
      for _, call in ipairs {
        function() parallel.map(f, parallel.range(1, 1000), options) end,
        function() parallel.map(f, counting(1000), options) end,
        function() pool:map(f, parallel.range(1, 1000), options) end,
        function() for _ in pool:imap(f, parallel.range(1, 1000), options) do end end,
        function() for _ in pool:imap_unordered(f, counting(1000), options) do end end,
        function() pool:map_async(f, parallel.range(1, 1000), options):get() end,
      } do
        local ok, err = pcall(call)
        equal(ok, false)
        assert(rawequal(err, problem), err)
        equal(pool:map(same, {1, 2}), {1, 2})
      end
      local ok, err = pcall(parallel.map, same, {1}, {progress = function() error "at once" end})
      assert(not ok and err:find "at once$", err)
    ]]
  end)

  it("is not called after its map has failed", function()
    passes [[
      local function f(x) if x == 50 then error "fifty" end return x end
      local ok, err = pcall(parallel.map, f, parallel.range(1, 1000), {progress = note})
      equal({ok, err.index}, {false, 50})
      for _, numbers in ipairs(told) do assert(numbers.done < 1000) end
    ]]
  end)

  it("of a pool holds for its maps and iterations, unless they say otherwise", function()
    passes [[
      local pool <close> = parallel.pool {workers = 2, progress = note}
      pool:map(same, {1, 2, 3})
      is_whole(3, 3, 0)
      pool:starmap(same, {{1}, {2}})
      is_whole(2, 2, 0)
      pool:run {parallel.delayed(same)(1)}
      is_whole(1, 1, 0)
      for _, method in ipairs {"imap", "imap_unordered"} do
        for _ in pool[method](pool, same, parallel.range(1, 500)) do end
        is_whole(500, 500, 0)
      end
      for _ in pool:istarmap(same, {{1}, {2}}) do end
      is_whole(2, 2, 0)
      pool:map(same, {1, 2, 3}, {progress = false})
      equal(pool:apply(same, 7), 7)
      equal(pool:submit(same, 7):get(), 7)
      equal(told, {})
    ]]
  end)

  it("of a future is told while the script waits or polls", function()
    passes [[
      local pool <close> = parallel.pool {workers = 2, progress = note}
      local function f(x) wait(0.01) return x end
      equal(pool:map_async(f, parallel.range(1, 30)):get().n, 30)
      assert(#told > 2)
      is_whole(30, 30, 0)
      local future = pool:map_async(f, parallel.range(1, 30))
      while not future:done() do end
      assert(#told > 2)
      is_whole(30, 30, 0)
      future = pool:starmap_async(f, {{1}, {2}, {3}})
      while not future:wait(0.001) do end
      is_whole(3, 3, 0)
      for one in parallel.as_completed {pool:map_async(f, {1, 2, 3})} do
        equal(one:ok(), true)
        is_whole(3, 3, 0)
      end
      pool:map_async(f, counting(40)):cancel()
      told = {}
      pool:map_async(f, {1, 2})
      pool:close()
      is_whole(2, 2, 0)
    ]]
  end)

  it("that fails makes its future fail, and leaves the pool", function()
    passes [[
      local pool <close> = parallel.pool(2)
      local n_calls, n_done = 0, 0
      local future = pool:map_async(same, parallel.range(1, 100), {progress = function()
        n_calls = n_calls + 1
        error "no"
      end})
      future:on_done(function(one) n_done = n_done + 1 assert(one:done()) end)
      equal(future:wait(), true)
      equal({future:ok(), n_calls, n_done}, {false, 1, 1})
      local ok, err = pcall(future.get, future)
      assert(not ok and err:find "no$", err)
      equal(future:cancel(), false)
      equal(pool:map(same, {1}), {1})
    ]]
  end)

  it("of a loop that is left early is told no more", function()
    passes [[
      local pool <close> = parallel.pool(2)
      for i in pool:imap(same, counting(math.huge), {progress = note}) do
        if i == 100 then break end
      end
      local n = #told
      for i = 1, n do equal(told[i].total, nil) end
      equal(pool:map(same, {1, 2}), {1, 2})
      equal(#told, n)
    ]]
  end)

  it("is called on the caller's side, also of a map within a call", function()
    passes [[
      local function inner(x) return x end
      local function outer(x)
        local last
        parallel.map(inner, parallel.range(1, x), {progress = function(done, total) last = {done, total} end})
        return last
      end
      equal(parallel.map(outer, {1, 20}), {{1, 1}, {20, 20}})
    ]]
  end)

  it("may make maps of its own", function()
    passes [[
      local n = 0
      parallel.map(same, {1, 2, 3}, {progress = function(done)
        n = n + #parallel.map(same, {1, 2}, {progress = note})
        is_whole(2, 2, 0)
      end})
      assert(n >= 2)
    ]]
  end)
end)

describe("the option `progress`", function()
  it("takes a boolean or a function", function()
    for value, got in pairs {["'bar'"] = [["bar"]], ["1"] = "1", ["{}"] = "a table"} do
      for call, where in pairs {["map(print, {}, "] = "map", ["run({}, "] = "run", ["pool("] = "pool"} do
        local code = ("parallel.%s{progress = %s})"):format(call, value)
        local text = "stdin:1: option 'progress' of '%s' must be a boolean or a function, not %s"
        script.fails(code, text:format(where, got))
      end
    end
  end)

  it("alone needs the file progress.lua", function()
    script.passes [[
      package.preload["parallel.progress"] = nil
      local xs = {1, 2, 3}
      local function same(x) return x end
      equal(parallel.map(same, xs), xs)
      equal(parallel.map(same, xs, {progress = false}), xs)
      local pool <close> = parallel.pool(2)
      for i, x in pool:imap(same, xs) do equal(x, i) end
      equal(pool:map_async(same, xs):get(), xs)
      local ok, err = pcall(parallel.map, same, xs, {progress = true})
      assert(not ok and err:find "^option 'progress' cannot be used: module 'parallel.progress' not found", err)
    ]]
  end)
end)
