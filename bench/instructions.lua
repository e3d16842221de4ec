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

local FILE = here .. "/instructions.csv"
local HEADING = "platform,path,instructions"
local MARGIN = 0.05
local TRIES = 3 -- the seeds of Lua's hashes differ from run to run, and with them the counts, a little

-- The paths, and the large number of times of each; the small one is a tenth of it.
local PATHS = {
  {"call_small", 20000},
  {"call_all", 5000},
  {"call_kept", 50000},
  {"filter_kept", 50000},
  {"table_fresh", 20},
  {"table_kept", 50},
  {"rows_kept", 100},
  {"apply", 500},
  {"map_ten", 500},
  {"encode_floats", 500},
  {"decode_floats", 500},
  {"encode_records", 20},
  {"decode_records", 20},
  {"encode_tree", 300},
  {"decode_tree", 300},
}

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

-- The median of a few counts.
local function count_carefully(set, path, n)
  local counts = {}
  for i = 1, TRIES do
    counts[i] = count(set, path, n)
  end
  table.sort(counts)
  return counts[(TRIES + 1) // 2]
end

-- The least of a few counts, but no more of them than it takes to be within the margin.
local function count_until(set, path, n, most)
  local least = math.huge
  for _ = 1, TRIES do
    least = math.min(least, count(set, path, n))
    if least <= most then
      break
    end
  end
  return least
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
  local platforms = {}
  for platform in pairs(accepted) do
    table.insert(platforms, platform)
  end
  table.sort(platforms)
  local file <close> = assert(io.open(FILE, "w"))
  file:write(HEADING, "\n")
  for _, platform in ipairs(platforms) do
    for _, path in ipairs(PATHS) do
      local instructions = accepted[platform][path[1]]
      if instructions then
        file:write(("%s,%s,%d\n"):format(platform, path[1], instructions))
      end
    end
  end
end

local function is_asked_for(path)
  for i = 2, #arg do
    if arg[i] == path then
      return true
    end
  end
  return #arg < 2
end

local function compare(set, accepted)
  local n_slower, n_faster = 0, 0
  for _, known in ipairs(PATHS) do
    local path, n = table.unpack(known)
    local before = accepted[path]
    if is_asked_for(path) and before then
      local now = count_until(set, path, n, before * (1 + MARGIN))
      local change = now / before - 1
      local verdict = change > MARGIN and "MORE" or change < -MARGIN and "less" or ""
      print(("%-16s %10.0f, accepted %10.0f, %+6.1f%% %s"):format(path, now, before, change * 100, verdict))
      n_slower = n_slower + (change > MARGIN and 1 or 0)
      n_faster = n_faster + (change < -MARGIN and 1 or 0)
    elseif is_asked_for(path) then
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
  for _, known in ipairs(PATHS) do
    local path, n = table.unpack(known)
    if is_asked_for(path) then
      local before = accepted[path]
      accepted[path] = math.floor(count_carefully(set, path, n) + 0.5)
      print(("%-16s %10d, before %10s"):format(path, accepted[path], before or "none"))
    end
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
