local script = require "support.script"

-- Ways to take more memory than there is, by name.
local greedy = [==[
  local ways = {
    tables = function() local t = {} while true do t[#t + 1] = {} end end,
    one_table = function() local t = {} while true do t[#t + 1] = true end end,
    keys = function() local t, n = {}, 0 while true do n = n + 1 t["key" .. n] = n end end,
    rep = function() return #("x"):rep(1 << 26) end,
    rep_that_doubles = function() local s = "x" while true do s = s:rep(2) end end,
    concatenation = function() local s = "xy" while true do s = s .. s end end,
    table_concat = function()
      local t = {}
      for i = 1, 1000 do t[i] = ("x"):rep(1 << 16) end -- one string many times
      return #table.concat(t)
    end,
    format = function() local s = ("x"):rep(1 << 16) while true do s = ("%s%s"):format(s, s) end end,
    gsub = function() return #(("x"):rep(1 << 16):gsub("x", ("y"):rep(1 << 10))) end,
    closures = function()
      local f
      while true do local g = f f = function() return g end end
    end,
    recursion = function()
      local function deep(n) local t = {n, n, n, n} return 1 + deep(n + 1) + #t end
      return deep(1)
    end,
    coroutines = function()
      local t = {}
      while true do
        local co = coroutine.create(function() coroutine.yield() end)
        coroutine.resume(co)
        t[#t + 1] = co
      end
    end,
    finalizers = function()
      local t = {}
      while true do t[#t + 1] = setmetatable({}, {__gc = function() t[#t + 1] = {} end}) end
    end,
  }
  local function call(name)
    if name then return ways[name]() end
    return "done"
  end
]==]

script.on_hosts("a call past its limit of memory", function(case, passes)
  case("fails where init takes it, or a finalizer at its end, which then ends", [[
    local function eat() -- a failure, where nothing else stops it
      local t, n = {}, 0
      while n < 1 << 28 do
        n = n + (1 << 20)
        t[#t + 1] = ("x"):rep(1 << 20)
      end
      return io.stdout:write "a finalizer took 256 MB"
    end
    for _, fresh in ipairs {true, false} do
      local options = {memory = 16 << 20, fresh = fresh, init = eat}
      local ok, err = pcall(parallel.map, print, {1, 2}, options)
      equal({ok, err.kind}, {false, "memory"})
      options.init = function() setup = ("x"):rep(1 << 20) end
      equal(parallel.map(function() return #setup end, {1, 2}, options), {1 << 20, 1 << 20})
    end
    local function leave(x)
      kept = setmetatable({}, {__gc = eat})
      return x
    end
    equal(parallel.map(leave, {1, 2}, {memory = 16 << 20, workers = 1}), {1, 2})
  ]])

  for _, fresh in ipairs {true, false} do
    it("fails in whatever way it takes it, and others go on, fresh = " .. tostring(fresh), function()
      passes(([[
        local names = {}
        for name in pairs(ways) do
          names[#names + 1] = name
          names[#names + 1] = false
        end
        local results, errors = parallel.map(call, names,
          {memory = 4 << 20, errors = "collect", chunk = 3, timeout = 20, fresh = %s})
        equal(results.n, #names)
        for i, name in ipairs(names) do
          if name then
            local err = errors[i]
            assert(results[i] == nil and err, name)
            assert(err.index == i and err.kind == "memory", name .. ": " .. tostring(err))
            assert(err.message:find("memory", 1, true), err.message)
          else
            assert(errors[i] == nil, tostring(errors[i]))
            equal(results[i], "done")
          end
        end
      ]]):format(fresh))
    end)
  end

  case("fails where the result is too large", [[
    local function f(n)
      local t = {}
      for i = 1, n do t[i] = {i} end
      return t
    end
    local function text(n) return ("x"):rep(n) end
    for _, fresh in ipairs {true, false} do
      local options = {memory = 4 << 20, errors = "collect", fresh = fresh, workers = 1}
      local results, errors = parallel.map(f, {10, 1000000, 20}, options)
      equal({#results[1], results[2], #results[3], errors[2].kind, errors[2].index}, {10, nil, 20, "memory", 2})
      results, errors = parallel.map(text, {10, 1 << 25, 20}, options)
      equal({#results[1], results[2], #results[3], errors[2].kind, errors[2].index}, {10, nil, 20, "memory", 2})
    end
  ]])

  case("fails where the argument is too large", [[
    local large = ("x"):rep(16 << 20)
    for _, fresh in ipairs {true, false} do
      local results, errors = parallel.map(function(s) return #s end, {"a", large, "b"},
        {memory = 4 << 20, errors = "collect", fresh = fresh})
      equal({results[1], results[2], results[3]}, {1, nil, 1})
      equal({errors[2].kind, errors[2].index}, {"memory", 2})
    end
    equal(parallel.map(function(s) return #s end, {large}, {memory = 64 << 20}), {#large})
  ]])

  case("raises an error of that kind and index, which reads well; the next call works", [[
    for _, fresh in ipairs {true, false} do
      for _, name in ipairs {"tables", "rep", "recursion"} do
        local ok, err = pcall(parallel.map, call, {false, name}, {memory = 4 << 20, chunk = 1, fresh = fresh})
        equal({ok, err.index, err.kind}, {false, 2, "memory"})
        assert(tostring(err):find('call 2 (item "' .. name .. '") failed: ', 1, true), tostring(err))
        assert(err.message:find("memory", 1, true), err.message)
        equal(parallel.map(call, {false, false}, {memory = 4 << 20, fresh = fresh}), {"done", "done"})
      end
    end
  ]])

  case("may be one of a map within a call", [[
    local function outer(name)
      local ok, err = pcall(parallel.map, call, {name}, {memory = 4 << 20})
      return {ok, not ok and err.kind, not ok and err.index}
    end
    equal(parallel.map(outer, {"tables", "rep"}), {{false, "memory", 1}, {false, "memory", 1}})
  ]])

  case("that catches it and lets go of the memory can return", [[
    local function f(x)
      local ok = pcall(function() local t = {} while true do t[#t + 1] = {} end end)
      collectgarbage()
      return {ok, #("x"):rep(x)}
    end
    for _, fresh in ipairs {true, false} do
      equal(parallel.map(f, {1000000, 5}, {memory = 8 << 20, fresh = fresh}), {{false, 1000000}, {false, 5}})
    end
  ]])

  case("gives kept states back what it took", [[
    local function f(x) return x % 2 == 0 and ways.tables() or #("x"):rep(1000000) end
    local results, errors = parallel.map(f, parallel.range(1, 40),
      {memory = 4 << 20, fresh = false, workers = 1, errors = "collect"})
    for i = 1, 40 do
      if i % 2 == 0 then
        equal(errors[i].kind, "memory")
      else
        assert(results[i] == 1000000, tostring(errors[i]))
      end
    end
  ]])
end, greedy)

script.on_hosts("a limit of memory that is not reached", function(_, _, host)
  it("changes nothing", function()
    script.passes([[
      local function f(n)
        local t = {}
        for i = 1, n do t[i] = {i, tostring(i)} end
        return {#t, t[n][2], #table.concat({("x"):rep(n), "y"})}
      end
      local xs = parallel.range(1, 300)
      local expected = parallel.map(f, xs)
      for _, fresh in ipairs {true, false} do
        for _, memory in ipairs {4 << 20, 64 << 20, 1 << 40, math.maxinteger} do
          equal(parallel.map(f, xs, {memory = memory, fresh = fresh}), expected)
        end
      end
    ]], host)
  end)

  it("counts what a call holds, not all that it has taken", function()
    script.passes([[
      local function f() -- some 100 MB in turn
        local s
        for i = 1, 100 do s = ("x"):rep(1000000 + i) end
        for _ = 1, 100000 do s = {s} s = s[1] end
        return #s
      end
      for _, fresh in ipairs {true, false} do
        equal(parallel.map(f, {1, 2}, {memory = 8 << 20, fresh = fresh}), {1000100, 1000100})
      end
    ]], host)
  end)
end)

describe("a limit of memory", function()
  it("that is no number of bytes is an error that names it, of the script's line", function()
    script.refuses("memory", '{0, -1, 1.5, 1e6 + 0.5, "1000000", true, {}, print, 0 / 0, 1 / 0}')
  end)

  it("that is too small for anything fails every call, and nothing else", function()
    script.passes [[
      for _, memory in ipairs {1, 100, 1000, 10000} do
        for _, fresh in ipairs {true, false} do
          local results, errors = parallel.map(function(x) return ("x"):rep(x) end, {100000, 100000},
            {memory = memory, errors = "collect", fresh = fresh})
          equal(results, {n = 2})
          for i = 1, 2 do equal({errors[i].index, errors[i].kind}, {i, "memory"}) end
        end
      end
      equal(parallel.map(function(x) return x end, {1}), {1})
    ]]
  end)

  it("of a pool holds for its calls, and a call's own comes first", function()
    script.passes [[
      local function f(n) return #("x"):rep(n) end
      local pool <close> = parallel.pool {workers = 2, memory = 4 << 20}
      for _, call in ipairs {
        function() return pool:map(f, {1 << 24}) end,
        function() return pool:apply(f, 1 << 24) end,
        function() return pool:submit(f, 1 << 24):get() end,
        function() for _ in pool:imap(f, {1 << 24}) do end end,
      } do
        local ok, err = pcall(call)
        equal({ok, err.kind, err.index}, {false, "memory", 1})
      end
      equal(pool:map(f, {1 << 24}, {memory = 64 << 20}), {1 << 24})
      equal(pool:apply(f, 5), 5)
    ]]
  end)

  it("is one call's, however many run at once #threads", function()
    script.passes [[
      local function f(n) return #("x"):rep(n) end
      local results = parallel.map(f, parallel.range(2000001, 2000032), {workers = 16, chunk = 1, memory = 8 << 20})
      for i = 1, 32 do equal(results[i], 2000000 + i) end
    ]]
  end)
end)
