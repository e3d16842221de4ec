local script = require "support.script"
local temporary = require "support.temporary"

local prelude = [[
  local hosts = {[io.popen "uname -n":read "l"] = true}
  if os.getenv "SPEC_BACKEND" == "hosts" then hosts.one, hosts.two = true, true end

  -- Whether an entry has what every call reports that was not given up.
  local function check(use, tries)
    assert(math.type(use.seconds) == "float" and use.seconds > 0, use.seconds)
    assert(math.type(use.cpu) == "float" and use.cpu >= 0 and use.cpu <= use.seconds, use.cpu)
    assert(math.type(use.memory) == "integer" and use.memory > 1000, use.memory)
    assert(math.type(use.worker) == "integer" and use.worker >= 1, use.worker)
    assert(hosts[use.host:match "^[^/]*"], use.host)
    equal(use.tries, tries or 1)
  end

  local function check_all(report, n)
    for i = 1, n do
      check(report[i])
    end
    equal(#report, n)
  end
]]

script.on_hosts("the option report", function(case, _, host)
  case("is filled by every kind of map", [[
    local report = {}
    local function options(fresh) report = {} return {report = report, workers = 2, fresh = fresh} end
    for _, fresh in ipairs {true, false} do
      equal(parallel.map(function(x) return 2 * x end, {1, 2, 3}, options(fresh)), {2, 4, 6, n = 3})
      check_all(report, 3)
      equal(parallel.map(function(x) return "s" .. x end, {1, 2, 3}, options(fresh)), {"s1", "s2", "s3", n = 3})
      check_all(report, 3)
      parallel.starmap(math.max, {{1, 2}, {3, 4}}, options(fresh))
      check_all(report, 2)
      parallel.run({parallel.delayed(math.sqrt)(4)}, options(fresh))
      check_all(report, 1)
      equal(parallel.map(math.sqrt, parallel.range(1, 5000), options(fresh))[4900], 70.0)
      check_all(report, 5000)
    end
  ]])

  case("is filled by iterations, iterators, futures and first", [[
    local report = {}
    local n = 0
    local function items() n = n + 1 return n <= 20 and n or nil end
    for i in parallel.imap(math.sqrt, items, {report = report}) do
      check(report[i])
    end
    check_all(report, 20)
    report = {}
    for i in parallel.imap_unordered(math.sqrt, parallel.range(1, 20), {report = report}) do
      check(report[i])
    end
    check_all(report, 20)
    report = {}
    parallel.map_async(math.sqrt, {1, 2, 3}, {report = report}):get()
    check_all(report, 3)
    report = {}
    local _, index = parallel.first(function(x) return x == 3 end, {1, 2, 3}, {report = report, workers = 1})
    check(report[index])
  ]])

  case("of a pool goes by the pool's count of calls, that of one of its maps by the map's", [[
    local all, own = {}, {}
    local pool <close> = parallel.pool {workers = 2, report = all}
    pool:map(math.sqrt, {1, 2})
    pool:apply(math.sqrt, 3)
    pool:submit(math.sqrt, 4):get()
    check_all(all, 4)
    pool:map(math.sqrt, {1, 2, 3}, {report = own}) -- calls 5, 6 and 7 of the pool
    check_all(own, 3)
    equal(#all, 4)
    pool:apply(math.sqrt, 3)
    check(all[8])
  ]])

  case("tells of failed calls and their tries", [[
    local report = {}
    local function f(x)
      if x == 2 then error "two" end
      if x == 3 then return coroutine.create(print) end -- cannot be sent
      if x == 4 then os.exit(1) end
      return x
    end
    for _, fresh in ipairs {true, false} do
      for retries = 0, 2, 2 do
        local _, errors = parallel.map(f, {1, 2, 3, 4, 5}, {errors = "collect", report = report, retries = retries,
          fresh = fresh})
        equal(errors.n, 3)
        for i = 1, 5 do
          check(report[i], errors[i] and retries + 1 or 1)
        end
      end
    end
    report = {}
    equal(pcall(parallel.map, f, {1, 2, 3}, {report = report, workers = 1, chunk = 3}), false)
    check(report[1])
    check(report[2])
  ]])

  case("has nothing of a call that was not made, and nothing used where init failed", [[
    local report = {}
    local items = {1, coroutine.create(print), 3}
    parallel.map(type, items, {errors = "collect", report = report})
    check(report[1])
    equal(report[2], nil)
    check(report[3])
    report = {}
    parallel.map(type, {1, 2}, {errors = "collect", report = report, init = function() error "no" end})
    for i = 1, 2 do
      equal({report[i].seconds, report[i].cpu, report[i].memory, report[i].tries}, {0.0, 0.0, 0, 1})
    end
  ]])

  case("measures waiting as seconds, computing as processor time", [[
    local function wait() parallel.sleep(0.2) end
    local function compute()
      local start = parallel.clock()
      while parallel.clock() - start < 0.2 do end
    end
    local report = {}
    parallel.map(function(is_waiting) (is_waiting and wait or compute)() end, {true, false}, {report = report})
    assert(report[1].seconds >= 0.2 and report[1].cpu < 0.1)
    assert(report[2].seconds >= 0.2 and report[2].cpu > 0.001)
  ]])

  case("measures the most that a call's state reaches, whatever was before it", [[
    local function f(n_bytes)
      local text = ("x"):rep(n_bytes)
      text = nil
      collectgarbage()
      return 1
    end
    for _, fresh in ipairs {true, false} do
      local report, sizes = {}, {1, 5000000, 1, 20000000, 1, 1000000}
      parallel.map(f, sizes, {report = report, workers = 1, chunk = #sizes, fresh = fresh})
      -- What a kept state allocates while a call has much, its stack say, may lie above that for good.
      local most = 0
      for i, n in ipairs(sizes) do
        local memory = report[i].memory
        most = fresh and n or math.max(most, n)
        assert(memory >= n and memory < 3 * most + 500000, ("%d: %d"):format(n, memory))
      end
    end
    -- What a call may hold is what it can report.
    local report, limit = {}, 2 << 20
    local function fill() local t = {} while true do t[#t + 1] = {} end end
    local _, errors = parallel.map(fill, {1}, {report = report, memory = limit, errors = "collect"})
    equal(errors[1].kind, "memory")
    assert(report[1].memory <= limit and report[1].memory > limit // 4, report[1].memory)
  ]])

  case("tells workers apart, and goes on in maps within maps", [[
    local report = {}
    parallel.map(function() parallel.sleep(0.02) end, parallel.range(1, 20), {report = report, workers = 3,
      chunk = 1})
    for i = 1, 20 do
      assert(report[i].worker >= 1 and report[i].worker <= 3)
    end
    local inner = parallel.map(function(x)
      local own = {}
      parallel.map(math.sqrt, {1, 2}, {report = own})
      return {own[1], own[2]}
    end, {1, 2}, {report = report})
    for i = 1, 2 do
      check_all(inner[i], 2)
    end
  ]])

  it("is a table", function()
    script.fails("require 'parallel'.map(print, {1}, {report = true})",
      "option 'report' of 'map' must be a table, to be filled, not a boolean", host)
    script.fails("require 'parallel'.map(print, {1}, {timing = {}})", "did you mean 'report'?", host)
  end)
end, prelude)

for _, host in ipairs {script.hosts[1], script.hosts[3]} do
  it("the option report tells what is known of calls that were given up " .. host.name, function()
    temporary.folder({}, function(folder)
      assert(os.execute("mkfifo " .. temporary.quote(folder .. "/pipe")))
      script.passes(prelude .. ([[
        local report = {}
        local function f(x) return x == 2 and io.open(%q) or x end
        local _, errors = parallel.map(f, {1, 2, 3}, {timeout = 0.1, errors = "collect", report = report, chunk = 3})
        equal(errors[2].kind, "timeout")
        check(report[1])
        check(report[3])
        assert(report[2].seconds > 0.1)
        equal({report[2].cpu, report[2].memory, report[2].tries}, {nil, nil, 1})
        assert(report[2].worker >= 1 and report[2].host == report[1].host)
      ]]):format(folder .. "/pipe"), host)
    end)
  end)
end

local processes = {name = "in worker processes", flags = {"-b", "processes"}}
for _, host in ipairs {script.hosts[1], script.hosts[2], script.hosts[3], processes} do
  it("an error names the worker that its report names, but within a call " .. host.name, function()
    script.passes([[
      local report = {}
      local _, errors = parallel.map(function(i)
        if i == 1 then
          local ok, err = pcall(parallel.map, function() error "no" end, {1, 2, 3})
          assert(not ok and err.index and err.worker == nil)
        end
        if i == 5 then while true do end end
        return i % 2 == 0 and error "no" or i
      end, parallel.range(1, 12), {report = report, errors = "collect", chunk = 1, workers = 2, timeout = 0.5})
      equal(errors.n, 7)
      for i = 1, 12 do
        if errors[i] then
          assert(errors[i].worker >= 1 and errors[i].worker <= 2, i)
          equal(errors[i].worker, report[i].worker)
        end
      end
      equal(errors[5].kind, "timeout")
    ]], host)
  end)
end
