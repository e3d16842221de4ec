--- Shared libraries of this folder, built for the build under test. As most libraries they are built without
-- sanitizers, whose runtime in the command is another than that of a module.
-- @module support.library

local lfs = require "lfs"
local program = require "c.program"

local library = {}

--- Builds one, where it is older than its source.
-- @tparam string name of its source here, without `.c`
-- @treturn string its path
function library.make(name)
  local source = "spec/support/" .. name .. ".c"
  local folder = os.getenv "MOONS":match "^(.*)/" .. "/spec"
  lfs.mkdir(folder)
  local path = folder .. "/" .. name .. ".so"
  local built = lfs.attributes(path, "modification")
  if not built or built <= lfs.attributes(source, "modification") then
    local loose = lfs.attributes("/System/Library", "mode") and "-undefined dynamic_lookup" or ""
    local compiler = os.getenv "MOONS_CC":gsub("%-fsanitize=%S+", "")
    assert(program.make(path, table.concat({compiler, "-shared", loose, "-o %s", source}, " ")))
  end
  return path
end

return library
