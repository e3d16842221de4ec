local script = require "support.script"
local temporary = require "support.temporary"

-- Whether a library is installed where scripts find it.
local function has(module)
  local code = ("assert(pcall(require, %q))"):format(module)
  return script.run(code).code == 0
end

script.on_hosts("modules in a call", function(case, passes, host)
  -- A C library may keep memory of its own in a state: such states cannot be copied blindly.
  local function with_library(module, code)
    if not has(module) then
      pending(module .. " is not installed")
    else
      passes(code)
    end
  end

  it("can be the C library lpeg, loaded in init, by the call, or captured", function()
    with_library("lpeg", [[
      local lpeg = require "lpeg"
      local match, p = lpeg.match
      local function init()
        local l = require "lpeg"
        p = l.Ct(l.C(l.R "az" ^ 1) * (l.P "," * l.C(l.R "az" ^ 1)) ^ 0)
      end
      for _, fresh in ipairs {true, false} do
        for _, workers in ipairs {1, 2} do
          local options = {init = init, fresh = fresh, workers = workers, chunk = 3}
          local results = parallel.map(function(s) return match(p, s) end, {"a,b", "c", "1", "dd,e"}, options)
          equal(results, {{"a", "b"}, {"c"}, nil, {"dd", "e"}})
        end
      end
      local function count(s) return #lpeg.match(lpeg.Ct(lpeg.C(1) ^ 0), s) end
      local results = parallel.map(count, {"abc", "", "x"}, {chunk = 2})
      equal(results, {3, 0, 1})
      local function fresh_one(s) local l = require "lpeg" return l.match(l.P "a" ^ 0, s) end
      for _, x in ipairs(parallel.map(fresh_one, parallel.range(1, 100))) do equal(x, 1) end
    ]])
  end)

  it("can be the C library lfs, loaded in init, by the call, or captured", function()
    with_library("lfs", [[
      local lfs = require "lfs"
      local attributes = lfs.attributes
      local files
      local function init() files = require "lfs" end
      local function f(path)
        local n = 0
        for _ in files.dir(path) do n = n + 1 end
        local next_entry, left_open = files.dir(path)
        next_entry(left_open)
        return {attributes(path, "mode"), lfs.attributes(path).mode, files == lfs, n > 1}
      end
      for _, result in ipairs(parallel.map(f, {".", "/", "."}, {init = init, workers = 2, chunk = 2})) do
        equal(result, {"directory", "directory", true, true})
      end
      local function many()
        local next_entry, left_open = require "lfs".dir "."
        return next_entry(left_open) ~= nil
      end
      for _, ok in ipairs(parallel.map(many, parallel.range(1, 3000))) do equal(ok, true) end
    ]])
  end)

  it("can be the C library cjson, loaded in init, by the call, or captured", function()
    with_library("cjson", [[
      local cjson = require "cjson"
      local decode = cjson.decode
      local encoder
      local function init()
        encoder = require "cjson".new()
        encoder.encode_sparse_array(true)
      end
      local function f(text) return encoder.encode(decode(text)) end
      for _, fresh in ipairs {true, false} do
        local options = {init = init, fresh = fresh, workers = 2, chunk = 2}
        equal(parallel.map(f, {"[1,2]", '{"a":true}', '"x"', "[]"}, options), {"[1,2]", '{"a":true}', '"x"', "{}"})
      end
      equal(parallel.map(cjson.encode, {1, "a", false}), {"1", '"a"', "false"})
      equal(parallel.map(function(x) return x == cjson.null end, {cjson.null, 1}), {true, false})
    ]])
  end)

  it("are found where the caller's package.path says", function()
    temporary.folder({
      ["lib/shapes.lua"] = [[
        local shapes = {n_uses = 0}
        function shapes.area(w, h) shapes.n_uses = shapes.n_uses + 1 return w * h, shapes.n_uses end
        return shapes
      ]],
      ["lib/deep/init.lua"] = "return {name = ..., shapes = require 'shapes'}",
    }, function(folder)
      passes([[
        package.path = arg[1] .. "/lib/?.lua;" .. arg[1] .. "/lib/?/init.lua;" .. package.path
        local shapes = require "shapes"
        local area = shapes.area
        local function f(w, h)
          local deep = require "deep"
          return deep.name, deep.shapes == shapes, select(2, area(w, h)), select(2, shapes.area(w, h))
        end
        local results = parallel.starmap(f, {{1, 2}, {3, 4}, {5, 6}}, {pack = true, chunk = 2})
        for i = 1, 3 do equal(results[i], {"deep", true, 1, 2, n = 4}) end
        equal(shapes.n_uses, 0)
      ]], {args = {folder}})
    end)
  end)

  case("are found in the caller's package.preload", [[
    local base = 40
    package.preload.answers = function(name) return {all = base + 2, name = name} end
    local answers = require "answers"
    local function f() local a = require "answers" return {a.all, a.name, a == answers} end
    equal(parallel.map(f, {1}), {{42, "answers", true}})
  ]])

  case("that are missing are an error of the call", [[
    local ok, err = pcall(parallel.map, function() require "no.such.module" end, {1})
    assert(not ok and err.message:find "module 'no.such.module' not found", err)
  ]])

  case("and libraries that the script has patched are patched in calls", [[
    function string.trim(s) return (s:gsub("^%s+", ""):gsub("%s+$", "")) end
    math.tau = 2 * math.pi
    table.size = function(t) local n = 0 for _ in pairs(t) do n = n + 1 end return n end
    local real = string.upper
    string.upper = function(s) return real(s) .. "!" end
    equal(parallel.map(function(s) return s:trim() end, {" a ", "b "}), {"a", "b"})
    equal(parallel.map(function() return {math.tau, table.size {a = 1}, ("x"):upper()} end, {1}),
      {{2 * math.pi, 1, "X!"}})
    getmetatable("").__index = function(s, k) return type(k) == "number" and s:sub(k, k) or string[k] end
    equal(parallel.map(function(s) return s[2] .. s:len() end, {"abc"}), {"b3"})
    string.lower = nil
    equal(parallel.map(function() return string.lower == nil end, {1}), {true})
  ]])

  it("and globals that the script has replaced are replaced in calls", function()
    local result = passes [[
      local written = io.write
      function print(...) written("mine: ", ..., "\n") end
      local real = tonumber
      tonumber = function(v) return real(v) + 1 end
      parallel.map(function(x) print(tonumber(x)) end, {1, 2}, {workers = 1})
      utf8 = {char = "text"}
      equal(parallel.map(function() return utf8.char end, {1}), {"text"})
      os.getenv = nil
      equal(parallel.map(function() return os.getenv == nil end, {1}), {true})
      dofile = nil
      equal(parallel.map(function() return dofile == nil end, {1}), {true})
    ]]
    assert.equal("mine: 2\nmine: 3\n", result.stdout)
  end)

  it("and the module itself needs none of the globals that the script has replaced", function()
    script.prints([[
      local parallel, io = require "parallel", io
      type, next, pairs, ipairs, table, math, error, tostring, select, setmetatable, pcall, debug, string, rawget =
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
      local r = parallel.map(function(x) return x + 1 end, {1, 2}, {workers = 2, pack = false})
      io.write(r[1], r[2], r.n, "\n")
      r = parallel.map(function(x) return math + x end, parallel.range(1, 2), {errors = "collect"})
      io.write(r[1], r[2], "\n")
    ]], "232\n78", host)
  end)

  it("load text only, no bytecode", function()
    temporary.file("", function(name)
      passes([[
        local bytecode = string.dump(function() return 1 end)
        local name = arg[1]
        local file <close> = io.open(name, "wb")
        file:write(bytecode)
        file:flush()
        local function f(chunk)
          return {load("return 5")(), load(function() return nil end) ~= nil, (load(chunk)), (load(chunk, "x", "b")),
            (load(chunk, "x", "bt")), (loadfile(name)), (loadfile(name, "b")), pcall(dofile, name)}
        end
        local result = parallel.map(f, {bytecode})[1]
        equal({result[1], result[2], result[3], result[4], result[5], result[6], result[7], result[8]},
          {5, true, nil, nil, nil, nil, nil, false})
        local ok, err = pcall(parallel.map, function(chunk) return assert(load(chunk)) end, {bytecode})
        assert(not ok and err.message:find "binary", err)
      ]], {args = {name}})
    end)
  end)

  case("load text with an environment, and functions that are sent", [[
    local function f(x)
      local env = {x = x}
      load("y = x * 2", "chunk", "t", env)()
      return {env.y, load("return ...")(x), load(coroutine.wrap(function()
        coroutine.yield "return "
        coroutine.yield "7"
      end))()}
    end
    equal(parallel.map(f, {4}), {{8, 4, 7}})
  ]])
end)
