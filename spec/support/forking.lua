--- The module `forking` (forking.c), built for the build under test: what a C library can do to a process.
-- @module support.forking

local library = require "support.library"

local forking = {}

--- Builds it.
-- @treturn string a pattern for package.cpath
function forking.path()
  return (library.make "forking":gsub("forking%.so$", "?.so"))
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
