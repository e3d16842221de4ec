local script = require "support.script"

script.on_hosts("a call and the process", function(case, passes, host)
  it("os.exit ends the call with an error, never the process", function()
    local result = passes [[
      local ways = {
        function() os.exit() end,
        function() os.exit(3) end,
        function() os.exit(true, true) end,
        function() pcall(os.exit, 4) error "went on" end,
        function() while true do pcall(os.exit) end end,
        function() xpcall(os.exit, function() end, 5) end,
        function() coroutine.wrap(function() os.exit(6) end)() end,
        function() coroutine.resume(coroutine.create(os.exit), 6) end,
        function() local t = setmetatable({}, {__index = function() os.exit(7) end}) return t.x end,
        function() table.sort({3, 2, 1}, function() os.exit(8) end) end,
        function() local exit = os["ex" .. "it"] exit(9) end,
      }
      for i, way in ipairs(ways) do
        local ok, err = pcall(parallel.map, function() way() return "went on" end, {1, 2})
        assert(not ok, "way " .. i .. " did not fail")
        equal(err.kind, "error")
        assert(err.message:find "os.exit", err.message)
      end
      equal(parallel.map(math.sqrt, {4}), {2.0})
      print "end"
    ]]
    assert.equal("end\n", result.stdout)
  end)

  case("os.exit in init, in a nested call and with kept states is an error as well", [[
    local function exit() os.exit(3) end
    for _, fresh in ipairs {true, false} do
      local ok, err = pcall(parallel.map, math.sqrt, {1, 2}, {init = exit, fresh = fresh})
      assert(not ok and err.message:find "os.exit", err)
      ok, err = pcall(parallel.map, function() return parallel.map(exit, {1}) end, {1}, {fresh = fresh})
      assert(not ok and err.message:find "os.exit", err)
      equal(parallel.map(math.sqrt, {4}, {fresh = fresh}), {2.0})
    end
  ]])

  it("os.exit of the script after maps ends the process with its code", function()
    local options = setmetatable({}, {__index = host})
    local maps = "require 'parallel'.map(math.sqrt, parallel.range(1, 100)) "
    for code, expected in pairs {["os.exit(3)"] = 3, ["os.exit(true, true)"] = 0, ["os.exit(false)"] = 1} do
      assert.equal(expected, script.run("parallel = require 'parallel' " .. maps .. code, options).code)
    end
  end)

  it("print and io.write give whole lines, however many workers write", function()
    local result = passes [[
      local function f(x)
        print("print", x, ("a"):rep(50))
        io.write("write\t", x, "\t", ("b"):rep(50), "\n")
        io.write "parts\t"
        io.write(x, "\t")
        io.stdout:write(("c"):rep(50), "\n")
        io.write("two\t", x, "\t", ("d"):rep(50), "\ntwo\t", x, "\t", ("d"):rep(50), "\n")
        io.stderr:write("err\t")
        io.stderr:write(x, "\t", ("e"):rep(50), "\n")
      end
      parallel.map(f, parallel.range(1, 400), {workers = 8, chunk = 3})
    ]]
    local counts, n = {}, 0
    for line in (result.stdout .. result.stderr):gmatch "[^\n]*\n" do
      local kind, x, text = line:match "^(%a+)\t(%d+)\t(%a+)\n$"
      assert.message(line).truthy(kind and #text == 50)
      counts[kind .. x] = (counts[kind .. x] or 0) + 1
      n = n + 1
    end
    assert.equal(6 * 400, n)
    for x = 1, 400 do
      for kind, count in pairs {print = 1, write = 1, parts = 1, two = 2, err = 1} do
        assert.equal(count, counts[kind .. x])
      end
    end
  end)

  it("io.write without a newline comes out when the call ends, in order", function()
    local result = passes [[
      parallel.map(function(x) io.write(x, " ") end, parallel.range(1, 20), {workers = 1})
      io.write "end\n"
    ]]
    assert.equal("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 end\n", result.stdout)
    result = passes [[
      pcall(parallel.map, function(x) io.write "before" error "x" end, {1})
      parallel.map(function() io.write(("y"):rep(300000)) end, {1})
    ]]
    assert.equal("before" .. ("y"):rep(300000), result.stdout)
  end)

  it("what calls write comes after what the script wrote before, and before what it writes next", function()
    local result = passes [[
      io.write "1 "
      print "2"
      parallel.map(function() print "3" io.write "4 " end, {1})
      io.write "5 "
      parallel.map(function() io.stdout:write "6\n" end, {1})
      print "7"
    ]]
    assert.equal("1 2\n3\n4 5 6\n7\n", result.stdout)
  end)

  it("print and io.write behave as the standard ones", function()
    local result = passes [[
      local function f()
        print()
        print(nil, true, 1, 2.0, "s\0t", setmetatable({}, {__tostring = function() return "object" end}))
        local returned = io.write("a", 1, 2.5, "\n")
        io.stdout:write("x"):write("y\n")
        io.stdout:setvbuf "no"
        io.stdout:flush()
        io.flush()
        io.output():write("z\n")
        return {returned == io.stdout, io.output() == io.stdout, io.type(io.stdout), pcall(io.write, {}),
          pcall(print, setmetatable({}, {__tostring = function() return {} end}))}
      end
      local result = parallel.map(f, {1})[1]
      equal({result[1], result[2], result[3], result[4]}, {true, true, "file", false})
    ]]
    assert.equal("\nnil\ttrue\t1\t2.0\ts\0t\tobject\na12.5\nxy\nz\n", result.stdout)
  end)

  it("io.write writes numbers as plain Lua does, and what comes before a wrong argument", function()
    local code = [[
      local function f()
        io.write(2.0, " ", 3, " ", -0.0, " ", 1e15, " ", 2^53, " ", 0.1, " ", 1e300, " ", 1/0, "\n")
        io.stdout:write(2.0, " ", 2^63, " ", 12345678901234567890, "\n")
        pcall(io.write, "written\n", 1, {}, "not written\n")
        io.write "\n"
      end
    ]]
    local plain = script.run(code .. "f()", script.lua54)
    assert.equal(0, plain.code)
    script.prints("local parallel = require 'parallel'" .. code .. "parallel.map(f, {1})", plain.stdout, host)
  end)

  case("load, loadfile and dofile do what plain Lua's do, but for bytecode", [[
    local function f()
      local name = os.tmpname()
      local file <close> = io.open(name, "w")
      file:write "local x = ... coroutine.yield(y) return y, x"
      file:close()
      y = 1
      local environment = {y = 2, coroutine = coroutine}
      local out = {}
      local function note(loaded, message)
        if not loaded then out[#out + 1] = message return end
        local co = coroutine.wrap(loaded)
        out[#out + 1] = table.concat({co(3), co()}, " ")
      end
      note(loadfile(name))
      note(loadfile(name, "t", environment))
      note(loadfile(name, "bt"))
      note(loadfile(name, "b"))
      note(function() return dofile(name) end)
      local text = "local x = ... coroutine.yield(y) return y, x"
      note(load(text))
      note(load(text, "=text", "bt", environment))
      note(load(text, "=text", "b", environment))
      local at = 0
      note(load(function() at = at + 1 return text:sub(at, at) end, nil, nil, environment))
      os.remove(name)
      return table.concat(out, "\n")
    end
    equal(parallel.map(f, {1})[1], f())
    local code = string.dump(function() return 1 end)
    local function bytecode()
      local name = os.tmpname()
      local file <close> = io.open(name, "wb")
      file:write(code)
      file:close()
      local pieces = {code}
      local out = {}
      for _, mode in ipairs {false, "t", "b", "bt", ""} do
        mode = mode or nil
        out[#out + 1] = tostring(load(code, "x", mode))
        out[#out + 1] = tostring(loadfile(name, mode))
        out[#out + 1] = tostring(load(function() return table.remove(pieces) end, "x", mode))
        pieces[1] = code
      end
      out[#out + 1] = tostring(pcall(dofile, name))
      os.remove(name)
      return table.concat(out, " ")
    end
    equal(parallel.map(bytecode, {1})[1], ("nil "):rep(15) .. "false")
  ]])

  case("xpcall nests as deep as plain Lua's, and yields", [[
    local function deep()
      local depth = 0
      local function go() depth = depth + 1 return xpcall(go, function(m) return m end) end
      go()
      local function yielding(x) return coroutine.yield(x), x end
      local co = coroutine.wrap(function() return xpcall(yielding, print, 5) end)
      local first = co()
      return {depth, first, co(6)}
    end
    local here, there = deep(), parallel.map(deep, {1})[1]
    local here_depth, there_depth = table.remove(here, 1), table.remove(there, 1)
    assert(math.abs(here_depth - there_depth) < 10, there_depth .. " in a call, not " .. here_depth)
    equal(there, here)
  ]])

  it("warnings of a call come out once they are turned on", function()
    local result = passes [[
      parallel.map(function(x)
        warn "@on"
        warn("careful ", "with ", tostring(x))
        warn "@off"
        warn "not this"
      end, {7})
      parallel.map(function() warn "nor this" end, {1})
    ]]
    assert.equal("Lua warning: careful with 7\n", result.stderr)
  end)

  case("os and io functions of reading work in calls", [[
    local function f()
      local pipe = io.popen "echo piped"
      local text = pipe:read "a"
      pipe:close()
      local name = os.tmpname()
      os.remove(name)
      return {text, os.execute "exit 0", math.type(os.time()), os.getenv "PATH" ~= nil, type(os.clock()),
        os.date("%Y", 0) ~= nil}
    end
    equal(parallel.map(f, {1}), {{"piped\n", true, "integer", true, "number", true}})
  ]])
end)
