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
    local held = {file = io.open "/dev/null", text = ("x"):rep(2000):gsub("x", "yy"):rep(2000)}
    for i = 1, 30000 do held[i] = {i} end
    return held
  end

  local function f(x)
    if x ~= "stuck" then return x end
    local held = fill()
    wait()
    return held.file and #held
  end

  local function assert_lost(ok, err, kind)
    assert(not ok and err.kind == kind, tostring(err))
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

for _, host in ipairs {script.hosts[1], script.hosts[3]} do
  describe("a call that was given up and comes back " .. host.name, function()
    it("closes a large state with files and strings in it", function()
      passes([[
        for _, fresh in ipairs {true, false} do
          local pool <close> = parallel.pool {workers = 2, fresh = fresh}
          local ok, err = pcall(pool.map, pool, f, {"stuck", "stuck"}, {timeout = 0.3, errors = "collect", chunk = 1})
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
          local ok, err = pcall(parallel.map, f, {x}, {timeout = 0.3})
          return held and ok and x or err.kind
        end
        local pool <close> = parallel.pool(1) -- so that a call runs the calls of its maps itself
        assert_lost(false, select(2, pcall(pool.map, pool, outer, {"stuck"})), "lost")
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
        local ok, err = pcall(pool.map, pool, g, {1}, {timeout = 0.3})
        assert_lost(ok, err, "timeout")
        let_go()
        equal({(pool:apply(f, 5))}, {5})
      ]], host)
    end)

    it("closes it where it is init that comes back", function()
      passes([[
        local pool <close> = parallel.pool(1)
        local function init() held = fill() wait() end
        local ok, err = pcall(pool.map, pool, f, {1, 2}, {timeout = 0.3, init = init})
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
  end)
end
