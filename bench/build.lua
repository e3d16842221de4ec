--- Builds the C programs and modules of this folder for the `moons` that runs.
-- @module build

local build = {}

local LUA_NAMES = {"lua5.4", "lua-5.4", "lua54", "lua"}
local FLAGS = "-std=c11 -O2 -g -Wall -Wextra -D_GNU_SOURCE -D_DARWIN_C_SOURCE -pthread"

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local text = pipe:read("a"):gsub("%s+$", "")
  return pipe:close() and text or nil
end

local function run(command)
  assert(os.execute(command), "failed: " .. command)
end

-- The first of the names that is a Lua 5.4.
local function find_lua(pkg_config)
  for _, name in ipairs(LUA_NAMES) do
    local version = output_of(pkg_config .. " --modversion " .. name)
    if version and version:match("^5%.4") then
      return name
    end
  end
  error("pkg-config knows no Lua 5.4")
end

-- Lua's archive where there is one, as in `moons`; otherwise its shared library.
local function lua_libraries(pkg_config, lua)
  local libraries = output_of(pkg_config .. " --libs " .. lua)
  local folder = output_of(pkg_config .. " --variable=libdir " .. lua)
  local archive = ("%s/lib%s.a"):format(folder, libraries:match("%-l(%S+)"))
  local file = io.open(archive)
  if not file then
    return libraries
  end
  file:close()
  return archive .. " -ldl"
end

--- Builds everything into `<folder of moons>/bench`.
-- @tparam string here the folder of the sources
-- @tparam string there the folder of `moons` and libmoons.a
-- @treturn string the folder of what was built
function build.all(here, there)
  local cc, pkg_config = os.getenv("CC") or "cc", os.getenv("PKG_CONFIG") or "pkg-config"
  local lua = find_lua(pkg_config)
  local to = there .. "/bench"
  run("mkdir -p " .. to)
  local compile = ("%s %s -iquote %s/../runtime %s"):format(
    cc, FLAGS, here, output_of(pkg_config .. " --cflags " .. lua))
  local is_mac = output_of("uname") == "Darwin"
  local shared = is_mac and "-bundle -undefined dynamic_lookup" or "-shared"
  run(("%s -fPIC %s -o %s/ceiling.so %s/ceiling.c"):format(compile, shared, to, here))
  local libraries = ("%s/libmoons.a %s %s -lm"):format(
    there, lua_libraries(pkg_config, lua), output_of(pkg_config .. " --libs libuv"))
  for _, name in ipairs {"states", "wire"} do
    run(("%s -o %s/%s %s/%s.c %s"):format(compile, to, name, here, name, libraries))
  end
  return to
end

return build
