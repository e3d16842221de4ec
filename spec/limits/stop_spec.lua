-- Ending calls at any moment: deadlines hit whatever Lua does just then. MOONS_STOP_ROUNDS says how many rounds
-- of some hundred deadlines each, MOONS_STOP_SEED from which seed.
local script = require "support.script"

local n_rounds = math.tointeger(os.getenv "MOONS_STOP_ROUNDS") or 3
local seed = math.tointeger(os.getenv "MOONS_STOP_SEED") or 1

local deadlines = [==[
  local n_rounds, seed = tonumber(arg[1]), tonumber(arg[2])
  math.randomseed(seed)

  -- What never ends, each in a way of its own.
  local ways = {}

  function ways.loop() while true do end end
  function ways.count() local n = 0 while true do n = n + 1.5 end end
  function ways.tail() local function f(n) return f(n + 1) end return f(1) end

  function ways.recursion()
    local function down(n) return n == 0 and 0 or 1 + down(n - 1) end
    for depth = 1, math.huge do down(depth % 5000) end
  end

  function ways.overflow()
    local function down() return 1 + down() end
    while true do pcall(down) end
  end

  function ways.c_recursion()
    local function down(n) return (("x"):gsub("x", function() return n > 0 and down(n - 1) or "y" end)) end
    for depth = 1, math.huge do pcall(down, depth % 180) end
  end

  function ways.pcalls() while true do pcall(pcall, pcall, error, {}) end end
  function ways.errors() while true do pcall(error, "x") pcall(error, {}, 2) end end

  function ways.handlers()
    while true do xpcall(error, function(e) return {pcall(error, e)} end, "x") end
  end

  function ways.wraps()
    local function count(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end
    while true do for i in count(5) do if i == 3 then break end end end
  end

  function ways.nested()
    local function deep(n)
      if n == 0 then return 0 end
      return 1 + coroutine.wrap(deep)(n - 1)
    end
    for depth = 1, math.huge do deep(depth % 60) end
  end

  function ways.resumes()
    local co
    while true do
      if not co or coroutine.status(co) == "dead" then
        co = coroutine.create(function(...) for _ = 1, 7 do pcall(coroutine.yield, ...) end error "end" end)
      end
      coroutine.resume(co, 1, 2)
    end
  end

  function ways.closes()
    while true do
      local co = coroutine.create(function()
        local _ <close> = setmetatable({}, {__close = function() pcall(error) end})
        coroutine.yield()
      end)
      coroutine.resume(co)
      coroutine.close(co)
    end
  end

  function ways.collections() while true do collectgarbage() end end
  function ways.steps() while true do collectgarbage("step", 1) local t = {{}, {}} t[3] = t end end

  function ways.generations()
    collectgarbage "generational"
    while true do local t = {} for i = 1, 100 do t[i] = {i} end end
  end

  function ways.finalizers()
    while true do setmetatable({}, {__gc = function() return #{} end}) end
  end

  function ways.shrinking() -- many frames, which the next collection frees
    local function down(n) return n == 0 and {} or {down(n - 1)} end
    while true do down(150) collectgarbage "step" end
  end

  function ways.hooks()
    while true do debug.sethook(function() end, "crl", 3) debug.sethook() end
  end

  function ways.sorts()
    local t = {}
    while true do
      for i = 1, 30 do t[i] = i * 7919 % 31 end
      table.sort(t, function(a, b) return a > b end)
    end
  end

  function ways.metamethods()
    local t = setmetatable({}, {__index = function(_, k) return k end, __add = function() return 1 end})
    while true do t = t.x and t + 1 == 1 and t or t end
  end

  function ways.loads() while true do load("local a, b = ... return a, {b, ...}")(1, 2) end end
  function ways.strings() local s = "" while true do s = #s > 500 and "" or s .. #s end end

  function ways.maps() while true do pcall(parallel.map, function(x) return x end, {1, 2, 3}) end end
  function ways.inner() pcall(parallel.map, function() while true do pcall(error) end end, {1, 2}) end

  local names = {}
  for name in pairs(ways) do names[#names + 1] = name end
  table.sort(names)

  local function act(name) return ways[name]() end

  -- A thread that others keep from its core for half a second is given up, as on a machine with too much to do.
  local n_hit, n_given_up = 0, 0
  local function check(name, value, err)
    local is_right = value == nil and err and err.kind == "timeout"
    assert(is_right, ("seed %d: %s gave %s, %s"):format(seed, name, tostring(value), tostring(err)))
    if err.message:find "given up" then n_given_up = n_given_up + 1 end
  end

  for round = 1, n_rounds do
    local fresh = round % 2 == 1
    local pool <close> = parallel.pool {workers = 1 + round % 4, fresh = fresh}
    for _ = 1, 5 do
      local xs = {}
      for i = 1, 40 do xs[i] = names[math.random(#names)] end
      local errors = select(-1, pool:map(act, xs,
        {timeout = math.random() / 500 + 1e-5, errors = "collect", chunk = math.random(10)}))
      for i, name in ipairs(xs) do check(name, nil, errors[i]) end
      n_hit = n_hit + #xs
      -- What comes afterwards is not hit.
      local function good(x)
        local sum = 0
        for i = 1, 1000 do sum = sum + i % x end
        return sum
      end
      local expected = {}
      for i = 1, 20 do expected[i] = good(i) end
      equal({table.unpack(pool:map(good, parallel.range(1, 20)), 1, 20)}, expected)
    end
    if round % 100 == 0 then io.stderr:write(("%d deadlines, %d given up\n"):format(n_hit, n_given_up)) end
  end
  assert(n_given_up <= 3 + n_hit / 50, n_given_up)

  -- And those that were come to their end.
  local is_quiet
  for _ = 1, 100 do
    local before = os.clock()
    os.execute "sleep 0.2"
    is_quiet = os.clock() - before < 0.1
    if is_quiet then break end
  end
  assert(is_quiet, "a call goes on that was given up")
]==]

script.on_hosts("deadlines", function(_, _, host)
  it("end calls at any moment, and nothing else", function()
    local options = {args = {tostring(n_rounds), tostring(seed)}, timeout = 120 + n_rounds}
    script.passes(deadlines, setmetatable(options, {__index = host}))
  end)
end)
