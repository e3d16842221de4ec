-- Calls that a thread cannot end: a C function that does not return for a while, or for ever.
local script = require "support.script"
local temporary = require "support.temporary"

local prelude = [==[
  -- Waits in C for somebody to write to a pipe, who never comes, or comes to another pipe when the script says so.
  local pipe = os.getenv "PIPE"
  local function for_ever() return io.open(pipe) end
  local function for_long() return io.open(pipe .. "_long") ~= nil end
  local function end_long()
    os.execute(("exec 3<>'%s_long'; sleep 0.3"):format(pipe))
  end

  local function f(x)
    if x == "for ever" then return for_ever() end
    if x == "for long" then return for_long() end
    return x
  end

  local function assert_given_up(err, kind)
    assert(err and err.kind == kind, tostring(err))
    assert(err.message:find("given up", 1, true), err.message)
  end
]==]

local function with_pipe(options, run)
  temporary.folder({}, function(folder)
    local pipe = folder .. "/pipe"
    assert(os.execute(("mkfifo %s %s"):format(temporary.quote(pipe), temporary.quote(pipe .. "_long"))))
    local env = {PIPE = pipe}
    for name, value in pairs(options and options.env or {}) do env[name] = value end
    run(setmetatable({env = env}, {__index = options}))
  end)
end

local function passes(code, options)
  with_pipe(options, function(own)
    script.passes(prelude .. code, own)
  end)
end

script.on_hosts("a call that cannot be stopped", function(_, _, host)
  it("fails alone when its time is over, and others of its chunk are made", function()
    passes([[
      local xs = {1, 2, "for ever", 4, 5, "for ever", 7, 8, 9}
      for chunk, fresh in pairs {[2] = true, [9] = false} do
        local results, errors = parallel.map(f, xs,
          {timeout = 0.1, errors = "collect", workers = 2, chunk = chunk, fresh = fresh})
        equal(results.n, 9)
        for i, x in ipairs(xs) do
          if x == "for ever" then
            assert_given_up(errors[i], "timeout")
            equal(errors[i].index, i)
          else
            equal({results[i], errors[i]}, {x})
          end
        end
      end
    ]], host)
  end)

  it("is raised as that call's error", function()
    passes([[
      local ok, err = pcall(parallel.map, f, {1, "for ever", 3}, {timeout = 0.1})
      equal({ok, err.index}, {false, 2})
      assert_given_up(err, "timeout")
      equal(parallel.map(f, {1, 2}), {1, 2})
    ]], host)
  end)

  it("leaves the pool as many workers as it had", function()
    passes([[
      local pool <close> = parallel.pool(2)
      for _ = 1, 2 do
        local _, errors = pool:map(f, {"for ever", "for ever"}, {timeout = 0.1, errors = "collect"})
        assert_given_up(errors[1], "timeout")
        assert_given_up(errors[2], "timeout")
      end
      local function meet(i)
        io.open(pipe .. i, "w"):close()
        repeat until io.open(pipe .. 3 - i)
        return i
      end
      equal(pool:map(meet, {1, 2}, {chunk = 1, timeout = 30}), {1, 2})
      equal(pool:stats().workers, 2)
    ]], host)
  end)

  it("is tried again where it may be", function()
    passes([[
      local pool <close> = parallel.pool(2)
      local results, errors = pool:map(f, {1, "for ever", 3, 4},
        {timeout = 0.1, errors = "collect", retries = 1, chunk = 4})
      equal({results[1], results[3], results[4]}, {1, 3, 4})
      assert_given_up(errors[2], "timeout")
      local ok, err = pcall(function()
        local trying <close> = parallel.pool {workers = 1, timeout = 0.1, retries = 1}
        trying:apply(f, "for ever")
      end)
      equal(ok, false)
      assert_given_up(err, "timeout")
      local stats = pool:stats()
      equal({stats.done, stats.failed, stats.retried, stats.lost}, {4, 1, 1, 2})
    ]], host)
  end)

  it("does not keep a cancelled future from failing", function()
    passes([[
      local pool <close> = parallel.pool(1)
      local stuck, next_one = pool:submit(f, "for ever"), pool:submit(f, 5)
      assert(not stuck:wait(0.1))
      stuck:cancel()
      local ok, err = pcall(stuck.get, stuck)
      equal({ok, err.kind}, {false, "cancelled"})
      equal(next_one:get(), 5)
    ]], host)
  end)

  it("keeps no pool from ending, however it ends", function()
    passes([[
      for _, finish in ipairs {"terminate", "close"} do
        local pool = parallel.pool(2)
        local a, b = pool:submit(f, "for ever"), pool:submit(f, "for ever")
        assert(not a:wait(0.05))
        if finish == "close" then a:cancel() b:cancel() end
        pool[finish](pool)
      end
      local ok = pcall(function()
        local pool <close> = parallel.pool(2)
        pool:submit(f, "for ever")
        error "left"
      end)
      equal(ok, false)
      do
        local pool = parallel.pool(2)
        pool:submit(f, "for ever")
      end
      collectgarbage()
      collectgarbage()
    ]], host)
  end)

  it("does not keep the program from ending", function()
    passes([[
      local pool = parallel.pool(1)
      pool:submit(f, "for ever"):wait(0.05)
    ]], host)
  end)

  it("is no trouble when it ends after all", function()
    passes([[
      for _, fresh in ipairs {true, false} do
        local pool <close> = parallel.pool {workers = 2, fresh = fresh}
        local _, errors = pool:map(f, {"for long", 2, "for long", 4}, {timeout = 0.1, errors = "collect"})
        assert_given_up(errors[1], "timeout")
        assert_given_up(errors[3], "timeout")
        equal(pool:map(f, {1, 2, 3}), {1, 2, 3})
        end_long()
        equal(pool:map(f, {1, 2, 3}), {1, 2, 3})
      end
      -- The pool is gone before its calls end.
      do
        local pool <close> = parallel.pool(1)
        pcall(pool.map, pool, f, {"for long"}, {timeout = 0.1})
      end
      end_long()
    ]], host)
  end)

  it("takes the calls around it with it", function()
    passes([[
      local function outer(x)
        local ok, err = pcall(parallel.map, f, {x}, {timeout = 0.1, workers = 1})
        return ok and x or err.kind
      end
      local pool <close> = parallel.pool(1) -- and one for each map, so that a call runs the calls of its maps itself
      local results, errors = pool:map(outer, {1, "for long", 3}, {errors = "collect"})
      equal({results[1], results[3]}, {1, 3})
      equal(errors[2].kind, "lost")
      -- Time enough to begin the map within, on a busy machine too.
      local ok, err = pcall(pool.map, pool, function(x) return parallel.map(f, {x}, {workers = 1}) end, {"for long"},
        {timeout = 1})
      equal(ok, false)
      assert_given_up(err, "timeout")
      end_long() -- so that what the calls hold is freed
    ]], host)
  end)

  it("fails its map where it is init that does not end", function()
    passes([[
      for _, fresh in ipairs {true, false} do
        local ok, err = pcall(parallel.map, f, {1, 2, 3}, {init = for_ever, timeout = 0.1, fresh = fresh})
        equal(ok, false)
        assert_given_up(err, "timeout")
      end
      equal(parallel.map(f, {1, 2, 3}), {1, 2, 3})
    ]], host)
  end)

  it("prints no more", function()
    local result
    local code = prelude .. [[
      local parallel = require "parallel"
      local function g()
        setmetatable({}, {__gc = function()
          for_long()
          print "too late"
        end})
        collectgarbage()
        print "too late as well"
      end
      print(pcall(parallel.map, g, {1}, {timeout = 0.1}))
      end_long()
    ]]
    with_pipe(host, function(own) result = script.run(code, own) end)
    assert.equal(0, result.code)
    assert.falsy(result.stdout:find "too late")
  end)
end, nil, {script.hosts[1], script.hosts[3]})

describe("a state that was kept #threads", function()
  it("whose finalizers do not end keeps no pool from ending", function()
    passes [[
      local pool <close> = parallel.pool {workers = 2, fresh = false}
      pool:map(function()
        leftover = setmetatable({}, {__gc = function() while true do end end})
      end, {1, 2})
    ]]
  end)
end)
