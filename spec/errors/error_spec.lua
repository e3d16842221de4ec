-- The error value of a failed call: index, message, value, traceback, kind.
local script = require "support.script"

-- Scripts that know catch(f, xs, options): the error value of a map that must fail.
local CATCH = [[
  local function catch(...)
    local succeeded, err = pcall(parallel.map, ...)
    assert(not succeeded, "the map has not failed")
    equal(type(err), "table")
    return err
  end
]]

local function passes(code, options)
  return script.passes(CATCH .. code, options)
end

describe("an error", function()
  for _, host in ipairs(script.hosts) do
    it("whose value the caller cannot make anew is told all the same, with why " .. host.name, function()
      script.passes([[
        local function throw(again)
          local function build() error(again, 0) end
          local function marshal() return build end
          error(setmetatable({}, {__marshal = marshal, __tostring = function() return "lost" end}))
        end
        for again, why in pairs {["no such"] = "no such", [true] = "making it anew failed"} do
          local ok, err = pcall(parallel.map, throw, {again})
          equal({ok, err.kind, err.message, err.value, err.unsent}, {false, "error", "lost", nil, why})
          assert(err.traceback:find "in function")
          assert(tostring(err):find("lost (what was thrown cannot be had: " .. why, 1, true))
          ok, err = pcall(parallel.apply, throw, again)
          equal({ok, err.kind, err.message, err.value, err.unsent}, {false, "error", "lost", nil, why})
        end
      ]], host)
    end)

    it("has an index, a message, a value, a traceback and a kind " .. host.name, function()
      passes([[
        local err = catch(function(x) if x == 3 then error("boom " .. x) end return x end, {1, 2, 3, 4})
        equal({err.index, err.kind}, {3, "error"})
        assert(err.message:find("^stdin:%d+: boom 3$"))
        equal(err.value, err.message)
        assert(err.traceback:find("stack traceback", 1, true) and err.traceback:find("stdin:%d+: in function"))
      ]], host)
    end)
  end

  it("of level 0 or 2 has the message as it was given", function()
    passes [[
      local err = catch(function() error("plain", 0) end, {1})
      equal({err.message, err.value}, {"plain", "plain"})
      local function check(x) error("bad " .. x, 2) end
      err = catch(function(x)
        check(x)
      end, {1})
      assert(err.message:find("^stdin:%d+: bad 1$"))
    ]]
  end)

  it("raised by Lua itself says what was wrong and where", function()
    passes [[
      local err = catch(function(x) return x.field.missing end, {{}})
      assert(err.message:find("attempt to index a nil value (field 'field')", 1, true))
      err = catch(function(x) return x + {} end, {1})
      assert(err.message:find("attempt to perform arithmetic on a table value", 1, true))
      err = catch(function(x) return nothing(x) end, {1})
      assert(err.message:find("attempt to call a nil value (global 'nothing')", 1, true))
      err = catch(function() return ("x"):rep(-1, 5, 6):bad() end, {1})
      assert(err.message:find("bad", 1, true))
      equal(err.kind, "error")
    ]]
  end)

  it("raised by a library function blames the caller's line", function()
    passes [[
      local err = catch(function() return math.floor({}) end, {1})
      assert(err.message:find("bad argument #1 to 'floor' (number expected, got table)", 1, true))
      err = catch(math.floor, {"x"})
      assert(err.message:find("bad argument #1", 1, true))
    ]]
  end)

  it("in a script file has its name and lines in the traceback", function()
    local temporary = require "support.temporary"
    temporary.folder({
      ["helper.lua"] = "return {\n  fail = function(x)\n    error('from helper ' .. x)\n  end\n}\n",
      ["main.lua"] = "package.path = arg[0]:match '^(.*)/' .. '/?.lua'\nlocal function inner(x)\n"
        .. "  require 'helper'.fail(x)\n  return x\nend\nlocal function f(x)\n  inner(x)\n  return x\nend\n"
        .. "local _, err = pcall(parallel.map, f, {1})\nprint(err.message)\nprint(err.traceback)\n",
    }, function(folder)
      local result = script.moons({folder .. "/main.lua"})
      assert.equal(0, result.code, result.stderr)
      local text = result.stdout
      assert.truthy(text:find("helper.lua:3: from helper 1", 1, true), text)
      assert.truthy(text:find("helper.lua:3: in field 'fail'", 1, true)
        or text:find("helper.lua:3: in function", 1, true), text)
      assert.truthy(text:find("main.lua:3: in", 1, true), text)
      assert.truthy(text:find("main.lua:7: in function", 1, true), text)
    end)
  end)

  it("has no traceback of the runtime's own functions", function()
    passes [[
      local err = catch(function() error "x" end, {1})
      for line in err.traceback:gmatch "[^\n]+" do
        assert(line == "stack traceback:" or line:find "stdin:%d+" or line:find "%[C%]: in function 'error'", line)
      end
    ]]
  end)

  it("reads well as text", function()
    passes [[
      local err = catch(function(x) error("boom " .. x) end, {7})
      local text = tostring(err)
      assert(text:find("boom 7", 1, true) and text:find("1", 1, true) and text:find("stdin:%d+: in function"))
      assert(not text:find("table: ", 1, true))
    ]]
  end)

  it("that nobody catches ends the script with what it says on stderr", function()
    local result = script.run("parallel.map(function(x) error('boom ' .. x) end, {1})")
    assert.equal(1, result.code)
    assert.truthy(result.stderr:find("boom 1", 1, true), result.stderr)
    assert.truthy(result.stderr:find("stdin:1: in function", 1, true), result.stderr)
  end)

  it("is the same in a kept state", function()
    passes [[
      local function f(x) if x == 2 then error({code = 5}) end return x end
      local err = catch(f, {1, 2, 3}, {fresh = false})
      equal({err.index, err.kind, err.value}, {2, "error", {code = 5}})
      assert(err.traceback:find("stdin:%d+: in"))
      equal(parallel.map(function(x) return x end, {1, 2}, {fresh = false}), {1, 2})
    ]]
  end)
end)

describe("the value of an error", function()
  it("is a table again", function()
    passes [[
      local err = catch(function(x) error({code = x, list = {1, 2, {3}}}) end, {42})
      equal(err.value, {code = 42, list = {1, 2, {3}}})
      assert(type(err.message) == "string")
    ]]
  end)

  it("is nil, a boolean or a number again", function()
    passes [[
      for _, value in ipairs {false, true, 5, 2.5, math.mininteger} do
        local err = catch(function(v) error(v) end, {value})
        equal({err.value, err.kind, type(err.message)}, {value, "error", "string"})
      end
      local err = catch(function() error(nil) end, {1})
      equal({err.value, err.kind, type(err.message)}, {nil, "error", "string"})
      err = catch(function() error() end, {1})
      equal({err.value, err.kind}, {nil, "error"})
      assert(#tostring(err) > 0)
      equal(catch(function() error(12) end, {1}).message, "12")
    ]]
  end)

  it("with __tostring gives the message", function()
    passes [[
      local E = {__tostring = function(e) return "E " .. e.code end}
      local err = catch(function(x) error(setmetatable({code = x}, E)) end, {9})
      equal({err.message, err.value.code}, {"E 9", 9})
      assert(getmetatable(err.value) == E and tostring(err.value) == "E 9")
      assert(tostring(err):find("E 9", 1, true))
    ]]
  end)

  it("of a class of the caller is of that class", function()
    passes [[
      local Problem = {}
      Problem.__index = Problem
      Problem.__tostring = function(p) return p:describe() end
      function Problem:describe() return "problem " .. self.n end
      local function fail(n) error(setmetatable({n = n}, Problem)) end
      local err = catch(function(n) fail(n) end, {3})
      assert(getmetatable(err.value) == Problem and err.value:describe() == "problem 3")
      equal(err.message, "problem 3")
      err = catch(function(p) error(p) end, {setmetatable({n = 4}, Problem)}) -- through arguments alone
      assert(getmetatable(err.value) == Problem and err.message == "problem 4")
    ]]
  end)

  it("is a function or a module's value again", function()
    passes [[
      local err = catch(function(x) error(function() return x * 2 end) end, {21})
      equal(err.value(), 42)
      assert(catch(function() error(math.floor) end, {1}).value == math.floor)
    ]]
  end)

  for _, host in ipairs(script.hosts) do
    it("of a map tells where that stands, and the item, however the call was asked for " .. host.name, function()
      script.passes([[
        local function bad(x) if x == "bad" or type(x) == "table" then error("no", 0) end return x end
        local function caught(f, ...)
          local ok, err = pcall(f, ...)
          assert(not ok)
          return err
        end
        local pool <close> = parallel.pool(2)
        local function check(line, item, err)
          equal({err.caller, err.item, err.message}, {"stdin:" .. line, item, "no"})
          local text = tostring(err)
          assert(text:find("^stdin:" .. line .. ": call %d+ %(item .-%) failed: no"), text)
          assert(text == err .. "" and "<" .. err == "<" .. text and not text:find("parallel%.%l+:%d+"))
        end
        check(14, "bad", caught(function() local r = parallel.map(bad, {1, "bad"}) return r end))
        check(15, {5, n = 1}, caught(function() local r = parallel.map(bad, {{5, n = 1}}) return r end))
        check(16, {"bad", 2}, caught(function() local r = pool:starmap(bad, {{1, 2}, {"bad", 2}}) return r end))
        check(17, {"bad"}, caught(function() local r = parallel.run {parallel.delayed(bad)("bad")} return r end))
        check(18, "bad", caught(function() for _ in pool:imap(bad, {"bad"}) do end end))
        check(19, "bad", caught(function() local r = pool:apply(bad, "bad") return r end))
        local future = pool:submit(bad, "bad")
        check(20, "bad", caught(future.get, future))
        check(20, "bad", caught(future.get, future))
        local i = 0
        local function items() i = i + 1 return ({1, 2, "bad", 4})[i] end
        check(25, "bad", caught(function() local r = parallel.map(bad, items) return r end))
        local r, errors = parallel.map(bad, {"bad", 1, {n = 0}}, {errors = "collect"})
        check(26, "bad", errors[1])
        check(26, {n = 0}, errors[3])
        equal({r[2], errors.n}, {1, 2})
        local range = parallel.range(0.5, 9)
        local function small(x) if x == 3.5 then error "large" end end
        local err = caught(function() local r = parallel.map(small, range) end)
        equal({err.item, err.caller}, {3.5, "stdin:32"})
      ]], host)
    end)
  end

  it("of a map within a map tells each of them once, and where the innermost was raised first", function()
    passes [[
      local function inner(x) if x == 2 then error("two", 0) end end
      local function outer(x) local r = parallel.map(inner, {x, 1}) return r end
      local _, err = pcall(function() local r = parallel.map(outer, {1, 2}) return r end)
      local text = tostring(err)
      local first = "stdin:%d+: call 2 %(item 2%) failed: stdin:%d+: call 1 %(item 2%) failed: two\n"
      assert(text:find("^" .. first), text)
      assert(text:find("in function 'error'.*in the call, stack traceback:.*in the script, stack traceback:"), text)
      local function deeper(n) local r = parallel.map(deeper, {n + 1}) return r end
      local ok, deep = pcall(parallel.map, deeper, {1})
      equal({ok, deep.kind}, {false, "error"})
      text = deep.type_of and "" or getmetatable(deep).brief(deep)
      assert(text:find("maps deeper) maps are nested too deeply: more than 200", 1, true) and #text < 500, text)
    ]]
  end)

  it("shows items shortened", function()
    passes [[
      local function text_of(item)
        local _, err = pcall(parallel.map, function() error("no", 0) end, {item})
        return tostring(err):match "%(item (.-)%) failed"
      end
      equal(text_of(("x"):rep(100)), '"' .. ("x"):rep(40) .. '..."')
      equal(text_of "two\nlines", [=["two\nlines"]=])
      equal(text_of {1, "a", true, {}, 5, 6}, '{1, "a", true, {...}, ...}')
      equal(text_of {lr = 0.1, depth = 3, [true] = 1}, '{depth = 3, lr = 0.1}')
      equal(text_of(math.floor), "a function")
      equal(text_of(setmetatable({1}, {__index = error, __len = error, __pairs = error})), "{1}")
    ]]
  end)

  it("that cannot be sent is nil, and the message arrives", function()
    passes [[
      local err = catch(function() error(coroutine.create(print)) end, {1})
      equal({err.value, err.kind, err.index}, {nil, "error", 1})
      assert(err.message:find("thread", 1, true))
      local E = {__tostring = function() return "with a thread" end}
      err = catch(function() error(setmetatable({t = coroutine.create(print)}, E)) end, {1})
      equal({err.value, err.message}, {nil, "with a thread"})
      assert(tostring(err):find("cannot be had: error 1: .t: cannot send a coroutine", 1, true), err)
      err = catch(function() error(io.tmpfile()) end, {1})
      equal(err.value, nil)
    ]]
  end)

  it("that is shared within itself, deep or in cycles, is so again", function()
    passes [[
      local err = catch(function()
        local e = {}
        e.self = e
        for i = 1, 1000 do e.next = {prev = e.next} end
        error(e)
      end, {1})
      assert(err.value.self == err.value)
    ]]
  end)

  it("whose __tostring fails does not hide that the call failed", function()
    passes [[
      local E = {__tostring = function() error "in __tostring" end}
      local err = catch(function() error(setmetatable({code = 1}, E)) end, {1, 2}, {workers = 1})
      equal({err.index, err.kind, type(err.message)}, {1, "error", "string"})
      E = {__tostring = function() return 5 end}
      err = catch(function() error(setmetatable({}, E)) end, {1})
      equal({err.index, err.kind, type(err.message)}, {1, "error", "string"})
      E = {__tostring = function(e) return tostring(e) end} -- without end
      err = catch(function() error(setmetatable({}, E)) end, {1})
      equal({err.index, err.kind, type(err.message)}, {1, "error", "string"})
      equal(parallel.map(function(x) return x end, {1}), {1})
    ]]
  end)

  it("with a very long message arrives, cut but readable", function()
    passes [[
      local err = catch(function() error(("long "):rep(1000000)) end, {1})
      assert(#err.message > 1000 and err.message:find("long long", 1, true))
      assert(#tostring(err) < 10000000)
    ]]
  end)

  it("with zero bytes keeps them", function()
    passes [[
      local err = catch(function() error("a\0b", 0) end, {1})
      equal({err.message, err.value}, {"a\0b", "a\0b"})
    ]]
  end)
end)

describe("errors that Lua has trouble with", function()
  local function afterwards()
    return [[
      equal(parallel.map(function(x) return x * 2 end, {1, 2, 3}), {2, 4, 6})
      equal(parallel.map(function(x) return x * 2 end, {1, 2, 3}, {fresh = false}), {2, 4, 6})
    ]]
  end

  it("a stack overflow in Lua is an error like others", function()
    passes([[
      local function endless(n) return 1 + endless(n + 1) end
      for _, fresh in ipairs {true, false} do
        local err = catch(endless, {1, 2}, {fresh = fresh})
        equal({err.kind, type(err.index)}, {"error", "number"})
        assert(err.message:find("stack overflow", 1, true))
        assert(#err.traceback < 100000)
      end
    ]] .. afterwards())
  end)

  it("a stack overflow in C is an error like others", function()
    passes([[
      local function f(x) return (("x"):gsub("x", f)) end
      assert(catch(f, {1}).message:find("stack overflow", 1, true))
      local t = setmetatable({}, {})
      getmetatable(t).__index = function(s, k) return s[k] end
      assert(catch(function() return t.x end, {1}).message:find("stack overflow", 1, true))
      local deep = catch(function() return load(("("):rep(5000) .. "1" .. (")"):rep(5000)) or error "deep" end, {1})
      assert(deep.message:find("deep", 1, true))
    ]] .. afterwards())
  end)

  it("an error in an error's handler of the script is told", function()
    passes([[
      local err = catch(function()
        local _, message = xpcall(error, function() error "in the handler" end, "x")
        error("told: " .. tostring(message), 0)
      end, {1})
      assert(err.message:find("told: ", 1, true))
    ]] .. afterwards())
  end)

  it("an error in __close and in a coroutine is told", function()
    passes([[
      local err = catch(function()
        local c <close> = setmetatable({}, {__close = function() error "in close" end})
        error "in body"
      end, {1})
      assert(err.message:find("in close", 1, true))
      err = catch(function()
        local co = coroutine.wrap(function() local function deep() error "in coroutine" end deep() end)
        co()
      end, {1})
      assert(err.message:find("in coroutine", 1, true))
    ]] .. afterwards())
  end)

  it("an error in a finalizer harms no call", function()
    passes([[
      local r = parallel.map(function(x)
        setmetatable({}, {__gc = function() error "in gc" end})
        collectgarbage()
        setmetatable({}, {__gc = function() error "in gc at the end" end})
        return x
      end, {1, 2, 3})
      equal(r, {1, 2, 3})
    ]] .. afterwards())
  end)

  it("caught ones are no errors of the call, however deep", function()
    passes([[
      local r = parallel.map(function(x)
        local function nest(n)
          if n == 0 then error({x = x}) end
          local ok, e = pcall(nest, n - 1)
          error(e)
        end
        local ok, e = pcall(nest, 100)
        local caught = 0
        for _ = 1, 1000 do if not pcall(error, "x") then caught = caught + 1 end end
        return {ok, e.x, caught}
      end, {1, 2})
      equal(r, {{false, 1, 1000}, {false, 2, 1000}})
    ]] .. afterwards())
  end)

  it("memory that cannot be had fails the call with kind memory", function()
    passes([[
      local err = catch(function() return ("x"):rep(1 << 22) end, {1}, {memory = 1 << 20})
      equal({err.kind, err.index}, {"memory", 1})
      assert(err.message:find("memory", 1, true))
      err = catch(function() return #("x"):rep(1 << 22) end, {1}, {fresh = false, memory = 1 << 20})
      equal(err.kind, "memory")
      local r, errors = parallel.map(function(x)
        return x == 2 and ("x"):rep(1 << 22) or x
      end, {1, 2, 3}, {errors = "collect", memory = 1 << 20})
      equal({r[1], r[2], r[3], r.n, errors[2].kind}, {1, nil, 3, 3, "memory"})
    ]] .. afterwards())
  end)

  it("a string too long for Lua is an error", function()
    passes([[
      equal(catch(function() return ("x"):rep(math.maxinteger) end, {1}).kind, "error")
    ]] .. afterwards())
  end)

  it("error values that raise errors when they are compared or indexed arrive", function()
    passes([[
      local Hostile = {}
      for _, name in ipairs {"__index", "__newindex", "__len", "__eq", "__pairs", "__call", "__concat", "__name"} do
        Hostile[name] = function() error("touched by " .. name) end
      end
      local err = catch(function() error(setmetatable({1}, Hostile)) end, {1})
      equal({err.index, err.kind, rawget(err.value, 1)}, {1, "error", 1})
    ]] .. afterwards())
  end)
end)

describe("of several failed calls", function()
  for _, host in ipairs(script.hosts) do
    it("the lowest that is known is raised " .. host.name, function()
      passes([[
        for round = 1, 20 do
          local err = catch(function(x) if x >= 5 then error(x, 0) end return x end, {1, 2, 3, 4, 5, 6, 7, 8},
            {chunk = 8})
          equal({err.index, err.value}, {5, 5}) -- in one chunk they are run in their order
        end
        for round = 1, 20 do
          local err = catch(function(x) error(x, 0) end, parallel.range(1, 200), {workers = 4, chunk = 1})
          assert(err.index == err.value and err.index <= 200)
        end
      ]], host)
    end)
  end

  it("an error of the encoder competes with one of a call", function()
    passes [[
      for round = 1, 10 do
        local xs = {}
        for i = 1, 50 do xs[i] = i == 20 and {coroutine.create(print)} or i end
        local err = catch(function(x) if x == 1 then error "first" end return x end, xs, {workers = 1, chunk = 1})
        assert(err.index == 1 and err.kind == "error" or err.index == 20 and err.kind == "marshal")
      end
    ]]
  end)

  it("calls not yet started are dropped", function()
    script.prints([[
      local ok, err = pcall(parallel.map, function(x)
        print("call " .. x)
        if x == 2 then error "stop" end
      end, parallel.range(1, 1000000), {workers = 1, chunk = 1})
      print(err.index)
    ]], "call 1\ncall 2\n2")
  end)
end)
