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

-- How to compile, and what to link with: compile, runtime (libmoons.a and libuv), lua, shared.
local function settings(here, there)
  local cc, pkg_config = os.getenv("CC") or "cc", os.getenv("PKG_CONFIG") or "pkg-config"
  local lua = find_lua(pkg_config)
  local is_mac = output_of("uname") == "Darwin"
  return {
    compile = ("%s %s -iquote %s/../runtime %s"):format(
      cc, FLAGS, here, output_of(pkg_config .. " --cflags " .. lua)),
    runtime = there .. "/libmoons.a",
    libraries = output_of(pkg_config .. " --libs libuv") .. " -lm",
    lua = lua_libraries(pkg_config, lua),
    shared = is_mac and "-fPIC -bundle -undefined dynamic_lookup" or "-fPIC -shared",
  }
end

-- lua-cmsgpack, where it can be had (cmsgpack.sh says why not).
local function build_cmsgpack(set, here, to)
  if package.searchpath("cmsgpack", to .. "/?.so") then
    return
  end
  if os.execute(("sh %s/cmsgpack.sh %s/cmsgpack.c"):format(here, to)) then
    local compile = set.compile:gsub("%-Wall %-Wextra", "-w")
    run(("%s %s -o %s/cmsgpack.so %s/cmsgpack.c"):format(compile, set.shared, to, to))
  end
end

local function build_codec(set, here, to)
  run(("%s %s -o %s/codec.so %s/codec.c %s %s"):format(
    set.compile, set.shared, to, here, set.runtime, set.libraries))
end

--- Builds the modules that need nothing else: those for counting instructions.
-- @tparam string here the folder of the sources
-- @tparam string there the folder of `moons` and libmoons.a
-- @treturn string the folder of what was built: `<there>/bench`
function build.modules(here, there)
  local to = there .. "/bench"
  run("mkdir -p " .. to)
  build_codec(settings(here, there), here, to)
  return to
end

--- Builds everything.
-- @param ... as `modules`
function build.all(here, there)
  local to = build.modules(here, there)
  local set = settings(here, there)
  for _, name in ipairs {"ceiling", "bare"} do
    run(("%s %s -o %s/%s.so %s/%s.c"):format(set.compile, set.shared, to, name, here, name))
  end
  run(("%s -o %s/states %s/states.c %s %s %s"):format(
    set.compile, to, here, set.runtime, set.lua, set.libraries))
  build_cmsgpack(set, here, to)
  return to
end

return build
