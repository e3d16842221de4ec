--- The module `forking` (forking.c), built for the build under test: what a C library can do to a process. As most
-- libraries it is built without sanitizers, whose runtime in the command is another than that of a module.
-- @module support.forking

local lfs = require "lfs"
local program = require "c.program"

local forking = {}

local source = "spec/support/forking.c"

--- Builds it, where it is older than its source.
-- @treturn string a pattern for package.cpath
function forking.path()
  local folder = os.getenv "MOONS":match "^(.*)/" .. "/spec"
  lfs.mkdir(folder)
  local path = folder .. "/forking.so"
  local built = lfs.attributes(path, "modification")
  if not built or built <= lfs.attributes(source, "modification") then
    local loose = lfs.attributes("/System/Library", "mode") and "-undefined dynamic_lookup" or ""
    local compiler = os.getenv "MOONS_CC":gsub("%-fsanitize=%S+", "")
    assert(program.make(path, table.concat({compiler, "-shared", loose, "-o %s", source}, " ")))
  end
  return folder .. "/?.so"
end

--- Options with which a script of a host finds it.
-- @tparam ?table host of `script.hosts`
function forking.options(host)
  local env = {LUA_CPATH = forking.path() .. ";;"}
  for name, value in pairs(host and host.env or {}) do
    env[name] = name == "LUA_CPATH" and forking.path() .. ";" .. value or value
  end
  return setmetatable({env = env}, {__index = host})
end

return forking
