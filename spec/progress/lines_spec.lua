local script = require "support.script"

-- Chunks of one worker that may be under way (MOONS_MOST_CHUNKS_PER_WORKER). Those that failed come home first,
-- before those that wait with them.
local MOST_CHUNKS = 12

script.on_hosts("progress where stderr is no terminal", function(_, _, host)
  -- Runs a script; returns the lines on stderr.
  local function told(code, stdout)
    local result = script.prints("local parallel = require 'parallel' " .. code, stdout or "", host)
    local lines = {}
    for line in result.stderr:gmatch "([^\n]*)\n" do
      table.insert(lines, line)
    end
    return lines, assert.message(result.stderr)
  end

  it("is a last line at the end", function()
    local lines, report = told([[
      local results = parallel.map(function(x) print(x) return x end, parallel.range(1, 3),
        {progress = true, workers = 1})
      parallel.map(print, function() end, {progress = true})
    ]], "1\n2\n3")
    report.equal(2, #lines)
    report.truthy(lines[1]:find "^3/3, 100%%, [%d.]+k?/s, in %d+%.%d s$")
    report.truthy(lines[2]:find "^0 done, in %d+%.%d s$")
  end)

  it("is a line every few seconds, more rarely as time goes on", function()
    -- The clock of this script goes on by a second at each look.
    local lines, report = told [[
      local core, seconds = require "parallel.core", 0
      core.now = function()
        seconds = seconds + 1
        return seconds
      end
      parallel.map(function(x) return x % 100 == 0 and error "hundred" end, parallel.range(1, 400),
        {progress = true, chunk = 1, errors = "collect", workers = 1})
    ]]
    report.truthy(#lines > 10 and #lines < 400 / 5)
    local last_seconds, last_done, most_gap = 0, 0, 0
    for i = 1, #lines - 1 do
      local done, percent, minutes, seconds, n_failed =
        lines[i]:match "^(%d+)/400, +(%d+)%%, [%d.]+/s, (%d+):(%d%d), %d+:%d%d left,? ?(.*)$"
      report.truthy(done)
      seconds, done = minutes * 60 + seconds, math.tointeger(done)
      local gap = seconds - last_seconds
      report.truthy(gap >= 5 and done >= last_done)
      report.equal(done * 100 // 400, math.tointeger(percent))
      n_failed = tonumber(n_failed:match "^(%d+) failed$" or 0)
      report.truthy(n_failed >= done // 100 and n_failed <= (done + MOST_CHUNKS) // 100)
      last_seconds, last_done, most_gap = seconds, done, math.max(most_gap, gap)
    end
    report.truthy(most_gap >= 10)
    report.truthy(lines[#lines]:find "^400/400, 100%%, [%d.]+/s, in %d+:%d%d, 4 failed$")
  end)

  it("is nothing where the map fails, for those who do not ask, and within calls", function()
    local lines, report = told([[
      print((pcall(parallel.map, error, {1, 2}, {progress = true})))
      parallel.map(math.sqrt, {1, 2})
      parallel.map(math.sqrt, {1, 2}, {progress = false})
      parallel.map(function(x) parallel.map(math.sqrt, {x, x}, {progress = true}) end, {1, 2})
      local pool <close> = parallel.pool {progress = true}
      pool:apply(math.sqrt, 1)
      pool:submit(math.sqrt, 1):get()
      for _ in pool:imap(math.sqrt, parallel.range(1, 1000)) do break end
    ]], "false")
    report.same({}, lines)
  end)

  it("is that of iterations and futures too", function()
    local lines, report = told [[
      local pool <close> = parallel.pool {progress = true, workers = 2}
      for _ in pool:imap(math.sqrt, {1, 2, 3}) do end
      for _ in pool:imap_unordered(math.sqrt, {1, 2, 3, 4}) do end
      pool:map_async(math.sqrt, {1, 2}):wait()
      local future = pool:starmap_async(math.max, {{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}})
      while not future:done() do end
    ]]
    report.equal(4, #lines)
    for i, n in ipairs {3, 4, 2, 5} do
      report.truthy(lines[i]:find(("^%d/%d, 100%%%%, "):format(n, n)))
    end
  end)
end)
