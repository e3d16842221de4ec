local script = require "support.script"

local start = [==[
  local function forever() while true do end end
  local function is(n) return function(x) return x == n and -x end end
  local function count(...) return select("#", ...) end
]==]

script.on_hosts("first", function(case)
  case("gives a value that is true, and its index", [[
    local pool <close> = parallel.pool(2)
    local xs = {}
    for i = 1, 300 do xs[i] = i end
    for _, first in ipairs {parallel.first, function(...) return pool:first(...) end} do
      for _, options in ipairs {{}, {chunk = 1}, {chunk = 1000}, {fresh = false}, {workers = 1}} do
        equal({first(is(70), xs, options)}, {-70, 70})
        equal({first(is(70), parallel.range(1, 10000000), options)}, {-70, 70})
        equal({first(is(70), counting(), options)}, {-70, 70}) -- an endless one
        equal({first(is(300), counting(300), options)}, {-300, 300})
      end
    end
    equal({pool:apply(math.abs, -1), (pool:first(is(2), {1, 2}))}, {1, -2})
  ]])

  case("takes everything but nil and false for true", [[
    for _, value in ipairs {0, 0.5, "", "text", {{}}, {{1}}, true, print} do
      if type(value) == "table" then value = value[1] end
      local got, index = parallel.first(function(x) if x == 2 then return value end end, {1, 2, 3})
      equal({got, index}, {value, 2})
      equal({parallel.first(function(x) if x == 2 then return value end end, {1, 2}, {pack = true})},
        {{value, n = 1}, 2})
    end
  ]])

  case("gives nothing where there is none", [[
    local function none(x) if x % 2 == 0 then return false end end
    for _, xs in ipairs {{}, {1}, parallel.range(1, 1000), parallel.range(1, 0)} do
      equal(count(parallel.first(none, xs)), 0)
      equal(count(parallel.first(none, xs, {fresh = false})), 0)
      equal(count(parallel.first(function() end, xs, {pack = true})), 0)
      equal(count(parallel.first(function() return nil, true end, xs, {pack = true})), 0)
    end
    equal(count(parallel.first(none, counting(500))), 0)
    equal(count(parallel.first(none, function() end)), 0)
  ]])

  case("raises the error of a call as a map does, and of what it reads", [[
    local ok, err = pcall(parallel.first, function(x) if x == 3 then error({x}) end end, {1, 2, 3, 4})
    equal({ok, err.index, err.value, err.kind}, {false, 3, {3}, "error"})
    ok, err = pcall(parallel.first, is(9), {1, coroutine.create(print), 3})
    equal({ok, err.index, err.kind}, {false, 2, "marshal"})
    ok, err = pcall(parallel.first, is(9), function() error("read", 0) end)
    equal({ok, err}, {false, "read"})
    ok, err = pcall(parallel.first, coroutine.create(print), {1})
    equal(ok, false)
    ok, err = pcall(parallel.first, function() while true do end end, {1, 2}, {timeout = 0.02})
    equal({ok, err.kind}, {false, "timeout"})
  ]])

  case("with errors collected goes on past them, and gives them as well", [[
    local function f(x) if x < 20 then error({x}) end return x == 20 and x end
    local value, index, errors = parallel.first(f, parallel.range(1, 100),
      {errors = "collect", workers = 1, chunk = 1})
    equal({value, index, errors[7].value, errors[7].index}, {20, 20, {7}, 7})
    value, index, errors = parallel.first(f, parallel.range(1, 3), {errors = "collect"})
    equal({value, index, errors[3].value, #errors}, {nil, nil, {3}, 3})
  ]])

  case("takes seed, init, retries and progress", [[
    local base
    local told
    local value, index = parallel.first(function(x) return x == 5 and {base, math.random(0)} end,
      parallel.range(1, 20), {seed = 3, init = function() base = "set up" end, retries = 1,
        progress = function(done) told = done end})
    equal({value, index}, {{"set up", parallel.map(function() return math.random(0) end, parallel.range(1, 5),
      {seed = 3})[5]}, 5})
    assert(told == nil or told >= 0)
  ]])

  case("works in calls", [[
    local function f(x) return parallel.first(is(x), {1, 2, 3}) or 0 end
    local results = parallel.map(f, {3, 2, 9, 1}, {workers = 2})
    equal({results[1], results[2], results[3], results[4]}, {-3, -2, 0, -1})
  ]])

  case("of arguments that are none says which, of the script's line", [[
    local pool = parallel.pool(1)
    for _, case in ipairs {{1, 5, {1}}, {2, print, 5}, {3, print, {}, 5}} do
      for name, call in pairs {parallel = parallel.first, pool = function(...) return pool:first(...) end} do
        local ok, err = pcall(function() local _ = call(table.unpack(case, 2, 4)) end)
        assert(not ok and err:find("^stdin:%d+: bad argument #" .. case[1] .. " to 'first'"), name .. err)
      end
    end
    local ok, err = pcall(function() local _ = parallel.first(print, {}, {["until"] = true}) end)
    assert(not ok and err:find "^stdin:%d+: unknown option 'until'", err)
    pool:close()
    ok, err = pcall(function() local _ = pool:first(print, {1}) end)
    assert(not ok and err:find "^stdin:%d+: .*the pool is closed", err)
  ]])
end, start)

describe("first #threads", function()
  it("ends all other calls, also in the same chunk", function()
    script.passes [[
      local pool <close> = parallel.pool(2)
      local function f(x) if x == 1 then return "found" end while true do end end
      for _, chunk in ipairs {1, 2, 100} do
        for _, fresh in ipairs {true, false} do
          equal({pool:first(f, parallel.range(1, 50), {chunk = chunk, fresh = fresh})}, {"found", 1})
          equal({parallel.first(f, parallel.range(1, 50), {chunk = chunk, fresh = fresh})}, {"found", 1})
        end
      end
      equal(pool:map(math.abs, {-1, -2, -3}, {chunk = 1})[3], 3)
    ]]
  end)
end)
