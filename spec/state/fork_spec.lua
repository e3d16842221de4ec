-- Processes that a C library forks, from the script and from calls.
local script = require "support.script"
local forking = require "support.forking"

local prelude = [==[
  local forking = require "forking"

  -- Runs f in a child; it ends well where f does.
  local function child(f)
    local pid = forking.fork()
    if pid == 0 then
      local ok, err = pcall(f)
      if not ok then io.stderr:write(tostring(err), "\n") end
      os.exit(ok)
    end
    return forking.wait(pid)
  end

  local function refused(f, ...)
    local ok, err = pcall(f, ...)
    assert(not ok and err.kind == "system" and err.message:find("parent process", 1, true), tostring(err))
  end

  local function square(x) return x * x end
]==]

script.on_hosts("a child of the script #unsanitized", function(_, _, host)
  local function passes(code)
    return script.passes(prelude .. code, forking.options(host))
  end

  it("is told that it cannot use the workers of its parent, which goes on", function()
    passes [[
      local pool <close> = parallel.pool(2)
      local future = pool:map_async(square, parallel.range(1, 1000))
      local next_one, state, first, closing = pool:imap(square, parallel.range(1, 100))
      next_one(state, first)
      parallel.map(square, {1, 2})
      for _ = 1, 10 do
        equal(child(function()
          refused(parallel.map, square, {1, 2})
          refused(pool.map, pool, square, {1, 2})
          refused(pool.submit, pool, square, 1)
          refused(parallel.pool, 2)
          refused(parallel.map, square, {1, 2}, {progress = true})
          pool:stats()
        end), 0)
      end
      equal({table.unpack((parallel.map(square, {1, 2, 3})))}, {1, 4, 9})
      equal(#future:get(), 1000)
    ]]
  end)

  it("ends as any, whatever its parent had under way", function()
    passes [[
      local function forever() while true do end end
      local pool = parallel.pool(2)
      local futures = {pool:submit(square, 1), pool:map_async(square, parallel.range(1, 10000), {chunk = 1})}
      for round = 1, 10 do
        local pid = forking.fork()
        if pid == 0 then
          if round % 2 == 0 then
            pcall(pool.terminate, pool)
            futures, pool = nil, nil
            collectgarbage()
            collectgarbage()
          end
          os.exit(round, true) -- closes the state
        end
        equal(forking.wait(pid), round)
      end
      equal(futures[1]:get(), 1)
      pool:terminate()
    ]]
  end)

  it("leaves the programs of its parent alone, and may start some of its own", function()
    passes [[
      local program = io.popen("sleep 0.4; echo here", "r")
      for _ = 1, 3 do
        equal(child(function()
          equal(io.popen("echo child"):read "a", "child\n")
          assert(os.execute "exit 0")
        end), 0)
        equal(child(function() end), 0)
      end
      equal(program:read "a", "here\n")
      program:close()
    ]]
  end)

  it("ends where the script ends, too", function()
    passes [[
      local pool = parallel.pool(2)
      local future = pool:map_async(square, parallel.range(1, 1000))
      local pid = forking.fork()
      if pid ~= 0 then
        equal(forking.wait(pid), 0)
        equal(#future:get(), 1000)
      end
    ]]
  end)

  it("of a call ends with it, or with os.exit", function()
    passes [[
      local function f(x)
        local pid = forking.fork()
        if pid == 0 then
          local ok = pcall(parallel.map, square, {1, 2})
          if ok then os.exit(99) end
          os.exit(x)
        end
        return forking.wait(pid)
      end
      for _, fresh in ipairs {true, false} do
        local results = parallel.map(f, {3, 4, 5, 6}, {workers = 2, fresh = fresh})
        equal({table.unpack(results, 1, 4)}, {3, 4, 5, 6})
      end
    ]]
  end)
end)

script.on_hosts("a child of a call #unsanitized", function(_, _, host)
  it("ends with the call, and gives nothing", function()
    script.passes(prelude .. [[
      local function f(x)
        local pid = forking.fork()
        if pid == 0 then return "nobody wants this" end
        return forking.wait(pid) == 0 and x
      end
      local results = parallel.map(f, {3, 4, 5, 6}, {workers = 2, timeout = 60})
      equal({table.unpack(results, 1, 4)}, {3, 4, 5, 6})
    ]], forking.options(host))
  end)
end, nil, {script.hosts[1], script.hosts[3]})

describe("a child of a script that has made no map #unsanitized", function()
  it("makes workers where the parent had none yet", function()
    script.passes(prelude .. [[
      for _ = 1, 3 do
        equal(child(function()
          equal({table.unpack((parallel.map(square, {1, 2, 3}, {timeout = 60})))}, {1, 4, 9})
        end), 0)
      end
    ]], forking.options(script.lua54))
  end)

  it("does what signals want itself", function()
    script.passes(prelude .. [[
      parallel.map(square, {1, 2})
      for _, signal in ipairs {2, 15} do
        equal(child(function() forking.raise(signal) while true do end end), -signal)
      end
      equal({table.unpack((parallel.map(square, {1, 2, 3})))}, {1, 4, 9})
    ]], forking.options())
  end)
end)
