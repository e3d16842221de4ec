-- The option `store` where processes end at any moment, in whatever way, and where several share the work: each call
-- that was kept is made once, and results are those of a run that nothing disturbs.
local script = require "support.script"
local temporary = require "support.temporary"

local MOONS = os.getenv "MOONS" or "build/moons"

-- How many calls may have ended and not be kept when a process is killed: those on their way to two workers, and what
-- comes home within one transaction.
local MOST_LOST = 16

local function write(name, text)
  local file <close> = assert(io.open(name, "wb"))
  file:write(text)
end

-- The numbers that calls have noted since the last look.
local function take_notes(folder)
  local notes = {}
  local file = io.open(folder .. "/log", "r")
  for line in file and file:lines() or function() end do
    notes[#notes + 1] = math.tointeger(line)
  end
  if file then
    file:close()
  end
  os.remove(folder .. "/log")
  return notes
end

-- The items that are kept, as a set, and how many they are.
local function kept_items(folder)
  local result = script.run(([[
    local path = %q
    local file = io.open(path, "rb")
    if file then
      file:close()
      local store <close> = require "parallel.experiment".open(path)
      for row in store:rows() do if not row.error then print(row.item) end end
      local check = require "parallel.store".open(path):prepare "PRAGMA integrity_check"
      assert(check:run() == "ok")
    end
  ]]):format(folder .. "/a.db"))
  -- Killed before its tables were made, a file is no store yet.
  assert.truthy(result.code == 0 or result.stderr:find "it is no store", result.stderr)
  local items, n = {}, 0
  for line in result.stdout:gmatch "[^\n]+" do
    items[math.tointeger(line)], n = true, n + 1
  end
  return items, n
end

-- Each call notes its item when it has ended. Arguments: the first item, the last. What calls find in the environment
-- is no part of their keys.
local SCRIPT = [[
  local function f(x)
    parallel.sleep(0.002)
    if x == tonumber(os.getenv "CRASH") then os.execute "kill -ABRT $PPID" parallel.sleep(60) end
    local value = {x, math.random(1 << 50)}
    local file <close> = assert(io.open(os.getenv "FOLDER" .. "/log", "a"))
    file:write(x, "\n")
    return value
  end
  local options = {store = os.getenv "FOLDER" .. "/a.db", seed = 3, workers = 2, chunk = 1}
  local results = parallel.map(f, parallel.range(tonumber(arg[1]), tonumber(arg[2])), options)
  for i = 1, results.n do print(results[i][1], results[i][2]) end
]]

-- Runs the script for these items, and ends it by a signal after some seconds, or by a crash at an item.
local function run(folder, first, last, ending)
  local words = {MOONS, folder .. "/script.lua", tostring(first), tostring(last)}
  local env = {FOLDER = folder}
  if ending and ending.signal then
    words = {"timeout", "-s", ending.signal, ("%.3f"):format(ending.seconds), table.unpack(words)}
  elseif ending then
    env.CRASH = tostring(ending.crash)
  end
  return script.execute(words, {env = env})
end

-- What becomes of a run that nothing disturbs.
local function undisturbed(first, last)
  return temporary.folder({["script.lua"] = SCRIPT}, function(folder)
    local result = run(folder, first, last)
    assert.equal(0, result.code, result.stderr)
    return result.stdout
  end)
end

describe("a sweep with a store #linux", function()
  it("goes on where it was, after any end: each call that was kept is made once, and nothing else changes", function()
    temporary.folder({["script.lua"] = SCRIPT}, function(folder)
      local kept, n_kept, n_ended, n_made = {}, 0, 0, 0
      for i = 1, 10 do
        local first = 1 + 20 * (i % 3) -- it grows meanwhile, at both ends
        local ending = {signal = ({"KILL", "INT"})[i % 3], seconds = 0.1 + (i * 0.37) % 0.3, crash = n_kept + 50}
        local result = run(folder, first, 900 + 10 * i, ending)
        n_ended = n_ended + (result.code ~= 0 and 1 or 0)
        for _, item in ipairs(take_notes(folder)) do
          assert.falsy(kept[item], item)
          n_made = n_made + 1
        end
        kept, n_kept = kept_items(folder)
      end
      local last = run(folder, 1, 1000)
      assert.equal(0, last.code, last.stderr)
      for _, item in ipairs(take_notes(folder)) do
        assert.falsy(kept[item], item)
        n_made = n_made + 1
      end
      assert.truthy(n_ended >= 5)
      assert.truthy(n_made >= 1000 and n_made <= 1000 + MOST_LOST * n_ended, n_made)
      assert.equal(undisturbed(1, 1000), last.stdout)
    end)
  end)

  it("split over two processes, makes each call once", function()
    temporary.folder({["script.lua"] = SCRIPT}, function(folder)
      for _, last in ipairs {"300", "400"} do
        local result = script.execute {"sh", "-c", [[
          export FOLDER="$1"
          "$0" --shard 1/2 "$1/script.lua" 1 "$2" >"$1/1" 2>"$1/e1" & first=$!
          "$0" --shard 2/2 "$1/script.lua" 1 "$2" >"$1/2" 2>"$1/e2" && wait $first && cat "$1/e1" "$1/e2"
        ]], MOONS, folder, last}
        assert.equal(0, result.code, result.stderr)
        for line in result.stdout:gmatch "[^\n]+" do
          assert.truthy(line:find "^parallel: shard %d of 2 ends here: it has made %d+ calls", line)
        end
      end
      local notes = take_notes(folder)
      table.sort(notes)
      assert.equal(400, #notes)
      for i = 1, 400 do
        assert.equal(i, notes[i])
      end
      local whole = run(folder, 1, 400)
      assert.same({}, take_notes(folder))
      assert.equal(undisturbed(1, 400), whole.stdout)
    end)
  end)

  it("of two processes on files of their own, has the same numbers", function()
    temporary.folder({["script.lua"] = [[
      local results = parallel.map(function(x) return math.random(1 << 50) end, {1, 2, 3, 4, 5, 6}, {store = arg[1]})
      print(results.n)
    ]]}, function(folder)
      for shard = 1, 2 do
        local name = ("%s/%d.db"):format(folder, shard)
        local flag = ("%d/2"):format(shard)
        local result = script.execute {MOONS, "--shard", flag, folder .. "/script.lua", name}
        assert.equal(0, result.code, result.stderr)
        assert.equal("", result.stdout)
      end
      script.passes(([[
        local folder = %q
        local db = require "parallel.store".open(folder .. "/1.db")
        db:execute("ATTACH '" .. folder .. "/2.db' AS other")
        db:execute "INSERT OR IGNORE INTO calls SELECT * FROM other.calls"
        db:close()
        local n = 0
        local results = parallel.map(function(x) return math.random(1 << 50) end, {1, 2, 3, 4, 5, 6},
          {store = folder .. "/1.db", progress = function(done, total) n = total end})
        equal(require "parallel.experiment".open(folder .. "/1.db"):count(), 6)
        equal({results.n, n}, {6, 6})
      ]]):format(folder))
    end)
  end)

  it("of no map is told", function()
    local result = script.moons({"--shard", "1/2", "-e", "print(parallel.map(math.abs, {-1})[1])"})
    assert.same({0, "1\n"}, {result.code, result.stdout})
    assert.truthy(result.stderr:find("moons: --shard has shared nothing out: no map has had", 1, true), result.stderr)
  end)

  it("loses little, and never the file, when it is killed again and again #unsanitized", function()
    temporary.folder({["script.lua"] = SCRIPT}, function(folder)
      local began, n_killed, n_noted = os.time(), 0, 0
      for i = 1, 200 do
        local first = 1000 * i
        local result = run(folder, first, first + 900, {signal = "KILL", seconds = 0.03 + (i * 0.037) % 0.1})
        n_killed = n_killed + (result.code ~= 0 and 1 or 0)
        n_noted = n_noted + #take_notes(folder)
        if os.time() - began > 45 then
          break
        end
      end
      local _, n_kept = kept_items(folder)
      assert.truthy(n_killed >= 10)
      assert.truthy(n_noted - n_kept <= MOST_LOST * n_killed, n_noted - n_kept)
    end)
  end)
end)

describe("a map with a store", function()
  it("ends by Ctrl-C while another process keeps the file locked #linux", function()
    temporary.folder({}, function(folder)
      write(folder .. "/script.lua", [[
        local other = require "parallel.store".open(arg[1])
        other:execute "BEGIN EXCLUSIVE"
        print(os.execute "kill -INT $PPID", parallel.map(print, {1}, {store = arg[1]}))
      ]])
      local result = script.execute {MOONS, folder .. "/script.lua", folder .. "/a.db"}
      assert.equal(130, result.code, result.stderr)
    end)
  end)
end)
