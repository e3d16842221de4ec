-- A map within a call uses the workers of its own host that have nothing to do; without hosts, those of this machine.
local agents = require "support.agents"
local forking = require "support.forking"
local script = require "support.script"
local temporary = require "support.temporary"

-- What scripts use. `meet` waits until all calls that it expects are there at the same time; `note` writes a line.
local PRELUDE = [[
  local forking = require "forking"
  local function note(name, text)
    local file <close> = assert(io.open(folder .. "/" .. name, "a"))
    file:write(text, "\n")
  end
  local function is_noted(name)
    local file <close> = io.open(folder .. "/" .. name)
    return file ~= nil
  end
  local function meet(name, n, i)
    note(name .. i, "")
    for _ = 1, 2000 do
      local n_there = 0
      for k = 1, n do n_there = n_there + (is_noted(name .. k) and 1 or 0) end
      if n_there == n then return os.getenv "SPEC_HOST" or "none" end
      parallel.sleep(0.01)
    end
    error "the others do not come"
  end
  local function meet_within(name, n)
    local report = {}
    local options = {chunk = 1, report = report}
    local hosts = parallel.map(function(i) return meet(name, n, i) end, parallel.range(1, n), options)
    local workers = {}
    for i = 1, n do workers[report[i].worker] = hosts[i] end
    return workers
  end
  local function count(t)
    local n = 0
    for _ in pairs(t) do n = n + 1 end
    return n
  end
]]

local cases = {
  ["worker processes"] = {flags = {"-b", "processes", "-j", "4"}, two = {"-b", "processes", "-j", "2"}},
  ["hosts"] = {
    flags = {"-H", "one:4,two:4", "--launch", "SPEC_HOST={host} exec " .. agents.launch},
    two = {"-H", "one:2", "--launch", "exec " .. agents.launch},
  },
}

for name, case in pairs(cases) do
  local function passes(code, options)
    options = setmetatable(options or {}, {__index = forking.options(case)})
    return temporary.folder({}, function(folder)
      return script.passes(("local folder = %q\n"):format(folder) .. PRELUDE .. code, options)
    end)
  end

  describe("on " .. name .. ", a map within a call #linux", function()
    it("uses all workers of its host that have nothing to do, and no other's #threads", function()
      passes [[
        for round = 1, 3 do
          local workers = parallel.map(function() return meet_within("meet" .. round, 4) end, {1})[1]
          local host = workers[1]
          equal(workers, {host, host, host, host})
        end
      ]]
    end)

    it("shares them with maps of other calls", function()
      passes [[
        local workers = parallel.map(function(i) return meet_within("call" .. i .. " ", 2) end, {1, 2})
        for i = 1, 2 do equal(count(workers[i]), 2) end
      ]]
    end)

    it("runs three deep, no more calls at once than the host has workers #threads", function()
      passes([[
        local function leaf(i)
          note("leaves", "+")
          parallel.sleep(0.01)
          note("leaves", "-")
          return i
        end
        local function nest(depth, i)
          if depth == 0 then return leaf(i) end
          local sum = 0
          local sums = parallel.map(function(k) return nest(depth - 1, i * k) end, {1, 2, 3})
          for k = 1, 3 do sum = sum + sums[k] end
          return sum
        end
        local function middle(i) return nest(3, i) end
        equal(parallel.map(middle, {1, 2, 3, 4}), {216, 432, 648, 864, n = 4})
        local n, most = 0, 0
        for line in io.lines(folder .. "/leaves") do
          n = n + (line == "+" and 1 or -1)
          most = math.max(n, most)
        end
        equal(n, 0)
        assert(most > 1 and most <= (os.getenv "SPEC_MOST" + 0), most)
      ]], {env = {SPEC_MOST = name == "hosts" and "8" or "4", LUA_CPATH = forking.path() .. ";;"}})
    end)

    it("gives a worker back that a call waits for", function()
      passes([[
        local function go_on()
          local function next_item() return not is_noted "end" or nil end
          for _ in parallel.imap(function() parallel.sleep(0.002) end, next_item) do
            if not is_noted "begun" then note("begun", "") end
          end
          return "went on"
        end
        local future = parallel.submit(go_on)
        while not is_noted "begun" do parallel.sleep(0.01) end
        local last = parallel.submit(function() note("end", "") return "ended" end)
        equal({future:get(), last:get()}, {"went on", "ended"})
      ]], {flags = case.two})
    end)

    it("that a crash ends is lost with its call, and its workers are there again", function()
      passes [[
        local results, errors = parallel.map(function(i)
          return parallel.map(function(k)
            if i == 2 and k == 3 then forking.abort() end
            parallel.sleep(0.02)
            return k
          end, {1, 2, 3, 4}, {chunk = 1})[4]
        end, {1, 2, 3, 4, 5, 6}, {errors = "collect"})
        equal({errors.n, errors[2].kind}, {1, "lost"})
        for i = 1, 6 do equal(results[i], i ~= 2 and 4 or nil) end
        equal(count(parallel.map(function() return meet_within("after", 4) end, {1})[1]), 4)
        parallel.map(function(i) return meet("all", 4, i) end, {1, 2, 3, 4}, {chunk = 1})
      ]]
    end)

    it("in which a call does not end is lost with its call, but where that must end too", function()
      passes [[
        local function map_within(i)
          return parallel.map(function(k)
            if i == 2 and k == 3 then forking.hang() end
            return k
          end, {1, 2, 3, 4}, {chunk = 1, timeout = i == 2 and 0.3 or nil})[4]
        end
        local results, errors = parallel.map(map_within, {1, 2, 3}, {errors = "collect"})
        equal({errors.n, errors[2].kind, results[1], results[3]}, {1, "lost", 4, 4})
        assert(errors[2].message:find "a call within it did not end", errors[2].message)
        local _, late = parallel.map(function(i)
          local function hang(k) return i == 2 and k == 3 and forking.hang() or k end
          return parallel.map(hang, {1, 2, 3, 4}, {chunk = 1})
        end, {1, 2, 3}, {errors = "collect", timeout = 1.5})
        equal({late.n, late[2].kind}, {1, "timeout"})
      ]]
    end)

    it("in which a call does not end costs nothing where nobody waits for it", function()
      passes [[
        equal(parallel.map(function(i)
          parallel.submit(function()
            note("begun" .. i, "")
            forking.hang()
          end)
          while not is_noted("begun" .. i) do parallel.sleep(0.01) end
          return i
        end, {1, 2, 3}, {workers = 1, chunk = 3}), {1, 2, 3, n = 3})
      ]]
    end)

    it("ends with its call, by error, time, or cancel", function()
      passes [[
        local function spin() while true do end end
        equal(parallel.map(function(i)
          local future = parallel.submit(spin)
          parallel.sleep(0.02)
          return i
        end, {1, 2, 3, 4, 5, 6}), {1, 2, 3, 4, 5, 6, n = 6})
        local _, errors = parallel.map(function() return parallel.map(spin, {1, 2, 3}) end, {1, 2},
          {errors = "collect", timeout = 0.3})
        equal({errors[1].kind, errors[2].kind}, {"timeout", "timeout"})
        local future = parallel.submit(function() return parallel.map(spin, {1, 2, 3, 4}) end)
        parallel.sleep(0.1)
        future:cancel()
        equal(select(2, pcall(future.get, future)).kind, "cancelled")
        equal(count(parallel.map(function() return meet_within("after", 4) end, {1})[1]), 4)
      ]]
    end)

    it("holds no more memory than its call may", function()
      passes [[
        local _, errors = parallel.map(function(i)
          return #parallel.map(function(k) return ("x"):rep(i == 2 and 8 << 20 or k) end, {1, 2, 3, 4, 5, 6})
        end, {1, 2, 3}, {errors = "collect", memory = 30 << 20})
        equal(errors.n, 1)
        assert(tostring(errors[2]):find "not enough memory", tostring(errors[2]))
      ]]
    end)

    it("gives what it gives on threads", function()
      local code = [[
        local function draw(k) return math.random(1000000) + k end
        local function show(i)
          local draws = parallel.map(draw, parallel.range(1, 30))
          local function fail(k) return k % 4 == 0 and error {code = k} or k end
          local _, errors = parallel.map(fail, parallel.range(1, 30), {errors = "collect"})
          local ok, err = pcall(parallel.map, function(k) return k == 7 and error "seven" or k end, {5, 6, 7, 8})
          local squares = {}
          local function square(n) return n * n end
          for k, x in parallel.imap(square, parallel.range(1, 12)) do squares[k] = x end
          local sum, futures = 0, {}
          for k = 1, 5 do futures[k] = parallel.submit(draw, k) end
          for future in parallel.as_completed(futures) do sum = sum + future:get() end
          local found = parallel.first(function(k) return k == 13 and k end, parallel.range(1, 100))
          return ("%d: %s; %d %d; %s %d %s; %s; %d; %d"):format(i, table.concat(draws, " "), errors.n,
            errors[8].value.code, ok, err.index, err.message, table.concat(squares, " "), sum, found)
        end
        for _, line in ipairs(parallel.map(show, parallel.range(1, 9), {seed = 3})) do print(line) end
      ]]
      assert.equal(script.passes(code).stdout, script.passes(code, forking.options(case)).stdout)
    end)

    it("may go on in a state that is kept, which waits for nothing", function()
      passes [[
        equal(parallel.map(function(i)
          return i + #parallel.map(function(k) return k end, {1, 2, 3})
        end, {1, 2, 3, 4, 5, 6}, {fresh = false, init = function()
          future = parallel.submit(function() while true do end end)
        end}), {4, 5, 6, 7, 8, 9, n = 6})
      ]]
    end)

    it("may be asked for, where no other worker is there", function()
      local flags = name == "hosts" and {"-H", "one:1", "--launch", "exec " .. agents.launch} or
        {"-b", "processes", "-j", "1"}
      script.passes([[
        equal(parallel.map(function()
          local future = parallel.submit(function() return 5 end)
          while not future:done() do end
          return future:get()
        end, {1, 2}), {5, 5, n = 2})
      ]], {flags = flags})
    end)

    it("is in a trace in the rows of the workers that it uses", function()
      temporary.folder({}, function(folder)
        local flags = table.move(case.flags, 1, #case.flags, 3, {"--trace", folder .. "/trace.json"})
        script.passes([[
          parallel.map(function()
            parallel.map(function() parallel.sleep(0.1) end, parallel.range(1, 8), {chunk = 1})
          end, {1})
        ]], {flags = flags})
        local rows, names = {}, {}
        for line in io.lines(folder .. "/trace.json") do
          local row = line:match '"tid":(%d+)'
          if row and line:find '"cat":"call"' then rows[row] = true end
          if row and line:find '"thread_name"' then names[row] = line:match '"args":{"name":"([^"]*)"' end
        end
        local seen = {}
        for row in pairs(rows) do
          local number = names[row] and names[row]:match "worker (%d+)$"
          assert.truthy(number)
          seen[number] = true
        end
        assert.truthy(seen["1"] and seen["2"])
      end)
    end)
  end)
end

describe("in a call on a host, parallel.cpus()", function()
  it("is the number of its workers", function()
    script.passes([[
      equal(parallel.cpus(), 8)
      local function ask()
        parallel.sleep(0.1)
        return parallel.cpus()
      end
      local cpus, hosts = parallel.map(ask, parallel.range(1, 8), {chunk = 1}), {}
      for _, n in ipairs(cpus) do hosts[n] = true end
      assert(hosts[5] or hosts[3])
      hosts[5], hosts[3] = nil, nil
      equal(next(hosts), nil)
    ]], {flags = {"-H", "one:5,two:3", "--launch", "exec " .. agents.launch}})
  end)
end)
