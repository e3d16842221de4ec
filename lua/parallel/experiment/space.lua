--- Checks of what grids and samples are made of: a table of parameters by name, and options.
-- @module parallel.experiment.space

local check = require "parallel.check"
local core = require "parallel.core"

local space = {}

-- Whether a string comes before another, byte by byte: `<` would ask the locale.
local function comes_before(a, b)
  local i = 1
  while a:byte(i) and a:byte(i) == b:byte(i) do
    i = i + 1
  end
  return (a:byte(i) or -1) < (b:byte(i) or -1)
end

--- The names of a table's parameters, sorted by their bytes: in the same order on every machine.
-- @tparam string where the function that was called
-- @tparam integer number which argument the table is
-- @param parameters
-- @tparam string wanted what the values are to be: "lists"
-- @treturn {string,...}
function space.names(where, number, parameters, wanted)
  local expected = ("table of %s by name"):format(wanted)
  if type(parameters) ~= "table" then
    check.refuse(where, number, expected, type(parameters))
  end
  local names = {}
  for name in next, parameters do
    if type(name) ~= "string" then
      check.refuse(where, number, expected, ("one that has [%s]"):format(tostring(name)))
    end
    names[#names + 1] = name
  end
  if #names == 0 then
    check.refuse(where, number, expected, "a table without any")
  end
  table.sort(names, comes_before)
  return names
end

--- Raises an error about a parameter.
function space.refuse(where, number, name, expected, got)
  check.refuse(where, number, ("parameter '%s': %s"):format(name, expected), got)
end

--- Checks a table of options, of which there is one.
-- @tparam string known the name of the option
-- @return its value, nil where it is not given
function space.option(where, number, options, known)
  if options == nil then
    return nil
  elseif type(options) ~= "table" then
    check.refuse(where, number, ("table of options, {%s = ...},"):format(known), type(options))
  end
  for name in next, options do
    if name ~= known then
      core.blame(("unknown option '%s' to '%s'; there is '%s'"):format(tostring(name), where, known))
    end
  end
  return options[known]
end

--- How many values a list has.
-- @return nil where the value is no list
-- @treturn ?string what it is
function space.count(list)
  if type(list) ~= "table" then
    return nil, type(list)
  end
  local n = check.integer(rawget(list, "n"))
  local why = not n and check.why_no_list(list)
  if why then
    return nil, why
  end
  n = n or #list
  return check.integer(n) and n >= 0 and n or nil, ("a table whose length is %s"):format(tostring(n))
end

return space
