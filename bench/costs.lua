--- What handing over costs on a backend: processor time of the caller's side, a chunk and a call, and how long a worker
-- waits. Calls wait, so that workers leave the processors to the caller however many there are.
-- @module costs

local bare = require "bare"
local measure = require "measure"
local report = require "report"
local work = require "work"

local costs = {}

local ROUNDS, WORKERS = 2, 8
local WAIT_S, CHUNKS = 0.002, 400
local LONG_CHUNK, LONG_CHUNKS = 1000, 40

local function wait(s) parallel.sleep(s) end

local function itself(x) return x end

-- Processor time of a process so far, in s, from the first field of its threads' schedstat.
local function used_s(pid)
  local pipe <close> = io.popen(("cat /proc/%d/task/*/schedstat 2>/dev/null"):format(pid))
  local ns = 0
  for line in pipe:lines() do ns = ns + (tonumber(line:match "^%d+") or 0) end
  return ns / 1e9
end

--- The processes that a process has started, and these, and so on; Linux only, elsewhere none.
-- @treturn {integer,...} their numbers, without its own
function costs.descendants(pid)
  local children, found = {}, {pid}
  local pipe <close> = io.popen "ps -eo pid=,ppid= 2>/dev/null"
  for line in pipe:lines() do
    local child, parent = line:match "(%d+)%s+(%d+)"
    children[parent] = children[parent] or {}
    table.insert(children[parent], child)
  end
  for _, one in ipairs(found) do
    table.move(children[tostring(one)] or {}, 1, #(children[tostring(one)] or {}), #found + 1, found)
  end
  return table.move(found, 2, #found + 1, 1)
end

--- What they have used by now together, in s.
function costs.used_s(pids)
  local sum = 0
  for _, pid in ipairs(pids) do sum = sum + used_s(pid) end
  return sum
end

local function my_number()
  local file <close> = io.open "/proc/self/stat"
  return file and file:read "n"
end

-- Calls f, and returns what was used in s meanwhile: `wall`; `main` by this thread; `own` by this process; `near` by
-- other processes of the caller's side; `far` by those of the other.
local function use(pids, f, ...)
  collectgarbage()
  local near_s, far_s = costs.used_s(pids.near), costs.used_s(pids.far)
  local main_s, own_s = bare.thread_s(), os.clock()
  local wall_s = measure.time(f, ...) / 1e9
  return {
    wall = wall_s, main = bare.thread_s() - main_s, own = os.clock() - own_s,
    near = costs.used_s(pids.near) - near_s, far = costs.used_s(pids.far) - far_s,
  }
end

-- The least of some rounds of each, for each of n.
local function least(n, pids, f, ...)
  local result = {}
  for _ = 1, ROUNDS do
    for key, s in pairs(use(pids, f, ...)) do result[key] = math.min(result[key] or math.huge, s * 1e9 / n) end
  end
  return result
end

--- Waits, and returns when it has begun and ended, in s.
function costs.wait(s)
  local begun_s = parallel.clock()
  parallel.sleep(s)
  return begun_s, parallel.clock()
end

-- How long one worker waits between two chunks: the median. Clocks of calls are compared with those of calls.
local function measure_away(open)
  local pool <close> = open(1)
  local times = pool:map(costs.wait, work.copies(WAIT_S, CHUNKS), {chunk = 1, pack = true})
  local away_ns = {}
  for i = 2, CHUNKS do away_ns[i - 1] = (times[i][1] - times[i - 1][2]) * 1e9 end
  return report.median(away_ns)
end

-- Who computes on which side: workers of this process far from it, though they are of its machine.
local function processes_of(backend, server)
  local pids = {near = {}, far = {}}
  local me = my_number()
  if me then
    pids[backend == "processes" and "far" or "near"] = costs.descendants(me)
    if server then pids.far = costs.descendants(server) end
  end
  return pids
end

--- Measures a backend.
-- @tparam string backend "threads", "processes" or "hosts"
-- @tparam function open takes a number of workers, returns a pool
-- @tparam[opt] integer server the process that has started the agents, where it is on this machine
-- @treturn table in ns: of a chunk `main` by the caller's thread, `process` by its process, `near` by the programs that
-- connect it, `far` by the side of the workers, beside calls, and `away`, for which a worker waits between two; of a
-- call `call` by the caller's thread
function costs.measure(backend, open, server)
  local pool <close> = open(WORKERS)
  pool:map(wait, work.copies(0.01, 2 * WORKERS), {chunk = 1})
  local pids = processes_of(backend, server)
  local chunks = least(CHUNKS, pids, pool.map, pool, wait, work.copies(WAIT_S, CHUNKS), {chunk = 1})
  local n_calls = LONG_CHUNK * LONG_CHUNKS
  local calls = least(n_calls, pids, pool.map, pool, itself, work.floats(n_calls), {chunk = LONG_CHUNK})
  local is_here = backend == "threads" -- its workers are of this process
  return {
    main = chunks.main, call = math.max(0, calls.main - chunks.main / LONG_CHUNK),
    process = is_here and chunks.main or chunks.own, near = chunks.near,
    far = is_here and chunks.own - chunks.main or chunks.far, away = measure_away(open),
  }
end

return costs
