local script = require "support.script"

local start = [==[
  local function same(...) return ... end
  local function double(x) return x * 2 end
]==]

script.on_hosts("the calls of pools without a pool", function(case, _, host)
  case("do what they do on one", [[
    for _, method in ipairs {"imap", "imap_unordered"} do
      local sum, n = 0, 0
      for i, value in parallel[method](double, parallel.range(1, 300), {workers = 3}) do
        equal(value, i * 2)
        sum, n = sum + i, n + 1
      end
      equal({sum, n}, {45150, 300})
    end
    for i, value in parallel.istarmap(math.max, {{1, 5}, {7, 2}}) do equal(value, i == 1 and 5 or 7) end
    local i = 0
    for j, value in parallel.imap(double, function() i = i + 1 return i end) do
      equal(value, j * 2)
      if j == 100 then break end
    end
    equal(table.pack(parallel.apply(same, nil, 2, nil)), {nil, 2, nil, n = 3})
    equal(table.pack(parallel.submit(same, nil, 2, nil):get()), {nil, 2, nil, n = 3})
    equal(parallel.map_async(double, {1, 2}):get()[2], 4)
    equal(parallel.map_async(double, {1, 2}, {pack = true}):get()[2], {4, n = 1})
    equal(parallel.starmap_async(math.max, {{1, 5}, {7, 2}}):get()[1], 5)
    local futures, sum = {}, 0
    for k = 1, 100 do futures[k] = parallel.submit(same, k) end
    for future in parallel.as_completed(futures) do sum = sum + future:get() end
    equal(sum, 5050)
    local called = 0
    parallel.submit(same, 1):on_done(function() called = called + 1 end):wait()
    equal(called, 1)
  ]])

  case("raise and collect errors", [[
    local ok, err = pcall(parallel.apply, error, {5})
    equal({ok, err.value, err.kind}, {false, {5}, "error"})
    local future = parallel.submit(error, {5})
    for _ = 1, 2 do
      ok, err = pcall(future.get, future)
      equal({ok, err.value}, {false, {5}})
    end
    local function f(x) if x == 2 then error({x}) end return x end
    for i, value, failure in parallel.imap(f, {1, 2, 3}, {errors = "collect"}) do
      equal({value, failure and failure.value}, {i ~= 2 and i or nil, i == 2 and {2} or nil})
    end
    ok, err = pcall(function() for _ in parallel.imap_unordered(f, {1, 2, 3}) do end end)
    equal({ok, err.index}, {false, 2})
    local _, errors = parallel.map_async(f, {1, 2, 3}, {errors = "collect"}):get()
    equal(errors[2].value, {2})
  ]])

  case("draw random numbers that the script's seed decides on", [[
    local function draw() return math.random(0) end
    local function play()
      math.randomseed(3)
      local drawn = {parallel.apply(draw), parallel.submit(draw):get(), parallel.submit(draw):get()}
      for _, value in parallel.imap(draw, {1, 2}) do drawn[#drawn + 1] = value end
      return drawn
    end
    local drawn, seen = play(), {}
    equal(play(), drawn)
    for _, value in ipairs(drawn) do
      assert(not seen[value])
      seen[value] = true
    end
  ]])

  case("work in calls, with no more threads", [[
    local function f(x)
      local futures, sum = {}, 0
      for i = 1, 5 do futures[i] = parallel.submit(function(y) return y * x end, i) end
      for future in parallel.as_completed(futures) do sum = sum + future:get() end
      for _, value in parallel.imap(function(y) return y * x end, parallel.range(1, 5)) do sum = sum + value end
      for i = 1, 5 do futures[i] = parallel.map_async(function(y) return y * x end, {i}) end
      for i = 5, 1, -1 do sum = sum + futures[i]:get()[1] end
      local left = parallel.submit(function() return 1 end) -- nobody asks
      return sum + parallel.apply(math.abs, -x), left and nil
    end
    for _, workers in ipairs {1, 2, 5} do
      local results = parallel.map(f, {1, 2, 3}, {workers = workers, chunk = 1})
      equal({results[1], results[2], results[3]}, {46, 92, 138})
    end
  ]])

  case("blame the script's line for what is wrong", [[
    for _, name in ipairs {"imap", "istarmap", "imap_unordered", "map_async", "starmap_async"} do
      for _, case in ipairs {{"bad argument #1", 5, {1}}, {"bad argument #2", double, 5},
          {"bad argument #3", double, {}, 5}, {"unknown option 'speed'", double, {}, {speed = 1}},
          {"option 'chunk'", double, {}, {chunk = 0}}} do
        local ok, err = pcall(function() local _ = parallel[name](table.unpack(case, 2, 4)) end)
        assert(not ok and err:find("^stdin:%d+: " .. case[1]) and err:find("'" .. name .. "'"), err)
      end
    end
    for _, name in ipairs {"apply", "submit"} do
      local ok, err = pcall(function() local _ = parallel[name](5) end)
      assert(not ok and err:find("^stdin:%d+: bad argument #1 to '" .. name .. "'"), err)
    end
  ]])

  it("end with the script, though nobody has asked for what they give", function()
    script.prints(start .. [[
      local parallel = require "parallel"
      local step = parallel.imap(double, parallel.range(1, 1000000))
      print((step()))
      parallel.submit(function() while true do end end)
      parallel.map_async(function() while true do end end, {1, 2, 3})
    ]], "1", host)
  end)
end, start)
