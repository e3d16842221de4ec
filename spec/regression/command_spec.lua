-- What somebody new to the command comes upon.
local script = require "support.script"
local temporary = require "support.temporary"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

describe("a fault of the command that was mended", function()
  it("--trace without its file takes the script for it, and writes over the script", function()
    temporary.folder({["a.lua"] = "print 'runs'\n"}, function(folder)
      local result = script.moons({"--trace", "a.lua"}, {folder = folder})
      assert.equal(1, result.code)
      assert.truthy(result.stderr:find("--trace cannot write 'a.lua': it is there, and is no trace", 1, true),
        result.stderr)
      assert.equal("print 'runs'\n", read(folder .. "/a.lua"))
      for _ = 1, 2 do -- a trace is made anew
        assert.equal("runs\n", script.moons({"--trace", "out.json", "a.lua"}, {folder = folder}).stdout)
      end
      assert.equal('[\n{"ph":"M"', read(folder .. "/out.json"):sub(1, 11))
    end)
  end)

  -- What the script printed went into a pipe of the command's own, which ended it with the first byte as its exit code.
  it("a script that is started with closed streams prints into what the command opens", function()
    local code = [[
      print "to stdout"
      io.stderr:write "to stderr\n"
      local results = parallel.map(function(i) print(i) return i * 2 end, {1, 2, 3})
      io.write "more"
      local file <close> = assert(io.open("out", "w"))
      file:write(results[3], " ", tostring(io.stdout:flush()))
    ]]
    temporary.folder({["a.lua"] = code}, function(folder)
      local moons = os.getenv "MOONS"
      for _, closed in ipairs {"<&- >&- 2>&-", ">&- 2>&-", "2>&-"} do
        for _, backend in ipairs {"threads", "processes"} do
          local command = ("cd %s && %s -b %s a.lua %s"):format(folder, moons, backend, closed)
          assert.same({true, "exit", 0}, {os.execute(closed == "2>&-" and command .. " >out2" or command)})
          assert.equal(closed == "2>&-" and "6 true" or "6 nil", read(folder .. "/out"):match "^%d %l+")
        end
      end
    end)
  end)

  it("--help is known, and --version is not", function()
    local result = script.moons {"--version"}
    assert.equal(0, result.code)
    assert.truthy(result.stdout:find "^Moons %d+%.%d+%.%d+  on  Lua 5%.4")
  end)

  it("'launch' beside 'hosts' is unknown, and nothing says where it belongs", function()
    script.passes [[
      local ok, err = pcall(parallel.pool, {hosts = {"one:2"}, launch = "exec {folder}/{moons}"})
      assert(not ok and err:find("option 'launch' of 'pool' must be a field of hosts", 1, true), err)
    ]]
  end)

  it("arguments of 'delayed' itself are dropped", function()
    script.passes [[
      local ok, err = pcall(parallel.delayed, math.max, 3)
      assert(not ok and err:find("write parallel.delayed(f)(...)", 1, true), err)
      assert(parallel.run({parallel.delayed(math.max)(3, 4)})[1] == 4)
    ]]
  end)

  it("a map that is a tail call has a traceback of the script without a line", function()
    script.passes [[
      local function tail() return parallel.map(function() error "no" end, {1}) end
      local ok, err = pcall(coroutine.wrap(tail))
      assert(not ok and tostring(err):find "no" and not tostring(err):find "stack traceback:$", tostring(err))
    ]]
  end)
end)
