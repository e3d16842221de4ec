local script = require "support.script"

script.on_hosts("clock and sleep", function(_, _, host)
  it("go forward, and wait as long as they are asked to", function()
    script.passes([[
      local before = parallel.clock()
      assert(math.type(before) == "float" and parallel.clock() >= before)
      local start = parallel.clock()
      equal(select("#", parallel.sleep(0.03)), 0)
      assert(parallel.clock() - start >= 0.03)
      parallel.sleep(0) parallel.sleep(1e-9) parallel.sleep(0.0)
      local slept = parallel.map(function(seconds)
        local from = parallel.clock()
        parallel.sleep(seconds)
        return parallel.clock() - from
      end, {0, 0.02})
      assert(slept[2] >= 0.02)
      coroutine.wrap(function() parallel.sleep(0.01) end)()
    ]], host)
  end)

  it("refuse what is no time, of the script's line", function()
    script.passes([[
      for _, seconds in ipairs {-1, 0 / 0, -math.huge, "x", {}, false} do
        local ok, err = pcall(function() parallel.sleep(seconds or nil) end)
        assert(not ok and err:find "^stdin:%d+: bad argument #1 to 'sleep' %(seconds", err)
      end
    ]], host)
  end)

  it("end at once with their call, in coroutines too", function()
    script.passes([[
      local function in_coroutine() coroutine.wrap(function() parallel.sleep(math.huge) end)() end
      local function caught() while true do pcall(parallel.sleep, 1e9) end end
      local function within() parallel.map(function() parallel.sleep(1e300) end, {1, 2}) end
      for _, f in ipairs {parallel.sleep, in_coroutine, caught, within} do
        local _, errors = parallel.map(f, {1e9, 1e9}, {timeout = 0.05, errors = "collect"})
        equal({errors[1].kind, errors[2].kind}, {"timeout", "timeout"})
      end
    ]], host)
  end)
end)

describe("sleep #threads", function()
  it("ends with a future that is cancelled, and with a map that has failed", function()
    script.passes [[
      local pool = parallel.pool(2)
      local future = pool:submit(parallel.sleep, 1e9)
      future:wait(0.02)
      equal({future:cancel(), pool:apply(math.abs, -1)}, {true, 1})
      local ok, err = pcall(pool.map, pool, function(x) if x == 2 then error "two" end parallel.sleep(1e9) end, {1, 2},
        {chunk = 1})
      equal({ok, err.index}, {false, 2})
      pool:submit(parallel.sleep, 1e9)
      pool:terminate()
    ]]
  end)

  it("ends at Ctrl-C, in the script and in calls, in coroutines and out of them", function()
    for _, code in ipairs {
      "parallel.sleep(1e9)",
      "coroutine.wrap(function() parallel.sleep(1e9) end)()",
      "parallel.map(parallel.sleep, {1e9, 1e9})",
      "coroutine.wrap(function() parallel.map(parallel.sleep, {1e9, 1e9}) end)()",
      "parallel.submit(parallel.sleep, 1e9):get()",
    } do
      local killer = 'os.execute "(sleep 0.2; kill -INT $PPID) & :" '
      local result = script.run(killer .. code)
      assert.equal(130, result.code, result.stderr)
    end
  end)
end)
