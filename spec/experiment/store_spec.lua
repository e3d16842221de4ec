-- The option `store`: which calls are made again, and which are not.
local script = require "support.script"
local temporary = require "support.temporary"

local function read(name)
  local file <close> = io.open(name, "rb")
  return file and file:read "a" or ""
end

-- What scripts have here: `path` of a store, and `note`, which notes a call in a file.
local START = [[
  local parallel = require "parallel"
  local path, log = FOLDER .. "/a.db", FOLDER .. "/log"
  local function note(x)
    local file <close> = assert(io.open(log, "a"))
    file:write(tostring(x), "\n")
  end
]]

-- Runs scripts one after the other on one store; returns the lines that each has noted, sorted, and its stdout.
local function run_all(codes, host)
  return temporary.folder({}, function(folder)
    local notes, outputs = {}, {}
    for i, code in ipairs(codes) do
      local result = script.run(("local FOLDER = %q "):format(folder) .. START:gsub("\n", " ") .. code, host)
      assert.equal(0, result.code, result.stderr)
      local lines = {}
      for line in read(folder .. "/log"):gmatch "[^\n]+" do
        lines[#lines + 1] = line
      end
      os.remove(folder .. "/log")
      table.sort(lines)
      notes[i], outputs[i] = table.concat(lines, " "), result.stdout
    end
    return notes, outputs
  end)
end

for _, host in ipairs(script.hosts) do
  describe("a map with a store " .. host.name, function()
    it("makes a call once, and gives its result again", function()
      local code = [[
        local function f(x) note(x) return {x, x / 3, math.random()} end
        local results = parallel.map(f, {3, 1, 2, 1}, {store = path})
        for i = 1, results.n do print(i, results[i][1], ("%a %a"):format(results[i][2], results[i][3])) end
      ]]
      local notes, outputs = run_all({code, code}, host)
      assert.same({"1 2 3", ""}, notes)
      assert.equal(outputs[1], outputs[2])
    end)

    it("grows: new items are called, and the others keep their random numbers", function()
      local code = [[
        local function f(x) note(x) return math.random(1000000) end
        local results = parallel.map(f, %s, {store = path, seed = 5})
        for i, x in ipairs %s do print(x, results[i]) end
      ]]
      local notes, outputs = run_all({code:format("{1, 2}", "{1, 2}"), code:format("{0, 2, 1}", "{0, 2, 1}")}, host)
      assert.same({"1 2", "0"}, notes)
      for line in outputs[1]:gmatch "[^\n]+" do
        assert.truthy(outputs[2]:find(line, 1, true))
      end
    end)

    it("is the same by all its calls", function()
      local notes, outputs = run_all({[[
        local function f(x) note(x) return x * 2 end
        parallel.map(f, {1, 2}, {store = path})
        for i, v in parallel.imap(f, {3, 1, 4}, {store = path}) do print(i, v) end
        local sum = 0
        for i, v in parallel.imap_unordered(f, {3, 5, 1}, {store = path}) do sum = sum + i * v end
        print(sum)
        local function g(a, b) note(a .. b) return a * b end
        print(parallel.starmap(g, {{2, 3}, {4, 5}}, {store = path})[2])
        for i, v in parallel.istarmap(g, {{4, 5}, {6, 7}}, {store = path}) do print(i, v) end
        local call = parallel.delayed(g)
        print(parallel.run({call(4, 5), call(6, 7)}, {store = path})[1])
        local pool <close> = parallel.pool {workers = 2, store = path}
        print(pool:map(f, {5, 6})[2])
      ]]}, host)
      assert.same({"1 2 23 3 4 45 5 6 67"}, notes)
      assert.equal("1\t6\n2\t2\n3\t8\n32\n20\n1\t20\n2\t42\n20\n12\n", outputs[1])
    end)
  end)
end

-- Each a name, how a script is changed (from, to), and whether its calls are made again.
local SCRIPT = [[
  local unused = 1 -- a comment
  factor = 3
  local limits = {low = 1, high = {2, 3}}
  local function twice(x) return 2 * x end
  local function thrice(x) return 3 * x end
  local Class = {} Class.__index = Class
  function Class:get() return self.x end
  local object = setmetatable({x = 1}, Class)
  package.preload.helper = function() local M = {} function M.help(x) return x + 1 end return M end
  local helper = require "helper"
  local function f(x)
    note(x)
    return twice(x) + thrice(x) + factor + limits.low + object:get() + helper.help(x) + ("a"):byte()
  end
  parallel.map(f, {1}, {store = path})
]]

local CHANGES = {
  {"nothing", "", "", false},
  {"a comment", "-- a comment", "-- another one", false},
  {"lines before it", "local unused", "\n\n\nlocal unused", false},
  {"another name of a local", "twice", "double", false},
  {"an unused variable", "local unused = 1", "local unused = 2", false},
  {"another order of definitions", "(local function twice[^\n]*\n)%s*(local function thrice[^\n]*\n)", "%2%1", false},
  {"another order of fields", "low = 1, high = {2, 3}", "high = {2, 3}, low = 1", false},
  {"a global that it does not name", "local unused", "other = 1 local unused", false},
  {"a constant", "return twice%(x%)", "return 1 + twice(x)", true},
  {"a helper", "2 %* x", "x + x", true},
  {"a global that it names", "factor = 3", "factor = 3.0", true},
  {"a captured table", "{2, 3}", "{2, 4}", true},
  {"a method of a class", "return self.x", "return self.x + 0", true},
  {"the metatable of an object", "setmetatable%({x = 1}, Class%)", "{x = 1, get = function(t) return t.x end}", true},
  {"a function of a module", "x %+ 1 end return M", "x + 2 end return M", true},
  {"a field of a module", "return M end", "M.y = 1 return M end", true},
  {"a library", "local unused", "function string.shout(s) return s end local unused", true},
  {"a function of a library", "local unused",
    "local t = math.floor math.floor = function(x) return t(x) end local unused", true},
  {"a metatable of a basic type", "local unused", "debug.setmetatable(1, {__index = {}}) local unused", true},
  {"init", "store = path", "store = path, init = function() end", true},
  {"pack", "store = path", "store = path, pack = true", true},
  {"fresh", "store = path", "store = path, fresh = false", true},
  {"a version", "store = path", "store = {path = path, version = 2}", true},
  {"a seed, where no random numbers are drawn", "store = path", "store = path, seed = 7", false},
  {"the number of workers, chunks and retries", "store = path", "store = path, workers = 1, chunk = 1, retries = 2",
    false},
  {"an item that is equal", "{1}", "{2 - 1}", false},
  {"an item of the other kind of number", "{1}", "{1.0}", true},
}

describe("a call in a store, after a change of", function()
  for _, change in ipairs(CHANGES) do
    local name, from, to, is_made = table.unpack(change)
    it(name .. (is_made and ", is made again" or ", is not made again"), function()
      local changed, n = SCRIPT:gsub(from, to)
      assert.truthy(n > 0 and (changed ~= SCRIPT) == (name ~= "nothing"))
      local notes = run_all {SCRIPT, changed}
      assert.truthy(notes[1] == "1")
      assert.equal(is_made, notes[2] ~= "")
    end)
  end

  it("the seed, is made again where random numbers are drawn", function()
    local code = "parallel.map(function(x) note(x) return math.random() end, {1}, {store = path, seed = %d})"
    assert.same({"1", "", "1"}, (run_all {code:format(1), code:format(1), code:format(2)}))
  end)

  -- Functions that reach a global, or a module, by a name that their code does not tell.
  local REACHING = {
    "load('return x + ' .. i)()", "ld('return x + ' .. i)()", "_G['x'] + i", "_ENV.x + i", "g[('x'):rep(i)] + i",
    "t[1].x + i", "req(('m'):rep(i)).x + i", "require(('m'):rep(i)).x + i", "loaded.m.x + i",
    "package.loaded.m.x + i", "require 'm'.x + i",
  }

  it("what a function reaches by a name that its code does not tell, is made again", function()
    local code = [[
      x = %d
      unsendable = coroutine.create(print)
      local ld, g, t, req, loaded = load, _G, {_G}, require, package.loaded
      loaded.m = {x = x}
      for _, f in ipairs {%s} do
        print(parallel.map(f, {1}, {store = path})[1])
      end
    ]]
    local functions = {}
    for i, expression in ipairs(REACHING) do
      functions[i] = ("function(i) note(%d) return %s end"):format(i, expression)
    end
    local all = table.concat(functions, ", ")
    local notes, outputs = run_all {code:format(1, all), code:format(1, all), code:format(7, all)}
    assert.equal("", notes[2])
    assert.equal(notes[1], notes[3])
    assert.equal(("2\n"):rep(#REACHING), outputs[2])
    assert.equal(("8\n"):rep(#REACHING), outputs[3])
  end)

  it("options of the command, is not made again, but after one of the script's arguments it is", function()
    temporary.folder({["script.lua"] = [[
      parallel.map(function(x) print "made" return arg[1] end, {1}, {store = arg[2]})
    ]]}, function(folder)
      local function run(...)
        local words = {os.getenv "MOONS" or "build/moons", ...}
        table.move({folder .. "/script.lua"}, 1, 1, #words + 1, words)
        return words
      end
      local outputs = {}
      for i, words in ipairs {run(), run("-j", "3"), run("-b", "inline"), run()} do
        table.move({i == 4 and "b" or "a", folder .. "/a.db"}, 1, 2, #words + 1, words)
        outputs[i] = script.execute(words).stdout
      end
      assert.same({"made\n", "", "", "made\n"}, outputs)
    end)
  end)

  it("the seed of the hashes of strings, is not made again", function()
    local code = [[
      local t = {}
      for i = 1, 300 do t["key" .. i] = {[i] = true, ["x" .. i] = {}} end
      parallel.map(function(x) note(x) return t[x] and 1 end, {t, "key1"}, {store = path})
    ]]
    local notes = run_all {code, code, code, code}
    assert.truthy(notes[1] ~= "")
    assert.same({notes[1], "", "", ""}, notes)
  end)
end)

describe("a store", function()
  it("keeps values to the last bit, whatever JSON makes of them", function()
    local code = [[
      local function f(i)
        note(i)
        local cycle = {1} cycle.self = cycle
        local shared = {}
        local values = {
          0/0, 1/0, -1/0, -0.0, 0.1, 1e300, math.mininteger, 2^53, "\0\xff\n\"", "é", {}, {{}, {}}, {shared, shared},
          cycle, {[1.5] = 1, [-1] = 2, [true] = 3, x = 4, [2^53] = 5}, {n = 3, nil, 2}, false,
        }
        return values[i]
      end
      local function show(value, depth)
        if math.type(value) == "float" then return ("%a"):format(value) end
        if type(value) ~= "table" then return ("%q"):format(value) end
        local keys, parts = {}, {}
        for key in pairs(value) do keys[#keys + 1] = key end
        table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
        for i, key in ipairs(keys) do
          parts[i] = tostring(key) .. "=" .. (depth > 2 and "..." or show(value[key], depth + 1))
        end
        return "{" .. table.concat(parts, " ") .. "}"
      end
      local results = parallel.map(f, parallel.range(1, 18), {store = path})
      for i = 1, 18 do print(i, show(results[i], 0)) end
      print(results[13][1] == results[13][2], results[14].self == results[14], results[12][1] ~= results[12][2])
    ]]
    local notes, outputs = run_all {code, code}
    assert.equal("", notes[2])
    assert.equal(outputs[1], outputs[2])
    assert.truthy(outputs[2]:find "true\ttrue\ttrue\n$")
  end)

  it("makes a call again that has failed, and gives errors their place", function()
    local code = [[
      local function f(x) note(x) return x > 1 and error("bad " .. x) or x end
      local results, errors = parallel.map(f, {1, 2, 3}, {store = path, errors = "collect"})
      print(results[1], results.n, errors.n, errors[2].index, errors[3].item, errors[3].message:match "bad.*")
      local ok, err = pcall(parallel.map, f, {1, 1, 3}, {store = path})
      print(ok, err.index, err.kind)
      for i, value, failure in parallel.imap(f, {3, 1}, {store = path, errors = "collect"}) do
        print(i, value, failure and failure.index)
      end
    ]]
    local notes, outputs = run_all {code, code}
    assert.same({"1 2 3 3 3", "2 3 3 3"}, notes)
    assert.equal("1\t3\t2\t2\t3\tbad 3\nfalse\t3\terror\n1\tnil\t1\n2\t1\tnil\n", outputs[1])
    assert.equal(outputs[1], outputs[2])
  end)

  it("tells progress how many calls were there", function()
    local code = [[
      local function f(x) return x end
      local function show(items, progress)
        parallel.map(f, items, {store = path, progress = progress})
      end
      local last
      local function note(done, total, failed) last = done .. "/" .. total .. " " .. failed end
      show({1, 2, 3}, note) print(last)
      show({1, 2, 3, 4, 5}, note) print(last)
      show({1, 2, 3, 4, 5}, note) print(last)
      show({1, 2, 3, 4, 5, 6}, true)
      local report = {}
      parallel.map(f, {6, 7}, {store = path, report = report})
      print(report[1], report[2].tries)
    ]]
    temporary.folder({}, function(folder)
      local result = script.run(("local path = %q "):format(folder .. "/a.db") .. code)
      assert.equal("3/3 0\n5/5 0\n5/5 0\nnil\t1\n", result.stdout, result.stderr)
      assert.truthy(result.stderr:find("5 of 6 calls were in the store", 1, true), result.stderr)
    end)
  end)

  it("is read only as far as an iteration goes, and many that are there do not pile up", function()
    local code = [[
      local function f(x) return x end
      local n_read = 0
      local function items() n_read = n_read + 1 return n_read end
      for i, v in parallel.imap(f, items, {store = path}) do
        assert(i == v)
        if i == 25000 then break end
      end
      print(n_read < 60000)
    ]]
    local _, outputs = run_all {code, code}
    assert.same({"true\n", "true\n"}, outputs)
  end)

  it("serves two scripts at once", function()
    temporary.folder({}, function(folder)
      local code = ("local path = %q\n"):format(folder .. "/a.db") .. [[
        local function f(x) parallel.sleep(0.001) return x * x end
        local sum = 0
        for i = 1, 5 do
          for _, v in ipairs(parallel.map(f, parallel.range(i * 40, i * 40 + 99), {store = path})) do sum = sum + v end
        end
        print(sum)
      ]]
      local result = script.run(([[
        local code, moons = %q, arg[-1]
        local name = os.tmpname()
        local file <close> = assert(io.open(name, "w"))
        file:write(code) file:close()
        local one, two = io.popen(moons .. " " .. name), io.popen(moons .. " " .. name)
        print(one:read "a" == two:read "a", one:close(), two:close())
        os.remove(name)
      ]]):format(code), {flags = {}})
      assert.equal("true\ttrue\ttrue\n", result.stdout:gsub("\texit\t0", ""), result.stderr)
    end)
  end)

  it("loses nothing that has come home when its process is killed, at any moment", function()
    temporary.folder({}, function(folder)
      local code = ("local FOLDER = %q "):format(folder) .. START .. [[
        local function f(x) parallel.sleep(0.004) note(x) return math.random(1 << 50) end
        local results = parallel.map(f, parallel.range(1, 1000), {store = path, seed = 3, workers = 2, chunk = 1})
        print(table.concat(results, " "))
      ]]
      local function run(limit)
        if not limit then
          return script.run(code)
        end
        local name = folder .. "/script.lua"
        local file <close> = assert(io.open(name, "w"))
        file:write(code)
        file:close()
        return script.execute {"timeout", "-s", "KILL", tostring(limit), os.getenv "MOONS" or "build/moons", name}
      end
      local n_killed = 0
      for i = 1, 12 do
        local result = run(0.05 + (i * 0.37) % 0.3)
        n_killed = n_killed + (result.code ~= 0 and 1 or 0)
      end
      local last = run()
      assert.equal(0, last.code, last.stderr)
      local n_made = 0
      for _ in read(folder .. "/log"):gmatch "\n" do
        n_made = n_made + 1
      end
      assert.truthy(n_killed >= 5)
      assert.truthy(n_made >= 1000 and n_made <= 1000 + 4 * n_killed) -- at most those on their way are made twice
      os.remove(folder .. "/a.db")
      os.remove(folder .. "/a.db-wal")
      os.remove(folder .. "/a.db-shm")
      assert.equal(run().stdout, last.stdout)
    end)
  end)
end)

describe("a store that cannot be used", function()
  local function refuses(name, code, expected, files)
    it(name, function()
      temporary.folder(files or {}, function(folder)
        local result = script.run(("local folder = %q\n"):format(folder) .. code)
        assert.equal(1, result.code)
        assert.truthy(result.stderr:find("stdin:2: ", 1, true), result.stderr)
        assert.truthy(result.stderr:find(expected, 1, true), result.stderr)
      end)
    end)
  end

  local MAP = "parallel.map(print, {1}, {store = folder .. '/%s'})"
  refuses("as its folder is missing, says so", MAP:format "none/a.db", "/none/a.db': unable to open database file")
  refuses("as it is another kind of file, says so", MAP:format "a.db", "/a.db': file is not a database",
    {["a.db"] = ("no database\n"):rep(200)})
  refuses("as the function holds a coroutine, says so",
    "local c = coroutine.create(print) parallel.map(function() return c end, {1}, {store = folder .. '/a.db'})",
    "the function cannot be kept in a store: it holds a coroutine")
  refuses("by a call that nobody waits for, says so", "parallel.map_async(print, {1}, {store = folder .. '/a.db'})",
    "option 'store' is not for 'map_async'")
  refuses("by a single call, says so", "parallel.pool({store = folder .. '/a.db'}):apply(print)",
    "option 'store' is not for 'apply'")
  refuses("as its name is none, says so", "parallel.map(print, {1}, {store = {folder}})",
    "option 'store' of 'map' must be the name of a file, or {path = ..., version = ...}, not a table")

  refuses("with an array for results, says so",
    "parallel.map(print, {1}, {store = folder .. '/a.db', into = parallel.array(1)})",
    "option 'into' is not for a map with a store")
  refuses("as it is a folder, says so", "parallel.map(print, {1}, {store = folder})",
    "': unable to open database file")
  refuses("as another process keeps it locked, says so",
    "local other = require 'parallel.store'.open(folder .. '/a.db') other:execute 'BEGIN EXCLUSIVE' " ..
      MAP:format "a.db",
    "/a.db': another process keeps it locked")

  -- Runs a script as a user who owns nothing, who is refused what the owner may.
  local function run_as_stranger(folder, code)
    local is_root = io.popen "id -u":read "n" == 0
    local words = {"sh", "-c", "cd / && exec \"$@\"", "sh", os.getenv "MOONS" or "build/moons", folder .. "/script.lua"}
    if is_root then
      words = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", table.unpack(words)}
    end
    local file <close> = assert(io.open(folder .. "/script.lua", "w"))
    file:write(("local path = %q "):format(folder .. "/a.db"), code)
    file:close()
    return script.execute(words)
  end

  it("as its folder cannot be written to, says so before the first call #linux", function()
    temporary.folder({}, function(folder)
      local code = "parallel.map(function(x) print(x) return x end, {1}, {store = path})"
      assert(os.execute("chmod 555 " .. folder))
      local result = run_as_stranger(folder, code)
      assert.equal(1, result.code)
      assert.equal("", result.stdout)
      assert.truthy(result.stderr:find("script.lua:1: cannot use the store", 1, true), result.stderr)
      assert(os.execute("chmod 755 " .. folder))
      assert.equal("1\n", script.run(("local path = %q "):format(folder .. "/a.db") .. code).stdout) -- it is whole now
      assert(os.execute("chmod 555 " .. folder))
      result = run_as_stranger(folder, code)
      assert(os.execute("chmod 755 " .. folder))
      assert.equal(1, result.code)
      assert.truthy(result.stderr:find("script.lua:1: cannot use the store", 1, true), result.stderr)
    end)
  end)

  it("as the disk is full, says so before the first call", function()
    temporary.folder({["script.lua"] = "parallel.map(print, {1}, {store = arg[1] .. '/a.db'})"}, function(folder)
      local command = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$1/script.lua\" \"$1\""
      local moons = os.getenv "MOONS" or "build/moons"
      local result = script.execute {"sh", "-c", command .. " 2>&1 | cat", moons, folder}
      assert.truthy(result.stdout:find "script.lua:1: cannot use the store '.-': disk I/O error", result.stdout)
    end)
  end)

  it("in a call, says so", function()
    script.passes [[
      local ok, err = pcall(parallel.map, function()
        return parallel.map(print, {1}, {store = "/tmp/never.db"})
      end, {1})
      assert(not ok and tostring(err):find "a map in a call cannot have a store", tostring(err))
    ]]
  end)

  it("as it belongs to another program, or a newer version, says so", function()
    temporary.folder({}, function(folder)
      script.passes(([[
        local folder = %q
        local library = require "parallel.store"
        local other = library.open(folder .. "/other.db", 100)
        other:execute "CREATE TABLE calls (x)"
        local newer = library.open(folder .. "/newer.db", 100)
        newer:execute "PRAGMA application_id = 0x4D6F6F6E; PRAGMA user_version = 99"
        for name, text in pairs {other = "of another program", newer = "newer version of Moons"} do
          local ok, err = pcall(parallel.map, print, {1}, {store = folder .. "/" .. name .. ".db"})
          assert(not ok and err:find(text, 1, true), err)
        end
      ]]):format(folder))
    end)
  end)

  it("as it can grow no more, says so once, and the map gives all its results", function()
    temporary.folder({["script.lua"] = [[
      local function f(x) return ("x"):rep(10000) .. x end
      local results = parallel.map(f, parallel.range(1, 200), {store = arg[1] .. "/a.db"})
      print(results.n, #results[200])
    ]]}, function(folder)
      local command = "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$1/script.lua\" \"$1\""
      local result = script.execute {"sh", "-c", command, os.getenv "MOONS" or "build/moons", folder}
      assert.equal(0, result.code, result.stderr)
      assert.equal("200\t10003\n", result.stdout)
      local _, n = result.stderr:gsub("keeps no more results: ", "")
      assert.equal(1, n, result.stderr)
    end)
  end)
end)

describe("experiment.open", function()
  -- The file was written by version 0.2.0; every later version reads it.
  it("reads a store that the first version has written", function()
    temporary.folder({["a.db"] = read "spec/experiment/version_1.db"}, function(folder)
      script.passes(([[
        local store <close> = require "parallel.experiment".open(%q .. "/a.db")
        equal({store:count()}, {2, 1})
        for row in store:rows() do
          if row.error then
            equal({row.item, row.value}, {{x = 3}, nil})
          else
            local value = row.value
            equal({value.y, value.text, value.big}, {row.item.x / 3, "\0\xff", math.mininteger})
            assert(value.list[1] == value.list[2] and value.nan ~= value.nan)
            equal({value.list[1], row.host, row.tries, row.seconds}, {row.item, "node1", 1, 0.5})
            equal({value.bytes.type, #value.bytes, value.bytes[2]}, {"uint8", 2, 2})
          end
        end
      ]]):format(folder))
    end)
  end)

  it("gives the calls of a store, their number, the best, and a table", function()
    temporary.folder({}, function(folder)
      script.passes(([[
        local experiment = require "parallel.experiment"
        local path = %q .. "/a.db"
        local function f(s)
          if s.a == 3 then error "three" end
          return {loss = (s.a - s.b) ^ 2, name = 'a "name", ' .. s.a}
        end
        parallel.map(f, experiment.grid {a = {1, 2, 3}, b = {2.5}}, {store = path, errors = "collect"})
        local store <close> = experiment.open(path)
        equal({store:count()}, {2, 1})
        local n = 0
        for row in store:rows() do
          n = n + 1
          assert(row.item.b == 2.5 and row.seconds > 0 and #row.host > 0 and row.tries == 1, row.item.a)
          assert(row.started:find "^%%d%%d%%d%%d%%-%%d%%d%%-%%d%%dT%%d%%d:%%d%%d:%%d%%dZ$")
          equal({row.value == nil, row.error ~= nil}, {row.item.a == 3, row.item.a == 3})
        end
        equal(n, 3)
        equal(store:best("loss").item, {a = 2, b = 2.5})
        equal(store:best("loss", "max").item.a, 1)
        equal(store:best(function(value) return -value.loss end).item.a, 1)
        equal(store:best "none", nil)
        store:csv(path .. ".csv")
        local lines = {}
        for line in io.lines(path .. ".csv") do lines[#lines + 1] = line:gsub("\r$", "") end
        equal(lines[1], "item.a,item.b,value.loss,value.name,error,seconds,host,started,tries")
        table.sort(lines)
        assert(lines[1]:find('^1,2.5,2.25,"a ""name"", 1",,', 1), lines[1])
        store:close()
        local ok, err = pcall(store.count, store)
        assert(not ok and err:find "the store is closed", err)
        for text, call in pairs {
          ["there is no such file"] = function() experiment.open(path .. "x") end,
          ["bad argument #1 to 'open' (name of a file expected, got nil)"] = function() experiment.open() end,
        } do
          local refused, why = pcall(call)
          assert(not refused and why:find(text, 1, true), why)
        end
      ]]):format(folder))
    end)
  end)
end)
