local script = require "support.script"

describe("regression: the caller", function()
  local passes = script.passes

  it("gets the error of an item even where telling that error raises another", function()
    passes [[
      local untold = setmetatable({}, {__tostring = function() error "no" end})
      local bad = setmetatable({}, {__marshal = function() error(untold) end})
      for _ = 1, 3 do
        local results, errors = parallel.map(function(x) return x end, {1, bad, 3}, {errors = "collect"})
        equal({results, results.n, errors[2].kind, errors[2].index}, {{1, nil, 3}, 3, "marshal", 2})
        assert(rawequal(errors[2].value, untold))
        assert(errors[2].message:find "cannot be told")
      end
    ]]
  end)

  it("gets the error of a result even where telling that error raises another", function()
    passes [[
      local function f(x)
        if x ~= 2 then return x end
        return setmetatable({}, {__marshal = function()
          return function() error(setmetatable({}, {__tostring = function() error "no" end})) end
        end})
      end
      for _ = 1, 3 do
        local results, errors = parallel.map(f, {1, 2, 3}, {errors = "collect", chunk = 3})
        equal({results, results.n, errors[2].kind, errors[2].index}, {{1, nil, 3}, 3, "marshal", 2})
        local ok, err = pcall(parallel.map, f, {1, 2, 3})
        equal({ok, err.kind, err.index}, {false, "marshal", 2})
      end
    ]]
  end)

  it("may write integers of options as floats", function()
    passes [[
      local function f(x) return x + math.random(100) end
      local options = {workers = 2, chunk = 3, seed = 7, memory = 10000000, retries = 1}
      local floats = {workers = 2.0, chunk = 3.0, seed = 7.0, memory = 1e7, retries = 1.0}
      equal(parallel.map(f, parallel.range(1, 20), floats), parallel.map(f, parallel.range(1, 20), options))
      local pool <close> = parallel.pool(2.0)
      equal(pool:stats().workers, 2)
      local results = pool:map_async(f, parallel.range(1, 20), floats):get()
      equal(results, parallel.map(f, parallel.range(1, 20), options))
      equal({parallel.map(function(x) return x end, {n = 3.0, 1})}, {{1, n = 3}})
      equal(parallel.starmap(function(...) return select("#", ...) end, {{n = 3.0}}), {3})
    ]]
  end)

  it("may close its pool by what is sent, and the map then fails", function()
    passes [[
      local pool = parallel.pool(1)
      local closing = setmetatable({}, {__marshal = function() pool:close() return function() end end})
      assert(not pcall(pool.map, pool, function() return closing end, {1}))
    ]]
  end)

  it("may end its pool by a hook while it waits #threads", function()
    passes [[
      local pool = parallel.pool(1)
      local start = os.time()
      debug.sethook(function()
        if os.time() > start then debug.sethook() pool:terminate() end
      end, "c")
      local ok, err = pcall(pool.map, pool, function() while true do end end, {1})
      assert(not ok and tostring(err):find "closed", err)
    ]]
  end)

  it("frees iterations that it has dropped before their pool is closed", function()
    passes [[
      local pool <close> = parallel.pool(1)
      local alive = setmetatable({}, {__mode = "k"})
      for _ = 1, 10 do
        local i = 0
        local function items() i = i + 1 return i end
        alive[items] = true
        equal({pool:imap(function(x) return x end, items)()}, {1, 1})
      end
      for _ = 1, 4 do collectgarbage() end
      equal(next(alive), nil)
      equal(pool:apply(function() return 5 end), 5)
    ]]
  end)

  -- Some errors began with the module's own line, or with none.
  it("finds its own line in each error about what it has done", function()
    passes [[
      local function same(x) return x end
      local function endless() return 1 end
      local function at_line(err, text)
        assert(type(err) == "string" and err:find "^stdin:%d+: " and err:find(text, 1, true), err)
      end
      local function refused(text, f) at_line(select(2, pcall(f)), text) end
      local b = parallel.array(2)
      local room = "option 'into': the array has room for 2 results, and there is an item 3"
      refused(room, function() local _ = parallel.map(same, endless, {into = b}) end)
      refused(room, function() for _ in parallel.imap(same, endless, {into = b}) do end end)
      refused(room, function() local _ = parallel.map_async(same, endless, {into = b}):get() end)
      for _, name in ipairs {"imap", "imap_unordered"} do
        local next_one, iteration, _
        next_one, _, _, iteration = parallel[name](same, function() local i = next_one() return i end)
        refused("a map cannot be waited for by what it reads or sends", function() local _ = next_one() end)
        iteration = nil
        next_one, _, _, iteration = parallel[name](same, function() local _ <close> = iteration end)
        refused("a map cannot be ended by what it reads or sends", function() local _ = next_one() end)
      end
      refused("option 'timeout' of 'map' must be seconds, more than 0 and at most 1e+08 (left out: no limit), not inf",
        function() local _ = parallel.map(same, {}, {timeout = math.huge}) end)
    ]]
  end)

  -- It was {1, a nil, "x", a nil}, and a range {a nil, a nil, a nil, a nil, ...}.
  it("is shown items with holes, and computed ones, as what they are", function()
    passes [[
      local experiment = require "parallel.experiment"
      local function refused(text, f, ...)
        local err = select(2, pcall(f, ...))
        assert(tostring(err):find(text, 1, true), tostring(err))
      end
      local function fail() error "no" end
      refused('call 1 (item {1, nil, "x", nil}) failed: ', parallel.starmap, fail, {{1, nil, "x", n = 4}})
      refused("call 1 (item a range) failed: ", parallel.map, fail, {parallel.range(1, 5)})
      refused("call 1 (item a grid) failed: ", parallel.map, fail, {experiment.grid {a = {1, 2}}})
      refused("call 1 (item a sample) failed: ", parallel.map, fail,
        {experiment.sample(2, {a = experiment.uniform(0, 1)})})
      refused("a row must be a table of arguments, not nil", parallel.starmap, fail, {n = 1})
      refused("a row must be a table of arguments, not a number", parallel.starmap, fail, {5})
    ]]
  end)

  it("a signal may come while the command ends", function()
    for _ = 1, 20 do
      local result = script.run [[os.execute "kill -INT $PPID &"]]
      assert.truthy(result.code == 0 or result.code == 130)
    end
  end)
end)
