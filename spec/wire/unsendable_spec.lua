-- What cannot travel is refused with an error that names the path to it.
local script = require "support.script"

-- Asserts that a map fails with kind "marshal" and a message that contains `message`.
local function refuses(map, message)
  script.passes(([[
    local ok, err = pcall(function() %s end)
    assert(not ok, "it was sent")
    if not tostring(err.message):find(%q, 1, true) then error(err.message) end
    equal(err.kind, "marshal")
    equal(parallel.map(function(x) return x + 1 end, {1, 2}), {2, 3})
  ]]):format(map, message))
end

describe("an argument that cannot be sent", function()
  it("is a file", function()
    refuses("parallel.map(print, {{jobs = {1, 2, {handle = io.tmpfile()}}}})",
      "argument 1: .jobs[3].handle: cannot send a userdata (FILE*)")
  end)

  it("is a coroutine", function()
    refuses("parallel.map(print, {coroutine.create(print)})", "argument 1: cannot send a coroutine")
  end)

  it("is a C function of no module", function()
    refuses("parallel.map(print, {coroutine.wrap(print)})",
      "argument 1: cannot send a C function of no loaded module")
  end)

  it("is a userdata without a name", function()
    refuses("local f = io.tmpfile() debug.setmetatable(f, {}) parallel.map(print, {{f}})",
      "argument 1: [1]: cannot send a userdata")
  end)

  it("is one of several", function()
    refuses("parallel.starmap(print, {{1, 2, {x = coroutine.create(print)}}})",
      "argument 3: .x: cannot send a coroutine")
  end)

  it("lies behind keys of every kind", function()
    refuses("parallel.map(print, {{['a key'] = {[2.5] = {[true] = {[-1] = coroutine.create(print)}}}}})",
      "argument 1: [\"a key\"][2.5][a boolean][-1]: cannot send a coroutine")
  end)

  it("is a key", function()
    refuses("parallel.map(print, {{t = {[coroutine.create(print)] = 1}}})", "cannot send a coroutine")
  end)

  it("is in a metatable", function()
    refuses("parallel.map(print, {{x = setmetatable({}, {__index = {t = coroutine.create(print)}})}})",
      "argument 1: .x its metatable.__index.t: cannot send a coroutine")
  end)

  it("is an upvalue of a function", function()
    refuses([[
      local thread = coroutine.create(print)
      parallel.map(print, {{f = function() return thread end}})
    ]], "argument 1: .f upvalue 'thread': cannot send a coroutine")
  end)

  it("is a global that a function in it names", function()
    refuses("thread = coroutine.create(print) parallel.map(print, {{f = function() return thread end}})",
      "global 'thread': cannot send a coroutine")
  end)

  it("lies very deep", function()
    refuses([[
      local t = {coroutine.create(print)}
      for i = 1, 5000 do t = {next = t} end
      parallel.map(print, {t})
    ]], "cannot send a coroutine")
  end)
end)

describe("a captured value that cannot be sent", function()
  it("is named by its variable", function()
    refuses([[
      local handle = io.tmpfile()
      parallel.map(function() return handle end, {1})
    ]], "upvalue 'handle': cannot send a userdata (FILE*)")
  end)

  it("is named by its path", function()
    refuses([[
      local config = {files = {io.tmpfile()}}
      local function inner() return config end
      parallel.map(function() return inner() end, {1})
    ]], "upvalue 'inner' upvalue 'config'.files[1]: cannot send a userdata (FILE*)")
  end)

  it("is named as a global", function()
    refuses("log = {file = io.tmpfile()} parallel.map(function() return log end, {1})",
      "global 'log'.file: cannot send a userdata (FILE*)")
  end)

  it("is named as one of init", function()
    refuses([[
      local handle = io.tmpfile()
      parallel.map(print, {1}, {init = function() return handle end})
    ]], "init: upvalue 'handle': cannot send a userdata (FILE*)")
  end)

  it("is f itself", function()
    refuses("parallel.map(coroutine.wrap(print), {1})", "cannot send a C function of no loaded module")
  end)

  it("is in a changed library", function()
    refuses("table.log = io.tmpfile() parallel.map(function() return table.log end, {1})",
      "cannot send a userdata (FILE*)")
  end)
end)

describe("a result that cannot be sent", function()
  it("is named by its path", function()
    refuses("parallel.map(function() return {a = {io.tmpfile()}} end, {1})",
      "result 1: .a[1]: cannot send a userdata (FILE*)")
    refuses("parallel.map(function() return 1, coroutine.create(print) end, {1}, {pack = true})",
      "result 2: cannot send a coroutine")
    refuses("parallel.map(function() return (string.gmatch('a', 'a')) end, {1})",
      "result 1: cannot send a C function of no loaded module")
  end)

  it("is an upvalue of a function", function()
    refuses("parallel.map(function() local f = io.tmpfile() return function() return f end end, {1})",
      "result 1: upvalue 'f': cannot send a userdata (FILE*)")
  end)

  it("beyond the first does no harm without pack", function()
    script.passes [[
      equal(parallel.map(function(x) return x, coroutine.create(print) end, {1, 2}), {1, 2})
    ]]
  end)
end)

describe("with errors = 'collect'", function()
  it("the calls whose arguments cannot be sent fail, and the others go on", function()
    script.passes [[
      local xs = {}
      for i = 1, 100 do xs[i] = i % 10 == 0 and {io.tmpfile()} or i end
      local r, errors = parallel.map(function(x) return x * 2 end, xs, {errors = "collect"})
      equal(r.n, 100)
      for i = 1, 100 do
        if i % 10 == 0 then
          equal({r[i], errors[i].index, errors[i].kind}, {nil, i, "marshal"})
          assert(errors[i].message:find("argument 1: [1]: cannot send a userdata (FILE*)", 1, true))
        else
          equal({r[i], errors[i]}, {2 * i, nil})
        end
      end
    ]]
  end)

  it("the calls whose results cannot be sent fail, and the others go on", function()
    script.passes [[
      local r, errors = parallel.map(function(x)
        return x % 3 == 0 and {x, coroutine.create(print)} or x
      end, parallel.range(1, 50), {errors = "collect"})
      equal(r.n, 50)
      for i = 1, 50 do
        equal(r[i], i % 3 ~= 0 and i or nil)
        equal(errors[i] and errors[i].kind, i % 3 == 0 and "marshal" or nil)
      end
    ]]
  end)

  it("rows that are no tables fail, and the others go on", function()
    script.passes [[
      local r, errors = parallel.starmap(function(a, b) return a + b end, {{1, 2}, 5, {3, 4}},
        {errors = "collect"})
      equal({r[1], r[2], r[3], r.n}, {3, nil, 7, 3})
      assert(errors[2].index == 2 and errors[2].message:find("row", 1, true))
    ]]
  end)
end)
