-- Calls that were given up, and come back with more than a call usually holds.
local script = require "support.script"
local temporary = require "support.temporary"

local prelude = [==[
  local pipe = os.getenv "PIPE"

  -- Waits in C until the script opens the pipe.
  local function wait() return io.open(pipe) end

  local function let_go()
    local file <close> = assert(io.open(pipe, "r+")) -- does not wait itself
    os.execute "sleep 0.3" -- so that the calls come to their end
  end

  -- More than a worker keeps between calls, and what has to be closed.
  local function fill()
    local held = {text = ("x"):rep(2000):gsub("x", "yy"):rep(350), file = io.open "/dev/null"}
    for i = 1, 1000 do held[i] = {i} end
    return held
  end

  local function f(x)
    if x ~= "stuck" then return x end
    local held = fill()
    wait()
    return held.file and #held
  end

  local function assert_lost(ok, err, kind)
    assert(not ok and err.kind == kind, tostring(err.kind) .. ": " .. tostring(err))
  end
]==]

local function passes(code, options)
  temporary.folder({}, function(folder)
    local pipe = folder .. "/pipe"
    assert(os.execute("mkfifo " .. temporary.quote(pipe)))
    local env = {PIPE = pipe}
    for name, value in pairs(options.env or {}) do env[name] = value end
    script.passes(prelude .. code, setmetatable({env = env}, {__index = options}))
  end)
end

script.on_hosts("a call that was given up and comes back", function(_, _, host)
  it("closes a large state with files and strings in it", function()
    passes([[
      for _, fresh in ipairs {true, false} do
        local pool <close> = parallel.pool {workers = 2, fresh = fresh}
        local ok, err = pcall(pool.map, pool, f, {"stuck", "stuck"}, {timeout = 0.6, errors = "collect", chunk = 1})
        equal(ok, true)
        let_go()
        equal({(pool:apply(f, 5))}, {5})
      end
    ]], host)
  end)

  it("closes the states of the calls around it too", function()
    passes([[
      local function outer(x)
        local held = fill()
        local ok, err = pcall(parallel.map, f, {x}, {timeout = 1, workers = 1})
        return held and ok and x or tostring(err)
      end
      local pool <close> = parallel.pool(1) -- and one for each map, so that a call runs the calls of its maps itself
      local ok, err = pcall(pool.map, pool, outer, {"stuck"})
      assert_lost(ok, ok and {kind = err[1]} or err, "lost")
      let_go()
      equal({(pool:apply(f, 5))}, {5})
    ]], host)
  end)

  it("closes it where it is a finalizer that comes back", function()
    passes([[
      local function g()
        local held = fill()
        held.last = setmetatable({}, {__gc = function() wait() fill() end})
        return #held
      end
      local pool <close> = parallel.pool(1)
      local ok, err = pcall(pool.map, pool, g, {1}, {timeout = 0.6})
      assert_lost(ok, err, "timeout")
      let_go()
      equal({(pool:apply(f, 5))}, {5})
    ]], host)
  end)

  it("closes it where it is init that comes back", function()
    passes([[
      local pool <close> = parallel.pool(1)
      local function init() held = fill() wait() end
      local ok, err = pcall(pool.map, pool, f, {1, 2}, {timeout = 0.6, init = init})
      assert_lost(ok, err, "timeout")
      let_go()
      equal({(pool:apply(f, 5))}, {5})
    ]], host)
  end)

  it("closes it when its pool and the script's end have gone by", function()
    passes([[
      do
        local pool <close> = parallel.pool(2)
        local future = pool:submit(f, "stuck")
        assert(not future:wait(0.2))
        future:cancel()
        assert_lost(false, select(2, pcall(future.get, future)), "cancelled")
      end
      let_go()
    ]], host)
  end)
end, nil, {script.hosts[1], script.hosts[3]})

script.on_hosts("a call that is ended in a kept state", function(_, _, host)
  it("takes the maps that it had begun with it", function()
    script.passes([[
      local function forever() while true do pcall(error) end end
      local function maps() pcall(parallel.map, forever, {1, 2, 3}) end
      local pool <close> = parallel.pool {workers = 1, fresh = false}
      for _ = 1, 3 do
        local ok, err = pcall(pool.map, pool, maps, {1}, {timeout = 0.1})
        equal({ok, err.kind}, {false, "timeout"})
        equal({(pool:apply(tostring, 5))}, {"5"}) -- by the one worker there is
      end
    ]], host)
  end)

  it("tells even where libraries were being opened that its time is over", function()
    script.passes([[
      local pool <close> = parallel.pool(1)
      for i = 1, 30 do
        local ok, err = pcall(pool.map, pool, function() while true do load "" end end, {1}, {timeout = i * 2e-6})
        equal({ok, err.kind}, {false, "timeout"})
      end
    ]], host)
  end)
end)
