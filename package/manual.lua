-- Writes manual pages, to stdout.
--
--     moons package/manual.lua command TEMPLATE VERSION    of the command, of a template and `moons --help` on stdin
--     moons package/manual.lua header HEADER VERSION       of moons.h, of its comments

local what, path, version = ...

local file = assert(io.open(path))
local source = file:read "a"
file:close()

-- As troff shows it.
local function escaped(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1"):gsub("^([.'])", "\\&%1"))
end

-- The command.

-- An option stands at the left, and what it does behind it or in the next line.
local function options_of(help)
  local lines, option = {}, nil
  local function add(name, text)
    table.insert(lines, (".TP\n.B %s\n%s"):format(escaped(name), escaped(text)))
  end
  for line in help:gmatch "[^\n]+" do
    local name, text = line:match "^  (%-.-)  +(.*)$"
    if not name then name, text = line:match "^  (%-%-%l+ %S+) (.*)$" end
    if name then
      add(name, text)
    elseif line:find "^  %-" then
      option = line:match "^  (.*)$"
    elseif option then
      add(option, line:match "^%s*(.*)$")
      option = nil
    end
  end
  return table.concat(lines, "\n")
end

local function command()
  local values = {VERSION = version, OPTIONS = options_of(io.read "a")}
  return (source:gsub("@(%u+)@", values))
end

-- The header.

-- Calls f(kind, text) for what the header has at its left: "comment", "section" or "code".
local function each_block(f)
  local at = 1
  while at <= #source do
    local first, last = source:find("^/%*.-%*/\n", at)
    if first then
      local text = source:sub(first, last)
      local section = text:match "^/%* {== (.-) =*"
      f(section and "section" or "comment", section or text)
      if section and text:find "\n%*%*" then f("comment", text:gsub("^[^\n]*\n", "", 1)) end
    else
      last = source:find("\n\n", at) or #source
      local comment = source:find("\n/%*", at)
      if comment and comment < last then last = comment end
      f("code", source:sub(at, last))
    end
    at = last + 1
  end
end

local function prose(comment)
  local text = comment:gsub("^/%*+%s*", ""):gsub("%s*%*/%s*$", ""):gsub("\n%s*%*%* ?", "\n"):gsub("^%*%* ?", "")
  return (escaped(text:gsub("^\n+", "")):gsub("\n\n+", "\n.PP\n"))
end

local function is_shown(code)
  local text = code:gsub("#[^\n]*\\\n[^\n]*", ""):gsub("#[^\n]*\n", ""):gsub("%s+", "")
  return text ~= "" and text ~= 'extern"C"{' and text ~= "}"
end

-- A comment stands before what it is about; the first one is about all.
local function header()
  local out = {(".TH MOONS.H 3 \"\" \"Moons %s\" \"Library Functions\""):format(version),
    ".SH NAME\nmoons.h \\- Lua functions in parallel, for programs in C",
    ".SH SYNOPSIS\n.nf\n#include <moons.h>\n",
    "cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs moons)\n.fi\n.SH DESCRIPTION"}
  local comment, is_first = nil, true
  local function add(text)
    table.insert(out, text)
  end
  each_block(function(kind, text)
    if kind == "section" then
      add(".SH " .. text:upper())
    elseif kind == "comment" and is_first then
      add(prose(text))
      is_first = false
    elseif kind == "comment" then
      if comment then add(".PP\n" .. prose(comment)) end
      comment = text
    elseif is_shown(text) then
      add(".PP\n.nf\n.B \"\"\n" .. escaped(text:gsub("MOONS_API ", "")) .. ".fi")
      if comment then add(".PP\n" .. prose(comment)) end
      comment = nil
    end
  end)
  add(".SH SEE ALSO\n.BR moons (1)\n")
  return table.concat(out, "\n")
end

io.write(what == "command" and command() or header())
