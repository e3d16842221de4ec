--- Runners: processes that do the work of run.lua on one library each. They answer a line for a line.
-- @module runners

local runners = {}

local here = arg[0]:match("^(.*)/") or "."
local TIME_LIMIT_S = 600 -- a runner that hangs has ended by then

local Runner = {}
Runner.__index = Runner

-- The first of the commands that can run a program without an error.
local function first_that_works(commands, test)
  for _, command in ipairs(commands) do
    if os.execute(("%s %s >/dev/null 2>&1"):format(command, test)) then
      return command
    end
  end
end

local PYTHONS = {"/usr/bin/python3", "python3"}
local LUAS = {"lua5.4", "lua-5.4", "lua54", "lua"}

local function moons(mode)
  return function(n_workers, built)
    return ("'%s' '%s/moons.lua' %d %s '%s'"):format(arg[-1], here, n_workers, mode, built)
  end
end

local function python(library)
  return function(n_workers)
    local command = first_that_works(PYTHONS, ("-c 'import %s'"):format(library))
    return command and ("%s '%s/python.py' %d %s"):format(command, here, n_workers, library)
  end
end

local function node(mode)
  return function(n_workers, built)
    return ("node '%s/node.mjs' %d \"$PWD\"/'%s/peers' %s"):format(here, n_workers, built, mode)
  end
end

-- The kinds: a key, and a function that gives the command for so many workers, or nil.
local KINDS = {
  {key = "moons", command = moons("fresh")},
  {key = "kept", command = moons("kept")},
  {key = "python", command = python("multiprocessing")},
  {key = "joblib", command = python("joblib")},
  {key = "node", command = node("arrays")},
  {key = "typed", command = node("typed")},
  {key = "luv", command = function(n_workers)
    local lua = first_that_works(LUAS, [[-e 'assert(_VERSION == "Lua 5.4") require "luv"']])
    return lua and ("%s '%s/luv.lua' %d"):format(lua, here, n_workers)
  end},
  {key = "r", command = function(n_workers)
    return ("Rscript --vanilla '%s/parallel.R' %d"):format(here, n_workers)
  end},
  {key = "bare", command = moons("bare")},
}

--- The kind that is Moons with its defaults.
runners.moons = KINDS[1]

local timeout = first_that_works({"timeout 1"}, "true") and ("timeout %d "):format(TIME_LIMIT_S) or ""

--- Starts a runner.
-- @tparam table kind
-- @tparam integer n_workers
-- @tparam string built the folder of what was built
-- @treturn ?table the runner; nil where its library is not there
function runners.start(kind, n_workers, built)
  local command = kind.command(n_workers, built)
  if not command then
    return nil
  end
  local fifo = os.tmpname()
  os.remove(fifo)
  assert(os.execute("mkfifo " .. fifo))
  -- luv takes the size of its pool, which is libuv's, from the environment.
  local output = assert(io.popen(("{ rm %s; UV_THREADPOOL_SIZE=%d %s %s; } <%s 2>>'%s/peers.log'"):format(
    fifo, n_workers, timeout, command, fifo, built)))
  -- Opened to read too, so that this neither waits nor is ended where the runner has gone.
  local input = assert(io.open(fifo, "r+"))
  input:setvbuf("line")
  return setmetatable({key = kind.key, output = output, input = input}, Runner)
end

--- Sends a command.
function Runner:send(command)
  self.input:write(command, "\n")
end

--- Waits for the answer to a command.
-- @treturn ?number the first number of the answer; nil: it cannot do that
-- @treturn ?number the second
function Runner:receive()
  local line = assert(self.output:read("l"), self.key .. " has ended; see peers.log")
  local first, second = line:match("^(%S+) ?(%S*)")
  return tonumber(first), tonumber(second)
end

--- Both.
function Runner:ask(command)
  self:send(command)
  return self:receive()
end

--- Waits until it has started.
-- @treturn ?string its name and version; nil where it cannot run
function Runner:greet()
  self:send("hello")
  return self.output:read("l")
end

--- Ends it. Closing its input would not do: runners started later have that open too.
function Runner:stop()
  self:send("quit")
  self.input:close()
  self.output:close()
end

--- Which kinds there are.
-- @treturn {table,...} those that are there, each with its `version`
-- @treturn {table,...} those that are not
function runners.find(built)
  local present, absent = {}, {}
  for _, kind in ipairs(KINDS) do
    local runner = runners.start(kind, 1, built)
    if runner then
      kind.version = runner:greet()
      runner:stop()
    end
    table.insert(kind.version and present or absent, kind)
  end
  return present, absent
end

--- Starts one of each kind, and waits for all: what one is asked then, no other that still starts takes the cores from.
function runners.start_all(kinds, n_workers, built)
  local group = {}
  for _, kind in ipairs(kinds) do
    table.insert(group, runners.start(kind, n_workers, built))
  end
  for _, runner in ipairs(group) do
    runner:greet()
  end
  return group
end

--- Ends all of them.
function runners.stop_all(group)
  for _, runner in ipairs(group) do
    runner:stop()
  end
end

return runners
