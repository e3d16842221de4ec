-- Threads start when there are calls for them; and what happens where the system gives none.
local library = require "support.library"
local script = require "support.script"

local HOSTS = {script.hosts[1], script.lua54}

-- What the scripts begin with.
local HEAD = require "support.threads" .. [[
  local folder = os.tmpname()
  os.remove(folder)
  local function exists(i)
    local file <close> = io.open(folder .. i)
    return file ~= nil
  end
  -- Begins, and ends once `n` calls have begun.
  local function meet(i, n)
    io.open(folder .. i, "w"):close()
    for k = 1, n do repeat until exists(k) end
    return i
  end
  local function remove(n)
    for i = 1, n do os.remove(folder .. i) end
  end
]]

script.on_hosts("threads #linux #here", function(case)
  case("start when there are calls for them, no more than there are calls", [[
    local before = n_threads()
    local pool <close> = parallel.pool(64)
    equal({pool:stats().workers, n_threads() - before}, {64, 0})
    equal(pool:map(math.sqrt, {}), {n = 0})
    equal(n_threads() - before, 0)
    pool:apply(math.sqrt, 4)
    equal(n_threads() - before, 2) -- one looks after calls
    pool:map(math.sqrt, {1, 2, 3})
    assert(n_threads() - before <= 5, n_threads())
  ]])

  case("all work at once where there are calls for all", [[
    local N, list = 12, {}
    for i = 1, N do list[i] = i end
    local function meet_all(i) return meet(i, N) end
    local pool <close> = parallel.pool(N)
    for _ = 1, 2 do
      equal(pool:map(meet_all, parallel.range(1, N), {timeout = 50}), list)
      remove(N)
      local futures = {}
      for i = 1, N do futures[i] = pool:submit(meet_all, i) end
      for i = 1, N do equal(futures[i]:get(50), i) end
      remove(N)
    end
  ]])

  case("start for a job of few workers beside one of all", [[
    local pool <close> = parallel.pool(4)
    local forever = pool:map_async(function() while true do end end, {1, 2}, {workers = 2})
    local function meet_both(i) return meet(i, 2) end
    equal(pool:map(meet_both, {1, 2}, {timeout = 50}), {1, 2, n = 2})
    remove(2)
    forever:cancel()
  ]])

  case("start for maps within calls", [[
    local pool <close> = parallel.pool(4)
    local function meet_all(i) return meet(i, 4) end
    equal(pool:apply(function() return #parallel.map(meet_all, {1, 2, 3, 4}, {timeout = 50}) end), 4)
    remove(4)
  ]])

  case("start anew in place of those that were lost", [[
    local pool <close> = parallel.pool(2)
    local function stuck() return ("a"):rep(200):find(".-.-.-.-b") end
    local _, errors = pool:map(stuck, {1, 2}, {timeout = 0.01, errors = "collect"})
    equal({errors[1].kind, errors[2].kind}, {"timeout", "timeout"})
    local function meet_both(i) return meet(i, 2) end
    equal(pool:map(meet_both, {1, 2}, {timeout = 50}), {1, 2, n = 2})
    remove(2)
    equal(pool:stats().lost, 2)
  ]])
end, HEAD, HOSTS)

describe("where the system starts no more threads #linux #unsanitized", function() -- sanitizers have their own
  for _, host in ipairs(HOSTS) do
    -- With so many threads beside that which looks after calls, and those of the command.
    local function passes(n_threads, code)
      local env = {LD_PRELOAD = library.make "few_threads", FEW_THREADS = n_threads + (host.interpreter and 1 or 2)}
      for name, value in pairs(host.env or {}) do env[name] = value end
      local head = "local pool = parallel.pool(8) "
      script.passes(head .. code .. " pool:terminate()", setmetatable({env = env}, {__index = host}))
    end

    it("a call that needs one is an error of kind system, and others go on #here " .. host.name, function()
      passes(2, [[
        local function f(x) return x + 1 end
        local function forever() while true do end end
        for _, call in ipairs {
          function(pool) pool:map(forever, {1, 2, 3, 4, 5}, {chunk = 1}) end,
          function(pool) for _ in pool:imap(forever, {1, 2, 3, 4, 5}, {chunk = 1}) do end end,
          function(pool) pool:map_async(forever, {1, 2, 3, 4, 5}, {chunk = 1}) end,
          function(pool)
            local futures = {}
            for i = 1, 5 do futures[i] = pool:submit(forever, i) end
          end,
        } do
          equal(pool:map(f, {1, 2, 3}, {workers = 2}), {2, 3, 4, n = 3})
          local ok, err = pcall(call, pool)
          equal({ok, err.kind}, {false, "system"})
          assert(err.message:find("of 8 workers the system has room for 2; use fewer", 1, true), err.message)
          assert(err.caller_traceback:find "stdin")
        end
      ]])
    end)

    it("not even one is an error of kind system #here " .. host.name, function()
      for n_threads = -1, 0 do
        passes(n_threads, [[
          local function f(x) return x + 1 end
          for _, call in ipairs {
            function() parallel.map(f, {1, 2}) end,
            function() parallel.apply(f, 1) end,
            function() parallel.submit(f, 1) end,
            function() for _ in parallel.imap_unordered(f, {1, 2}) do end end,
            function() pool:map(f, {1}) end,
          } do
            local ok, err = pcall(call)
            equal({ok, err.kind}, {false, "system"})
            assert(err.message:find("workers the system has room for 0; use fewer", 1, true), err.message)
          end
        ]])
      end
    end)
  end
end)
