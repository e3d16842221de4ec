-- The status line of a terminal, as `parallel.core` shows it.
local screen = require "support.screen"

local function shows(code, options)
  local result = screen.run("local parallel, core = require 'parallel', require 'parallel.core'\n" .. code, options)
  local report = assert.message(result.bytes)
  report.equal(0, result.code)
  return result, report
end

describe("a status line", function()
  it("is the last line, in place of the one before, until it is hidden", function()
    local result, report = shows [[
      core.show "first and longer"
      core.show "second"
      os.exit()
    ]]
    report.same({"second"}, result.lines)
    report.equal(#"second" + 1, result.column)
    result, report = shows [[core.show "status" core.hide() io.write "after"]]
    report.same({"after"}, result.lines)
    result, report = shows [[core.show "status" core.hide(true) io.write "after"]]
    report.same({"status", "after"}, result.lines)
    result, report = shows [[core.hide() core.hide(true) io.write "after"]]
    report.same({"after"}, result.lines)
  end)

  it("is below the lines of calls, also of other pools", function()
    local result, report = shows [[
      local pool <close> = parallel.pool(2)
      parallel.map(print, {1}, {workers = 1})
      core.show "status"
      parallel.map(print, {2, 3}, {workers = 1})
      pool:map(print, {4})
      os.exit()
    ]]
    report.same({"1", "2", "3", "4", "status"}, result.lines)
  end)

  it("holds back what has no newline until that comes or it is hidden", function()
    local result, report = shows [[
      local function write(...) io.write(...) end
      local function tell(...) io.stderr:write(...) end
      parallel.map(write, {"begun "})
      core.show "status"
      parallel.map(write, {"a", "b"}, {workers = 1})
      parallel.map(tell, {"c", "d\ne"}, {workers = 1})
      os.exit()
    ]]
    report.same({"begun", "cd", "status"}, result.lines)
    result, report = shows [[
      local function write(...) io.write(...) end
      core.show "status"
      parallel.map(write, {"a", "b", "c\nd"}, {workers = 1})
      core.hide(true)
      parallel.map(write, {"e"})
    ]]
    report.same({"abc", "status", "de"}, result.lines)
  end)

  it("is not there where stderr is no terminal", function()
    local result, report = shows([[
      core.show "status"
      parallel.map(print, {core.columns() or "none"})
      core.hide(true)
    ]], {redirect = "2>&1 | cat"})
    report.same({"none", ""}, result.lines)
  end)

  it("is not for calls to show", function()
    local result, report = shows [[
      local function show() core.show "call" return core.columns() or "none" end
      core.show(parallel.map(show, {1})[1])
      parallel.map(function() core.hide() end, {1})
      os.exit()
    ]]
    report.same({"none"}, result.lines)
  end)

  it("goes when the script ends, and what was held back comes", function()
    local result, report = shows [[
      core.show "status"
      parallel.map(function(text) io.write(text) end, {"held"})
    ]]
    report.same({"held"}, result.lines)
  end)
end)
