--- Builds the C programs and modules of this folder for the `moons` that runs. `make` says in the environment how:
-- MOONS_CC compiles, MOONS_LIBS is what to link with, MOONS_LUA is Lua as it is in `moons`.
-- @module build

local machine = require "machine"

local build = {}

local WARNINGS = "-Wall -Wextra"

local function variable(name)
  return os.getenv(name) or error(name .. " is not set: measure with `make bench`")
end

-- Runs a command of the shell in which $to is the folder of what is built, $here that of the sources.
local function run(to, here, command)
  command = command:gsub("%$(%w+)", {to = to, here = here})
  assert(os.execute(command), "failed: " .. command)
end

-- How to compile a module of Lua.
local function shared(warnings)
  local how = machine.system() == "Darwin" and "-bundle -undefined dynamic_lookup" or "-shared"
  return ("%s %s -fvisibility=default %s"):format(variable "MOONS_CC", warnings or WARNINGS, how)
end

--- Builds the modules that need nothing else: those for counting instructions.
-- @tparam string here the folder of the sources
-- @tparam string there the folder of `moons` and libmoons.a
-- @treturn string the folder of what was built: `<there>/bench`
function build.modules(here, there)
  local to = there .. "/bench"
  run(to, here, "mkdir -p $to")
  for _, name in ipairs {"codec", "embedded"} do
    run(to, here, ("%s -o $to/%s.so $here/%s.c %s"):format(shared(), name, name, variable "MOONS_LIBS"))
  end
  return to
end

-- The rules service of examples/service, the same without a pool, and its client. Where cJSON or http-parser is
-- missing, none.
local function build_service(to, here)
  local needs = "printf '#include <http_parser.h>\n#include <cjson/cJSON.h>\n' | cc -E - >/dev/null 2>&1"
  if not os.execute(needs) then
    os.remove(to .. "/one_state")
    return
  end
  local examples, compile = here .. "/../examples/service", variable "MOONS_CC" .. " " .. WARNINGS
  local libraries = table.concat({variable "MOONS_LIBS", variable "MOONS_LUA", "-lcjson -lhttp_parser"}, " ")
  local function link(name, sources)
    run(to, here, ("%s -iquote %s -o $to/%s %s %s"):format(compile, examples, name, sources, libraries))
  end
  local shared_sources = ("%s/http.c %s/json.c"):format(examples, examples)
  link("service", ("%s/service.c %s/tenants.c %s"):format(examples, examples, shared_sources))
  link("one_state", "$here/one_state.c " .. shared_sources)
  link("client", "$here/../spec/service/client.c")
end

--- Builds everything. lua-cmsgpack, where it can be had (cmsgpack.sh says why not).
-- @param ... as `modules`
function build.all(here, there)
  local to, libraries = build.modules(here, there), variable "MOONS_LIBS"
  run(to, here, shared() .. " -o $to/bare.so $here/bare.c " .. libraries)
  for _, name in ipairs {"states", "hosts", "tenants", "rules"} do
    local files = ("-o $to/%s $here/%s.c"):format(name, name)
    run(to, here, table.concat({variable "MOONS_CC", WARNINGS, files, libraries, variable "MOONS_LUA"}, " "))
  end
  build_service(to, here)
  if not package.searchpath("cmsgpack", to .. "/?.so")
    and os.execute(("sh %s/cmsgpack.sh %s/cmsgpack.c"):format(here, to)) then
    run(to, here, shared "-w" .. " -o $to/cmsgpack.so $to/cmsgpack.c")
  end
  return to
end

return build
