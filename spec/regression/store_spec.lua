local script = require "support.script"
local temporary = require "support.temporary"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

script.on_hosts("regression: a map with a store", function(case)
  -- The seed was written while the file was being looked at: "cannot start a transaction within a transaction".
  case("keeps the first seed where an item is the first to draw random numbers", [[
    local path = os.tmpname()
    local function call(f) return f(1000000) end
    local function draw(n) return math.random(n) end
    local calls = {parallel.delayed(math.abs)(-1), parallel.delayed(draw)(1000000), parallel.delayed(math.abs)(-2)}
    local first = {
      parallel.map(call, {math.abs, draw, math.random}, {store = path})[2],
      parallel.run(calls, {store = path})[2],
    }
    equal(parallel.map(call, {math.random, draw}, {store = path})[2], first[1])
    equal(parallel.run(calls, {store = path}), {1, first[2], 2, n = 3})
    os.remove(path)
    equal(parallel.run(calls, {store = path}).n, 3)
    for _, value in parallel.imap(call, {math.abs, draw}, {store = path}) do equal(type(value), "number") end
    for _, suffix in ipairs {"", "-wal", "-shm"} do os.remove(path .. suffix) end
  ]])

  -- Runs a script that has the `path` of a store.
  local function case_of_path(name, code)
    case(name, "local path = os.tmpname() " .. code ..
      " for _, suffix in ipairs {'', '-wal', '-shm'} do os.remove(path .. suffix) end")
  end

  -- All items were read before the first was sent.
  case_of_path("sends items as they were when they were read", [[
    local function items()
      local s, n = {}, 0
      return function() n = n + 1 if n <= 40 then s.rate = n s[n % 7] = n return s end end
    end
    local function f(s) return {s.rate * 10, s[3]} end
    local expected = parallel.map(f, items())
    equal(parallel.map(f, items(), {store = path}), expected)
    equal(parallel.map(f, {{rate = 1, [1] = 1}, {rate = 2, [1] = 1, [2] = 2}}, {store = path}), {{10}, {20}, n = 2})
    for i, value in parallel.imap(f, items(), {store = {path = path, version = 2}}) do equal(value, expected[i]) end
    local function g(a, b) return a + b end
    local function rows()
      local row, n = {}, 0
      return function() n = n + 1 if n <= 9 then row[1], row[2] = n, n * n return row end end
    end
    equal(parallel.starmap(g, rows(), {store = path}), parallel.starmap(g, rows()))
    local store <close> = require "parallel.experiment".open(path)
    local n = 0
    for row in store:rows() do
      n = n + 1
      if type(row.value) == "table" then equal(row.item.rate * 10, row.value[1]) end
    end
    assert(n >= 80)
    local database = require "parallel.store".open(path)
    local find = database:prepare "SELECT count(*) FROM calls WHERE json_extract(item, '$.rate') = 40"
    equal(find:run(), 2)
    find:close() database:close()
  ]])

  case_of_path("sends what its function captures as it was at the start", [[
    local c = 0
    local function items() c = c + 1 if c <= 2500 then return c end end
    local function f(x) return c * 10000 + x end
    local expected = parallel.map(f, items)
    for round = 1, 2 do
      c = 0
      equal(parallel.map(f, items, {store = path}), expected)
      c = 0
      for i, value in parallel.imap(f, items, {store = path}) do equal(value, expected[i]) end
      c = 0
      for i, value in parallel.imap_unordered(f, items, {store = {path = path, version = round}}) do
        equal(value, expected[i])
      end
    end
  ]])

  case_of_path("reads an iterator lazily, and keeps what was made before that fails", [[
    local function f(x) return x end
    local n = 0
    local function items() n = n + 1 if n == 6 then error("six", 0) end return n end
    equal({pcall(parallel.map, f, items, {store = path})}, {false, "six"})
    local store <close> = require "parallel.experiment".open(path)
    equal({store:count()}, {5, 0})
    local n_read = 0
    local function endless() n_read = n_read + 1 assert(n_read < 1e8, "endless") return n_read end
    local ok, err = pcall(parallel.map, function(x) return x == 1 and error "one" or x end, endless, {store = path})
    equal({ok, err.index}, {false, 1})
  ]])

  -- The iterator waited five seconds for the map that reads it.
  case_of_path("may be used by what the items of another are read from", [[
    local function f(x) return x end
    local n = 0
    local function items()
      n = n + 1
      return n <= 100 and parallel.map(f, {n}, {store = path})[1] or nil
    end
    equal(parallel.map(f, items, {store = path, chunk = 1}).n, 100)
  ]])

  case_of_path("gives each place a result, an error and a report of its own", [[
    local report = {[9] = {}}
    local function f(x) return x > 0 and {{x}} or error {x} end
    local r, e = parallel.map(f, {1, 2, 1, -1, -1}, {store = path, errors = "collect", report = report})
    r[1].label, r[1][1].label, e[4].value.label, report[1].label = "x", "x", "x", "x"
    equal({r[3], e[5].value, report[3].label, report[9]}, {{{1}}, {-1}, nil, nil})
    local last
    for i, value in parallel.imap(f, {1, 2, 1}, {store = {path = path, version = 2}}) do
      assert(value.label == nil and value ~= last)
      value.label, last = "x", value
    end
  ]])

  case_of_path("tells progress of all its calls", [[
    local function f(x) return x end
    local last
    local function note(done, total, failed) last = {done, total or false, failed} end
    for round = 1, 2 do
      parallel.map(f, {1, 1, 1, 2}, {store = path, progress = note})
      equal(last, {4, 4, 0})
      for _ in parallel.imap(f, {1, 1, 1, 2}, {store = path, progress = note}) do end
      equal(last, {4, 4, 0})
      local n = 0
      local function items() n = n + 1 return n <= 3 and n or nil end
      for _ in parallel.imap(f, items, {store = path, progress = note}) do end
      equal(last, {3, false, 0})
      parallel.map(error, {1, 1, 2}, {store = path, progress = note, errors = "collect"})
      equal(last, {3, 3, 3})
    end
  ]])

  case_of_path("leaves later calls of a pool their random numbers", [[
    local function draw() return math.random(1 << 50) end
    local function numbers(options)
      local pool <close> = parallel.pool {workers = 2, seed = 3}
      pool:map(math.abs, {-1, -2, -3}, options)
      return pool:map(draw, {1, 2})
    end
    local expected = numbers()
    equal(numbers {store = path}, expected)
    equal(numbers {store = path}, expected)
  ]])

  -- The JSON beside them was written for hours, or was as long as memory.
  case_of_path("keeps tables that are in several places, and in themselves", [[
    local function nodes()
      local n = {{}, {}, {}}
      for i = 1, 2 do n[i].next = n[i + 1] n[i + 1].prev = n[i] end
      return n
    end
    local function doubled()
      local t = {1}
      for i = 1, 40 do t = {t, t} end
      return t
    end
    local function many()
      local shared, list = {x = 1}, {}
      for i = 1, 20000 do list[i] = i % 2 == 0 and shared or {x = i} end
      return list
    end
    for round = 1, 2 do
      local n = parallel.map(nodes, {1}, {store = path})[1]
      assert(n[1].next == n[2] and n[2].prev == n[1] and n[3].prev == n[2])
      local t = parallel.map(doubled, {2}, {store = path})[1]
      assert(t[1] == t[2] and t[2][1] == t[1][2])
      local list = parallel.map(many, {3}, {store = path})[1]
      assert(#list == 20000 and list[2] == list[4])
      equal(list[19999], {x = 19999})
    end
    local database = require "parallel.store".open(path)
    local statement = database:prepare "SELECT value, (SELECT value FROM calls WHERE item = '1'), \
      (SELECT length(value) FROM calls WHERE item = '2') FROM calls WHERE item = '3'"
    local list, n, length = statement:run()
    equal(n, '[{"next":{"next":{"prev":"(table)"},"prev":"(table)"}},' ..
      '{"next":{"prev":"(table)"},"prev":{"next":"(table)"}},{"prev":{"next":"(table)","prev":{"next":"(table)"}}}]')
    assert(length < 200000 and list:find('{"x":19999},"(table)"', 1, true) and list:find('{"x":3},{"x":1}', 1, true))
    statement:close() database:close()
  ]])

  case_of_path("refuses rows as without one", [[
    local function f(...) return select("#", ...) end
    for _, rows in ipairs {{{1}, {a = 1}}, {{n = 3}, {}, {n = -1}}, {{n = 600000}}} do
      local expected, failures = parallel.starmap(f, rows, {errors = "collect"})
      local found, errors = parallel.starmap(f, rows, {errors = "collect", store = path})
      equal(found, expected)
      for i = 1, #rows do equal(errors[i] and errors[i].message, failures[i] and failures[i].message) end
    end
  ]])
end)

script.on_hosts("regression: the key of a call", function(case)
  -- Makes a function that says whether a call was made, of what the script has by then.
  local MAKES = [[
    local path = os.tmpname()
    local function makes(f)
      local report = {}
      parallel.map(f, {1}, {store = path, report = report})
      return report[1] ~= nil
    end
  ]]
  local function case_of_key(name, code)
    case(name, MAKES .. code .. " for _, suffix in ipairs {'', '-wal', '-shm'} do os.remove(path .. suffix) end")
  end

  case_of_key("has the modules that package.path finds, as the script has it", [[
    local name = path:match "[^/]+$"
    local function write(x)
      local file <close> = assert(io.open(path .. ".lua", "w"))
      file:write("return {x = " .. x .. "}")
    end
    package.path = path:match "^.*/" .. "?.lua;" .. package.path
    local f = load(("return function() return require %q.x end"):format(name))()
    for round = 1, 2 do
      write(round)
      equal({makes(f), makes(f), parallel.map(f, {1}, {store = path})[1]}, {true, false, round})
    end
    os.remove(path .. ".lua")
  ]])

  case_of_key("has the modules that searchers of the script's find", [[
    local x = 1
    table.insert(package.searchers, 2, function(name)
      local y = x
      return name == "its_own" and function() return {x = y} end or nil
    end)
    local function f() return require "its_own".x end
    equal({makes(f), makes(f)}, {true, false})
    x = 2
    equal({makes(f), makes(f), parallel.map(f, {1}, {store = path})[1]}, {true, false, 2})
  ]])

  case_of_key("has all that was changed in standard libraries, and what is gone", [[
    local function f() return 1 end
    local huge, pattern, len = math.huge, utf8.charpattern, string.len
    local changes = {
      function() math.eps = 0.1 end, function() math.eps = 0.001 end, function() math.eps = "0.001" end,
      function() math.eps = true end, function() math.eps = nil string.len = nil end,
      function() string.len = len math.huge = 1 end, function() math.huge = 1.0 end, function() math.huge = nil end,
      function() math.huge = huge utf8.charpattern = "." end,
      function() utf8.charpattern = pattern debug.setmetatable(coroutine.create(print), {__index = {}}) end,
    }
    equal({makes(f), makes(f)}, {true, false})
    for i, change in ipairs(changes) do
      change()
      equal({i, makes(f), makes(f)}, {i, true, false})
    end
    debug.setmetatable(coroutine.create(print), nil)
    equal(makes(f), false)
  ]])
end)

describe("regression: a store", function()
  -- Such errors had no line of the script, or one of the module's, and named no file.
  local DAMAGES = {
    ["with other values"] = {[[exec "UPDATE calls SET exact_value = x'0102'"]], "it holds a value that"},
    ["without the table of calls"] = {"exec 'DROP TABLE calls'", "no such table: calls"},
    ["without the table of settings"] = {"exec 'DROP TABLE settings'", "no such table: settings"},
    ["with other bytes"] = {"file:seek('set', 200) file:write(('x'):rep(12000))", "database disk image is malformed"},
  }
  for name, damage in pairs(DAMAGES) do
    it("that is damaged, " .. name .. ", is named at the script's line", function()
      temporary.folder({["a.lua"] = [[
        local experiment = require "parallel.experiment"
        local function f(x) return x == 0 and math.random() or x end
        parallel.map(f, {1, 2, 3}, {store = "a.db"})
        local database = require "parallel.store".open "a.db"
        local function exec(sql) database:execute(sql) end
        database:execute "PRAGMA wal_checkpoint(TRUNCATE)"
        local file = io.open("a.db", "r+b")
        DAMAGE
        file:close()
        database:close()
        local uses = {
          function() parallel.map(f, {1, 2, 3}, {store = "a.db"}) end,
          function() for _ in parallel.imap(f, {1, 2, 3}, {store = "a.db"}) do end end,
          function() for _ in experiment.open("a.db"):rows() do end end,
        }
        for i, use in ipairs(uses) do
          local ok, err = pcall(use)
          local expected = ("a.lua:%d: cannot use the store 'a.db': "):format(11 + i) .. WHY
          assert((SETTINGS and i == 3) and ok or not ok and err:sub(1, #expected) == expected, err)
        end
      ]]}, function(folder)
        local path = folder .. "/a.lua"
        local code = read(path):gsub("DAMAGE", function() return damage[1] end)
        code = code:gsub("WHY", function() return ("%q"):format(damage[2]) end)
        write(path, (code:gsub("SETTINGS", tostring(damage[2]:find "settings" ~= nil))))
        local result = script.moons({"a.lua"}, {folder = folder})
        assert.equal(0, result.code, result.stderr)
      end)
    end)
  end

  it("says which of its options has no bytes, and that a name has none of zero bytes", function()
    script.passes [[
      local function why(f, ...) return select(2, pcall(f, ...)) end
      local store = {path = os.tmpname(), version = coroutine.create(print)}
      local err = why(parallel.map, print, {1}, {store = store})
      assert(err:find("the 'version' of the store cannot be kept in a store: it holds a coroutine", 1, true), err)
      store.version = nil
      local init = function() return store.thread end
      store = {thread = coroutine.create(print), path = store.path}
      err = why(parallel.map, print, {1}, {store = store.path, init = init})
      assert(err:find("option 'init' cannot be kept in a store: it holds a coroutine", 1, true), err)
      os.remove(store.path)
      err = why(require "parallel.experiment".open, store.path .. "\0.bak")
      assert(err:find("bad argument #1 to 'open' (name of a file expected", 1, true), err)
    ]]
  end)

  -- To SQLite these are no names of files, and such a store kept nothing.
  it("is a file whatever its name", function()
    temporary.folder({["a.lua"] = [[
      for _, name in ipairs {":memory:", "file:a?mode=memory", "-a", "b?c#d%20e"} do
        for round = 1, 2 do
          local report = {}
          parallel.map(math.sqrt, {4, 9}, {store = name, report = report})
          assert(#report == (round == 1 and 2 or 0), name)
        end
        local store <close> = require "parallel.experiment".open(name)
        assert(store:count() == 2 and assert(io.open(name)):close())
      end
    ]]}, function(folder)
      local result = script.moons({"a.lua"}, {folder = folder})
      assert.equal(0, result.code, result.stderr)
    end)
  end)
end)
