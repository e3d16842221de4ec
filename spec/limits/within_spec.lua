-- What a call starts is bound by its limits, and ends with it: maps within it, and pools that it makes.
local script = require "support.script"
local threads = require "support.threads"

local head = [==[
  local function grow() local t = {} while true do t[#t + 1] = ("x"):rep(10000) .. #t end end
  local function forever() while true do end end
  local function length(n) return #("x"):rep(n) end
  local function kind_of(f, ...)
    local ok, err = pcall(f, ...)
    while not ok and err.kind == "error" and err.value.kind do err = err.value end -- of a map in between
    return ok and "none" or err == "not enough memory" and "memory" or err.kind -- Lua's own, of this call
  end
  -- Ways of a call to have calls made, by name.
  local ways = {
    map = function(f, xs, options) return parallel.map(f, xs, options) end,
    pool = function(f, xs, options)
      local pool <close> = parallel.pool(2)
      return pool:map(f, xs, options)
    end,
    future = function(f, xs, options)
      local pool <close> = parallel.pool(2)
      return pool:map_async(f, xs, options):get()
    end,
    two_maps = function(f, xs, options)
      return parallel.map(function() return parallel.map(f, xs, options) end, {1})[1]
    end,
    two_pools = function(f, xs, options)
      local pool <close> = parallel.pool(1)
      return pool:map(function()
        local inner <close> = parallel.pool(1)
        return inner:map(f, xs, options)
      end, {1})[1]
    end,
  }
  local names = {}
  for name in pairs(ways) do names[#names + 1] = name end
  table.sort(names)
]==]

script.on_hosts("a limit of memory", function(case)
  case("binds what the call starts, whatever that asks for", [[
    local function outer(name)
      local kinds = {}
      for i, memory in ipairs {1 << 40, 100 << 20, false} do
        kinds[i] = kind_of(ways[name], grow, {1, 2, 3}, {memory = memory or nil})
      end
      return table.concat(kinds, " ")
    end
    for _, fresh in ipairs {true, false} do
      local results = parallel.map(outer, names, {memory = 8 << 20, fresh = fresh})
      for i, name in ipairs(names) do equal({name, results[i]}, {name, "memory memory memory"}) end
    end
  ]])

  case("binds all of it together, and what is given back can be had again", [[
    local function outer(name)
      for _ = 1, 10 do
        if ways[name](length, {1 << 18, 1 << 18})[2] ~= 1 << 18 then return "wrong" end
      end
      local mine = ("x"):rep(3 << 20) -- which takes as much again to make
      local kind = kind_of(ways[name], length, {1 << 20})
      mine = #mine
      collectgarbage() collectgarbage() -- the second frees what has finalizers
      return kind .. ways[name](length, {1 << 20})[1] .. " " .. mine
    end
    for limit, kind in pairs {[30] = "none", [7] = "memory"} do
      for _, fresh in ipairs {true, false} do
        local results = parallel.map(outer, names, {memory = limit << 20, fresh = fresh})
        for i, name in ipairs(names) do
          equal({name, results[i]}, {name, kind .. (1 << 20) .. " " .. (3 << 20)})
        end
      end
    end
  ]])

  case("binds init of maps within the call, arguments and results on their way", [[
    local function results(pool)
      local future = pool:map_async(function() return ("x"):rep(1 << 20) end, parallel.range(1, 500))
      future:wait()
      return kind_of(future.get, future)
    end
    local function arguments(pool)
      local s = ("x"):rep(3 << 20) -- with this one, what is sent and what comes, it has three
      local xs = {s, s, s, s}
      return kind_of(function() return pool:map_async(function(x) return #x end, xs):get() end)
    end
    local function many(pool)
      local futures = {}
      return kind_of(function()
        for i = 1, 500 do futures[i] = pool:submit(string.rep, "x", 1 << 20) end
        for i = 1, 500 do futures[i]:wait() end
        for i = 1, 500 do futures[i]:get() end
      end)
    end
    local function outer(f)
      local pool <close> = parallel.pool(2)
      return f and f(pool) or kind_of(parallel.map, length, {1}, {init = grow})
    end
    for i, f in ipairs {false, results, many, arguments} do
      equal({i, parallel.map(outer, {f}, {memory = 8 << 20})[1]}, {i, "memory"})
    end
  ]])

  case("of a map within a call holds where it is less", [[
    local function outer(name)
      local ok = ways[name](length, {1 << 20}, {memory = 4 << 20})[1]
      return ok .. kind_of(ways[name], length, {5 << 20}, {memory = 4 << 20})
    end
    for _, options in ipairs {{}, {memory = 64 << 20}} do
      local results = parallel.map(outer, names, options)
      for i, name in ipairs(names) do equal({name, results[i]}, {name, (1 << 20) .. "memory"}) end
    end
  ]])

  case("that is not reached changes nothing", [[
    local function f(x) return {x, ("x"):rep(x % 100)} end
    local function outer(name) return ways[name](f, parallel.range(1, 300)) end
    local expected = parallel.map(outer, names)
    for _, fresh in ipairs {true, false} do
      equal(parallel.map(outer, names, {memory = 64 << 20, fresh = fresh}), expected)
    end
  ]])
end, head)

script.on_hosts("the end of a call", function(case, _, host)
  case("that is past its time ends what it has started", [[
    local function outer(name) return ways[name](forever, {1, 2, 3}) end
    for _, fresh in ipairs {true, false} do
      local _, errors = parallel.map(outer, names, {timeout = 0.2, fresh = fresh, errors = "collect"})
      for i, name in ipairs(names) do equal({name, errors[i].kind}, {name, "timeout"}) end
      equal(parallel.map(length, {5}), {5})
    end
  ]])

  case("that is past its time reaches what catches its errors, and what is made again and again", [[
    local function stubborn(name)
      while true do pcall(ways[name], function() while true do pcall(forever) end end, {1, 2}) end
    end
    local _, errors = parallel.map(stubborn, names, {timeout = 0.2, errors = "collect"})
    for i, name in ipairs(names) do equal({name, errors[i].kind}, {name, "timeout"}) end
  ]])

  if not host.flags then -- inline, what nobody waits for does not run
    case("ends what it has started and has not waited for", [[
      local function outer(fails)
        local pool = parallel.pool(2)
        pool:map_async(forever, {1, 2, 3})
        if fails == 1 then error "left" end
        return fails
      end
      for _, fresh in ipairs {true, false} do
        local _, errors = parallel.map(outer, {1, 1}, {fresh = fresh, errors = "collect"})
        equal({errors[1].kind, errors[2].kind}, {"error", "error"})
      end
      equal(parallel.map(outer, {2, 3}), {2, 3})
    ]])
  end
end, head)

script.on_hosts("pools of calls", function(case, passes)
  case("may have so many threads together, and no more", [[
    local function many(n)
      local pools = {}
      for i = 1, n do pools[i] = parallel.pool(1) end
      for i = 1, n do pools[i]:close() end
      return n
    end
    equal(parallel.map(many, {50, 60}), {50, 60})
    local ok, err = pcall(parallel.map, many, {3000})
    equal({ok, err.kind, err.value.kind}, {false, "error", "system"})
    assert(err.message:find("threads together", 1, true), err.message)
    equal(parallel.map(many, {50}), {50})
  ]])

  it("that make pools come to an end", function()
    passes([[
      local function down(n)
        local pool <close> = parallel.pool(1)
        return pool:apply(down, n + 1)
      end
      local ok, err = pcall(parallel.map, down, {1}, {timeout = 250})
      assert(not ok and err.kind ~= "timeout", tostring(err))
      equal(parallel.map(length, {5}), {5})
    ]], {timeout = 280})
  end)
end, head)

describe("a call that was ended #linux", function()
  for _, host in ipairs {script.hosts[1], script.hosts[2]} do
    it("leaves no thread behind " .. host.name, function()
      script.passes(head .. threads .. ("local HAS_THREADS = %s "):format(not host.flags) .. [[
        parallel.map(length, {1, 2})
        local before = n_threads()
        local function outer(name)
          local pool = parallel.pool(5)
          pool:map_async(forever, {1, 2, 3})
          return name and ways[name](forever, {1, 2, 3}) or pool:map(forever, {1})
        end
        for _, fresh in ipairs {true, false} do
          local _, errors = parallel.map(outer, {"map", "pool", "future", false},
            {fresh = fresh, timeout = 0.2, errors = "collect"})
          for i = 1, 4 do equal(errors[i].kind, "timeout") end
          if HAS_THREADS then
            local pool <close> = parallel.pool(2)
            local future = pool:submit(outer, "two_pools")
            future:wait(0.3)
            pool:terminate()
            equal(kind_of(future.get, future), "cancelled")
          end
        end
        for _ = 1, 100 do
          if n_threads() <= before then break end
          parallel.map(function() local t = os.clock() while os.clock() - t < 0.05 do end end, {1})
        end
        assert(n_threads() <= before, n_threads() .. " threads, " .. before .. " before")
      ]], host)
    end)
  end
end)
