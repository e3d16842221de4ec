local script = require "support.script"

for _, host in ipairs(script.hosts) do
  describe("a call and the process " .. host.name, function()
    local function passes(code)
      return script.passes(code, host)
    end

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

    it("os.exit in init, in a nested call and with kept states is an error as well", function()
      passes [[
        local function exit() os.exit(3) end
        for _, fresh in ipairs {true, false} do
          local ok, err = pcall(parallel.map, math.sqrt, {1, 2}, {init = exit, fresh = fresh})
          assert(not ok and err.message:find "os.exit", err)
          ok, err = pcall(parallel.map, function() return parallel.map(exit, {1}) end, {1}, {fresh = fresh})
          assert(not ok and err.message:find "os.exit", err)
          equal(parallel.map(math.sqrt, {4}, {fresh = fresh}), {2.0})
        end
      ]]
    end)

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

    it("os and io functions of reading work in calls", function()
      passes [[
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
      ]]
    end)
  end)
end
