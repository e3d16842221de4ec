-- The definitions for LuaLS (lua/types): they have every public name of the module, and each with its parameters.
local script = require "support.script"

local TYPES, EXPERIMENT = "lua/types/parallel.lua", "lua/types/parallel/experiment.lua"

local function read(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

-- The names that a script prints, a line each.
local function names_of(code)
  local result = script.run("local experiment = require 'parallel.experiment'\n" .. code)
  assert.equal(0, result.code, result.stderr)
  local names = {}
  for name in result.stdout:gmatch "[^\n]+" do
    names[#names + 1] = name
  end
  assert.truthy(#names > 0)
  return names
end

local PRINT_FUNCTIONS = [[
  for name, value in pairs(%s) do
    if type(value) == "function" then print(name) end
  end
]]

-- The fields of a class of the definitions, by name.
local function fields_of(file, class)
  local block = read(file):match("\n%-%-%-@class " .. class:gsub("%p", "%%%0") .. "%f[^%w.][^\n]*\n(.-)\n[^-]")
  local fields = {}
  for name in (block or ""):gmatch "@field ([%w_]+)" do
    fields[name] = true
  end
  return fields
end

-- The functions that definitions have, by name.
local function functions_of(file, prefix)
  local names = {}
  for name in read(file):gmatch("\nfunction " .. prefix:gsub("%p", "%%%0") .. "([%w_]+)%(") do
    names[name] = true
  end
  return names
end

local function check_names(expected, defined)
  local there = {}
  for _, name in ipairs(expected) do
    there[name] = true
  end
  assert.same(there, defined)
end

describe("the definitions for editors", function()
  for name, file in pairs {parallel = TYPES, experiment = EXPERIMENT} do
    it("have every function of " .. name .. ", and no others", function()
      check_names(names_of(PRINT_FUNCTIONS:format(name)), functions_of(file, name .. "."))
    end)
  end

  -- The tables of their methods have those of the module's own, too: the page says which are public.
  for class, where in pairs {
    pool = {"doc/pools.md", TYPES}, future = {"doc/pools.md", TYPES}, array = {"doc/arrays.md", TYPES},
    store = {"doc/experiments.md", EXPERIMENT},
  } do
    local page, file = table.unpack(where)
    it(("have every method of a %s, and no others"):format(class), function()
      local methods, variable = {}, class == "array" and "a" or class
      for name in read(page):gmatch("`" .. variable .. ":([%w_]+)[`(]") do
        methods[#methods + 1] = name
      end
      check_names(methods, functions_of(file, class .. ":"))
    end)
  end

  it("describe the parameters that each function has, in order", function()
    for _, file in ipairs {TYPES, EXPERIMENT} do
      for comment, parameters in read(file):gmatch "\n(%-%-%-[^\n]*\n[^\n].-)function [%w_.:]+(%b())" do
        local described = {}
        for name in comment:match "([^\n].*)$":gsub(".*\n\n", ""):gmatch "@param ([%w_.]+)" do
          described[#described + 1] = name
        end
        assert.equal(parameters, "(" .. table.concat(described, ", ") .. ")")
      end
    end
  end)

  it("have every option of a map", function()
    local fields, n = fields_of(TYPES, "parallel.MapOptions"), 0
    local rows = read "README.md":match "\n| option | default | meaning |\n(.-)\n\n"
    for name in rows:gmatch "\n| `(%w+)`" do
      assert.truthy(fields[name], name)
      n = n + 1
    end
    assert.truthy(n >= 12)
  end)

  it("have the fields of errors, reports and statistics", function()
    local errors = names_of [[
      local _, err = pcall(parallel.map, function() error {} end, {1}, {workers = 1})
      err.unsent, err.caller_traceback = "", nil
      for name in next, err do print(name) end
    ]]
    local uses = names_of [[
      local report = {}
      parallel.map(print, {}, {report = report})
      parallel.map(function() end, {1}, {report = report})
      for name in pairs(report[1]) do print(name) end
    ]]
    local stats = names_of "for name in pairs(parallel.pool(1):stats()) do print(name) end"
    for class, names in pairs {Error = errors, Use = uses, Stats = stats} do
      local fields = fields_of(TYPES, "parallel." .. class)
      for _, name in ipairs(names) do
        assert.truthy(fields[name], class .. "." .. name)
      end
    end
  end)

  it("have the fields of charts", function()
    local text = read "lua/parallel/experiment/chart.lua"
    for constant, class in pairs {CHART = "Chart", AXIS = "Axis", SERIES = "Series"} do
      local fields = fields_of(EXPERIMENT, "parallel." .. class)
      for name in text:match("\nlocal " .. constant .. " = (%b{})"):gmatch "([%a_]+) =" do
        assert.truthy(fields[name], class .. "." .. name)
      end
    end
  end)

  it("are Lua, which a language server reads", function()
    for _, file in ipairs {TYPES, EXPERIMENT} do
      assert(loadfile(file))
    end
  end)
end)
