--- Builds small C programs for the build under test, and runs them.
-- `make spec` says in the environment how: MOONS_CC compiles, MOONS_LIBS is what to link with.

local lfs = require "lfs"

local program = {}

local WARNINGS = "-iquote spec/c -Wall -Wextra -Wshadow -Wstrict-prototypes -Wconversion"

local function variable(name)
  return os.getenv(name) or error(name .. " is not set: run the specs with `make spec`", 3)
end

-- The folder of the build under test.
local function build_folder()
  return variable("MOONS"):match("^(.*)/") or "."
end

function program.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a shell command.
-- @treturn boolean whether it succeeded
-- @treturn string what it printed, and how it ended where it failed
function program.run(command)
  local path = os.tmpname()
  local succeeded, how, code = os.execute(("{ %s ; } >%s 2>&1 </dev/null"):format(command, path))
  local file <close> = assert(io.open(path, "rb"))
  local output = file:read("a")
  os.remove(path)
  if succeeded then
    return true, output
  end
  return false, ("%s\n(%s %d)\n$ %s"):format(output, how, code, command)
end

--- Runs a command that makes a file, which is there at once and whole, though others may make or use it just now.
-- @tparam string path
-- @tparam string command in which %s stands for where the file is to be made
-- @treturn boolean whether it succeeded
-- @treturn string what it printed, and how it ended where it failed
function program.make(path, command)
  local own = os.tmpname()
  local made = path .. "." .. own:match "[^/]*$"
  local succeeded, output = program.run((command:gsub("%%s", function() return program.quote(made) end)))
  os.remove(own)
  if succeeded then
    assert(os.rename(made, path))
  end
  return succeeded, output
end

local function modified(path)
  return lfs.attributes(path, "modification") or -math.huge
end

local function is_newer(target, sources)
  for _, source in ipairs(sources) do
    if modified(source) >= modified(target) then
      return false
    end
  end
  return true
end

--- Builds a program where it is older than what it is made of.
-- @tparam string name
-- @tparam {string,...} sources C files; headers may stand among them
-- @tparam[opt] string flags
-- @tparam[opt] string libraries beside those of the build
-- @treturn string its path
function program.build(name, sources, flags, libraries)
  local folder = build_folder() .. "/spec"
  local path = folder .. "/" .. name
  lfs.mkdir(folder)
  local inputs = {build_folder() .. "/libmoons.a", table.unpack(sources)}
  if is_newer(path, inputs) then
    return path
  end
  local files = {}
  for _, source in ipairs(sources) do
    if source:find("%.c$") then
      files[#files + 1] = source
    end
  end
  local command = table.concat({
    variable "MOONS_CC", WARNINGS, os.getenv "WERROR" or "-Werror", flags or "",
    "-o %s", table.concat(files, " "), variable "MOONS_LIBS", libraries or "",
  }, " ")
  local succeeded, output = program.make(path, command)
  if not succeeded then
    error(output, 2)
  end
  return path
end

--- The cases of a program: the names in the list that ends its source, each before its function, on one line or two.
function program.cases(source)
  local names = {}
  local file <close> = assert(io.open(source))
  for name in file:read("a"):gmatch '\n%s+{"([^\n"]*)",%s+[%l%d_]+},' do
    names[#names + 1] = name
  end
  return names
end

return program
