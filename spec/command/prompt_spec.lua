local script = require "support.script"
local screen = require "support.screen"

-- What is typed where no terminal is, one line after the other. What comes out between the version and the last prompt.
local function answers(lines, flags, code)
  local arguments = table.move(flags or {}, 1, #(flags or {}), 2, {"-i"})
  local result = script.moons(arguments, {stdin = table.concat(lines, "\n") .. "\n"})
  assert.message(result.stdout .. result.stderr).equal(code or 0, result.code)
  return result.stdout:match "^Moons [^\n]*\n(.*)$", result.stderr
end

-- Editing libraries, each with what LUA_READLINELIB says of it.
local EDITORS = {{name = "with readline"}, {name = "without readline", library = ""}}

-- Types keys when texts have come, and asserts that the prompt ends well. No text may be in what is typed before.
local function type_keys(keys, editor, flags)
  local env = {TERM = "dumb", INPUTRC = "/dev/null", LUA_READLINELIB = editor and editor.library}
  local result = screen.moons(flags or {}, {keys = keys, env = env})
  return result, assert.message(result.bytes)
end

describe("the prompt", function()
  it("prints what expressions give, with = before them or not", function()
    assert.equal("> 2\n> 3\tx\tnil\n> 5\n> > \n", (answers {"1 + 1", "3, 'x', nil", "= 5", "x = 3"}))
  end)

  it("prints with the global print, where that can be called", function()
    local stdout, stderr = answers {
      "print = function(...) io.write('<', select('#', ...), '>\\n') end", "1, 2", "print = nil", "3",
      "io.write 'on\\n' return",
    }
    assert.equal("> > <2>\n> > > on\n> \n", stdout)
    assert.truthy(stderr:find("there is no 'print' to show results with", 1, true))
  end)

  it("reads on while only the end of a chunk is missing", function()
    local lines = {"function f(x)", "return 2 * x", "end", "f(21)", "x = f(3) +", "1", "x"}
    assert.equal("> >> >> > 42\n> >> > 7\n> \n", (answers(lines)))
    local _, stderr = answers {"for i = 1, 2 do"}
    assert.equal("stdin:1: 'end' expected near <eof>\n", stderr)
  end)

  it("takes _PROMPT and _PROMPT2, and does without bad ones", function()
    local stdout, stderr = answers {
      "_PROMPT, _PROMPT2 = 'me: ', 7", "f(", "1)",
      "_PROMPT = setmetatable({}, {__tostring = function() error 'bad' end})",
      "_PROMPT = setmetatable({}, {__tostring = function() return 'it: ' end})",
    }
    assert.equal("> me: 7me: > it: \n", stdout)
    assert.truthy(stderr:find("stdin:1: bad\n", 1, true))
  end)

  it("tells of errors, and goes on", function()
    local stdout, stderr = answers {"error 'broken'", "x x", "error {}", "'on'"}
    assert.equal("> > > > on\n> \n", stdout)
    assert.equal("stdin:1: broken\nstack traceback:\n\t[C]: in function 'error'\n\tstdin:1: in main chunk\n" ..
      "\t[C]: in ?\nstdin:1: syntax error near 'x'\n", stderr:match "^(.-\n)%(error")
    assert.truthy(stderr:find("(error object is a table value)", 1, true))
  end)

  it("has `parallel`, whose calls see what was typed #threads", function()
    for _, flags in ipairs {{}, {"-b", "inline"}} do
      assert.equal("> > > 2 4 6\n> \n", (answers({
        "function double(x) return factor * x end", "factor = 2", "table.concat(parallel.map(double, {1, 2, 3}), ' ')",
      }, flags)))
    end
    local _, stderr = answers {"r = parallel.map(error, {'no'})"}
    assert.truthy(stderr:find("stdin:1: call 1 (item \"no\") failed: no", 1, true))
  end)

  it("comes after -e, -l and the script, but not where these fail", function()
    assert.equal("1\n> 1\n> \n", (answers({"x"}, {"-e", "x = 1 print(x)"})))
    local result = script.moons({"-i", "-e", "error 'no'"}, {stdin = "print 'prompt'"})
    assert.equal(1, result.code)
    assert.falsy(result.stdout:find("prompt", 1, true))
  end)

  it("lets code read the lines that follow", function()
    assert.equal("> line\n> \n", (answers {"io.read()", "line"}))
  end)

  it("exits as os.exit says", function()
    assert.equal("> ", (answers({"os.exit(3)", "1"}, nil, 3)))
  end)

  it("says what -i wants", function()
    assert.truthy(script.moons {"-ix"}.stderr:find("unknown option '-ix'", 1, true))
  end)

  for _, editor in ipairs(EDITORS) do
    it("starts on a terminal where there is no script, " .. editor.name, function()
      local result, report = type_keys({{"> ", "20 + 1\n"}, {"\r\n21\r\n> ", "\4"}}, editor)
      report.equal(0, result.code)
      report.truthy(result.lines[1]:find "^Moons ")
      report.same({"> 20 + 1", "21", "> "}, {result.lines[2], result.lines[3], result.lines[4] .. " "})
    end)

    it("drops a line at Ctrl-C, or a chunk that lacks its end, " .. editor.name, function()
      local result, report = type_keys({
        {"> ", "error 'one'"}, {"'one'", "\3"}, {"\r\n> ", "while true do\n"}, {">> ", "\3"},
        {"\r\n> ", "'t' .. 'wo'\n"}, {"two\r\n> ", "\4"},
      }, editor)
      report.equal(0, result.code)
      report.falsy(result.bytes:find("stdin", 1, true))
    end)

    it("ends what runs at Ctrl-C, and goes on, " .. editor.name, function()
      local result, report = type_keys({
        {"> ", "print('ru' .. 'ns') while true do end\n"}, {"runs", "\3"}, {"interrupted!", ""}, {"> ", "'o' .. 'n'\n"},
        {"on\r\n> ", "print('ru' .. 'ns') while true do end\n"}, {"runs", "\3"}, {"interrupted!", ""}, {"> ", "\4"},
      }, editor)
      report.equal(0, result.code)
      report.truthy(result.bytes:find("^Cstdin:1: interrupted!\r\nstack traceback:", 1, true))
    end)
  end

  -- Not #threads where the loop is on the thread that takes the signal: the thread sanitizer holds a signal back until
  -- that thread calls the system, which such a loop never does.
  for _, run in ipairs {{on = "threads", tag = " #threads"}, {on = "inline", tag = ""}} do
    local function runs(name, code, n_workers)
      it(("ends %s at Ctrl-C, and goes on, on %s%s"):format(name, run.on, run.tag), function()
        local result, report = type_keys({
          {"> ", ("f = function() print('ru' .. 'ns') while true do end end %s\n"):format(code)}, {"runs", "\3"},
          {"interrupted!", ""}, {"> ", "parallel.map(function(x) return 'o' .. x end, {'n'})[1]\n"}, {"on\r\n> ", "\4"},
        }, nil, {"-b", run.on, "-j", n_workers or "4"})
        report.equal(0, result.code)
      end)
    end

    runs("a map", "parallel.map(f, {1, 2, 3, 4, 5, 6, 7, 8})")
    runs("a map that collects errors and tries again", "parallel.map(f, {1, 2, 3}, {errors = 'collect', retries = 9})")
    runs("a map in a map", "parallel.map(function() parallel.map(f, {1, 2}) end, {1, 2, 3})")
    runs("an iteration", "p = parallel.pool(2) for _ in p:imap(f, {1, 2}) do end")
    runs("a call", "p = parallel.pool(2) p:apply(f)")
    -- A future that nobody waits for yet would go on.
    local slow = "g = function() parallel.sleep(0.5) f() end "
    runs("a call of the only worker, by its future", slow .. "x = parallel.submit(g) x:get()", "1")
    runs("a call of the only worker, as results come", slow .. "x = parallel.imap(g, {1}) x()", "1")
    runs("many short calls whose errors are collected",
      "print('ru' .. 'ns') parallel.map(math.sqrt, parallel.range(1, 1 << 50), {errors = 'collect'})")
    runs("many short calls", "print('ru' .. 'ns') parallel.map(math.sqrt, parallel.range(1, 1 << 50))")
  end

  it("is ended by a second Ctrl-C where the first finds nothing to end #linux", function()
    local code = "coroutine.wrap(function() print('ru' .. 'ns') while true do end end)()\n"
    local result, report = type_keys {{"> ", code}, {"runs", "\3"}, {"", "\3"}}
    report.equal(130, result.code)
  end)

  it("gives the terminal back when it is ended by SIGTERM #linux", function()
    local code = [[io.open("/proc/self/stat"):read("a"):match "^(%d+)"]]
    local shell = [[before=$(stty -g); "$0"; echo code $?; [ "$before" = "$(stty -g)" ] && echo sa''me]]
    local words = {"sh", "-c", shell, os.getenv "MOONS" or "build/moons"}
    local keys = {{"> ", ("os.execute('(sleep 0.3; kill ' .. %s .. ') &') print('ru' .. 'ns')\n"):format(code)}}
    local result = screen.execute(words, {keys = keys, env = {TERM = "dumb", INPUTRC = "/dev/null"}})
    local report = assert.message(result.bytes)
    report.truthy(result.bytes:find("code 143", 1, true))
    report.truthy(result.bytes:find("same", 1, true))
  end)
end)
