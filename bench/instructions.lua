-- Counts the instructions of hot paths, and compares them with those that were accepted.
--
--     moons bench/instructions.lua compare|accept [path ...]
--
-- Times flicker, counts hardly do: each path is run (hot_paths.lua) a small and a large number of times
-- under valgrind, and the difference, for each time, is what counts. Fails where a path takes more than
-- the margin above the count that instructions.csv has for this compiler with its flags (CC, CFLAGS), Lua,
-- C library and kind of processor. Where it has none for these, says so and passes.

local here = arg[0]:match("^(.*)/") or "."
local there = arg[-1]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path

local build = require "build"
local machine = require "machine"
local report = require "report"

-- Each path has a name, and how often it is run; the smaller number of times is a tenth of that.
local PATHS = dofile(here .. "/hot_paths.lua")

local FILE = here .. "/instructions.csv"
local HEADING = "platform,path,instructions"
local MARGIN = 0.05
local TRIES = 3 -- the seeds of Lua's hashes differ from run to run, and with them the counts, a little

-- The C library has variants for kinds of processors, which would count differently: the plainest.
local ENVIRONMENT = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-ERMS,-FSRM,-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load"

local function succeeds(command)
  return os.execute(command .. " >/dev/null 2>&1")
end

local function start(set, path, n)
  return assert(io.popen(("%s %s valgrind --tool=callgrind --callgrind-out-file=/dev/null '%s' -b inline "
    .. "'%s/hot_paths.lua' '%s' %s %d 2>&1"):format(
    ENVIRONMENT, set.fixed_addresses, arg[-1], here, set.built, path, n)))
end

local function finish(pipe)
  local text = pipe:read("a")
  assert(pipe:close(), text)
  return math.tointeger(text:match("Collected : (%d+)"))
end

-- Instructions for each time.
local function count(set, path, n)
  local small, large = start(set, path, n // 10), start(set, path, n) -- at once
  local more = -finish(small)
  more = more + finish(large)
  return more / (n - n // 10)
end

-- A few counts in order, but no more than it takes until one is no larger than `enough`.
local function counts(set, path, n, enough)
  local list = {}
  repeat
    table.insert(list, count(set, path, n))
  until list[#list] <= enough or #list == TRIES
  table.sort(list)
  return list
end

-- Accepted counts: platform -> path -> count.
local function read_accepted()
  local accepted = {}
  local file <close> = io.open(FILE)
  for line in file and file:lines() or function() end do
    local platform, path, instructions = line:match("^([^,]+),([^,]+),(%d+)$")
    if platform then
      accepted[platform] = accepted[platform] or {}
      accepted[platform][path] = tonumber(instructions)
    end
  end
  return accepted
end

local function write_accepted(accepted)
  local file <close> = assert(io.open(FILE, "w"))
  file:write(HEADING, "\n")
  for _, platform in ipairs(report.sorted_keys(accepted)) do
    for _, path in ipairs(PATHS) do
      local instructions = accepted[platform][path[1]]
      if instructions then
        file:write(("%s,%s,%d\n"):format(platform, path[1], instructions))
      end
    end
  end
end

-- The paths that are asked for: all where none is named.
local function asked_for()
  local names, paths = table.concat(arg, " ", 2), {}
  for _, path in ipairs(PATHS) do
    if #arg < 2 or (" " .. names .. " "):find(" " .. path[1] .. " ", 1, true) then
      table.insert(paths, path)
    end
  end
  return paths
end

local function compare(set, accepted)
  local n_slower, n_faster = 0, 0
  for _, known in ipairs(asked_for()) do
    local path, n = table.unpack(known)
    local before = accepted[path]
    if before then
      local now = counts(set, path, n, before * (1 + MARGIN))[1]
      local change = now / before - 1
      local verdict = change > MARGIN and "MORE" or change < -MARGIN and "less" or ""
      print(("%-16s %10.0f, accepted %10.0f, %+6.1f%% %s"):format(path, now, before, change * 100, verdict))
      n_slower = n_slower + (change > MARGIN and 1 or 0)
      n_faster = n_faster + (change < -MARGIN and 1 or 0)
    else
      print(("%-16s has no accepted count"):format(path))
    end
  end
  if n_faster > 0 then
    print("Some take fewer instructions: `make instructions-accept` keeps that.")
  end
  if n_slower > 0 then
    print("Some take more instructions. Where that is meant: `make instructions-accept`.")
    os.exit(1, true)
  end
end

local function accept(set, accepted)
  for _, known in ipairs(asked_for()) do
    local path, n = table.unpack(known)
    local before = accepted[path]
    accepted[path] = math.floor(counts(set, path, n, 0)[(TRIES + 1) // 2] + 0.5)
    print(("%-16s %10d, before %10s"):format(path, accepted[path], before or "none"))
  end
end

local function main()
  if not succeeds("valgrind --version") then
    print("no valgrind here: nothing is counted")
    return
  end
  local accepted, platform = read_accepted(), machine.platform()
  print(platform)
  local is_new = not accepted[platform]
  if arg[1] == "compare" and is_new then
    print("no counts were accepted for these: nothing to compare with")
    return
  end
  accepted[platform] = accepted[platform] or {}
  local set = {
    built = build.modules(here, there),
    fixed_addresses = succeeds("setarch -R true") and "setarch -R" or "",
  }
  if arg[1] == "accept" then
    accept(set, accepted[platform])
    write_accepted(accepted)
  else
    compare(set, accepted[platform])
  end
end

assert(arg[1] == "compare" or arg[1] == "accept", "usage: moons bench/instructions.lua compare|accept [path ...]")
main()
