-- What happens where the process may have only so much address space, as batch systems have it (`ulimit -v`).
local script = require "support.script"

-- Runs a script under a limit of so many MB. Returns what script.execute does.
local function limited(megabytes, code, host, n_workers)
  local command = "ulimit -v %d && exec \"$@\""
  local words = {"sh", "-c", command:format(megabytes << 10), "sh", host.interpreter or os.getenv "MOONS"}
  table.move(host.flags or {}, 1, #(host.flags or {}), #words + 1, words)
  if not host.interpreter then
    table.move({"-j", tostring(n_workers)}, 1, 2, #words + 1, words)
  end
  words[#words + 1] = "-"
  local head = "local parallel, N, HAS_THREADS = require 'parallel', %d, %s; local function equal(a, b) "
    .. "assert(a == b, tostring(a) .. ' is not ' .. tostring(b)) end "
  local has_threads = tostring(host.flags == nil)
  return script.execute(words, {stdin = head:format(n_workers, has_threads) .. code, env = host.env})
end

local function passes(...)
  local result = limited(...)
  assert.message(result.stderr).equal(0, result.code)
end

for _, host in ipairs(script.hosts) do
  describe("under a limit of address space #linux #unsanitized " .. host.name, function() -- sanitizers need much
    for _, case in ipairs {{1, 400}, {2, 1000}, {4, 1000}, {4, 8000}, {16, 2000}, {64, 8000}, {64, 20000}} do
      local n_workers, megabytes = case[1], case[2]
      it(("%d workers under %d MB do as many would"):format(n_workers, megabytes), function()
        for _ = 1, 2 do
          passes(megabytes, [[
            local names = {}
            for i = 1, 100 do names[i] = "name " .. i end
            local function f(x) return #names[x % 100 + 1] + x end
            for _, fresh in ipairs {true, false} do
              local results = parallel.map(f, parallel.range(1, 2000), {workers = N, fresh = fresh})
              for i = 1, 2000 do equal(results[i], f(i)) end
            end
            local pool <close> = parallel.pool(N)
            local sum = 0
            local function length(x) return #("x"):rep(x) end
            for _, y in pool:imap_unordered(length, parallel.range(1, 200)) do sum = sum + y end
            equal(sum, 20100)
          ]], host, n_workers)
        end
      end)
    end

    it("workers for whom there is no room are an error of kind system that says how many there are", function()
      passes(700, [[
        local wide = {workers = 1000}
        for _, call in ipairs {
          function() parallel.map(print, {1}, wide) end,
          function() local _ <close> = parallel.pool(wide) end,
        } do
          local ok, err = pcall(call)
          equal(ok, not HAS_THREADS)
          if HAS_THREADS then
            equal(err.kind, "system")
            local n = tonumber(err.message:match "of 1000 workers the system has room for (%d+); use fewer")
            assert(n and n > 0 and n < 700 / 16, err.message)
            assert(err.message:find("ulimit -v", 1, true))
          end
        end
        local results = parallel.map(function(x) return #("x"):rep(x) end, {1 << 20, 1 << 21}, {workers = 2})
        equal(results[2], 1 << 21)
      ]], host, 2)
    end)

    it("maps nested deep work", function()
      passes(1500, [[
        local function down(n) return n == 0 and 1 or 1 + parallel.map(down, {n - 1})[1] end
        equal(parallel.map(down, {40})[1], 41)
      ]], host, 2)
    end)

    it("large captures work", function()
      passes(2000, [[
        local rows = {}
        for i = 1, 200000 do rows[i] = {i, "row " .. i} end
        local function f(i) return rows[i][2] end
        for _, fresh in ipairs {true, false} do
          local results = parallel.map(f, parallel.range(1, 500), {workers = N, fresh = fresh})
          for i = 1, 500 do equal(results[i], "row " .. i) end
        end
      ]], host, 4)
    end)

    it("a call that grows without end fails for memory, and leaves it to others", function()
      passes(500, [[
        local function f(n)
          local t = {}
          while n == 0 do t[#t + 1] = ("x"):rep(1 << 20) .. #t end
          return #("x"):rep(n)
        end
        for _, fresh in ipairs {true, false} do
          local ok, err = pcall(parallel.map, f, {1, 0, 1}, {workers = N, chunk = 1, fresh = fresh})
          equal(ok, false)
          equal(err.kind, "memory")
          equal(err.index, 2)
          equal(parallel.map(f, {50 << 20}, {fresh = fresh})[1], 50 << 20)
        end
      ]], host, 2)
    end)
  end)
end

describe("the command under a limit of address space #linux #unsanitized", function()
  it("says of how many workers there is room for how many", function()
    local result = limited(400, "print 'ran'", script.hosts[1], 500)
    assert.equal(1, result.code)
    assert.equal("", result.stdout)
    assert.truthy(result.stderr:find("of 500 workers the system has room for %d+; use fewer"), result.stderr)
  end)
end)
