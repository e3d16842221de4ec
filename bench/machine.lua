--- On what a run was made, in words.
-- @module machine

local machine = {}

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local text = pipe:read("a"):gsub("%s+$", "")
  return pipe:close() and text ~= "" and text or nil
end

local function processor()
  return output_of("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1")
    or output_of("sysctl -n machdep.cpu.brand_string") or "unknown"
end

local function compiler()
  local text = output_of((os.getenv "CC" or "cc") .. " --version")
  local version = text and text:match("%d+%.%d+[%d.]*")
  return version and (text:find("Free Software") and "gcc " or "clang ") .. version or "unknown compiler"
end

local function lua_version()
  return (output_of(("'%s' -v"):format(arg[-1])) or ""):match("Lua (%d[%d.]*)") or _VERSION
end

--- The system's name; "unknown system" where it does not tell.
function machine.system()
  return output_of("uname") or "unknown system"
end

--- What decides which instructions a program is made of: compiler and flags, Lua, C library, kind of
-- processor.
function machine.platform()
  return ("%s %s Lua-%s %s %s"):format(
    (compiler():gsub(" ", "-")), os.getenv "CFLAGS" or "-O2 -g", lua_version(),
    ((output_of("getconf GNU_LIBC_VERSION") or "libc"):gsub(" ", "-")), output_of("uname -m") or "unknown")
end

--- Cores, processor, system, versions and date.
function machine.description()
  return ("%d cores (%s), %s, Lua %s, %s, %s"):format(
    parallel.cpus(), processor(), output_of("uname -sr | cut -d . -f 1-2") or "unknown system", lua_version(),
    compiler(), os.date("%Y-%m-%d"))
end

return machine
