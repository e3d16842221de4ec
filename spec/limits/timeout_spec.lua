local script = require "support.script"

-- Ways to run without end, by name. `ready` is a coroutine that init makes.
local endless = [==[
  local function forever() while true do end end
  local function caught() while true do pcall(error, "again") end end
  local function slow_index() return setmetatable({}, {__index = forever}) end
  local ready
  local function init() ready = coroutine.create(forever) end
  local loops = {
    plain = forever,
    jumping = function() ::again:: goto again end,
    counting = function() for _ = 1, math.maxinteger do end end,
    calling = function() local function f() end while true do f() end end,
    tail_calls = function() local function f() return f() end return f() end,
    pcall = function() while true do pcall(forever) end end,
    pcall_of_errors = caught,
    pcall_of_itself = function() local function f() while true do pcall(f) end end f() end,
    coroutine = function() coroutine.resume(coroutine.create(forever)) forever() end,
    coroutine_of_init = function() while true do coroutine.resume(ready) end end,
    coroutine_in_coroutine = function()
      coroutine.wrap(function() coroutine.wrap(function() while true do pcall(forever) end end)() end)()
    end,
    wrap = function() coroutine.wrap(forever)() end,
    wrap_without_end = function()
      while true do pcall(coroutine.wrap(forever)) end
    end,
    yielding = function()
      local next_one = coroutine.wrap(function() while true do coroutine.yield(1) end end)
      while true do next_one() end
    end,
    new_coroutines = function() while true do coroutine.wrap(function() end)() end end,
    message_handler = function() while true do xpcall(error, forever, "x") end end,
    handler_by_name = function()
      local handlers = setmetatable({}, {__index = function() return caught end})
      while true do xpcall(error, function(name) return handlers[name]() end, "timed out") end
    end,
    close = function()
      while true do
        pcall(function() local _ <close> = setmetatable({}, {__close = forever}) error "x" end)
      end
    end,
    close_of_coroutine = function()
      local co = coroutine.create(function()
        local _ <close> = setmetatable({}, {__close = forever})
        coroutine.yield()
      end)
      coroutine.resume(co)
      coroutine.close(co)
    end,
    close_of_wrap = function()
      coroutine.wrap(function()
        local _ <close> = setmetatable({}, {__close = forever})
        error "x"
      end)()
    end,
    metamethods = function() return slow_index().field end,
    comparison = function() return setmetatable({}, {__lt = caught}) < {} end,
    concatenation = function() return setmetatable({}, {__concat = forever}) .. "x" end,
    conversion = function() return tostring(setmetatable({}, {__tostring = forever})) end,
    sort = function() while true do pcall(table.sort, {3, 1, 2}, forever) end end,
    gsub = function() while true do pcall(string.gsub, "x", "x", forever) end end,
    gsub_of_table = function() return ("x"):gsub("x", slow_index()) end,
    load = function() return load(forever) end,
    iterator = function() for _ in forever do end end,
    debug_hook = function()
      debug.sethook(function() end, "", 1)
      debug.sethook()
      forever()
    end,
    debug_hook_removed = function() while true do debug.sethook() end end,
  }
  local function call(name)
    if name then loops[name]() end
    return "done"
  end
]==]

-- The thread that watches is the same for all hosts, and these cases wait.
script.on_hosts("a call past its timeout", function(case, passes)
  for _, fresh in ipairs {true, false} do
    it("fails in whatever way it runs without end, and others go on, fresh = " .. tostring(fresh), function()
      passes(([[
        local fresh = %s
        local names = {}
        for name in pairs(loops) do
          names[#names + 1] = name
          names[#names + 1] = false
        end
        local results, errors = parallel.map(call, names,
          {init = init, fresh = fresh, timeout = 0.05, errors = "collect", chunk = 3})
        equal(results.n, #names)
        for i, name in ipairs(names) do
          if name then
            local err = errors[i]
            assert(results[i] == nil and err, name)
            assert(err.index == i and err.kind == "timeout", name .. ": " .. tostring(err))
            assert(err.message:find("timed out", 1, true), err.message)
            assert(type(err.traceback) == "string", name)
          else
            assert(errors[i] == nil, tostring(errors[i]))
            equal(results[i], "done")
          end
        end
      ]]):format(fresh))
    end)
  end

  case("has a traceback that shows where it was", [[
    for _, fresh in ipairs {true, false} do
      for _, name in ipairs {"plain", "pcall", "sort"} do
        local ok, err = pcall(parallel.map, call, {name}, {timeout = 0.3, fresh = fresh})
        assert(not ok and err.kind == "timeout", tostring(err))
        assert(err.traceback:find "stdin:%d+: in ", name .. ": " .. err.traceback)
      end
    end
  ]])

  case("raises an error of that kind and index, which reads well", [[
    local ok, err = pcall(parallel.map, call, {false, false, "plain"}, {timeout = 0.05, chunk = 1})
    assert(not ok)
    equal({err.index, err.kind}, {3, "timeout"})
    assert(tostring(err):find('call 3 (item "plain") failed: timed out', 1, true), tostring(err))
    equal(parallel.map(call, {false, false}), {"done", "done"})
  ]])

  case("leaves a kept state that still works", [[
    local count = 0
    local function f(name)
      count = count + 1
      return name and loops[name]() or count
    end
    local xs = {false, "plain", false, "pcall", false, "yielding", false}
    local options = {workers = 1, chunk = 1, fresh = false, timeout = 0.2, errors = "collect"}
    local results, errors = parallel.map(f, xs, options)
    for i, x in ipairs(xs) do
      if x then equal(errors[i].kind, "timeout") else assert(math.type(results[i]) == "integer") end
    end
  ]])

  case("may be one that a map within it makes", [[
    local function outer(name)
      return parallel.map(function(x) return x and call(x) or x end, {false, name, false})
    end
    local results, errors = parallel.map(outer, {"plain", false, "pcall"},
      {timeout = 0.1, errors = "collect", chunk = 1})
    equal({results.n, results[2], errors[1].kind, errors[3].kind}, {3, {false, false, false}, "timeout", "timeout"})
    equal(errors[2], nil)
    -- However deep, and whatever catches it.
    local function deep(depth)
      if depth == 0 then forever() end
      while true do pcall(parallel.map, deep, {depth - 1}) end
    end
    local ok, err = pcall(parallel.map, deep, {3}, {timeout = 0.1})
    equal({ok, err.kind, err.index}, {false, "timeout", 1})
    equal(parallel.map(call, {false}), {"done"})
  ]])

  case("within a map may have the shorter limit of the inner map, and be caught there", [[
    local function outer(name)
      local ok, err = pcall(parallel.map, call, {name}, {timeout = 0.05})
      return {ok, err.kind, err.index}
    end
    equal(parallel.map(outer, {"plain", "pcall"}, {timeout = 30}), {{false, "timeout", 1}, {false, "timeout", 1}})
    equal(parallel.map(outer, {"plain"}), {{false, "timeout", 1}})
  ]])

  case("obeys the outer call's limit where the inner map's is longer", [[
    local function outer(name) return parallel.map(call, {name}, {timeout = 1000}) end
    local ok, err = pcall(parallel.map, outer, {"plain"}, {timeout = 0.05})
    equal({ok, err.kind, err.index}, {false, "timeout", 1})
  ]])

  case("obeys it in a pool that the call makes, and in its iterators and futures", [[
    local ways = {
      function() local pool <close> = parallel.pool(2) return pool:map(call, {"plain"}) end,
      function() local pool <close> = parallel.pool(2) return pool:apply(call, "pcall") end,
      function() local pool <close> = parallel.pool(1) return pool:submit(call, "plain"):get() end,
      function() local pool <close> = parallel.pool(1) return pool:submit(call, "plain"):wait() end,
      function()
        local pool <close> = parallel.pool(2)
        local function endless() return false end
        for _ in pool:imap(call, endless) do end
      end,
      function() while true do pcall(parallel.pool) end end,
    }
    local function f(i) return ways[i]() end
    local _, errors = parallel.map(f, parallel.range(1, #ways), {timeout = 0.1, errors = "collect", chunk = 1})
    for i = 1, #ways do
      assert(errors[i] and errors[i].kind == "timeout", i .. ": " .. tostring(errors[i]))
    end
    equal(parallel.map(call, {false}), {"done"})
  ]])

  case("is measured for each call anew, not for the map", [[
    local function work() for _ = 1, 200000 do end return 1 end
    local results = parallel.map(work, parallel.range(1, 500), {timeout = 0.9, chunk = 500, workers = 1})
    equal(#results, 500)
  ]])

  case("counts for init as for a call", [[
    for _, fresh in ipairs {true, false} do
      local options = {init = forever, timeout = 0.1, fresh = fresh}
      local ok, err = pcall(parallel.map, call, {false, false}, options)
      equal({ok, err.kind}, {false, "timeout"})
      assert(err.message:find("init", 1, true), err.message)
    end
    equal(parallel.map(call, {false}), {"done"})
  ]])
-- What looks after calls is the same for all hosts, and these cases wait.
end, endless, {script.hosts[1]})

script.on_hosts("a timeout that is not reached", function(_, _, host)
  it("changes nothing", function()
    script.passes([[
      local function f(x)
        local co = coroutine.wrap(function() for i = 1, x do coroutine.yield(i) end return -1 end)
        local sum = 0
        for _ = 1, x do sum = sum + co() end
        local ok, err = pcall(error, {x})
        return {sum, ok, err[1], debug.gethook() == nil, ("%d"):format(x)}
      end
      local xs = parallel.range(1, 200)
      local expected = parallel.map(f, xs)
      for _, fresh in ipairs {true, false} do
        for _, timeout in ipairs {5, 0.75 * 60, 1e8, 3600.0} do
          equal(parallel.map(f, xs, {timeout = timeout, fresh = fresh}), expected)
        end
      end
    ]], host)
  end)

  it("leaves a hook of the script where it is", function()
    script.passes([[
      local function f(n)
        local n_lines = 0
        debug.sethook(function() n_lines = n_lines + 1 end, "l")
        local x = 1
        x = x + 1
        local hook, mask, count = debug.gethook()
        debug.sethook()
        return {n_lines >= 3, type(hook), mask, count, x, n}
      end
      for _, fresh in ipairs {true, false} do
        equal(parallel.map(f, {1, 2}, {timeout = 60, fresh = fresh}),
          {{true, "function", "l", 0, 2, 1}, {true, "function", "l", 0, 2, 2}})
      end
    ]], host)
  end)
end, nil, {script.hosts[1]}) -- as above

describe("a timeout", function()
  for name, code in pairs {
    ["a hook of the script"] = "debug.sethook(forever, 'l')\nforever()",
    ["a finalizer"] = "setmetatable({}, {__gc = forever})\ncollectgarbage()\nforever()",
  } do
    it("ends " .. name .. " that runs without end", function()
      script.passes(([[
        local function forever() while true do end end
        local function f() %s end
        local ok, err = pcall(parallel.map, f, {1}, {timeout = 0.05})
        equal({ok, err.kind}, {false, "timeout"})
      ]]):format(code), {timeout = 5})
    end)
  end

  it("that is no number of seconds is an error that names it, of the script's line", function()
    script.refuses("timeout", '{0, -1, "1", true, 0 / 0, 1 / 0, -1 / 0, {}, print, 1e9}')
  end)

  it("of a pool holds for its calls, and a call's own comes first", function()
    script.passes [[
      local function forever() while true do end end
      local function short() for _ = 1, 1000 do end return 1 end
      do
        local pool <close> = parallel.pool {workers = 2, timeout = 0.05}
        for _, call in ipairs {
          function() return pool:map(forever, {1}) end,
          function() return pool:starmap(forever, {{1}}) end,
          function() return pool:run {parallel.delayed(forever)()} end,
          function() return pool:apply(forever) end,
          function() return pool:submit(forever):get() end,
          function() return pool:map_async(forever, {1}):get() end,
          function() for _ in pool:imap(forever, {1}) do end end,
          function() for _ in pool:imap_unordered(forever, {1}) do end end,
        } do
          local ok, err = pcall(call)
          equal({ok, err.kind, err.index}, {false, "timeout", 1})
        end
        equal(pool:map(short, {1}, {timeout = 60}), {1})
      end
      local pool <close> = parallel.pool {workers = 1, timeout = 1000}
      local ok, err = pcall(pool.map, pool, forever, {1}, {timeout = 0.05})
      equal({ok, err.kind}, {false, "timeout"})
      equal(pool:apply(short), 1)
    ]]
  end)

  it("ends 64 calls at once #threads", function()
    script.passes [[
      local function f(x) while x % 2 == 0 do pcall(error) end return x end
      local pool <close> = parallel.pool {workers = 64, timeout = 10, errors = "collect", chunk = 1}
      local results, errors = pool:map(f, parallel.range(1, 64), {timeout = 2}) -- 32 of them want a core meanwhile
      equal(results.n, 64)
      for i = 1, 64 do
        if i % 2 == 0 then equal(errors[i].kind, "timeout") else equal(results[i], i) end
      end
    ]]
  end)
end)
