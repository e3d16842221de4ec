local forking = require "support.forking"
local script = require "support.script"
local temporary = require "support.temporary"

-- Runs `moons` and asserts on its exit code, and on what it prints where that is given.
local function moons(arguments, options, code, stdout, stderr)
  local result = script.moons(arguments, options)
  local report = assert.message(result.stdout .. result.stderr)
  report.equal(code, result.code)
  if stdout then report.equal(stdout, result.stdout) end
  if stderr then report.truthy(result.stderr:find(stderr, 1, true)) end
  return result
end

describe("the command", function()
  it("runs a script with its arguments in `arg` and `...`", function()
    temporary.folder({["a.lua"] = "print(arg[0], arg[1], arg[2], arg[3], arg[-1] ~= nil, #arg, ...)"}, function(folder)
      local options = {folder = folder}
      moons({"a.lua", "x", "-v", "two words"}, options, 0, "a.lua\tx\t-v\ttwo words\ttrue\t3\tx\t-v\ttwo words\n")
      moons({"-e", "x = 1", "a.lua"}, options, 0, "a.lua\tnil\tnil\tnil\ttrue\t0\n")
      moons({"--", "a.lua", "x"}, options, 0, "a.lua\tx\tnil\tnil\ttrue\t1\tx\n")
    end)
  end)

  it("puts itself and its options at the negative places of `arg`", function()
    temporary.folder({["a.lua"] = "print(arg[-1], arg[-2], arg[-3], arg[-4] ~= nil, arg[-5])"}, function(folder)
      moons({"-j", "2", "-W", "a.lua"}, {folder = folder}, 0, "-W\t2\t-j\ttrue\tnil\n")
    end)
  end)

  it("has `parallel` as a global and through require", function()
    moons({"-e", "print(parallel == require 'parallel', type(parallel.map))"}, nil, 0, "true\tfunction\n")
  end)

  it("skips a first line that begins with #", function()
    local text = "#!/usr/bin/env moons\nprint(debug.getinfo(1, 'l').currentline)\nerror 'here'"
    temporary.folder({["a.lua"] = text}, function(folder)
      moons({"a.lua"}, {folder = folder}, 1, "2\n", "a.lua:3: here")
    end)
  end)

  it("runs stdin, when it is no terminal or is asked for with -", function()
    moons({}, {stdin = "print('in', ...)"}, 0, "in\n")
    moons({"-"}, {stdin = "print('in', arg[0], ...)"}, 0, "in\t-\n")
    moons({"-", "a", "b"}, {stdin = "print('in', ...)"}, 0, "in\ta\tb\n")
    moons({"-"}, {stdin = "error 'x'"}, 1, "", "stdin:1: x")
    moons({}, {stdin = ""}, 0, "")
  end)

  it("lets a script read stdin", function()
    temporary.folder({["a.lua"] = "for line in io.lines() do print('<' .. line .. '>') end"}, function(folder)
      moons({"a.lua"}, {folder = folder, stdin = "one\ntwo"}, 0, "<one>\n<two>\n")
    end)
  end)

  it("-e runs a string, several in order, and no script then", function()
    moons({"-e", "x = 1", "-e", "print(x)", "-eprint(x + 1)"}, {stdin = "print 'stdin'"}, 0, "1\n2\n")
    moons({"-e", "error 'in e'"}, nil, 1, "", "(command line):1: in e")
    moons({"-e", "x ="}, nil, 1, "", "(command line):1: ")
    moons({"-e", "print(1)", "-"}, {stdin = "print 'stdin'"}, 0, "1\nstdin\n")
  end)

  it("-l requires a module into a global", function()
    temporary.folder({["mod.lua"] = "return {name = ...}", ["sub/deep.lua"] = "return {}"}, function(folder)
      local options = {folder = folder}
      moons({"-l", "mod", "-e", "print(mod.name)"}, options, 0, "mod\n")
      moons({"-lmod", "-e", "print(mod.name)"}, options, 0, "mod\n")
      moons({"-l", "m=mod", "-e", "print(m.name, mod)"}, options, 0, "mod\tnil\n")
      moons({"-l", "sub.deep", "-e", "print(type(_G['sub.deep']))"}, options, 0, "table\n")
      moons({"-l", "none"}, options, 1, "", "module 'none' not found")
    end)
  end)

  it("-j sets the number of workers, where a call does not", function()
    local code = [[
      local folder = ...
      local function meet(x)
        io.open(folder .. "/" .. x, "w"):close()
        for i = 1, 3 do
          while not io.open(folder .. "/" .. i) do end
        end
      end
      parallel.map(meet, {1, 2, 3}, {chunk = 1})
      print "met"
    ]]
    for _, flags in ipairs {{"-j", "3"}, {"-j3"}} do
      temporary.folder({["a.lua"] = code}, function(folder)
        moons({flags[1], flags[2] or "a.lua", flags[2] and "a.lua" or ".", flags[2] and "."}, {folder = folder},
          0, "met\n")
      end)
    end
    for _, n in ipairs {"0", "-1", "x", "2.5", "", "2x", "999999999999"} do
      moons({"-j", n, "-e", "print 'ran'"}, nil, 1, "", "-j")
    end
  end)

  it("-v shows the version, -h and --help the usage", function()
    local version = moons({"-v"}, nil, 0).stdout
    assert.truthy(version:find "^Moons %d+%.%d+%.%d+")
    moons({"-v", "-e", "print(1)"}, nil, 0, version .. "1\n")
    for _, flag in ipairs {"-h", "--help"} do
      assert.truthy(moons({flag}, nil, 0).stdout:find "^usage: ")
    end
  end)

  it("-E ignores LUA_INIT and LUA_PATH, which count otherwise", function()
    local env = {LUA_INIT = "print 'init'", LUA_PATH = "/nowhere/?.lua"}
    local code = "print(package.path == '/nowhere/?.lua')"
    moons({"-e", code}, {env = env}, 0, "init\ntrue\n")
    moons({"-E", "-e", code}, {env = env}, 0, "false\n")
    temporary.folder({["init.lua"] = "print 'from file'"}, function(folder)
      moons({"-e", "print(1)"}, {env = {LUA_INIT = "@" .. folder .. "/init.lua"}}, 0, "from file\n1\n")
    end)
    moons({"-e", "print(1)"}, {env = {LUA_INIT = "error 'x'"}}, 1, "", "LUA_INIT:1: x")
    env = {LUA_INIT = "print 'plain'", LUA_INIT_5_4 = "print 'versioned'"}
    moons({"-e", "print(1)"}, {env = env}, 0, "versioned\n1\n")
  end)

  it("-W turns warnings on", function()
    moons({"-W", "-e", "warn 'careful'"}, nil, 0, "", "Lua warning: careful")
    assert.equal("", moons({"-e", "warn 'careful'"}, nil, 0, "").stderr)
  end)

  it("refuses what it does not know, and shows the usage", function()
    for _, flags in ipairs {{"-x"}, {"--unknown"}, {"-vx"}, {"-hello"}} do
      local result = moons(flags, nil, 1, "", ("unknown option '%s'\n"):format(flags[1]))
      assert.truthy(result.stderr:find("usage: ", 1, true))
    end
  end)

  it("says what an option wants where nothing follows it, and shows the usage", function()
    for option, wanted in pairs {
      ["-e"] = "a string to execute", ["-l"] = "the name of a module, or 'g=name'",
      ["-j"] = "the number of workers, from 1 to 1024", ["-b"] = "a backend, 'threads', 'processes', 'inline' or 'mpi'",
    } do
      local result = moons({option}, nil, 1, "", (": %s wants %s, and nothing follows it\n"):format(option, wanted))
      assert.truthy(result.stderr:find("usage: ", 1, true))
      result = moons({option, "-v"}, nil, 1, "", (": %s wants %s, not '-v'\n"):format(option, wanted))
      assert.falsy(result.stderr:find("usage: ", 1, true))
    end
  end)

  it("says what an option wants and what it got", function()
    for _, value in ipairs {"0", "x", "2x", "-1", "1.5", " 1", "+1", "", "1025", "99999999999999999999", "a.lua"} do
      local text = (": -j wants the number of workers, from 1 to 1024, not '%s'\n"):format(value)
      moons({"-j", value, "-e", "print(1)"}, nil, 1, "", text)
      if value ~= "" then moons({"-j" .. value, "-e", "print(1)"}, nil, 1, "", text) end
    end
    for _, value in ipairs {"steam", "Threads", "inline ", ""} do
      local text = (": -b wants a backend, 'threads', 'processes', 'inline' or 'mpi', not '%s'\n"):format(value)
      moons({"-b", value, "-e", "print(1)"}, nil, 1, "", text)
    end
    moons({"-j", "1024", "-b", "inline", "-e", "print(1)"}, nil, 0, "1\n")
  end)

  it("names a file that is not there", function()
    moons({"no_such_file.lua"}, nil, 1, "", "no_such_file.lua")
  end)

  it("names file and line of a syntax error", function()
    temporary.folder({["bad.lua"] = "local x = 1\nlocal = 5\n"}, function(folder)
      moons({"bad.lua"}, {folder = folder}, 1, "", "bad.lua:2: ")
    end)
  end)

  it("shows a runtime error with its traceback", function()
    local text = "local function f()\n  error 'broken'\nend\nprint 'before'\nf()\nprint 'after'"
    temporary.folder({["a.lua"] = text}, function(folder)
      local result = moons({"a.lua"}, {folder = folder}, 1, "before\n", "a.lua:2: broken\nstack traceback:\n")
      assert.truthy(result.stderr:find("a.lua:5: in main chunk", 1, true))
    end)
  end)

  it("shows an error object through its __tostring, others by their kind", function()
    local object = "error(setmetatable({}, {__tostring = function() return 'an object' end}))"
    moons({"-e", object}, nil, 1, "", "an object")
    moons({"-e", "error {}"}, nil, 1, "", "(error object is a table value)")
    moons({"-e", "error()"}, nil, 1, "", "nil")
    moons({"-e", "error(setmetatable({}, {__tostring = function() error 'again' end}))"}, nil, 1, "")
  end)

  it("shows the error of a failed call with the lines of the script", function()
    local text = "local function f(x)\n  if x == 3 then\n    error 'broken'\n  end\nend\nparallel.map(f, {1, 2, 3})"
    temporary.folder({["a.lua"] = text}, function(folder)
      local result = moons({"a.lua"}, {folder = folder}, 1, "", "a.lua:6: call 3 (item 3) failed: a.lua:3: broken")
      assert.truthy(result.stderr:find("a.lua:3: in", 1, true))
      assert.truthy(result.stderr:find("in the script, stack traceback:\n\ta.lua:6: in main chunk", 1, true))
      assert.falsy(result.stderr:find("parallel", 1, true))
    end)
  end)

  it("exits with the code that os.exit is given", function()
    for call, code in pairs {
      ["os.exit()"] = 0, ["os.exit(true)"] = 0, ["os.exit(false)"] = 1, ["os.exit(7)"] = 7,
      ["os.exit(7, true)"] = 7, ["parallel.map(print, {}) os.exit(9, true)"] = 9,
      ["parallel.map(math.sqrt, {1, 2}) os.exit(9, true)"] = 9,
    } do
      moons({"-e", call}, nil, code)
    end
  end)

  -- The state is gone by then: the address sanitizer sees whoever still tells it.
  it("takes a signal that comes after os.exit has closed its state", function()
    local code = [[
      local forking = require "forking"
      assert(forking.interrupt_at_exit(assert(package.searchpath("forking", package.cpath))))
      os.exit(0, true)
    ]]
    local result = script.run(code, forking.options())
    assert.equal("", result.stderr)
    assert.truthy(result.code == 0 or result.code == 130)
  end)

  it("closes its state at the end: objects are finalized and files flushed", function()
    temporary.folder({}, function(folder)
      local code = [[
        setmetatable({}, {__gc = function() print "finalized" end})
        file = io.open("out", "w")
        file:write "text"
        local closed <close> = setmetatable({}, {__close = function() print "closed" end})
      ]]
      moons({"-e", code}, {folder = folder}, 0, "closed\nfinalized\n")
      local file <close> = io.open(folder .. "/out")
      assert.equal("text", file:read "a")
    end)
  end)

  it("finds a script's modules from the working directory, in calls as well", function()
    local files = {
      ["main.lua"] = [[
        local tools = require "lib.tools"
        local function f(x) return tools.double(x) + require "lib.more".one end
        print(parallel.map(f, {1, 2})[2])
        package.path = "other/?.lua;" .. package.path
        print(parallel.map(function() return require "elsewhere" end, {1})[1])
      ]],
      ["lib/tools.lua"] = "return {double = function(x) return 2 * x end}",
      ["lib/more.lua"] = "return {one = 1}",
      ["other/elsewhere.lua"] = "return 'elsewhere'",
    }
    temporary.folder(files, function(folder)
      moons({"main.lua"}, {folder = folder}, 0, "5\nelsewhere\n")
      moons({folder .. "/main.lua"}, {folder = folder .. "/lib"}, 1, "", "module 'lib.tools' not found")
    end)
  end)

  it("-b inline gives the same results as -b threads", function()
    temporary.folder({["a.lua"] = [[
      local function f(x) return x * math.random(100) end
      local r, errors = parallel.map(f, parallel.range(1, 1000), {seed = 4, errors = "collect"})
      print(r.n, table.concat(r, " "))
      r = parallel.map(function(x) return #parallel.map(f, {x, x}) end, {1, 2}, {workers = 5})
      print(table.concat(r, " "))
      local ok, err = pcall(parallel.map, function(x) if x == 2 then error("no " .. x, 0) end end, {1, 2, 3})
      print(ok, err.index, err.message, err.kind)
      local text = {}
      parallel.map(function(x) print(x) end, {1, 2, 3}, {workers = 1})
    ]]}, function(folder)
      local expected = moons({"a.lua"}, {folder = folder}, 0).stdout
      moons({"-b", "threads", "a.lua"}, {folder = folder}, 0, expected)
      moons({"-b", "inline", "a.lua"}, {folder = folder}, 0, expected)
      moons({"-binline", "-j", "4", "a.lua"}, {folder = folder}, 0, expected)
    end)
  end)

  it("runs scripts as stock lua does #unsanitized", function()
    local files = {
      ["a.lua"] = "print(#arg, arg[1], ...) print(require 'mod') print(pcall(error, {1}) == false)\nerror 'end'",
      ["mod.lua"] = "return select('#', ...)",
    }
    temporary.folder(files, function(folder)
      local lua = script.execute({script.lua54.interpreter, "a.lua", "x"}, {folder = folder})
      local result = moons({"a.lua", "x"}, {folder = folder}, lua.code, lua.stdout)
      assert.equal(lua.stderr:gsub("^[^:]*", "", 1), (result.stderr:gsub("^[^:]*", "", 1)))
    end)
  end)
end)
