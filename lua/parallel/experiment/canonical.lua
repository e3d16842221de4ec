--- What a call depends on, as bytes that are the same for equal values in every state (runtime/store/format.h). Plain
-- values are written in C; here is what is more: a function is its code without lines, with all that it captures and
-- names. The bytes are in files: they may never change their meaning.
-- @module parallel.experiment.canonical

local core = require "parallel.core"
local dump = require "parallel.experiment.dump"

local canonical = {}

local STANDARD = {"_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table", "utf8"}

-- What reaches all globals, or all modules, of these names.
local REACHES = {
  _G = "globals", ["_G.load"] = "globals", ["_G.loadfile"] = "globals", ["_G.dofile"] = "globals",
  ["package.loaded"] = "globals", ["_G.require"] = "modules",
}

-- {== Names =======================================================================================

-- What is in C, or the module's own, has a name and no content.
local Names = {}
Names.__index = Names

-- What functions are: maps ask again and again.
local is_of_c = setmetatable({}, {__mode = "k"})

local function is_in_c(value)
  if type(value) ~= "function" then
    return false
  elseif is_of_c[value] == nil then
    is_of_c[value] = debug.getinfo(value, "S").what == "C"
  end
  return is_of_c[value]
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

-- Gives a value a name. Where random numbers come of it, or other values, the writer shall not write the name by
-- itself.
function Names:add(value, name, may_draw)
  if self.of[value] == nil then
    local is_special = may_draw or REACHES[name] ~= nil
    self.of[value] = not is_special and name
    self.special[value] = is_special and {name = name, draws = may_draw, reaches = REACHES[name]} or nil
  end
end

-- Names what a module holds that has no content: functions in C and userdata; with `is_own`, all that can be named.
-- What the module `parallel` makes may draw a seed.
function Names:add_fields(module_name, module, is_own)
  for _, field in ipairs(sorted_names(module)) do
    local value = rawget(module, field)
    local kind = type(value)
    if is_in_c(value) or kind == "userdata" or is_own and (kind == "table" or kind == "function") then
      local name = module_name .. "." .. field
      self:add(value, name, is_own or name:find "^math%.random" ~= nil)
    end
  end
end

function Names:add_library(name, library)
  self:add_fields(name, core.original(name) or library)
  if name ~= "_G" then
    self.libraries[library], self.of[library] = name, false
  end
end

function Names:add_module(name, module)
  local is_own = name == "parallel" or name:find "^parallel%." ~= nil
  if is_in_c(module) or is_own and type(module) == "table" then
    self:add(module, name, is_own)
  end
  if type(module) == "table" and not self.libraries[module] and module ~= _G then
    self:add_fields(name, module, is_own)
  end
end

local function collect_names()
  local self = setmetatable({of = {}, special = {}, libraries = {}}, Names)
  self:add(_G, "_G")
  self:add(package.loaded, "package.loaded")
  local arguments = rawget(_G, "arg")
  if type(arguments) == "table" then
    self.arguments, self.of[arguments] = arguments, false
  end
  for _, name in ipairs(STANDARD) do
    local library = package.loaded[name]
    if type(library) == "table" then
      self:add_library(name, library)
    end
  end
  self:add_fields("string.metatable", debug.getmetatable "")
  for _, name in ipairs(sorted_names(package.loaded)) do
    self:add_module(name, package.loaded[name])
  end
  return self
end

function Names:find(value)
  return self.of[value] or self.special[value] and self.special[value].name
end

-- Whether a value has no content beside itself.
local function is_plain(value)
  local kind = type(value)
  return kind == "number" or kind == "string" or kind == "boolean"
end

-- Whether the script has put a value into a standard library that was not there before.
function Names:is_new(value, before, name)
  if is_plain(value) then
    return value ~= before or math.type(value) ~= math.type(before)
  end
  return (type(value) == "function" or type(value) == "table") and self:find(value) ~= name
end

-- What the script has changed in a standard library: fields with their values, and a list of those that are gone.
function Names:changes(library, name)
  local changes, before = {}, core.original(name) or library
  if name == "package" then
    return changes
  end
  for _, field in ipairs(sorted_names(library)) do
    local value = rawget(library, field)
    if self:is_new(value, rawget(before, field), name .. "." .. field) then
      changes[field] = value
    end
  end
  for _, field in ipairs(sorted_names(before)) do
    if rawget(library, field) == nil then
      table.insert(changes, field)
    end
  end
  return changes
end

-- {== Descriptions ================================================================================

-- What is being described, with its writer, names, and notes: whether it may draw random numbers, and which globals
-- and modules were written.
local Description = {}
Description.__index = Description

-- Puts a letter, a name, and a value.
function Description:put(tag, name, value)
  self.writer:put(tag)
  self.writer:value(name)
  self.writer:value(value)
end

-- A value with `__marshal` is what that gives.
function Description:put_marshalled(value, marshal)
  if type(marshal) == "string" then
    return self:refuse(marshal)
  end
  local parts = table.pack(marshal(value))
  self:put("m", parts.n, nil)
  for i = 1, parts.n do
    self.writer:value(parts[i])
  end
end

local function marshal_of(metatable)
  return type(metatable) == "table" and rawget(metatable, "__marshal")
end

-- Raises an error of the script's line that says why a value has no bytes. Where all globals are written, nobody knows
-- whether it is used: calls do not get it either.
function Description:refuse(what)
  if self.notes.has_all_globals then
    return self:put("?", what, nil)
  end
  core.blame(("%s cannot be kept in a store: it holds %s"):format(self.subject.name, what))
end

local describe = {}

-- Of the global `arg` what is the script's own: how the command was called, with its options, is of no account.
function Description:put_arguments(arguments)
  self:put("A", nil, table.move(arguments, 1, #arguments, 1, {}))
end

function describe.table(self, t)
  if t == self.names.arguments then
    return self:put_arguments(t)
  end
  local library = self.names.libraries[t]
  if library then
    self.notes.draws = self.notes.draws or library == "math"
    if library == "package" then
      self:put_all "globals"
    end
    return self:put("L", library, self.names:changes(t, library))
  end
  local metatable = debug.getmetatable(t)
  if marshal_of(metatable) then
    return self:put_marshalled(t, marshal_of(metatable))
  end
  self:put("M", nil, metatable)
  self.writer:content(t)
end

function describe.userdata(self, value)
  local metatable = debug.getmetatable(value)
  if marshal_of(metatable) then
    return self:put_marshalled(value, marshal_of(metatable))
  end
  local name = type(metatable) == "table" and rawget(metatable, "__name")
  self:refuse(type(name) == "string" and ("a userdata (%s)"):format(name) or "a userdata")
end

function describe.thread(self)
  self:refuse "a coroutine"
end

-- {== Functions ===================================================================================

function Description:put_upvalues(f)
  for i = 1, debug.getinfo(f, "u").nups do
    local _, value = debug.getupvalue(f, i)
    if value == _G then
      self.writer:put "E"
    else
      self.writer:variable(f, i)
    end
  end
end

-- Whether this is said for the first time.
function Description:is_new(kind, name)
  local said = self.notes[kind] or {}
  self.notes[kind] = said
  if said[name] then
    return false
  end
  said[name] = true
  return true
end

function Description:put_global(name)
  local value = rawget(_G, name)
  if value ~= nil and self:is_new("globals", name) then
    self:put("G", name, value)
  end
end

-- The library of the script: here `package` is as it was at the start, but for what is in its tables.
local function library_package()
  local library = package.loaded.package
  return type(library) == "table" and library or package
end

local function preloaded_module(name)
  return package.preload[name]
end

local function module_of_file(name)
  local templates = rawget(library_package(), "path")
  local path = type(templates) == "string" and package.searchpath(name, templates)
  return path and loadfile(path) or nil
end

-- What a searcher of the script's finds: a function that loads the module, and what that is given.
local function module_of_searcher(searcher, name)
  local searched, loader, data = pcall(searcher, name)
  return searched and type(loader) == "function" and {loader, data} or nil
end

-- What loads a module that is not loaded yet: the call does that, as `require` would here. The first searchers in C are
-- those that Lua begins with; what the others find is in C, too.
local function loader_of_module(name)
  local searchers, n_in_c = rawget(library_package(), "searchers"), 0
  for _, searcher in ipairs(type(searchers) == "table" and searchers or {}) do
    local found
    if is_in_c(searcher) then
      n_in_c = n_in_c + 1
      local find = ({preloaded_module, module_of_file})[n_in_c]
      found = find and find(name)
    else
      found = module_of_searcher(searcher, name)
    end
    if found then
      return found
    end
  end
end

function Description:put_module(name)
  if self:is_new("modules", name) then
    local module = package.loaded[name]
    if module == nil then
      module = loader_of_module(name)
    end
    self:put("Q", name, module)
  end
end

-- All globals of the script, where a function may name any.
function Description:put_all_globals()
  self.notes.draws, self.notes.has_all_globals = true, true
  for _, name in ipairs(sorted_names(_G)) do
    local value = rawget(_G, name)
    if self.names:find(value) ~= "_G." .. name and not self.names.libraries[value] then
      self:put_global(name)
    end
  end
end

function Description:put_all_modules()
  for _, name in ipairs(sorted_names(package.loaded)) do
    local module = package.loaded[name]
    if not self.names:find(module) and not self.names.libraries[module] then
      self:put_module(name)
    end
  end
end

-- What a function may reach whose names cannot be told.
function Description:put_all(what)
  if what == "globals" then
    self:put_all_globals()
  end
  if what then
    self:put_all_modules()
  end
end

describe["function"] = function(self, f)
  if is_in_c(f) then
    return self:refuse "a C function of no module"
  end
  local code, globals, modules, is_dynamic, draws, requires_any = core.captures(f)
  self.notes.draws = self.notes.draws or draws
  self:put("F", dump.without_lines(code), nil)
  self:put_upvalues(f)
  for _, name in ipairs(sorted_names(globals)) do
    self:put_global(name)
  end
  for _, name in ipairs(sorted_names(modules)) do
    self:put_module(name)
  end
  self:put_all(is_dynamic and "globals" or requires_any and "modules" or nil)
end

-- A value that has a name, and more to it.
function Description:put_special(special)
  self.notes.draws = self.notes.draws or special.draws
  self:put("D", special.name, nil)
  self:put_all(special.reaches)
end

-- {== The module ==================================================================================

-- What the writer leaves to Lua.
local function describer(names, subject)
  return function(writer, object, notes)
    local self = setmetatable({writer = writer, names = names, subject = subject, notes = notes}, Description)
    if names.special[object] then
      return self:put_special(names.special[object])
    end
    return describe[type(object)](self, object)
  end
end

-- What the script has changed in libraries, and the metatables of globals and of basic types: each call has them.
local function state_of(names)
  local state = {libraries = {}, metatables = {globals = debug.getmetatable(_G), string = debug.getmetatable ""}}
  for _, name in ipairs(STANDARD) do
    local library = package.loaded[name]
    if names.libraries[library] then
      state.libraries[name] = names:changes(library, name)
    end
  end
  state.metatables["nil"] = debug.getmetatable(nil)
  for _, value in ipairs {0, true, print, core.pause, coroutine and coroutine.running()} do
    state.metatables[type(value)] = debug.getmetatable(value)
  end
  return state
end

--- Makes a writer, for values that are written while no module is loaded.
-- @tparam table library `parallel.store`
-- @treturn userdata `writer:write(value)` gives bytes, whether they can be read back, and notes, whose field `draws`
-- says whether random numbers may be drawn; what holds a value that has no bytes is an error of the script's line
-- @treturn table what all calls have of the state: to be written as a value
-- @treturn table in its field `name` the writer finds what is being written, for that error
function canonical.writer(library)
  local names, subject = collect_names(), {}
  return library.writer(names.of, describer(names, subject), core.array_parts), state_of(names), subject
end

return canonical
