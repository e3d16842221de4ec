local screen = require "support.screen"
local script = require "support.script"

-- What scripts begin with: `wait(seconds)`, also in calls; `counter(n)`, an iterator; and `say`, which prints a line
-- at once: stock `print` writes word by word, and what calls print may come between.
local start = [==[
  local parallel = require "parallel"
  local now = require "parallel.core".now
  local function wait(seconds)
    local over = now() + seconds
    while now() < over do end
  end
  local function counter(last)
    local i = 0
    return function()
      i = i + 1
      if i <= last then return i end
    end
  end
  local function say(...)
    io.write(table.concat({...}, " ") .. "\n")
  end
]==]

-- Columns in which an error that begins with the command's whole path is one line.
local room_for_errors = 1000

local function show(code, options)
  local result = screen.run(start .. code, options)
  return result, assert.message(result.bytes)
end

-- Asserts that a script ends well and leaves the cursor on an empty line.
local function shows(code, options)
  local result, report = show(code, options)
  report.equal(0, result.code)
  report.equal(0, result.n_wraps)
  report.equal("", result.lines[#result.lines])
  report.equal(1, result.column)
  return result, report
end

-- How many lines of the screen match a pattern.
local function count(result, pattern)
  local n = 0
  for _, line in ipairs(result.lines) do
    n = n + (line:find(pattern) and 1 or 0)
  end
  return n
end

-- How often a bar was drawn.
local function drawn(result)
  local _, n = result.bytes:gsub("%d+%%", "")
  return n
end

-- Asserts that the screen has just these lines, in any order, among lines that match the pattern of bars.
local function has_whole_lines(result, report, expected, bar)
  local left = {}
  for _, line in ipairs(expected) do
    left[line] = (left[line] or 0) + 1
  end
  for _, line in ipairs(result.lines) do
    if left[line] then
      left[line] = left[line] > 1 and left[line] - 1 or nil
    elseif line ~= "" then
      report.truthy(line:find(bar))
    end
  end
  report.same({}, left)
end

script.on_hosts("a bar on a terminal", function(_, _, host)
  local options = {flags = host.flags, interpreter = host.interpreter, env = host.env}

  it("moves on, and stays as the last line of its map", function()
    local result, report = shows([[
      parallel.map(function() wait(0.01) end, parallel.range(1, 20), {progress = true, chunk = 1, workers = 1})
      print "after"
    ]], options)
    report.truthy(drawn(result) > 1)
    report.equal(3, #result.lines)
    report.truthy(result.lines[1]:find "^20/20 %[#+%] 100%%, [%d.]+/s, in [%d.]+ s$")
    report.equal("after", result.lines[2])
  end)

  it("keeps apart from what calls print to stdout and stderr", function()
    local result, report = shows([[
      local function f(i)
        for part = 1, 5 do
          print(("line %d of call %d"):format(part, i))
          io.write("written ", part, " by ")
          wait(0.001)
          io.write("call ", i, "\n")
          io.stderr:write("told by call ", i, "\n")
          io.flush()
        end
      end
      parallel.map(f, parallel.range(1, 100), {progress = true, workers = 4})
    ]], options)
    local expected = {}
    for i = 1, 100 do
      for part = 1, 5 do
        table.insert(expected, ("line %d of call %d"):format(part, i))
        table.insert(expected, ("written %d by call %d"):format(part, i))
        table.insert(expected, ("told by call %d"):format(i))
      end
    end
    has_whole_lines(result, report, expected, "^100/100 %[#+%] 100%%, ")
    report.equal(1502, #result.lines)
    report.truthy(drawn(result) > 1)
  end)
end)

describe("a bar on a terminal", function()
  it("keeps what calls print without a newline", function()
    for _, redirect in ipairs {"", ">/dev/null"} do
      local result, report = show([[
        local function f(i)
          wait(0.006)
          io.write("<", i, ">")
          io.stderr:write("(", i, ")")
        end
        io.write "before" io.flush()
        parallel.map(f, parallel.range(1, 50), {progress = true, chunk = 1, workers = 2})
        print()
      ]], {redirect = redirect})
      report.equal(0, result.code)
      local text = table.concat(result.lines)
      for i = 1, 50 do
        report.equal(redirect == "" and i or nil, tonumber(text:match(("<(%d)>"):format(i))))
        report.equal(i, tonumber(text:match(("%%((%d)%%)"):format(i))))
      end
      report.equal(1, count(result, "^50/50 %[#+%] 100%%"))
    end
  end)

  it("does not hold back a line that does not end", function()
    local result, report = show([[
      local function f(i)
        wait(0.12)
        io.write(("x"):rep(50000))
        io.flush()
        io.write(("x"):rep(50000))
        io.flush()
        io.write "end"
      end
      parallel.map(f, {1, 2, 3}, {progress = true, chunk = 1, workers = 1})
    ]])
    report.equal(0, result.code)
    local _, n = table.concat(result.lines):gsub("x", "")
    report.equal(300000, n)
    report.equal(1, count(result, "^3/3 %[#+%] 100%%"))
  end)

  it("keeps apart from what the script prints in a loop, a source, a callback, its own function", function()
    local result, report = shows [[
      local pool <close> = parallel.pool {workers = 2, progress = true, chunk = 1}
      local function f(i) wait(0.01) print("call", i) return i end
      for _, method in ipairs {"imap", "imap_unordered"} do
        for i in pool[method](pool, f, parallel.range(1, 30)) do say("body", i) end
      end
      local i = 0
      pool:map(f, function()
        i = i + 1
        say("source", i)
        if i <= 30 then return i end
      end)
      local others = {}
      for n = 1, 3 do
        others[n] = pool:map_async(f, parallel.range(1, 10 * n), {progress = n == 1 and say})
        others[n]:on_done(function() say "callback" end)
      end
      local future = pool:map_async(f, parallel.range(1, 30))
      while not future:wait(0.3) do say "waiting" end
      i = 0
      pool:map_async(f, function()
        i = i + 1
        say("source", i)
        if i <= 30 then return i end
      end):get()
    ]]
    for pattern, n in pairs {
      ["^call%s+%d+$"] = 210, ["^body%s+%d+$"] = 60, ["^source%s+%d+$"] = 62, ["^callback$"] = 3,
      ["^30/30 %[#+%] 100%%, [^%]]+$"] = 3, ["^30 done, "] = 2,
    } do
      report.equal(n, count(result, pattern))
    end
    local n_others = count(result, "^waiting$") + count(result, "^%d+%s+10%s+0$")
    report.equal(210 + 60 + 62 + 3 + 5 + n_others + 1, #result.lines)
  end)

  it("fits the terminal", function()
    for _, columns in ipairs {1, 2, 26, 60, 1000} do
      local result, report = shows([[
        local function f(i) wait(0.005) if i % 2 == 0 then error "x" end end
        local options = {progress = true, errors = "collect", workers = 1, chunk = 1}
        parallel.map(f, parallel.range(1, 30), options)
        parallel.map(f, counter(30), options)
      ]], {columns = columns})
      report.equal(columns > 1 and 3 or 1, #result.lines)
      report.equal(columns >= 60 and 1 or 0, count(result, "^30/30 %[#+%] 100%%, .* s, 15 failed$"))
      report.equal(columns >= 26 and 1 or 0, count(result, "^30 done, .* s"))
    end
  end)

  it("counts an iterator without a total", function()
    local result, report = shows [[
      parallel.map(function() wait(0.02) end, counter(20), {progress = true, chunk = 1})
    ]]
    report.equal(2, #result.lines)
    report.truthy(result.lines[1]:find "^20 done, [%d.]+/s, in [%d.]+ s$")
  end)

  it("leaves a whole line behind where its map fails", function()
    local result, report = show([[
      parallel.map(function(i) wait(0.02) if i == 15 then error "fifteen" end end, parallel.range(1, 20),
        {progress = true, chunk = 1, workers = 1})
    ]], {columns = room_for_errors})
    report.equal(1, result.code)
    -- Failed calls come home first, before those that wait with them: how many those are depends on the machine.
    local done, percent = result.lines[1]:match "^ ?(%d+)/20 %[#*%-+%] +(%d+)%%, .*, 1 failed$"
    report.truthy(done and tonumber(done) <= 15)
    report.equal(done * 100 // 20, math.tointeger(percent))
    report.truthy(result.lines[2]:find "call 15 %(item 15%) failed: .*: fifteen$")
  end)

  it("leaves a whole line behind at Ctrl-C, in a map, a loop over results, a wait for a future", function()
    for _, call in ipairs {
      "parallel.map(f, xs, options)",
      "for _ in parallel.pool(2):imap(f, xs, options) do end",
      "parallel.pool(2):map_async(f, xs, options):get()",
      "for _ in parallel.as_completed {parallel.pool(2):map_async(f, xs, options)} do end",
    } do
      local result, report = show([[
        local function f(i) while i > 4 do pcall(error) end end
        local xs, options = parallel.range(1, 20), {progress = true, workers = 2, chunk = 1}
      ]] .. call, {interrupt = "4/20", columns = room_for_errors})
      report.equal(130, result.code)
      report.equal(1, count(result, "^ 4/20 %[#+%-+%]  20%%, .*"))
      report.equal(1, count(result, ": interrupted!$"))
      report.truthy(result.lines[2]:find "interrupted!$")
      report.equal("", result.lines[#result.lines])
    end
  end)

  it("is on stderr alone", function()
    local result, report = shows([[
      parallel.map(function(i) wait(0.01) print(i) end, parallel.range(1, 20),
        {progress = true, chunk = 1, workers = 1})
    ]], {redirect = "| cat >&2"})
    local expected = {}
    for i = 1, 20 do
      expected[i] = tostring(i)
    end
    report.truthy(drawn(result) > 1)
    report.truthy(count(result, "%[#+%] 100%%, ") == 1)
    result = shows([[
      parallel.map(function(i) wait(0.01) print(i) end, parallel.range(1, 20),
        {progress = true, chunk = 1, workers = 1})
    ]], {redirect = "2>/dev/null"})
    assert.equal(table.concat(expected, "\r\n") .. "\r\n", result.bytes)
  end)

  it("is not there for those who do not ask", function()
    local result = shows [[
      for _, progress in ipairs {0, false} do
        parallel.map(wait, {0.1, 0.1}, {workers = 1, progress = progress ~= 0 and progress})
      end
      local pool <close> = parallel.pool {workers = 2, progress = true}
      pool:map(wait, {0.15}, {progress = false})
      pool:apply(wait, 0.15)
      pool:submit(wait, 0.15):get()
      pool:imap(wait, {0})
      pool:map_async(wait, {0.15})
    ]]
    -- What nobody has waited for is waited for at the end of the pool.
    assert.equal(2, #result.lines)
    assert.truthy(result.lines[1]:find "^1/1 %[#+%] 100%%")
  end)

  it("shows nothing of maps within calls", function()
    local result, report = shows [[
      local function inner(x) wait(0.01) return x end
      local function outer(x)
        return #parallel.map(inner, parallel.range(1, 15), {progress = true})
      end
      parallel.map(outer, {1, 2, 3, 4}, {progress = true})
    ]]
    report.equal(2, #result.lines)
    report.truthy(result.lines[1]:find "^4/4 %[#+%] 100%%")
    report.falsy(result.bytes:find("/15", 1, true))
  end)

  it("of several futures is that of one at a time, and each leaves its line", function()
    local result, report = shows [[
      local pool <close> = parallel.pool {workers = 4, progress = true}
      local function f(i) wait(0.01) print("call", i) end
      local futures = {}
      for i = 1, 3 do futures[i] = pool:map_async(f, parallel.range(1, 10 * i)) end
      for future in parallel.as_completed(futures) do
        say("done", future:get().n)
      end
    ]]
    for i = 1, 3 do
      report.equal(1, count(result, ("^%d/%d %%[#+%%] 100%%%%"):format(10 * i, 10 * i)))
    end
    report.equal(60, count(result, "^call%s+%d+$"))
    report.equal(3, count(result, "^done%s+%d+$"))
    report.equal(67, #result.lines)
  end)

  it("of a loop that is left early goes away", function()
    local result, report = shows [[
      local pool <close> = parallel.pool(2)
      for i in pool:imap(function() wait(0.05) end, counter(math.huge), {progress = true, chunk = 1}) do
        if i == 10 then break end
      end
      print "left"
      pool:map(function() wait(0.01) end, parallel.range(1, 30), {progress = true})
    ]]
    report.equal(3, #result.lines)
    report.equal("left", result.lines[1])
    report.truthy(result.lines[2]:find "^30/30 %[#+%] 100%%")
  end)
end)
