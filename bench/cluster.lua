--- What one caller costs on each backend, and what part of 8, 64 and 1000 cores it can keep in calls: simulated
-- (`caller.lua`) from costs of the same run (`costs.lua`), and compared with maps that this machine can run.
-- @module cluster

local bare = require "bare"
local caller = require "caller"
local costs = require "costs"
local measure = require "measure"
local report = require "report"
local work = require "work"

local folder, here = arg[1], arg[0]:match "^(.*)/" or "."
package.path = here .. "/../spec/?.lua;" .. package.path
local sshd = require "support.sshd"

local ROUNDS = 3
local IDLE_S = 10

-- As the backends say it.
local HANDOVER_NS = {threads = 0, processes = 30000, ssh = 50000, srun = 50000}

-- Costs.

-- How each of some backends is opened.
local function openers(launch)
  return {
    {name = "threads", backend = "threads", open = parallel.pool},
    {name = "processes", backend = "processes",
      open = function(n) return parallel.pool {workers = n, backend = "processes"} end},
    launch and {name = "ssh", backend = "hosts",
      open = function(n) return parallel.pool {hosts = {"one:" .. n, launch = launch}} end},
  }
end

-- Samples of a run in an allocation of Slurm's: lines "key value". None where there is no Slurm.
local function measure_srun(note)
  if not os.execute "sinfo -h >/dev/null 2>&1" then return end
  local command = "salloc --quiet -N 1 -n 1 -c 1 '%s' '%s' '%s' srun 2>/dev/null"
  local pipe <close> = io.popen(command:format(arg[-1], arg[0], folder))
  for line in pipe:lines() do
    local key, value = line:match "^(%S+) (%S+)$"
    note("srun", key, tonumber(value))
  end
end

-- Measures all backends, in turn. Returns by the name of each the medians of its costs.
local function measure_costs(sample, backends, server)
  local values = {}
  local function note(name, key, value)
    values[name] = values[name] or {}
    values[name][key] = values[name][key] or {}
    table.insert(values[name][key], value)
    sample(name .. "_" .. key, value)
  end
  for _ = 1, ROUNDS do
    for _, one in ipairs(backends) do
      for key, value in pairs(costs.measure(one.backend, one.open, one.name == "ssh" and server)) do
        note(one.name, key, value)
      end
    end
    measure_srun(note)
  end
  for _, of in pairs(values) do
    for key, list in pairs(of) do of[key] = report.median(list) end
  end
  return values
end

-- What the agent, its workers and what connects them use while nothing is to be done, in percent of a core.
local function measure_idle(sample, open, server)
  local pool <close> = open(2)
  pool:map(costs.wait, work.copies(0.01, 8), {chunk = 1})
  local pids = costs.descendants(server)
  local before_s = costs.used_s(pids)
  bare.sleep(IDLE_S)
  sample("idle", (costs.used_s(pids) - before_s) / IDLE_S * 100)
end

-- Simulations.

-- What is to be simulated. On a machine that is `shared` with the workers, their side's work is there too; where other
-- programs keep it busy as well, all of that takes `slowness` times as long.
local function simulate(name, of, map)
  local link, slowness = of.process - of.main + of.near, map.slowness or 1
  if map.is_shared then link = link + of.far end
  return caller.simulate({
    main = of.main * slowness, call = of.call * slowness, link = link * slowness, away = of.away,
    handover = HANDOVER_NS[name],
  }, map)
end

-- The same where the workers compute on the cores that the caller uses as well: what it needs they lose.
local function simulate_on_same(name, of, map)
  local result = simulate(name, of, map)
  local own = result.busy / map.n_workers
  result.caller = result.caller + own * result.efficiency
  result.efficiency = result.efficiency / (1 + own)
  return result
end

-- Maps that this machine can run.

-- How many times longer than alone threads that compute on all processors take, since other programs compute as well.
local function measure_slowness(sample, threads)
  local before_s, n = os.clock(), parallel.cpus()
  local wall_ns = measure.time(threads.run, threads, n * 100, 100000)
  local slowness = n * wall_ns / ((os.clock() - before_s) * 1e9)
  sample("slowness", slowness)
  return slowness
end

-- Calls that wait: as many workers as one likes. Samples what part of their workers' time they take, and what it should
-- be on this machine: if nothing else ran, and if all that hands over were as slow as threads that compute.
local function compare_wait(sample, one, of, pool, map, slowness)
  local sum_s, times = 0, nil
  local list = work.copies(map.ms / 1000, map.n_calls)
  local wall_ns = measure.time(function() times = pool:map(costs.wait, list, {pack = true}) end)
  for _, t in ipairs(times) do sum_s = sum_s + t[2] - t[1] end
  map.call_ns = sum_s * 1e9 / map.n_calls
  local key = ("%s_wait_%d_%d"):format(one.name, map.n_workers, map.ms)
  sample("real_" .. key, sum_s * 1e9 / (map.n_workers * wall_ns) * 100)
  for word, times_longer in pairs {said = 1, slow = slowness} do
    map.slowness = times_longer
    sample(word .. "_" .. key, simulate(one.name, of, map).efficiency * 100)
  end
end

local function compare_waits(sample, one, of)
  local threads <close> = bare.open(work.SPIN, parallel.cpus())
  for n_workers, lengths in pairs {[8] = {1, 10}, [64] = {10, 100}} do
    local pool <close> = one.open(n_workers)
    pool:map(costs.wait, work.copies(0.01, 2 * n_workers), {chunk = 1, pack = true})
    for _, ms in ipairs(lengths) do
      local map = {n_workers = n_workers, ms = ms, n_calls = n_workers * math.max(10, 500 // ms),
        n_processors = parallel.cpus(), is_shared = true}
      for _ = 1, ROUNDS do compare_wait(sample, one, of, pool, map, measure_slowness(sample, threads)) end
    end
  end
end

-- Calls that compute on two cores: the time of each, and what it should be by that of two bare threads that have the
-- calls from the start.
local function compare_work(sample, one, of)
  local spin = load(work.SPIN)()
  local loops_a_ms = measure.loops_a_second(spin) / 1e3
  local threads <close> = bare.open(work.SPIN, 2)
  local pool <close> = one.open(2)
  for _, ms in ipairs {1, 10} do
    local argument, n_calls = math.floor(loops_a_ms * ms), 400 // ms
    local list = work.copies(argument, n_calls)
    local said = simulate_on_same(one.name, of, {n_workers = 2, call_ns = ms * 1e6, n_calls = n_calls, n_processors = 2,
      is_shared = true})
    pool:map(spin, {argument, argument})
    for _ = 1, ROUNDS do
      local bare_ns = measure.time(threads.run, threads, n_calls, argument)
      sample(("real_%s_work_%d"):format(one.name, ms), measure.time(pool.map, pool, spin, list) / n_calls)
      sample(("said_%s_work_%d"):format(one.name, ms), bare_ns / said.efficiency / n_calls)
    end
  end
end

-- The table.

local CORES, CALLS = {8, 64, 1000}, {{1, "1 ms", 500}, {10, "10 ms", 200}, {1000, "1 s", 10}}

local LOSSES = {handing_over = "handing over", caller = "the caller", ends = "start and end"}

-- What most of the rest is lost to.
local function bound_of(result)
  local most = "ends"
  for key in pairs(LOSSES) do
    if result[key] > result[most] then most = key end
  end
  return LOSSES[most]
end

local function predict(name, of, n_cores, n_processors, call)
  local is_here = name == "threads" or name == "processes"
  return (is_here and simulate_on_same or simulate)(name, of, {n_workers = n_cores, call_ns = call[1] * 1e6,
    n_calls = n_cores * call[3], n_processors = is_here and n_cores or n_processors})
end

local function line_of(title, name, of, n_cores, n_processors, sample)
  local line = {("| %s | %d"):format(title, n_cores)}
  for _, call in ipairs(CALLS) do
    local result = predict(name, of, n_cores, n_processors, call)
    table.insert(line, ("%.1f %%, %s"):format(result.efficiency * 100, bound_of(result)))
    sample(("core_%s_%d_%d_%d"):format(name, n_processors, n_cores, call[1]), result.efficiency * 100)
  end
  return table.concat(line, " | ") .. " |"
end

-- Writes it to the folder of what is built, and shows it.
local function write_table(values, sample)
  local lines = {"| | cores | calls of 1 ms | of 10 ms | of 1 s |", "|---|---:|---|---|---|"}
  local function add(title, name, n_processors)
    for _, n_cores in ipairs(values[name] and CORES or {}) do
      table.insert(lines, line_of(title, name, values[name], n_cores, n_processors, sample))
    end
  end
  add("threads", "threads", 2)
  add("processes", "processes", 2)
  for _, n in ipairs {2, 16} do
    add(("hosts by ssh, %d processors for the caller"):format(n), "ssh", n)
    add(("hosts by srun, %d processors for the caller"):format(n), "srun", n)
  end
  local text = table.concat(lines, "\n") .. "\n"
  local file <close> = assert(io.open(folder .. "/predicted.md", "w"))
  file:write(text)
  io.stderr:write(text)
end

local function measure_all(sample, launch, server)
  local backends = openers(launch)
  local values = measure_costs(sample, backends, server)
  if launch then measure_idle(sample, backends[3].open, server) end
  for _, one in ipairs(backends) do
    compare_waits(sample, one, values[one.name])
    compare_work(sample, one, values[one.name])
  end
  write_table(values, sample)
end

--- Measures all of it; hosts where there can be an sshd.
-- @tparam function sample takes a key and a value
return function(sample)
  if sshd.lack() then
    measure_all(sample)
  else
    sshd.with(function(launch, _, server) measure_all(sample, launch, server) end)
  end
end
