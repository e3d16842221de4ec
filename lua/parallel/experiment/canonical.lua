--- Bytes that stand for a value: the same for equal values, in every state and on every machine. Keys of tables come
-- in order; a function is its code without lines, with all that it captures and names. Values without functions can be
-- read back (parallel.experiment.plain). The bytes are kept in files: they may never change their meaning.
-- @module parallel.experiment.canonical

local core = require "parallel.core"
local dump = require "parallel.experiment.dump"

local canonical = {}

local Writer = {}
Writer.__index = Writer

local STANDARD = {"_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table", "utf8"}

-- {== Names =======================================================================================

-- What is in C, or the module's own, has a name and no content.

local function is_in_c(value)
  return type(value) == "function" and debug.getinfo(value, "S").what == "C"
end

local function sorted_names(t)
  local names = {}
  for key in next, t do
    if type(key) == "string" then
      names[#names + 1] = key
    end
  end
  table.sort(names)
  return names
end

-- Notes what a module holds that has no content: functions in C and userdata; with `all`, all that can be noted.
local function note_fields(names, module_name, module, all)
  for _, field in ipairs(sorted_names(module)) do
    local value = rawget(module, field)
    local kind = type(value)
    local has_name = is_in_c(value) or kind == "userdata" or all and (kind == "table" or kind == "function")
    if has_name and not names[value] then
      names[value] = module_name .. "." .. field
    end
  end
end

-- Names of values, and of the tables of standard libraries.
local function collect_names()
  local names, libraries = {[_G] = "_G", [package.loaded] = "package.loaded"}, {}
  for _, name in ipairs(STANDARD) do
    local library = package.loaded[name]
    if type(library) == "table" then
      note_fields(names, name, core.original(name) or library)
      libraries[library] = name ~= "_G" and name or nil
    end
  end
  note_fields(names, "string.metatable", debug.getmetatable "")
  for _, name in ipairs(sorted_names(package.loaded)) do
    local module = package.loaded[name]
    local is_own = name == "parallel" or name:find "^parallel%." ~= nil
    if is_in_c(module) or is_own and type(module) == "table" then
      names[module] = names[module] or name
    end
    if type(module) == "table" and not libraries[module] and module ~= _G then
      note_fields(names, name, module, is_own)
    end
  end
  return names, libraries
end

-- {== Plain values ================================================================================

function Writer:put(bytes)
  self.n = self.n + 1
  self.out[self.n] = bytes
end

-- Raises an error that says why a value has no bytes.
local function refuse(what)
  error({canonical = what}, 0)
end

local write = {}

write["nil"] = function(self)
  self:put "n"
end

function write.boolean(self, value)
  self:put(value and "t" or "f")
end

function write.number(self, value)
  if math.type(value) == "integer" then
    self:put(string.pack(">c1i8", "i", value))
  elseif value ~= value then
    self:put "N" -- one for all
  else
    self:put(string.pack(">c1d", "d", value))
  end
end

function write.string(self, value)
  self:put(string.pack(">c1s8", "s", value))
end

function Writer:value(value)
  return write[type(value)](self, value)
end

-- Puts a mark for what was met before, or numbers it; returns whether it was met.
function Writer:is_met(object)
  local number = self.met[object]
  if number then
    self:put(string.pack(">c1I8", "r", number))
    return true
  end
  self.n_met = self.n_met + 1
  self.met[object] = self.n_met
  return false
end

-- Puts the name of a value that has one; returns whether it has.
function Writer:is_named(value)
  local name = self.names[value]
  if name then
    self.is_plain = false
    self:put "="
    write.string(self, name)
  end
  return name ~= nil
end

-- {== Tables ======================================================================================

-- Numbers before strings before all others.
local ORDER = {number = 1, string = 2, boolean = 3}

local function comes_before(a, b)
  if a.order ~= b.order then
    return a.order < b.order
  end
  return a.by < b.by
end

-- The bytes of a key that is an object, by itself.
function Writer:bytes_of_key(key)
  return canonical.bytes(key, self.names, self.libraries)
end

-- The names among the keys of a table, sorted, where all but those from 1 to n are names: it is quicker so.
local function sorted_names_only(t, n)
  local names, n_names = {}, 0
  for key in next, t do
    if type(key) == "string" then
      n_names = n_names + 1
      names[n_names] = key
    elseif not (math.type(key) == "integer" and key >= 1 and key <= n) then
      return nil
    end
  end
  table.sort(names)
  return names, n_names
end

-- The keys of a table but those from 1 to n, in an order that depends on the keys alone.
function Writer:sorted_keys(t, n)
  local keys = {}
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= n) then
      local order = ORDER[type(key)] or 4
      local by = order <= 2 and key or order == 3 and tostring(key) or self:bytes_of_key(key)
      keys[#keys + 1] = {key = key, order = order, by = by}
    end
  end
  table.sort(keys, comes_before)
  return keys
end

-- Most tables have names for keys, or none.
function Writer:put_fields(t, n)
  local names, n_names = sorted_names_only(t, n)
  if names then
    self:put(string.pack(">I8", n_names))
    for i = 1, n_names do
      write.string(self, names[i])
      self:value(rawget(t, names[i]))
    end
    return
  end
  local keys = self:sorted_keys(t, n)
  self:put(string.pack(">I8", #keys))
  for _, key in ipairs(keys) do
    self:value(key.key)
    self:value(rawget(t, key.key))
  end
end

function Writer:put_content(t)
  local n = 0
  while rawget(t, n + 1) ~= nil do
    n = n + 1
  end
  self:put(string.pack(">c1I8", "T", n))
  for i = 1, n do
    self:value(rawget(t, i))
  end
  self:put_fields(t, n)
end

-- What the script has changed in a standard library.
function Writer:put_library(library, name)
  self:put "L"
  write.string(self, name)
  for _, field in ipairs(sorted_names(library)) do
    local value = rawget(library, field)
    local is_own = self.names[value] == name .. "." .. field or type(value) ~= "function" and type(value) ~= "table"
    if not is_own and name ~= "package" then
      write.string(self, field)
      self:value(value)
    end
  end
  self:put "."
end

-- A value with `__marshal` is what that gives.
function Writer:is_marshalled(value, metatable)
  local marshal = type(metatable) == "table" and rawget(metatable, "__marshal")
  if type(marshal) == "string" then
    refuse(marshal)
  elseif not marshal then
    return false
  end
  self.is_plain = false
  local parts = table.pack(marshal(value))
  self:put(string.pack(">c1I8", "m", parts.n))
  for i = 1, parts.n do
    self:value(parts[i])
  end
  return true
end

function write.table(self, t)
  if self:is_named(t) or self:is_met(t) then
    return
  elseif self.libraries[t] then
    self.is_plain = false
    self.draws = self.draws or self.libraries[t] == "math"
    return self:put_library(t, self.libraries[t])
  end
  local metatable = debug.getmetatable(t)
  if metatable == nil then
    return self:put_content(t)
  elseif not self:is_marshalled(t, metatable) then
    self.is_plain = false
    self:put "M"
    self:value(metatable)
    self:put_content(t)
  end
end

function write.userdata(self, value)
  if self:is_named(value) or self:is_met(value) then
    return
  end
  local metatable = debug.getmetatable(value)
  if not self:is_marshalled(value, metatable) then
    local name = type(metatable) == "table" and rawget(metatable, "__name")
    refuse(type(name) == "string" and ("a userdata (%s)"):format(name) or "a userdata")
  end
end

function write.thread()
  refuse "a coroutine"
end

-- {== Functions ===================================================================================

function Writer:put_upvalues(f)
  for i = 1, debug.getinfo(f, "u").nups do
    local _, value = debug.getupvalue(f, i)
    if value == _G then
      self:put "E"
    elseif not self:is_met(debug.upvalueid(f, i)) then
      self:value(value)
    end
  end
end

function Writer:put_global(name)
  local value = rawget(_G, name)
  if value ~= nil and not self.globals[name] then
    self.globals[name] = true
    self:put "G"
    write.string(self, name)
    self:value(value)
  end
end

-- A module that is not loaded yet is loaded by the call: its file counts.
function Writer:put_module_of_file(name)
  local path = package.searchpath(name, package.path)
  local f = path and loadfile(path)
  if f then
    self:value(f)
  end
end

function Writer:put_module(name)
  if self.modules[name] then
    return
  end
  self.modules[name] = true
  self:put "Q"
  write.string(self, name)
  local module = package.loaded[name]
  if module ~= nil then
    self:value(module)
  else
    self:put_module_of_file(name)
  end
end

-- All globals of the script, where a function may name any.
function Writer:put_all_globals()
  for _, name in ipairs(sorted_names(_G)) do
    local value = rawget(_G, name)
    if self.names[value] ~= "_G." .. name and not self.libraries[value] then
      self:put_global(name)
    end
  end
end

function Writer:put_all_modules()
  for _, name in ipairs(sorted_names(package.loaded)) do
    local module = package.loaded[name]
    if not self.names[module] and not self.libraries[module] then
      self:put_module(name)
    end
  end
end

write["function"] = function(self, f)
  if self:is_named(f) then
    self.draws = self.draws or self.names[f]:find "^math%.random" ~= nil
    return
  elseif self:is_met(f) then
    return
  elseif is_in_c(f) then
    refuse "a C function of no module"
  end
  self.is_plain = false
  local code, globals, modules, is_dynamic, draws, requires_any = core.captures(f)
  self:put "F"
  write.string(self, dump.without_lines(code))
  self.draws = self.draws or draws or is_dynamic
  self:put_upvalues(f)
  for _, name in ipairs(sorted_names(globals)) do
    self:put_global(name)
  end
  for _, name in ipairs(sorted_names(modules)) do
    self:put_module(name)
  end
  if is_dynamic then
    self:put_all_globals()
  end
  if requires_any or is_dynamic then
    self:put_all_modules()
  end
end

-- {== The module ==================================================================================

local function new(names, libraries)
  local self = {out = {}, n = 0, met = {}, n_met = 0, globals = {}, modules = {}, is_plain = true, draws = false}
  self.names, self.libraries = names, libraries
  return setmetatable(self, Writer)
end

--- Names of what has no content, for many values that are written while no module is loaded.
-- @return what `bytes` and `setup` take
function canonical.names()
  return collect_names()
end

--- The bytes of a value.
-- @param value
-- @param names as `canonical.names` gives them
-- @param libraries the same
-- @treturn string
-- @treturn boolean whether they can be read back
-- @raise a table whose field `canonical` says what the value holds that has no bytes
function canonical.bytes(value, names, libraries)
  local self = new(names, libraries)
  self:value(value)
  return table.concat(self.out), self.is_plain
end

-- What the script has changed in libraries, and the metatables of basic types, which each call has.
function Writer:put_state()
  for _, name in ipairs(STANDARD) do
    local library = package.loaded[name]
    if self.libraries[library] then
      self:put_library(library, name)
    end
  end
  for _, value in ipairs {0, true, print} do
    self:value(debug.getmetatable(value))
  end
  self:value(debug.getmetatable(nil))
  local metatable = debug.getmetatable ""
  for _, event in ipairs(sorted_names(metatable)) do
    write.string(self, event)
    self:value(metatable[event])
  end
end

--- The bytes of what all calls of a map have in common.
-- @tparam {any,...} parts with their number in `n`: functions, and what else a result depends on
-- @treturn string
-- @treturn boolean whether a call may draw random numbers
-- @raise as `bytes`
function canonical.setup(parts, names, libraries)
  local self = new(names, libraries)
  for i = 1, parts.n do
    self:value(parts[i])
  end
  self:put_state()
  return table.concat(self.out), self.draws
end

return canonical
