local script = require "support.script"

local start = [==[
  local function draw() return math.random(0) end
  local function append(list, ...)
    for _, value in ... do list[#list + 1] = value end
    return list
  end
  local function all_differ(list)
    local seen = {}
    for _, value in ipairs(list) do
      assert(not seen[value])
      seen[value] = true
    end
  end
]==]

script.on_hosts("the random numbers of a pool's calls", function(case)
  case("are those of one map, in whatever way the calls are asked for", [[
    local one = parallel.map(draw, parallel.range(1, 20), {seed = 8})
    all_differ(one)
    for _, workers in ipairs {1, 3} do
      local pool <close> = parallel.pool {workers = workers, seed = 8}
      local futures, drawn = {}, {}
      for i = 1, 3 do futures[i] = pool:submit(draw) end
      for i = 1, 3 do drawn[i] = futures[i]:get() end
      drawn[4] = pool:apply(draw)
      append(drawn, ipairs(pool:map(draw, {1, 2})))
      append(drawn, ipairs(pool:starmap(draw, {{1}, {2}})))
      append(drawn, ipairs(pool:run {parallel.delayed(draw)()}))
      append(drawn, pool:imap(draw, {1, 2}))
      append(drawn, pool:istarmap(draw, {{1}}))
      append(drawn, ipairs(pool:map(draw, counting(3))))
      append(drawn, ipairs((pool:map_async(draw, parallel.range(1, 2)):get())))
      append(drawn, ipairs((pool:starmap_async(draw, {{1}}):get())))
      append(drawn, pool:imap(draw, counting(1)))
      drawn[20] = pool:submit(draw):get()
      equal(drawn, one)
    end
  ]])

  case("differ though nobody knows how far those before have come", [[
    local function play(workers)
      local pool <close> = parallel.pool {workers = workers, seed = 8}
      local drawn = {}
      local other = pool:imap(draw, counting(30))
      for i, value in pool:imap(draw, counting(30), {chunk = workers}) do
        drawn[#drawn + 1] = value
        drawn[#drawn + 1] = select(2, other())
        if i % 10 == 0 then append(drawn, ipairs((pool:map(draw, counting(3))))) end
        if i % 10 == 5 then drawn[#drawn + 1] = pool:submit(draw):get() end
      end
      append(drawn, ipairs((pool:map_async(draw, counting(9)):get())))
      for _ in pool:imap(draw, counting(1000)) do break end
      append(drawn, ipairs(pool:map(draw, {1, 2, 3})))
      local read = counting(3)
      append(drawn, ipairs((pool:map(draw, function() -- a call that the map's own source makes
        drawn[#drawn + 1] = pool:apply(draw)
        return read()
      end))))
      return drawn
    end
    local drawn = play(1)
    all_differ(drawn)
    for _, workers in ipairs {2, 4} do equal(play(workers), drawn) end
  ]])

  case("without a seed follow the caller's, from the first call on", [[
    local function play(pool)
      math.randomseed(12)
      return {pool:apply(draw), pool:submit(draw):get(), pool:map(draw, {1, 2})[2]}
    end
    local a <close> = parallel.pool(1)
    local b <close> = parallel.pool(2)
    local drawn = play(a)
    all_differ(drawn)
    equal(play(b), drawn)
    all_differ(table.move(play(a), 1, 3, 4, drawn))
  ]])

  case("of a call's own seed come first, and its errors have the index of the map", [[
    local one = parallel.map(draw, {1, 2, 3, 4, 5}, {seed = 8})
    local pool <close> = parallel.pool {workers = 2, seed = 8}
    equal(pool:map(draw, {1, 2}, {seed = 3}), (parallel.map(draw, {1, 2}, {seed = 3})))
    equal(pool:apply(draw), one[3])
    local ok, err = pcall(pool.map, pool, function(x) if x == 2 then error "two" end end, {1, 2})
    equal({ok, err.index, pool:apply(draw)}, {false, 2, parallel.map(draw, parallel.range(1, 6), {seed = 8})[6]})
  ]])

  case("that init draws are those of the seed, whichever call comes first", [[
    local drawn
    local function init() drawn = draw() end
    local function f() return drawn end
    local pool <close> = parallel.pool {workers = 1, seed = 8, init = init}
    local expected = parallel.map(f, {1}, {seed = 8, init = init})[1]
    for _ = 1, 3 do equal({pool:apply(f), pool:map(f, {1})[1]}, {expected, expected}) end
  ]])
end, start)
