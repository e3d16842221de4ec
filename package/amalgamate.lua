-- Writes the library as one file: `moons package/amalgamate.lua FOLDER FILE... -- TWIN...` makes FOLDER/moons.c of the
-- C files, and copies moons.h. Of twins, x_linux.c and x_posix.c, the preprocessor takes one.
--
-- Includes of the system come first, then our headers, each behind those that it includes, then the files. Names of
-- one file that another one has too get the name of their file in front: `fail` of wire/report.c becomes
-- `wire_report__fail`.

local ROOT = "runtime/"

local function read_file(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local texts = setmetatable({}, {__index = function(texts, path)
  texts[path] = read_file(path)
  return texts[path]
end})

local function read(path)
  return texts[path]
end

local systems, seen_headers, headers = {}, {}, {}

-- Tokens.

-- The kinds of pieces: "word", "text" (a string, a comment, a number) and "other".
local PIECES = {
  {"text", "^/%*.-%*/"}, {"text", "^//[^\n]*"}, {"text", '^"[^"\\\n]*"'}, {"text", "^'[^'\\\n]*'"},
  {"word", "^[%a_][%w_]*"}, {"text", "^%.?%d[%w_.]*"}, {"other", "^%s+"}, {"other", "^%->"}, {"other", "^[^%w]"},
}

-- A string or character with escapes, for which patterns do not do.
local function quoted_end(source, at)
  local quote = source:sub(at, at)
  local place = at + 1
  while source:sub(place, place) ~= quote do
    place = place + (source:sub(place, place) == "\\" and 2 or 1)
  end
  return place
end

local function piece_at(source, at)
  if source:find("^[\"']", at) then
    return "text", quoted_end(source, at)
  end
  for _, piece in ipairs(PIECES) do
    local _, last = source:find(piece[2], at)
    if last then
      return piece[1], last
    end
  end
end

local function pieces(source)
  local list, at = {}, 1
  while at <= #source do
    local kind, last = piece_at(source, at)
    list[#list + 1] = {kind = kind, text = source:sub(at, last)}
    at = last + 1
  end
  return list
end

-- Names.

-- The names that a C file has for itself: functions, variables, types, tags, constants and macros. Of our shape, as
-- clang-format leaves it: what stands at the start of a line is of the file.
-- Names that begin with moons are of the whole library.
local function own_names(source)
  local names = {}
  local function add(name)
    if name and name ~= "struct" and not name:lower():find "^moons_" then names[name] = true end
  end
  local text = ("\n" .. source):gsub("/%*.-%*/", ""):gsub("\n[%u_]+ static", "\nstatic")
  for name in text:gmatch "\n#define ([%w_]+)" do add(name) end
  for line in text:gmatch "\nstatic ([^;={]*)" do
    add(line:match "%(%s*%*%s*const%s+([%w_]+)" or line:match "%(%s*%*([%w_]+)" or line:match "([%w_]+)%s*%("
      or line:match "([%w_]+)%s*%[" or line:match "([%w_]+)%s*$")
    for name in line:gmatch ",%s*%*?([%w_]+)%s*$" do add(name) end
  end
  for body in text:gmatch "%f[%w_]enum%s*[%w_]*%s*(%b{})" do
    for name in body:gmatch "[{,]%s*([%w_]+)" do add(name) end
  end
  for tag, name in text:gmatch "\ntypedef %l+%s*([%w_]*)%s*%b{}%s*([%w_]+);" do
    if tag ~= "" then add(tag) end
    add(name)
  end
  for tag in text:gmatch "\nstruct ([%w_]+) {" do add(tag) end
  for name in text:gmatch "\ntypedef [^{;]-([%w_]+);" do add(name) end
  for name in text:gmatch "\ntypedef [^{;]-%(%*([%w_]+)%)" do add(name) end
  return names
end

-- Whether a word is the name of a member where it stands: behind a dot or an arrow, or declared in a struct.
local function members(list)
  local are, depth, structs = {}, 0, {}
  local before, opens = "", false
  for i, piece in ipairs(list) do
    local text = piece.text
    if piece.kind == "word" then
      if before == "." or before == "->" then
        are[i] = true
      elseif structs[depth] then
        local k = i + 1
        while list[k].text:find "^%s" do k = k + 1 end
        are[i] = list[k].text:find "^[;,%[:]" ~= nil or (list[k].text == ")" and before == "*")
      end
      if text == "struct" or text == "union" then opens = true end
    elseif text == "{" then
      depth = depth + 1
      structs[depth], opens = opens, false
    elseif text == "}" then
      structs[depth], depth = nil, depth - 1
    elseif text:find "^[;()=,*]" then
      opens = false
    end
    if not text:find "^%s" and not text:find "^/[*/]" then before = text end
  end
  return are
end

-- The macros of headers that paste their argument to a word.
local pasting = setmetatable({}, {__index = function(pasting, word)
  local pastes = false
  for _, text in ipairs(headers) do
    pastes = pastes or text:find("\n#define " .. word .. "%([^\n]*##") ~= nil
  end
  pasting[word] = pastes
  return pastes
end})

local function rename(source, names)
  if not next(names) then return source end
  local list = pieces(source)
  local are_members = members(list)
  local out = {}
  for i, piece in ipairs(list) do
    local is_pasted = i > 2 and list[i - 1].text == "(" and list[i - 2].kind == "word" and pasting[list[i - 2].text]
    out[i] = piece.kind == "word" and not are_members[i] and not is_pasted and names[piece.text] or piece.text
  end
  return table.concat(out)
end

local function prefix_of(path)
  return path:gsub("^.*runtime/", ""):gsub("^.*obj/", ""):gsub("%.c$", ""):gsub("/", "_") .. "__"
end

-- Files.


-- Takes the includes out of a source. Those of the system are noted, but for those within an #if, which stay.
local function take_includes(source, found)
  local depth = 0
  return (source:gsub("[^\n]*\n", function(line)
    local directive, rest = line:match "^#%s*(%a+)%s*(.*)"
    if directive == "if" or directive == "ifdef" or directive == "ifndef" then depth = depth + 1 end
    if directive == "endif" then depth = depth - 1 end
    if directive ~= "include" then return nil end
    local own = rest:match '^"(.-)"'
    if own then
      found(own)
      return ""
    end
    if depth > 1 then return nil end
    systems[rest:match "^<.->"] = true
    return ""
  end))
end

local function add_header(path)
  if seen_headers[path] then return end
  seen_headers[path] = true
  local text = take_includes(read(ROOT .. path), add_header)
  table.insert(headers, ("/* {== %s == */\n\n%s"):format(path, text))
end

-- C files have no guard around them: a condition is one level.
local function take_file(path, includes)
  local function found(header)
    add_header(header)
    includes[#includes + 1] = header
  end
  return take_includes(("#if 1\n%s#endif\n"):format(read(path)), found):gsub("^#if 1\n", ""):gsub("#endif\n$", "")
end

local function guarded(twin, text)
  local is_linux = twin:find "_linux%.c$"
  return ("#if %s(defined(__linux__) && !defined(MOONS_PORTABLE))\n%s\n#endif\n"):format(is_linux and "" or "!", text)
end

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- How many files have each name, and all names that headers have.
local function count_names(files)
  local counts = {}
  for _, file in ipairs(files) do
    for name in pairs(file.names) do
      counts[name] = (counts[name] or 0) + 1
    end
  end
  for _, text in ipairs(headers) do
    for word in text:gsub("/%*.-%*/", ""):gmatch "[%a_][%w_]*" do
      if counts[word] then counts[word] = counts[word] + 1 end
    end
  end
  return counts
end

local function load_files(paths)
  local files, are_twins = {}, false
  for _, path in ipairs(paths) do
    if path == "--" then
      are_twins = true
    else
      local file = {path = path, is_twin = are_twins, includes = {}}
      file.text = take_file(path, file.includes)
      file.names = own_names(file.text)
      table.insert(files, file)
    end
  end
  return files
end

-- Types that headers declare and files define. One that several files define, each its own, as backends do, is a type
-- of its own in each; functions in a table of functions for it go through one that has the type of the header.

local function is_opaque(name)
  for _, text in ipairs(headers) do
    if text:find("\ntypedef struct " .. name .. " " .. name .. ";", 1, true) then return true end
  end
  return false
end

-- By name, the files that define such a type.
local function opaque_types(files)
  local types = {}
  for _, file in ipairs(files) do
    for tag in ("\n" .. file.text):gmatch "\nstruct ([%w_]+) {" do
      if not file.is_twin and is_opaque(tag) then
        types[tag] = types[tag] or {}
        table.insert(types[tag], file)
      end
    end
  end
  return types
end

-- The member of a table of functions for that type, as its header declares it: what it returns, and its parameters.
local function member(name, type)
  for _, text in ipairs(headers) do
    local returned, parameters = text:gsub("/%*.-%*/", ""):match("\n  ([%w_ %*]-)%(%*" .. name .. "%)(%b());")
    if returned and parameters:find(type .. " %*") then return returned, parameters:sub(2, -2) end
  end
end

-- A function with the types of the header that calls `f`, which has those of the file.
local function bridge(as, f, returned, parameters, type, own)
  local before, after, arguments = "", "", {}
  for parameter in parameters:gmatch "[^,]+" do
    local word = parameter:match "%(%*([%w_]+)%)" or parameter:match "([%w_]+)%s*$"
    if parameter:find(type .. " %*%*") then
      before = before .. ("  %s *made = NULL;\n"):format(own)
      after = after .. ("  *%s = (%s *)made;\n"):format(word, type)
      word = "&made"
    elseif parameter:find(type .. " %*") then
      word = ("(%s *)%s"):format(own, word)
    end
    table.insert(arguments, word)
  end
  local call = ("%s(%s);"):format(f, table.concat(arguments, ", "))
  if not returned:find "^void $" then
    call = after == "" and "return " .. call or ("%sresult = %s"):format(returned, call)
    after = after == "" and "" or after .. "  return result;\n"
  end
  return ("%s%s(%s) {\n%s  %s\n%s}\n"):format(returned, as, parameters, before, call, after)
end

-- Puts such functions before the table of functions, and into it.
local function add_bridges(text, type, own)
  local is_made = {} -- by function: several tables may have it
  return (text:gsub("\nconst [%w_]+ [%w_]+ = (%b{});", function(body)
    local bridges = {}
    local new = body:gsub("%.([%w_]+) = ([%w_]+),", function(name, f)
      local returned, parameters = member(name, type)
      if not returned then return nil end
      if not is_made[f] then
        table.insert(bridges, "static " .. bridge(f .. "_of_header", f, returned, parameters, type, own))
      end
      is_made[f] = true
      return (".%s = %s_of_header,"):format(name, f)
    end)
    if new == body then return nil end
    local head = text:match("\n(const [%w_]+ [%w_]+ = )%{", (text:find(body, 1, true)) - 100)
    return "\n" .. table.concat(bridges, "\n") .. "\n" .. head .. new .. ";"
  end))
end

-- The same for functions of the file that others call.
local function add_public_bridges(text, type, own)
  local bridges = {}
  text = text:gsub("\n([%w_][%w_ %*]-)([%w_]+)(%b()) {", function(returned, f, parameters)
    if returned:find "^static" or not parameters:find(own .. " %*") then return nil end
    local of_header = parameters:sub(2, -2):gsub(own, type)
    table.insert(bridges, bridge(f, f .. "_own", returned, of_header, type, own))
    return ("\nstatic %s%s_own%s {"):format(returned, f, parameters)
  end)
  return text .. "\n" .. table.concat(bridges, "\n")
end

local function split_types(files)
  for type, owners in pairs(opaque_types(files)) do
    for _, file in ipairs(#owners > 1 and owners or {}) do
      local own = prefix_of(file.path) .. type
      local text = rename(file.text, {[type] = own})
      text = add_public_bridges(add_bridges(text, type, own), type, own)
      file.text = ("typedef struct %s %s;\n%s"):format(own, own, text)
      file.names = own_names(file.text)
    end
  end
end

-- Whether a header of the file speaks of a struct that the file defines.
local function is_declared(name, includes)
  for _, header in ipairs(includes) do
    if read(ROOT .. header):find("%f[%w_]struct " .. name .. " ?[*;]") then return true end
  end
end

local function text_of(file, counts)
  local new = {}
  for name in pairs(file.names) do
    if counts[name] > 1 and not is_declared(name, file.includes) then new[name] = prefix_of(file.path) .. name end
  end
  local text = ("/* {== %s == */\n\n%s"):format(file.path:gsub("^runtime/", ""), rename(file.text, new))
  return file.is_twin and guarded(file.path, text) or text
end

local HEAD = [[
/*
** Moons %s as one file, made by `make amalg` of its sources, whose names stand before each. moons.h belongs to it.
** A program needs Lua 5.4 and libuv besides:
**
**   cc -O2 -pthread program.c moons.c $(pkg-config --cflags --libs lua5.4 libuv) -lm
**
** %s
*/
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#elif !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

/* Functions of headers that no file needs here. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wunused-function"
#endif

]]

local function licence()
  local text = read "LICENSE"
  return (text:match "(Copyright[^\n]*)") .. ". MIT: see LICENSE."
end

local folder = table.remove(arg, 1)
add_header "sizes.h"
local files = load_files(arg)
split_types(files)
local counts = count_names(files)
local header = read(ROOT .. "moons.h")
local out <close> = assert(io.open(folder .. "/moons.c", "w"))
out:write(HEAD:format(header:match '#define MOONS_VERSION "(.-)"', licence()))
for _, name in ipairs(sorted(systems)) do
  out:write("#include ", name, "\n")
end
out:write '\n#include "moons.h"\n\n'
for _, text in ipairs(headers) do
  if not text:find("^/%* {== moons%.h") then out:write(text, "\n") end
end
for _, file in ipairs(files) do
  out:write(text_of(file, counts), "\n")
end
local copy <close> = assert(io.open(folder .. "/moons.h", "w"))
copy:write(header)
