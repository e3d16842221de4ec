--- Makes random programs: a function, what it captures, and arguments for it. Policy: statements are kept to kinds,
-- so that most calls come to their end; about half of the functions write to nothing but what their call has made,
-- and many of the rest have one write, in disguise. Nobody says which is which: the lanes are compared (lanes.lua).
-- @module trace.program

local random = math.random

local Program = {}
Program.__index = Program

local MOST_DEPTH, MOST_STATEMENTS, MOST_CAPTURED = 3, 7, 5

local function one_of(list)
  return list[random(#list)]
end

-- {== Names and lines =============================================================================

-- A program at its start. `forms` as `forms.read` returns them.
local function start(forms)
  return setmetatable({
    forms = forms, n_names = 9, depth = 0,
    top = {}, -- lines that declare what is captured
    init = {}, -- lines that run in the state before its first call
    seen = {}, -- expressions that tell what has become of what is captured
    tables = {}, scalars = {}, harmless = {}, harmful = {}, classes = {}, -- names of what is captured, by kind
    flags = {}, -- what its forms say of it
  }, Program)
end

function Program:name(letter)
  self.n_names = self.n_names + 1
  return letter .. self.n_names
end

function Program:put(line)
  local lines = self.lines
  lines[#lines + 1] = line:find "^%(" and ";" .. line or line -- which does not call what stands before
end

-- A line where what is captured is declared.
function Program:declare(line, ...)
  self.top[#self.top + 1] = line:format(...)
end

-- {== What is captured ============================================================================

local NUMBERS = {"0", "1", "2", "3", "5", "7", "-4", "2.5", "100", "0.0"}
local NUMBER_FIELDS, FIELDS = {"x", "y", "z"}, {"x", "y", "z", "name"}
local EVENTS = {
  "__index", "__newindex", "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm", "__idiv", "__band", "__bor",
  "__bxor", "__shl", "__shr", "__bnot", "__concat", "__eq", "__lt", "__le", "__call", "__close",
}

local FLAT = {
  "3, 1, 2, 4, x = 1, y = 2.5, z = 3, name = 'a'", "5, 7, -4, 1, x = 2, y = 0.0, z = -1, name = 'bc'",
  "2.5, 1, 1, 2, x = 3, y = 1, z = 100, name = '10'", "1, 2, 3, x = 0, y = 7, z = 2, name = ''",
}

-- A table of numbers and fields; all that captured functions read and write have this shape.
local function flat()
  return one_of(FLAT)
end

local function nested()
  return ("%s, sub = {%s}, list = {{%s}, {%s}}"):format(flat(), flat(), flat(), flat())
end

-- Declares a table under a name, which refers to others that are there.
local SHAPES = {
  function(self, name) self:declare("local %s = {%s}", name, nested()) end,
  function(self, name) self:declare("local %s = %s", name, self:captured()) end,
  function(self, name)
    self:declare("local %s = {%s, sub = %s, list = {%s, %s}}", name, flat(), self:captured(), self:captured(),
      self:captured())
  end,
  function(self, name)
    self:declare("local %s = {%s}", name, nested())
    self:declare("%s.self, %s.sub.up, %s.list[3] = %s, %s, %s", name, name, name, name, name, self:captured())
  end,
  function(self, name)
    self:declare("local %s = setmetatable({%s}, %s)", name, nested(), self:class())
    self.has_functions = true
  end,
  function(self, name) self:declare("%s = {%s}", name, nested()) end, -- a global
  function(self, name)
    self:declare("local %s = {%s, f = %s}", name, nested(), self:function_of(self.is_harmful))
    self.has_functions = true
  end,
  function(self, name)
    self:declare("local %s = {%s}", name, nested())
    self:declare("for i = 5, %d do %s.list[i] = {i, i, i, i, x = i, y = 2, z = 3, name = 'n' .. i} end",
      random(40) == 1 and 1200 or random(5, 200), name)
  end,
}

-- The name of a captured table: one that is there, or a new one.
function Program:captured()
  local tables = self.tables
  if #tables > 0 and (#tables >= MOST_CAPTURED or random(3) > 1) then
    return one_of(tables)
  end
  local name = self:name "t"
  local shape = #tables == 0 and SHAPES[1] or SHAPES[random(#SHAPES)]
  shape(self, name)
  tables[#tables + 1] = name
  self.seen[#self.seen + 1] = name
  return name
end

local PATHS = {"", "", "", "", ".sub", ".list[1]", ".list[2]"}

function Program:captured_path()
  return self:captured() .. one_of(PATHS)
end

function Program:scalar()
  if #self.scalars == 0 or #self.scalars < 3 and random(3) == 1 then
    local name = self:name "c"
    self:declare(random(5) == 1 and "%s = %s" or "local %s = %s", name, one_of(NUMBERS))
    self.scalars[#self.scalars + 1] = name
    self.seen[#self.seen + 1] = name
  end
  return one_of(self.scalars)
end

-- Runs `body` where new lines stand on their own, with no local variables in reach but the parameters; returns the
-- lines.
function Program:apart(body)
  local lines, numbers, strings, constants, own = self.lines, self.numbers, self.strings, self.constants, self.own
  self.lines, self.numbers, self.strings, self.constants, self.own = {}, {"n1"}, {"s1"}, {}, {"w1"}
  self.depth = self.depth + 1
  body()
  local made = self.lines
  self.lines, self.numbers, self.strings, self.constants, self.own = lines, numbers, strings, constants, own
  self.depth = self.depth - 1
  return made
end

-- Statements that a function with an effect is for: they write to what is captured, or to a parameter. One without
-- an effect has the same, and they are done to what its call has made.
function Program:put_effect()
  if random(3) == 1 then
    self:put "if type(p) == 'table' then"
    self:put_form(one_of(self.forms.writers), {X = "p"})
    self:put "end"
  elseif self.is_harmful and random(5) == 1 then
    self:put_form(self:pick "special")
  else
    self:put_write()
  end
end

local RETURNS = {"$n", "$n", "$s", "$c", "p", "q", "$R", "nil"}

-- Declares a function that is captured. `is_harmful`: it has an effect.
function Program:new_function(is_harmful)
  local was_harmful = self.is_harmful
  self.is_harmful = is_harmful
  local name = self:name(is_harmful and "e" or "p")
  local lines = self:apart(function()
    self:put "local x, y, z, n1, s1 = tonumber(p) or 2, tonumber(q), nil, 1, 'a'"
    self:put(("local w1 = {%s}"):format(nested()))
    if is_harmful or random(3) == 1 then
      self:put_effect()
    else
      self:put_form(self:pick "plain")
    end
    self:put("return " .. self:fill(is_harmful and one_of(RETURNS) or "tonumber($n) or 1", {}))
  end)
  self:declare("local function %s(p, q, ...)\n%s\nend", name, table.concat(lines, "\n"))
  self.is_harmful = was_harmful
  return name
end

-- The name of a captured function that has, or has not, an effect.
function Program:function_of(is_harmful)
  local list = is_harmful and self.harmful or self.harmless
  if self.depth >= MOST_DEPTH then
    return #list > 0 and one_of(list) or is_harmful and "rawset" or "type"
  end
  if #list == 0 or #list < 3 and random(3) == 1 then
    list[#list + 1] = self:new_function(is_harmful)
  end
  return one_of(list)
end

-- Declares a metatable without effects, and with the methods that forms call.
function Program:class()
  if #self.classes > 0 and random(2) == 1 then
    return one_of(self.classes)
  end
  local name = self:name "m"
  self:declare("local %s = {%s}", name, flat())
  self:declare("%s.__index = %s", name, one_of {name, "function(t, k) return k == 'z' and 5 or " .. name .. "[k] end"})
  self:declare("function %s.get(o, v) return (rawget(o, 'x') or 1) + (tonumber(v) or 2) end", name)
  for _, event in ipairs {"__add", "__sub", "__unm", "__lt", "__le", "__eq", "__call"} do
    self:declare("%s.%s = %s", name, event, self:function_of(false))
  end
  self:declare("function %s.__concat(a, b) return 'cat' end", name)
  self:declare("function %s.__len(o) return rawlen(o) end", name) -- lists with a long one have no end
  if random(3) == 1 then
    self:declare("function %s.__newindex(t, k, v) rawset(t, k, v) end", name)
  end
  if random(3) == 1 then
    self:declare("function %s.__tostring(t) return 'object' end", name)
  end
  self.classes[#self.classes + 1] = name
  local fields = "{%s.x, %s.y, %s.z, %s.name, %s[1], type(%s.__index), type(%s.__add), type(getmetatable(%s))}"
  self.seen[#self.seen + 1] = fields:gsub("%%s", name) -- a class itself would come home as that of the fuzzer
  return name
end

-- Declares a metatable all of whose metamethods are a function that may have an effect.
function Program:effects()
  local name, f = self:name "v", self:function_of(self.is_harmful)
  local fields = {}
  for _, event in ipairs(EVENTS) do
    if random(8) > 1 then
      fields[#fields + 1] = event .. " = " .. f
    end
  end
  self:declare("local %s = {%s}", name, table.concat(fields, ", "))
  self:declare("%s.__tostring = function(o) %s(o) return 'v' end", name, f)
  self:declare("%s.__len = function(o) %s(o) return 2 end", name, f)
  return name
end

-- {== Holes ========================================================================================

-- A form of a section that goes with what is wanted: without effects, few that are hardly ever proved.
function Program:pick(section)
  while true do
    local form = one_of(self.forms[section])
    local is_fit = self.is_harmful or not form.only and (not form.rare or random(25) == 1)
    if is_fit and (not form.random or random(10) == 1) and (not form.deep or random(40) == 1) then
      return form
    end
  end
end

-- An expression of a kind: with nothing in it that has holes of its own where it is deep.
function Program:expression(kind, last, names)
  local depth = names.depth or 0
  if depth >= 3 or random(3) == 1 then
    kind = last
  end
  names.depth = depth + 1
  local form = self:pick(kind)
  self:note(form, names)
  local text = self:fill(form[1], names)
  names.depth = depth
  return text
end

-- A function as an expression: captured, in a captured table, or made on the spot.
function Program:function_expression()
  local f = self:function_of(self.is_harmful)
  local how = random(6)
  if how == 1 then
    local name = self:name "f"
    self:put(("local %s = %s"):format(name, f))
    return name
  elseif how == 2 then
    return ("(function(...) return %s(...) end)"):format(f)
  elseif how == 3 then
    local name = self:name "h"
    self:declare("local %s = {call = %s}", name, f)
    return name .. ".call"
  elseif how == 4 and self.depth < MOST_DEPTH then
    return self:local_function()
  end
  return f
end

-- Puts a function with the effect that is wanted before the statement that is being made.
function Program:local_function()
  local name = self:name "g"
  self:put(("local function %s(p, q, ...)"):format(name))
  self.depth = self.depth + 1
  self:scoped(function() self:put_effect() end)
  self.depth = self.depth - 1
  self:put(self:fill("return $n", {}))
  self:put "end"
  return name
end

local HOLES
HOLES = {
  n = function(self, names) return self:expression("number", "last_numbers", names) end,
  I = function(self, names) return self:expression("integer", "last_integers", names) end,
  s = function(self, names) return "(" .. self:expression("string", "last_strings", names) .. ")" end,
  c = function(self, names) return "(" .. self:expression("condition", "last_conditions", names) .. ")" end,
  v = function(self, names) return self:expression("value", "value", names) end,
  o = function(self, names)
    return "(" .. (random(12) == 1 and self:expression("odd", "odd", names) or HOLES.i()) .. ")"
  end,
  i = function() return tostring(random(4)) end,
  k = function() return one_of(FIELDS) end,
  f = function() return one_of(NUMBER_FIELDS) end,
  N = function(self) return one_of(self.numbers) end,
  S = function(self) return one_of(self.strings) end,
  K = function(self) return self:scalar() end,
  W = function(self) return one_of(self.own) end,
  C = function(self) return self:captured_path() end,
  R = function(self) return random(2) == 1 and one_of(self.own) .. one_of(PATHS) or self:captured_path() end,
  T = function(self, names)
    names.T = names.T or self.is_harmful and self:captured_path() or one_of(self.own) .. one_of(PATHS)
    return names.T
  end,
  X = function(_, names) return names.X end,
  e = function(self) return self:function_expression() end,
  p = function(self) return self:function_of(false) end,
  M = function(self) return self:class() end,
  E = function(self) return self:effects() end,
}

-- A constant is read now and then in place of a variable.
local function readable(self)
  local constants = self.constants
  return #constants > 0 and random(3) == 1 and one_of(constants) or one_of(self.numbers)
end

--- Fills the holes of a text.
-- @tparam string text
-- @tparam table names new names by letter, and what $T and $X stand for; added to
-- @treturn string
function Program:fill(text, names)
  text = text:gsub("@(%a)", function(letter)
    names["@" .. letter] = names["@" .. letter] or self:name(letter)
    return names["@" .. letter]
  end)
  if text == "$N" then
    return readable(self)
  end
  return (text:gsub("%$(%a)", function(hole)
    return HOLES[hole](self, names)
  end))
end

-- {== Statements ==================================================================================

-- Notes what a form says of the program.
function Program:note(form, names)
  for _, flag in ipairs {"random", "varies", "bare", "memory"} do
    self.flags[flag] = self.flags[flag] or form[flag]
  end
  for _, line in ipairs(form) do -- what catches errors, or is called by the collector, can call itself without end
    self.flags.endless = self.flags.endless or line:find "pcall" or line:find "coroutine" or line:find "gc"
  end
  if form.init then
    self.init[#self.init + 1] = form.init
  end
  if form.top then
    self:declare("%s", form.top)
  end
  if form.see and self.is_harmful and random(4) > 1 then
    self.seen[#self.seen + 1] = self:fill(form.see:gsub("%$X", "$T"), names)
  end
end

-- Lets later statements use the names that a form has made.
function Program:adopt(form, names)
  for kind, list in pairs {number = "numbers", string = "strings", constant = "constants"} do
    local name = names["@" .. tostring(form[kind])]
    if name then
      table.insert(self[list], name)
    end
  end
end

-- Runs `body`, after which no names of its own are in reach.
function Program:scoped(body)
  local lengths = {}
  for _, list in ipairs {"numbers", "strings", "constants", "own"} do
    lengths[list] = #self[list]
  end
  body()
  for list, length in pairs(lengths) do
    for i = #self[list], length + 1, -1 do
      self[list][i] = nil
    end
  end
end

-- Puts a form, filled. A form with a block keeps its names to itself.
function Program:put_form(form, names)
  names = names or {}
  self:note(form, names)
  local has_block = false
  for _, line in ipairs(form) do
    has_block = has_block or line == "$B"
  end
  local function put_lines()
    for _, line in ipairs(form) do
      if line == "$B" then
        self:adopt(form, names)
        self:put_block(2)
      else
        self:put(self:fill(line, names))
      end
    end
  end
  if has_block then
    self:scoped(put_lines)
  else
    put_lines()
    self:adopt(form, names)
  end
end

-- Puts a write to what may be captured, by another name.
function Program:put_write()
  local names = {}
  self:put_form(self:pick "aliases", names)
  self:put_form(self:pick "writers", {X = names["@a"], T = names.T})
end

-- Puts a statement that could have an effect.
function Program:put_suspect()
  local kind = random(20)
  if kind <= 9 then
    self:put "do" -- a form may say `return`
    self:put_form(self:pick "callers")
    self:put "end"
  elseif kind <= 18 or not self.is_harmful then
    self:put_write()
  else
    self:put_form(self:pick "special")
  end
end

-- Puts a random statement. As many of those that could have an effect have one as are asked for.
function Program:put_statement()
  local is_suspect = random(4) == 1
  self.is_harmful = is_suspect and self.n_harmful > 0 and random(2) == 1
  if self.is_harmful then
    self.n_harmful = self.n_harmful - 1
  end
  if is_suspect then
    self:put_suspect()
  elseif self.depth == 0 and random(25) == 1 then
    self.is_harmful = random(2) == 1 -- what the collector does is hardly ever proved
    self:put_form(self:pick "room")
  else
    self:put_form(self:pick "plain")
  end
  self.is_harmful = false
end

-- Puts up to `n_most` statements whose names end with them.
function Program:put_block(n_most)
  if self.depth >= MOST_DEPTH then
    return
  end
  self.depth = self.depth + 1
  local is_harmful = self.is_harmful
  self:scoped(function()
    for _ = 1, random(n_most) do
      self:put_statement()
    end
  end)
  self.is_harmful = is_harmful
  self.depth = self.depth - 1
end

-- {== Arguments ===================================================================================

local NUMBERS_ONLY = {"1", "2", "3", "1", "2", "3", "4", "0", "2.5", "-7", "1e308", "math.mininteger", "-0.0"}
local ITEMS = {"1", "2", "3", "1", "2", "'10'", "'abc'", "2.5", "nil", "true"}

-- An argument of calls that have not numbers alone: seldom something with an identity of its own, as a class that the
-- function captures too.
function Program:item()
  if random(25) > 1 then
    return one_of(random(2) == 1 and ITEMS or NUMBERS_ONLY)
  end
  local known = one_of {self.tables, self.harmless, self.harmful, self.classes}
  self.flags.varies = self.flags.varies or #known > 0 or nil -- in plain Lua it is the captured one itself
  return #known > 0 and one_of(known) or "{1, 2}"
end

-- A table as an argument: of the call's own, or now and then a class, which the call then has under two names. What a
-- call writes to a class does not come home, where in plain Lua its results have it.
function Program:table_item()
  local class = #self.classes > 0 and random(8) == 1 and one_of(self.classes)
  self.flags.varies = self.flags.varies or class or nil
  return class and one_of {class, "setmetatable({x = 1}, " .. class .. ")"} or "{" .. one_of {flat(), nested()} .. "}"
end

function Program:row()
  local last = one_of {"nil", "nil", "{3, 1, 2}", self:table_item(), self:table_item(), self:item()}
  return ("{%s, %s, %s, n = 3}"):format(self:item(), self:item(), last)
end

-- A row with a class that the function captures too: a write to the argument is one to what is captured.
function Program:row_with_class()
  self.flags.varies = true
  return ("{%s, 2, %s, n = 3}"):format(one_of(NUMBERS_ONLY), self:class())
end

-- Calls with one number each, or one string or number, go other ways than those with rows of arguments.
local ROWS = {
  function() return ("{%s, n = 1}"):format(one_of(NUMBERS_ONLY)) end,
  function() return ("{%s, n = 1}"):format(one_of {"'10'", "'abc'", "'a'", one_of(NUMBERS_ONLY)}) end,
  Program.row, Program.row, Program.row, function() return ("{%s, %s, n = 2}"):format(one_of(NUMBERS_ONLY), "2") end,
}

function Program:rows()
  local rows, row = {}, random(3) == 1 and ROWS[1] or one_of(ROWS)
  row = self.takes_class and Program.row_with_class or row
  for i = 1, random(2, 4) do
    rows[i] = row(self)
  end
  return table.concat(rows, ", ")
end

-- {== The whole ===================================================================================

-- Puts so many constants that those of later statements have numbers too large for most instructions.
function Program:put_constants()
  local fields = {}
  for i = 1, 300 do
    fields[i] = ("%s'k%d'"):format(random(2) == 1 and "" or "f" .. i .. " = ", i)
  end
  self:put("local many = {" .. table.concat(fields, ", ") .. "}")
end

-- Fills the function: statements without an effect, and `n_harmful` with one.
function Program:make_body(n_harmful)
  self.n_harmful = n_harmful
  self.lines = self:apart(function()
    self.depth = 0
    self:put(("local n1, s1, w1 = 1, 'a', {%s}"):format(nested()))
    if random(12) == 1 then
      self.takes_class = true
      self:class()
      self:put(self:fill("if z and $c then z.$k = $n end", {}))
    end
    if random(6) > 1 then
      self:put "if y == nil then y = 2 end"
    end
    if random(40) == 1 then
      self:put_constants()
    end
    for _ = 1, random(MOST_STATEMENTS) do
      self:put_statement()
    end
    if self.n_harmful > 0 then
      self.is_harmful = true
      self:put_suspect()
      self.is_harmful = false
    end
    local results = table.concat(self.numbers, ", ") .. ", " .. table.concat(self.strings, ", ")
    self:put("do return " .. results .. ", w1 end")
  end)
end

-- How many statements with an effect a function has.
local function draw_harm()
  local kind = random(20)
  return kind <= 11 and 0 or kind <= 18 and 1 or random(2, 4)
end

-- A call is proved only where it gives data alone: what holds functions is told without them.
local DATA = [[
local function data(v, known)
if type(v) ~= 'table' then return type(v) == 'function' or v end
if known[v] then return known[v] end
local copy = {}
known[v] = copy
for k, x in next, v do copy[k] = data(x, known) end
return copy
end]]

-- The statement that tells what has become of what is captured.
function Program:told()
  if not self.has_functions then
    return "return " .. table.concat(self.seen, ", ")
  end
  local told = {}
  for i, name in ipairs(self.seen) do
    told[i] = ("data(%s, known)"):format(name)
  end
  return "local known = {} return " .. table.concat(told, ", ")
end

--- Makes a program.
-- @tparam table forms as `forms.read` returns them
-- @treturn table `lines`, which return the function, what is run before its first call, and rows of arguments; and
-- `flags`, what its forms say
function Program.new(forms)
  local self = start(forms)
  self:make_body(draw_harm())
  local rows = self:rows()
  local lines = {}
  local function add(text)
    for line in (text .. "\n"):gmatch "(.-)\n" do
      lines[#lines + 1] = line
    end
  end
  add(table.concat(self.top, "\n"))
  if self.has_functions then
    add(DATA)
  end
  add("local function f(x, y, z, ...)\nif x == 424242 then " .. self:told() .. " end")
  add(table.concat(self.lines, "\n"))
  add "end"
  add(#self.init > 0 and "local function init()\n" .. table.concat(self.init, "\n") .. "\nend" or "local init")
  add("return f, init, {" .. rows .. "}")
  return {lines = lines, flags = self.flags}
end

return Program
