--- Scripts under mpirun, on ranks that all are on this machine.
-- @module support.mpi

local forking = require "support.forking"

local mpi = {}

local mpirun = os.getenv "SPEC_MPIRUN"

local function says(command, text)
  local pipe <close> = io.popen(command .. " 2>&1")
  return pipe:read "a":find(text) ~= nil
end

--- Why there is no MPI; nil: there is.
mpi.missing = not mpirun and "needs Open MPI or MPICH, with its mpicc" or nil

--- Whether it is Open MPI, which wants to be told that this machine is enough, and root too.
mpi.is_open = mpirun and says(mpirun .. " --version", "Open MPI") or mpirun and says(mpirun .. " --version", "OpenRTE")

--- The words that start so many ranks.
function mpi.launcher(n)
  local words = {mpirun, "-n", tostring(n)}
  local of_open = mpi.is_open and {"--oversubscribe", "--bind-to", "none", "--allow-run-as-root"} or {}
  return table.move(of_open, 1, #of_open, #words + 1, words)
end

--- Options with which a script runs on ranks.
-- @tparam[opt=3] integer n how many
-- @tparam[opt] table more other options
function mpi.options(n, more)
  local options = forking.options {launcher = mpi.launcher(n or 3), flags = {"-b", "mpi"}, env = more and more.env}
  local own = {}
  for name, value in pairs(more or {}) do own[name] = value end
  own.env = options.env
  return setmetatable(own, {__index = options})
end

return mpi
