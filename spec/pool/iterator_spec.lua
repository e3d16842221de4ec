local script = require "support.script"

local start = [==[
  local function same(x) return x end
]==]

script.on_hosts("an iterator over results", function(case)
  case("gives them in order, whatever the chunk and the workers", [[
    for _, workers in ipairs {1, 2, 8} do
      local pool <close> = parallel.pool(workers)
      for _, chunk in ipairs {false, 1, 3, 1000} do
        local options = {chunk = chunk or nil}
        local last = 0
        for i, value in pool:imap(function(x) return x * 2 end, parallel.range(1, 200), options) do
          equal({i, value}, {last + 1, i * 2})
          last = i
        end
        equal(last, 200)
        last = 0
        for i, value in pool:imap(same, counting(100), options) do
          equal({i, value}, {last + 1, i})
          last = i
        end
        equal(last, 100)
      end
    end
  ]])

  case("takes a sequence, one with holes, a range, an iterator, rows", [[
    local pool <close> = parallel.pool(2)
    local function collect(...)
      local all = {}
      for i, value in ... do all[i] = value == nil and "nil" or value end
      return all
    end
    equal(collect(pool:imap(same, {3, 2, 1})), {3, 2, 1})
    equal(collect(pool:imap(same, {1, nil, 3, n = 4})), {1, "nil", 3, "nil"})
    equal(collect(pool:imap(same, parallel.range(5, 1, -2))), {5, 3, 1})
    equal(collect(pool:imap(string.upper, ("a b c"):gmatch "%a")), {"A", "B", "C"})
    equal(collect(pool:istarmap(math.max, {{1, 2}, {4, 3}})), {2, 4})
    equal(collect(pool:istarmap(function(...) return select("#", ...) end, {{n = 3}, {}, {1}})), {3, 0, 1})
    equal(collect(pool:imap_unordered(same, {3, 2, 1})), {3, 2, 1})
    equal(collect(pool:imap_unordered(same, {1, nil, 3, n = 4})), {1, "nil", 3, "nil"})
    equal(collect(pool:imap_unordered(same, counting(3))), {1, 2, 3})
  ]])

  case("of no input gives nothing", [[
    local pool <close> = parallel.pool(2)
    for _, xs in ipairs {{}, parallel.range(1, 0), function() end} do
      for _ in pool:imap(same, xs) do error "one" end
      for _ in pool:imap_unordered(same, xs) do error "one" end
      for _ in pool:istarmap(same, xs) do error "one" end
    end
  ]])

  case("of one input gives one", [[
    local pool <close> = parallel.pool(4)
    for _, method in ipairs {"imap", "imap_unordered"} do
      local n = 0
      for i, value in pool[method](pool, same, {"only"}) do
        equal({i, value}, {1, "only"})
        n = n + 1
      end
      equal(n, 1)
    end
  ]])

  case("gives results that are nil or false", [[
    local pool <close> = parallel.pool(2)
    for _, method in ipairs {"imap", "imap_unordered"} do
      local seen = {}
      for i, value in pool[method](pool, function(x) if x % 3 == 0 then return false end end, counting(30)) do
        if i % 3 == 0 then equal(value, false) else equal(value, nil) end
        seen[#seen + 1] = i
      end
      table.sort(seen)
      equal(#seen, 30)
      for i = 1, 30 do equal(seen[i], i) end
    end
  ]])

  case("unordered gives each index once with its value", [[
    local pool <close> = parallel.pool(4)
    for _, chunk in ipairs {false, 1, 7} do
      local seen, n = {}, 0
      for i, value in pool:imap_unordered(function(x) return -x end, parallel.range(1, 500),
          {chunk = chunk or nil}) do
        equal({value, seen[i]}, {-i, nil})
        seen[i], n = true, n + 1
      end
      equal(n, 500)
    end
  ]])

  case("reads an endless generator a bounded number ahead, and can be left", [[
    local pool <close> = parallel.pool(2)
    for _, method in ipairs {"imap", "imap_unordered"} do
      local n_read = 0
      local function endless() n_read = n_read + 1 return n_read end
      local n = 0
      for i, value in pool[method](pool, same, endless, {chunk = 1}) do
        equal(value, i)
        n = n + 1
        assert(n_read <= n + 100, n_read)
        if n == 300 then break end
      end
      local read_by_then = n_read
      equal(pool:map(same, {1, 2}), {1, 2})
      equal(n_read, read_by_then) -- nobody reads on
    end
    for i in pool:imap(same, parallel.range(1, math.maxinteger)) do if i == 1000 then break end end
  ]])

  case("left early, by an error or never begun leaves the pool usable", [[
    local pool <close> = parallel.pool(2)
    for round = 1, 30 do
      for i in pool:imap(same, parallel.range(1, 1000), {chunk = round}) do if i >= round then break end end
      for _ in pool:imap_unordered(same, counting(1000)) do break end
      pcall(function() for _ in pool:imap(same, counting(1000)) do error "body" end end)
      pool:imap(same, counting(1000))
      local step = pool:imap(same, counting(1000))
      step()
      equal(pool:map(same, {round, 2}), {round, 2})
    end
    collectgarbage()
    equal(pool:apply(same, 1), 1)
  ]])

  case("raises an error at its index, after the results before it", [[
    local pool <close> = parallel.pool(2)
    for _, at in ipairs {1, 7, 20} do
      for _, chunk in ipairs {1, 4, 20} do
        local last = 0
        local ok, err = pcall(function()
          for i in pool:imap(function(x) if x == at then error({x}) end return x end,
              parallel.range(1, 20), {chunk = chunk}) do
            last = i
          end
        end)
        equal({ok, err.index, err.value, err.kind, last}, {false, at, {at}, "error", at - 1})
      end
    end
    local ok, err = pcall(function()
      for _ in pool:imap_unordered(function(x) if x == 5 then error "five" end return x end, counting(10)) do end
    end)
    equal({ok, err.index}, {false, 5})
    equal(pool:map(same, {1}), {1})
  ]])

  case("gives collected errors as a third value, in their place", [[
    local pool <close> = parallel.pool {workers = 2, errors = "collect"}
    local function f(x)
      if x % 5 == 0 then error({x}) end
      if x % 7 == 0 then return coroutine.create(print) end
      return x
    end
    for _, method in ipairs {"imap", "imap_unordered"} do
      for _, chunk in ipairs {1, 6} do
        local n = 0
        for i, value, err in pool[method](pool, f, parallel.range(1, 100), {chunk = chunk}) do
          n = n + 1
          if i % 5 == 0 then
            equal({value, err.index, err.value, err.kind}, {nil, i, {i}, "error"})
          elseif i % 7 == 0 then
            equal({value, err.index, err.kind}, {nil, i, "marshal"})
          else
            equal({value, err}, {i, nil})
          end
        end
        equal(n, 100)
      end
    end
  ]])

  case("tells of inputs that cannot be sent at their index", [[
    local pool <close> = parallel.pool(2)
    local bad = coroutine.create(print)
    for _, xs in ipairs {{bad, 2, 3}, {1, bad, 3}, {1, 2, bad}, {bad, bad, bad}, {bad}, {1, 2, 3, bad, bad, 6}} do
      for _, chunk in ipairs {1, 2, 100} do
        local first
        for i, x in ipairs(xs) do first = first or x == bad and i end
        local last = 0
        local ok, err = pcall(function()
          for i in pool:imap(same, xs, {chunk = chunk}) do last = i end
        end)
        equal({ok, err.kind, err.index, last}, {false, "marshal", first, first - 1})
        for _, method in ipairs {"imap", "imap_unordered"} do
          local seen = {}
          for i, value, failure in pool[method](pool, same, xs, {chunk = chunk, errors = "collect"}) do
            assert(not seen[i])
            seen[i] = true
            if xs[i] == bad then
              equal({value, failure.index, failure.kind}, {nil, i, "marshal"})
            else
              equal({value, failure}, {xs[i], nil})
            end
          end
          equal(#seen, #xs)
        end
      end
    end
  ]])

  case("passes on the error of its input, and the pool goes on", [[
    local pool <close> = parallel.pool(2)
    local problem = {}
    for _, method in ipairs {"imap", "imap_unordered", "istarmap"} do
      for _, last in ipairs {0, 1, 10, 200} do
        local i = 0
        local function items()
          i = i + 1
          if i > last then error(problem) end
          return method == "istarmap" and {i} or i
        end
        local step, given = pool[method](pool, same, items), {}
        local ok, err = pcall(function()
          for j, value in step do
            equal({value, given[j]}, {j, nil})
            given[j] = true
          end
        end)
        assert(not ok and rawequal(err, problem), tostring(err))
        equal(#given, last) -- all results before it
        for _ = 1, 3 do
          ok, err = pcall(step)
          assert(not ok and rawequal(err, problem), tostring(err))
        end
        equal(i, last + 1)
        equal(pool:map(same, {1, 2}), {1, 2})
      end
    end
  ]])

  case("goes on to give nothing once it has ended", [[
    local pool <close> = parallel.pool(2)
    for _, method in ipairs {"imap", "imap_unordered"} do
      local step = pool[method](pool, same, {1, 2})
      step() step()
      equal({step(), step(), step()}, {})
    end
  ]])

  case("may run beside others, and beside maps in its body", [[
    local pool <close> = parallel.pool(2)
    local n = 0
    for i, a in pool:imap(same, counting(20), {chunk = 1}) do
      for j, b in pool:imap(same, parallel.range(1, 5)) do
        equal({a, b}, {i, j})
        n = n + 1
      end
      equal(pool:apply(same, i), i)
    end
    equal(n, 100)
    local one, other = pool:imap(same, counting(100)), pool:imap(function(x) return -x end, counting(100))
    for i = 1, 100 do
      local _, x = one()
      local _, y = other()
      equal({x, y}, {i, -i})
    end
  ]])

  case("takes pack, init, seed, fresh, timeout and retries", [[
    local base
    local pool <close> = parallel.pool(2)
    local options = {pack = true, init = function() base = 5 end, seed = 3, timeout = 60, retries = 1}
    for i, values in pool:imap(function(x) return x, nil, base end, {1, 2}, options) do
      equal(values, {i, nil, 5, n = 3})
    end
    options.pack, options.fresh = nil, false
    for i, value in pool:imap_unordered(function(x) return x + base end, {1, 2}, options) do
      equal(value, i + 5)
    end
  ]])

  case("of a pool that has been closed goes on to its end", [[
    for _, method in ipairs {"imap", "imap_unordered"} do
      local pool = parallel.pool(2)
      local sum, n = 0, 0
      local one, other = pool[method](pool, same, counting(1000), {chunk = 1}), pool[method](pool, same, {4, 5})
      pool:close()
      for i, value in one do
        equal(value, i)
        sum, n = sum + i, n + 1
      end
      equal({sum, n}, {500500, 1000})
      pool:close()
      equal({select(2, other()) + select(2, other()), (other())}, {9, nil})
      assert(not pcall(pool[method], pool, same, {1}))
    end
    local step
    do
      local pool <close> = parallel.pool(2)
      step = pool:imap(same, {1, 2, 3})
    end
    equal({step()}, {1, 1})
  ]])

  case("of a pool that has been terminated fails with kind cancelled", [[
    for _, closes in ipairs {false, true} do
      local pool = parallel.pool(2)
      local step, never = pool:imap(same, counting(1000000), {chunk = 1}), pool:imap(same, {1})
      step()
      if closes then pool:close() end
      pool:terminate()
      for _ = 1, 3 do
        local ok, err = pcall(function() for _ in step do end end)
        equal({ok, err.kind}, {false, "cancelled"})
        ok, err = pcall(never)
        equal({ok, err.kind}, {false, "cancelled"})
      end
    end
  ]])
end, start)
