local script = require "support.script"

script.on_hosts("the options of a map", function(case, passes)
  case("workers and chunk change nothing in the results", [[
    local xs, expected = {}, {}
    for i = 1, 3000 do xs[i], expected[i] = i, i % 7 ~= 0 and i * 2 or nil end
    for _, workers in ipairs {1, 2, 8, 64} do
      for _, chunk in ipairs {1, 7, 1000, 16384} do
        local results = parallel.map(function(x) if x % 7 ~= 0 then return x * 2 end end, xs,
          {workers = workers, chunk = chunk})
        equal(results.n, 3000)
        equal(results, expected)
      end
    end
    equal(parallel.map(function(x) return x end, {1, 2, 3}, {workers = 64, chunk = 1}), {1, 2, 3})
  ]])

  case("pack keeps all values of each call", [[
    local function f(x)
      if x == 0 then return end
      if x == 1 then return nil end
      return x, nil, {x}, nil
    end
    local results = parallel.map(f, {0, 1, 2}, {pack = true})
    equal(results, {{n = 0}, {n = 1}, {2, nil, {2}, nil, n = 4}})
    equal(results.n, 3)
    equal(parallel.starmap(math.modf, {{2.5}}, {pack = true}), {{2, 0.5, n = 2}})
    equal(parallel.map(f, {2}, {pack = false}), {2})
  ]])

  case("errors = 'collect' runs all calls and gives their errors", [[
    local function f(x)
      if x % 3 == 0 then error("no " .. x, 0) end
      return x
    end
    local results, errors = parallel.map(f, {1, 2, 3, 4, 5, 6, 7}, {errors = "collect"})
    equal(results, {1, 2, nil, 4, 5, nil, 7})
    equal(results.n, 7)
    local seen = {}
    for i, err in pairs(errors) do seen[i] = {err.index, err.kind, err.message, err.value} end
    equal(seen, {[3] = {3, "error", "no 3", "no 3"}, [6] = {6, "error", "no 6", "no 6"}})
    equal({errors.n, next(errors, next(errors, (next(errors))))}, {2})
    equal(select(2, parallel.map(f, {1}, {errors = "collect"})).n, 0)
    equal({parallel.map(f, {1}, {errors = "collect"})}, {{1, n = 1}, {}})
  ]])

  case("errors = 'raise' raises the failed call's error", [[
    local function f(x) return x() end
    for _, options in ipairs {{}, {errors = "raise"}} do
      local ok, err = pcall(parallel.map, f, {1}, options)
      assert(not ok and err.index == 1 and err.kind == "error", err)
      assert(err.message:find "stdin:1: attempt to call a number value", err.message)
    end
  ]])

  case("init runs before the first call and shares its captures with the function", [[
    local config, cache = nil, {}
    local function init()
      config = "ready"
      cache[1] = "filled"
      global = 7
    end
    local function f(x) return config .. cache[1] .. global + x end
    for _, fresh in ipairs {true, false} do
      local options = {init = init, workers = 3, chunk = 5, fresh = fresh}
      local results = parallel.map(f, parallel.range(1, 200), options)
      for i = 1, 200 do equal(results[i], "readyfilled" .. i + 7) end
    end
    equal({config, cache, global}, {nil, {}, nil})
  ]])

  case("init leaves the standard library changed for every call", [[
    local function init()
      function string.shout(s) return s:upper() .. "!" end
      package.loaded.answers = {all = 42}
    end
    local function f(s) return s:shout() .. require("answers").all end
    equal(parallel.map(f, {"a", "b"}, {init = init}), {"A!42", "B!42"})
    equal(string.shout, nil)
  ]])

  it("init runs once for each worker", function()
    local result = passes [[
      local function init() print "init" end
      for _, fresh in ipairs {true, false} do
        print(fresh)
        local options = {init = init, workers = 1, chunk = 3, fresh = fresh}
        parallel.map(function(x) return x end, parallel.range(1, 500), options)
      end
    ]]
    assert.equal("true\ninit\nfalse\ninit\n", result.stdout)
  end)

  case("init may be a value with __call", [[
    local setup = setmetatable({value = 3}, {__call = function(self) shared = self.value end})
    equal(parallel.map(function(x) return x + shared end, {1}, {init = setup}), {4})
  ]])

  case("an error in init is the error of the calls, and the next map works", [[
    local function init() error "init broke" end
    local function f(x) return x end
    for _, fresh in ipairs {true, false} do
      local ok, err = pcall(parallel.map, f, {1, 2, 3}, {init = init, fresh = fresh})
      assert(not ok and tostring(err):find "stdin:1: init broke", tostring(err))
      equal(err.kind, "error")
      local options = {init = init, fresh = fresh, errors = "collect"}
      local results, errors = parallel.map(f, {1, 2, 3}, options)
      equal({results, results.n}, {{}, 3})
      for i = 1, 3 do assert(errors[i].message:find "init broke", errors[i]) end
      equal(parallel.map(f, {1, 2}, {fresh = fresh}), {1, 2})
    end
  ]])

  case("can be used again and are not changed", [[
    local options = {workers = 2, chunk = 2, pack = false, errors = "collect", seed = 1, fresh = true}
    local copy = {}
    for k, v in pairs(options) do copy[k] = v end
    parallel.map(function(x) return x end, {1, 2}, options)
    parallel.map(function(x) return x end, {1, 2}, options)
    equal(options, copy)
  ]])
end)

describe("workers", function()
  -- Calls meet through files: each makes one and waits for those of the others.
  local meeting = [[
    local folder, n_calls = arg[1], tonumber(arg[2])
    local function exists(i)
      local file = io.open(folder .. "/" .. i)
      return file and file:close()
    end
    local function meet(x)
      io.open(folder .. "/" .. x, "w"):close()
      for i = 1, n_calls do
        while not exists(i) do end
      end
      return x
    end
    local results = parallel.map(meet, parallel.range(1, n_calls), {workers = n_calls, chunk = 1})
    assert(#results == n_calls)
  ]]

  for _, n in ipairs {2, 8} do
    it(("runs %d calls at once #threads"):format(n), function()
      require "support.temporary".folder({["a"] = ""}, function(folder)
        script.prints(meeting, "", {args = {folder, tostring(n)}})
      end)
    end)
  end

  it("never run more calls at once than they are #threads", function()
    require "support.temporary".folder({["a"] = ""}, function(folder)
      script.passes([[
        local folder = arg[1]
        local function name(i) return folder .. "/" .. i end
        local function f(x)
          io.open(name(x), "w"):close()
          for i = 1, 2000 do x = x + 0 end
          local n_running = 0
          for i = 1, 60 do
            local file = io.open(name(i))
            if file then file:close() n_running = n_running + 1 end
          end
          os.remove(name(x))
          return n_running
        end
        parallel.map(function(x) return x end, parallel.range(1, 20), {workers = 8, chunk = 1})
        local most = 0
        for _, n in ipairs(parallel.map(f, parallel.range(1, 60), {workers = 2, chunk = 1})) do
          most = math.max(most, n)
        end
        assert(most <= 3, most) -- two calls run; while one counts, the other may end and its next begin
      ]], {args = {folder}})
    end)
  end)
end)

describe("arguments of the wrong kind", function()
  for name, values in pairs {
    workers = {"0", "-1", "1.5", "'2'", "{}", "100000", "true", "0/0"},
    chunk = {"0", "-7", "2.5", "'many'", "{}", "false"},
    fresh = {"1", "'no'", "{}"},
    init = {"5", "'f'", "{}", "true"},
    pack = {"1", "'yes'", "{}"},
    seed = {"1.5", "'x'", "{}", "true", "1/0"},
    errors = {"'ignore'", "1", "true", "{}"},
  } do
    it(("an option '%s' is refused at the caller's line, by its name"):format(name), function()
      for _, value in ipairs(values) do
        for _, call in ipairs {"map", "starmap"} do
          local code = "\n\nlocal r = parallel.%s(print, {}, {%s = %s})\nprint(r)"
          code = code:format(call, name, value)
          local result = script.fails(code, "stdin:3: ")
          local message = result.stderr:match "[^\n]*"
          assert.message(result.stderr).truthy(message:find("'" .. name .. "'", 1, true))
        end
      end
    end)
  end

  it("an unknown option is refused at the caller's line, by its name", function()
    for key, text in pairs {
      worker = "unknown option 'worker' to '%s'; did you mean 'workers'?",
      Chunk = "unknown option 'Chunk' to '%s'; did you mean 'chunk'?",
      n_jobs = "unknown option 'n_jobs' to '%s'; did you mean 'workers'?",
      processes = "unknown option 'processes' to '%s'; did you mean 'workers'?",
      max_workers = "unknown option 'max_workers' to '%s'; did you mean 'workers'?",
      chunksize = "unknown option 'chunksize' to '%s'; did you mean 'chunk'?",
      timeuot = "unknown option 'timeuot' to '%s'; did you mean 'timeout'?",
      whatever = "unknown option 'whatever' to '%s'\n",
      ["[1]"] = "bad argument #3 to '%s' (table of options expected, got a list: options have names",
      ["[true]"] = "options of '%s' must have names, as in {workers = 4}; [true] has none",
    } do
      for _, call in ipairs {"map", "starmap"} do
        local code = ("\nlocal r = parallel.%s(print, {}, {%s = 2})\nprint(r)"):format(call, key)
        script.fails(code, "stdin:2: " .. text:format(call))
      end
    end
  end)

  it("what has no list in it is refused where one is due, and told why", function()
    for arguments, text in pairs {
      ["map(print, {a = 1})"] = 'got a table with the key "a", and no list in it',
      ["map(print, {[0] = 1, 2})"] = "got a list from 0: lists begin at 1",
      ["map(print, {[2.5] = 1})"] = "got a table with keys that are no numbers from 1 on",
      ["map(print, pool)"] = "got a pool",
      ["starmap(print, future)"] = "got a future: take its value with 'get' first",
      ["run(parallel.delayed(print)(1))"] = "got a single call: put it into a list: {call}",
      ["map(print, {}, pool)"] = "bad argument #3 to 'map' (table of options expected, got a pool)",
      ["pool(future)"] = "bad argument #1 to 'pool' (table of options expected, got a future",
      ["pool(2, {seed = 1})"] = "bad argument #2 to 'pool' (one argument expected: write parallel.pool {workers = 4",
      ["as_completed(future, future)"] = "(list of futures expected, got a future",
      ["as_completed(pool)"] = "(list of futures expected, got a pool)",
      ["as_completed {first = future}"] = 'got a table with the key "first"',
      ["as_completed {[future] = 'url'}"] = "got a table with keys that are no numbers",
      ["starmap(print, {{a = 1, b = 2}})"] = "a row must be a list of arguments; this one has named fields",
    } do
      local code = "local pool = parallel.pool(1)\nlocal future = pool:submit(tostring, 1)\nparallel." .. arguments
      script.fails(code, text)
    end
    script.passes [[
      equal(parallel.map(function(x) return x end, arg), {})
      equal(parallel.map(function(x) return x end, {n = 1, a = 1}).n, 1)
      equal(parallel.starmap(function(...) return select("#", ...) end, {{}, {n = 2}}), {0, 2})
      local answers = setmetatable({}, {__index = function(_, i) return i end, __len = function() return 2 end})
      equal(parallel.map(function(x) return x end, answers), {1, 2})
    ]]
  end)

  it("what is no function, no sequence or no table of options is refused by its place", function()
    for arguments, place in pairs {
      ["nil, {}"] = "#1", ["5, {}"] = "#1", ["'print', {}"] = "#1", ["{}, {}"] = "#1", [""] = "#1",
      ["{1}, print"] = "#1", ["print"] = "#2", ["print, nil"] = "#2", ["print, 5"] = "#2",
      ["print, 'abc'"] = "#2", ["print, true"] = "#2", ["print, {}, 5"] = "#3", ["print, {}, print"] = "#3",
      ["print, {}, 'workers'"] = "#3",
    } do
      for _, call in ipairs {"map", "starmap"} do
        local code = ("\n\nlocal r = parallel.%s(%s)\nprint(r)"):format(call, arguments)
        script.fails(code, ("stdin:3: bad argument %s to '%s'"):format(place, call))
      end
    end
  end)

  it("are refused before anything is called or read", function()
    script.passes [[
      local n_read = 0
      local function items() n_read = n_read + 1 end
      assert(not pcall(parallel.map, print, items, {chunk = 0}))
      assert(not pcall(parallel.map, nil, items))
      equal(n_read, 0)
    ]]
  end)
end)
