-- Everything at once, at random, from a seed. MOONS_CHAOS_ROUNDS says how many rounds,
-- MOONS_CHAOS_SEED from which seed.
local forking = require "support.forking"
local script = require "support.script"
local temporary = require "support.temporary"

local n_rounds = math.tointeger(os.getenv "MOONS_CHAOS_ROUNDS") or 80
local seed = math.tointeger(os.getenv "MOONS_CHAOS_SEED") or 54

local chaos = [==[
  local n_rounds, seed = tonumber(arg[1]), tonumber(arg[2])
  local forking = os.getenv "FORKS" and require "forking"
  math.randomseed(seed)
  local random = math.random
  local function chance(percent) return random(100) <= percent end
  local function any(list) return list[random(#list)] end

  local function forever() while true do pcall(error) end end

  -- What a call does is written in its item, so that what it gives is known.
  local function act(item)
    if item.does == "fail" then error({item.x}) end
    if item.does == "exit" then os.exit(1) end
    if item.does == "unsendable" then return coroutine.create(print) end
    if item.does == "overflow" then local function f() return 1 + f() end return f() end
    if item.does == "forever" then forever() end
    if item.does == "program" and item.x > 50 then
      local p <close> = io.popen("cat >/dev/null; exit " .. item.x, "w")
      p:write(("x"):rep(item.x))
      assert(select(3, p:close()) == item.x)
    elseif item.does == "program" then
      leftover = io.popen("sleep 0.01; echo; echo") -- is left open
      return io.popen("echo " .. item.x):read "n" * 2
    end
    if item.does == "endless" then
      if item.x > 50 then os.execute "exec sleep 999" else io.popen "exec sleep 999":read "a" end
    end
    if item.does == "abandoned" then -- until somebody writes to the pipe; with much that is the state's own
      local text, file = ("x"):rep(2 << 20), io.tmpfile()
      io.open(os.getenv "PIPE"):close()
      file:write(text)
    end
    if item.does == "fork" then
      local child = forking.fork()
      if child == 0 then os.exit(item.x) end
      assert(forking.wait(child) == item.x)
    end
    if item.does == "nest" then
      local sum = 0
      for _, y in ipairs(parallel.map(function(y) return y * item.x end, {1, 2, 3})) do sum = sum + y end
      return sum
    end
    if item.does == "grow" then return {text = ("x"):rep(item.x * 100), item.x} end
    return item.x * 2
  end

  local kinds = {fail = "error", exit = "error", overflow = "error", unsendable = "marshal",
    forever = "timeout", endless = "timeout", abandoned = "timeout"}
  local function expect(item, value, err, where)
    local does, x = item.does, item.x
    local kind = kinds[does]
    local right
    if kind then
      right = value == nil and err and err.kind == kind and (does ~= "fail" or err.value[1] == x)
    elseif does == "nest" then
      right = err == nil and value == 6 * x
    elseif does == "grow" then
      right = err == nil and value[1] == x and #value.text == x * 100
    else
      right = err == nil and value == 2 * x
    end
    assert(right, ("%s: item %s of %d gave %s, %s"):format(where, does, x, tostring(value), tostring(err)))
  end

  local good = {"double", "double", "double", "double", "double", "double", "nest", "nest", "grow", "grow", "program",
    forking and "fork" or "double"}
  local bad = {"fail", "fail", "fail", "fail", "exit", "exit", "unsendable", "unsendable", "unsendable"}
  local function items(n, percent, most_endless)
    local list, is_bad = {}, false
    for i = 1, n do
      local does = any(good)
      if chance(percent) then does = chance(1) and "overflow" or any(bad) end
      if most_endless > 0 and chance(3) then
        does, most_endless = any {"forever", "endless", "abandoned"}, most_endless - 1
      end
      list[i] = {does = does, x = random(100)}
      is_bad = is_bad or kinds[does] ~= nil
    end
    return list, is_bad
  end

  local function reader(list)
    local i = 0
    return function() i = i + 1 return list[i] end
  end

  local function some_options(most_endless)
    return {
      chunk = chance(50) and random(20) or nil,
      fresh = chance(70),
      errors = chance(60) and "collect" or nil,
      timeout = most_endless > 0 and 1 or chance(30) and 60 or nil,
      workers = chance(20) and random(4) or nil,
      retries = chance(10) and 1 or nil,
    }
  end

  local function check_map(list, is_bad, options, ok, results, errors)
    if not ok then
      local err = results
      assert(is_bad and options.errors ~= "collect", tostring(err))
      expect(list[err.index], nil, err, "map")
      return
    end
    assert(options.errors == "collect" or not is_bad, "no error was raised")
    assert(results.n == #list, results.n)
    for i, item in ipairs(list) do expect(item, results[i], errors and errors[i], "map") end
  end

  local ways = {}

  function ways.map(pool, list, is_bad, options)
    local xs = chance(50) and list or reader(list)
    check_map(list, is_bad, options, pcall(pool.map, pool, act, xs, options))
  end

  function ways.async(pool, list, is_bad, options)
    local future = pool:map_async(act, chance(50) and list or reader(list), options)
    if chance(20) then
      local was_there = not future:cancel()
      local ok, err = pcall(future.get, future)
      assert(was_there or not ok and err.kind == "cancelled", tostring(err))
    elseif chance(80) then
      if chance(30) then pcall(future.get, future, random() / 1000) end
      check_map(list, is_bad, options, pcall(future.get, future))
    end
  end

  local function iterate(method, pool, list, is_bad, options)
    local leave = chance(40) and random(#list + 1) or 0
    local n = 0
    local ok, err = pcall(function()
      for i, value, failure in pool[method](pool, act, chance(50) and list or reader(list), options) do
        expect(list[i], value, failure, method)
        n = n + 1
        if n == leave then return end
      end
      assert(n == #list, n)
    end)
    if not ok then
      assert(type(err) == "table" and is_bad and options.errors ~= "collect", tostring(err))
      expect(list[err.index], nil, err, method)
    end
  end

  function ways.imap(...) iterate("imap", ...) end
  function ways.imap_unordered(...) iterate("imap_unordered", ...) end

  function ways.submit(pool, list)
    local futures, item_of = {}, {}
    local n_called, n_expected = 0, 0
    for _, item in ipairs(list) do
      if kinds[item.does] == "timeout" then item.does = "double" end
      local future = pool:submit(act, item)
      if chance(90) then
        futures[#futures + 1], item_of[future] = future, item
      end
      if chance(10) then
        n_expected = n_expected + 1
        future:on_done(function() n_called = n_called + 1 end)
        item_of[future] = item_of[future] or item
        if futures[#futures] ~= future then futures[#futures + 1] = future end
      end
    end
    for future in parallel.as_completed(futures) do
      local ok, value = pcall(future.get, future)
      expect(item_of[future], ok and value or nil, not ok and value or nil, "submit")
    end
    assert(n_called == n_expected)
  end

  function ways.cancel(pool)
    local futures = {}
    for i = 1, random(6) do futures[i] = pool:submit(chance(50) and forever or tostring, i) end
    for i, future in ipairs(futures) do
      local was_there = not future:cancel()
      local ok, value = pcall(future.get, future)
      assert(was_there and ok and value == tostring(i) or not ok and value.kind == "cancelled", tostring(value))
    end
  end

  local names = {"map", "map", "async", "imap", "imap_unordered", "submit", "cancel"}
  local pool = parallel.pool(2)
  local function new_pool()
    if chance(30) then
      pool:submit(forever)
      pool:terminate()
    elseif chance(50) then
      pool:close()
    end
    pool = parallel.pool(any {1, 2, 3, 8})
    if chance(20) then collectgarbage() end
  end

  local function resident_pages()
    local file = io.open "/proc/self/statm"
    if not file then return 0 end
    local pages = file:read("n", "n") and file:read "n"
    file:close()
    return pages or 0
  end

  local early
  for round = 1, n_rounds do
    if chance(15) then new_pool() end
    local most_endless = chance(5) and 2 or 0
    local list, is_bad = items(random(40), any {0, 0, 10, 50}, most_endless)
    local name = any(names)
    local ok, err = xpcall(ways[name], function(e)
      return debug.traceback(("seed %d, round %d, %s: %s"):format(seed, round, name, tostring(e)))
    end, pool, list, is_bad, some_options(most_endless))
    if most_endless > 0 then os.execute "exec 3<>\"$PIPE\"; sleep 0.02" end -- those that were abandoned come back
    if not ok then error(err, 0) end
    if round == n_rounds // 3 then
      collectgarbage() collectgarbage()
      early = resident_pages()
    end
  end
  pool:terminate()
  pool = nil
  collectgarbage() collectgarbage()
  local pages = resident_pages()
  assert(not early or pages <= 2 * early + 10000, ("memory grew from %d to %d pages"):format(early, pages))
]==]

-- Threads of the process that are left, one of which runs the script.
local n_threads = [==[
  local tasks = io.popen("ls /proc/" .. io.open "/proc/self/stat":read "n" .. "/task")
  local n = 0
  for _ in tasks:lines() do n = n + 1 end
  print(n)
]==]

describe("chaos", function()
  -- Sanitizers do not follow a fork.
  local forks = not os.getenv "MOONS_CC":find("-fsanitize", 1, true)

  -- The script finds `forking`, and the name of a pipe that nobody writes to.
  local function passes(code, options)
    return temporary.folder({}, function(folder)
      local env = forks and forking.options().env or {}
      env.FORKS = forks and "1" or nil
      env.PIPE = folder .. "/pipe"
      assert(os.execute("mkfifo " .. temporary.quote(env.PIPE)))
      options.env = env
      return script.passes(code, options)
    end)
  end

  it("gives every result as it should be and leaves nothing behind #threads", function()
    passes(chaos, {args = {tostring(n_rounds), tostring(seed)}, timeout = 120 + 2 * n_rounds})
  end)

  it("gives them under a limit of address space #linux #unsanitized", function()
    temporary.file("#!/bin/sh\nulimit -v 4000000\nexec \"$MOONS\" \"$@\"\n", function(limited)
      assert(os.execute("chmod +x " .. temporary.quote(limited)))
      passes(chaos, {args = {"30", tostring(seed + 2)}, timeout = 120, interpreter = limited})
    end)
  end)

  it("leaves no thread behind but those of the process itself #threads #linux", function()
    local few = {args = {"50", tostring(seed + 1)}, timeout = 120}
    local before = script.run("parallel.map(tostring, {1, 2}, {timeout = 60}) " .. n_threads)
    local after = passes(chaos .. "parallel.map(tostring, {1, 2}, {timeout = 60}) " .. n_threads, few)
    assert.truthy(tonumber(after.stdout) <= tonumber(before.stdout) + 2, after.stdout)
  end)
end)
