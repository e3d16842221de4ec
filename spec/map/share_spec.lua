local script = require "support.script"
local temporary = require "support.temporary"

-- Functions for the scripts below: `meet` returns once all of `n` calls of a round have begun.
local start = [==[
  local folder = arg[1]
  local function meet(round, i, n)
    io.open(("%s/%s-%d"):format(folder, round, i), "w"):close()
    local begun = os.time()
    for k = 1, n do
      local file
      repeat
        file = io.open(("%s/%s-%d"):format(folder, round, k))
        if os.time() > begun + 30 then error "the others have not begun" end
      until file
      file:close()
    end
    return i
  end
  local function last(ms)
    local ends = os.clock() + ms / 1000
    while os.clock() < ends do end
  end
]==]

describe("calls that travel together #threads", function()
  local function passes(code)
    temporary.folder({["a"] = ""}, function(folder)
      script.passes(start .. code, {args = {folder}})
    end)
  end

  it("are shared by workers that have nothing to do", function()
    passes [[
      for _, fresh in ipairs {true, false} do
        for _, n in ipairs {2, 3, 8} do
          local round = n .. tostring(fresh)
          local options = {workers = n, chunk = n, fresh = fresh}
          local results = parallel.map(function(i) return meet(round, i, n) end, parallel.range(1, n), options)
          equal(#results, n)
        end
      end
    ]]
  end)

  it("for they took no time before, are shared all the same", function()
    passes [[
      local function f(i) return i > 0 and meet("once", i, 4) or 0 end
      for _ = 1, 6 do parallel.map(f, {0, 0, 0, 0}, {workers = 4}) end
      equal(parallel.map(f, {1, 2, 3, 4}, {workers = 4}), {1, 2, 3, 4})
    ]]
  end)

  it("are shared by a future that is waited for", function()
    passes [[
      local pool <close> = parallel.pool(3)
      equal(pool:map_async(function(i) return meet("future", i, 3) end, {1, 2, 3}, {chunk = 3}):get(), {1, 2, 3})
    ]]
  end)

  it("give the same when they are shared: results, random numbers, errors", function()
    passes [[
      local items = {}
      for i = 1, 60 do items[i] = i % 4 == 0 and {i} or i % 4 == 1 and "s" .. i or i % 4 == 2 and i or i + 0.5 end
      local function f(x)
        last(1)
        if x == 30 or x == "s41" then error "no" end
        return {x, math.random(0)}
      end
      for _, fresh in ipairs {true, false} do
        local expected, expected_errors
        for _, chunk in ipairs {1, 60, 23} do
          local options = {workers = 4, chunk = chunk, seed = 5, errors = "collect", retries = 1, fresh = fresh}
          local results, errors = parallel.map(f, items, options)
          expected, expected_errors = expected or results, expected_errors or errors
          equal({results.n, expected.n}, {60, 60})
          equal(results, expected)
          for i = 1, 60 do
            equal(errors[i] and errors[i].message, expected_errors[i] and expected_errors[i].message)
          end
        end
      end
      local range = parallel.range(1, 2, 1 / 50)
      equal(parallel.map(function(x) last(1) return x end, range, {workers = 3, chunk = #range}),
        parallel.map(function(x) return x end, range))
    ]]
  end)

  it("are each made once", function()
    passes [[
      local pool <close> = parallel.pool(4)
      local n_done = 0
      for _, fresh in ipairs {true, false} do
        for _, xs in ipairs {parallel.range(1, 300), table.move(parallel.range(0.5, 300), 1, 300, 1, {})} do
          local function f(x) last(x % 50 < 2 and 8 or 0.05) return -x end
          local results = pool:map(f, xs, {chunk = 300, fresh = fresh})
          for i = 1, 300 do equal(results[i], -xs[i]) end
          n_done = n_done + 300
          equal({results.n, pool:stats().done}, {300, n_done})
        end
      end
    ]]
  end)

  it("are not made where one before them has failed, shared or not", function()
    passes [[
      for _ = 1, 10 do
        local ok, err = pcall(parallel.map, function(i) last(1) if i == 5 then error "five" end end,
          parallel.range(1, 1000), {workers = 4, chunk = 1000})
        equal({ok, err.index, err.kind}, {false, 5, "error"})
      end
    ]]
  end)

  it("stay on one worker where the map may use no other", function()
    passes [[
      local n = 0
      local function f() last(1) n = n + 1 return n end
      local results = parallel.map(f, parallel.range(1, 20), {workers = 1, chunk = 20, fresh = false})
      equal(results[20], results[1] + 19)
    ]]
  end)
end)
