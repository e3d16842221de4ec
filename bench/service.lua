--- The rules service of examples/service under load, against the same with one Lua state and no pool
-- (`one_state.c`), and a million requests. The client is that of its specs, which compares each answer, on the
-- same machine.
-- @module service

local measure = require "measure"

local folder = arg[1]

local ROUNDS, ROUND_S = 8, 1
local MILLION, MOST_S = 1000000, 300
local WARM_REQUESTS = 50000

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Starts a server, calls use(port, pid), and ends the server.
local function serve(name, use)
  local at = os.tmpname()
  os.remove(at)
  local pipe <close> = io.popen(([[ %s 0 >%s & echo $!
    for i in $(seq 100); do [ -s %s ] && break; sleep 0.1; done; sed 's/.*://' %s ]])
    :format(quote(folder .. "/" .. name), at, at, at))
  local pid, port = pipe:read("n", "n")
  assert(port, name .. " does not start")
  local ok, why = pcall(use, port, pid)
  os.execute(("kill %d; rm -f %s"):format(pid, at))
  assert(ok, why)
end

-- Puts so many requests. Returns their number `n`, how many ns `each` took of the whole, the `median` and the 99th
-- percentile (`slow`) of their times, and how many were too `late` for their terms, on a machine that is busy.
local function put(port, n_requests, words)
  local pipe = io.popen(("%s %d %d quiet busy %s"):format(quote(folder .. "/client"), port, n_requests, words))
  local text = pipe:read "a"
  assert(pipe:close(), "an answer is wrong")
  local rate, median_us, slow_us, n, n_late =
    text:match "^(%d+) requests a second, median (%d+) us, 99th percentile (%d+) us, of (%d+), (%d+) late"
  return {n = tonumber(n), each = 1e9 / rate, median = median_us * 1e3, slow = slow_us * 1e3, late = tonumber(n_late)}
end

local function loops_a_us()
  return measure.loops_a_second(function(n) local sum = 0 for i = 1, n do sum = sum + i end return sum end) / 1e6
end

local function compare(sample)
  local a_us = loops_a_us()
  for _, us in ipairs {2, 50, 1000} do
    local words = ("simple loops=%d seconds=%d"):format(us * a_us // 1, ROUND_S)
    serve("one_state", function(one_port)
      serve("service", function(port)
        for _ = 1, ROUNDS do
          for key, at in pairs {one = one_port, pool = port} do
            local took = put(at, MILLION, words)
            sample(("http_%s_%d"):format(key, us), took.each)
            sample(("http_%s_median_%d"):format(key, us), took.median)
            sample("http_late", took.late)
          end
        end
      end)
    end)
  end
end

local function resident_kib(pid)
  local file <close> = io.open(("/proc/%d/status"):format(pid))
  return file and tonumber(file:read "a":match "VmRSS:%s*(%d+) kB")
end

local function put_million(sample)
  serve("service", function(port, pid)
    put(port, WARM_REQUESTS, "")
    local before_kib = resident_kib(pid)
    local took = put(port, MILLION, ("ready tells seconds=%d"):format(MOST_S))
    sample("million", took.n)
    for _, key in ipairs {"each", "median", "slow", "late"} do sample("million_" .. key, took[key]) end
    if before_kib then sample("million_grown", resident_kib(pid) - before_kib) end
  end)
end

--- Measures all of it; nothing where the service could not be built.
-- @tparam function sample takes a key and a value
return function(sample)
  local file = io.open(folder .. "/one_state")
  if not file then return end
  file:close()
  compare(sample)
  put_million(sample)
end
