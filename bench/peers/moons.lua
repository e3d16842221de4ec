-- Runs the work of run.lua on Moons: `moons bench/peers/moons.lua WORKERS MODE FOLDER`. The mode is
-- "fresh", "kept" (`fresh = false`), or "bare": two bare threads with Lua states, the ceiling.

local n_workers, mode, folder = tonumber(arg[1]), arg[2], arg[3]
local here = arg[0]:match("^(.*)/")
package.path = ("%s/?.lua;%s/../?.lua;"):format(here, here) .. package.path
package.cpath = folder .. "/?.so;" .. package.cpath

local answers = require "answers"
local bare = require "bare"
local core = require "parallel.core"
local measure = require "measure"
local work = require "work"

local function square(x)
  return x ^ 2
end

local function nothing() end

local function resident_bytes()
  local kib = measure.resident_kib()
  return kib and kib * 1024
end

if mode == "bare" then
  local threads
  answers({
    name = "with a Lua state each, which share the calls out evenly from the start",
    now = core.now,
    resident_bytes = function() end,
    start = function() threads = bare.open(work.SPIN, n_workers) end,
    spin = function(xs) threads:run(#xs, xs[1]) end,
  }, n_workers)
  return
end

local spin = load(work.SPIN)()
local pool

local function map(f)
  return function(xs) return (pool:map(f, xs)) end
end

answers({
  name = _VERSION .. (mode == "kept" and ", `fresh = false`" or ", with its defaults"),
  now = core.now,
  resident_bytes = resident_bytes,
  start = function()
    pool = parallel.pool {workers = n_workers, fresh = mode ~= "kept"}
    pool:map(nothing, parallel.range(1, n_workers), {chunk = 1})
  end,
  squares = map(square),
  apply = function() pool:apply(nothing) end,
  wait = map(bare.sleep),
  sleep = bare.sleep,
  spin = map(spin),
}, n_workers)
if pool then
  pool:close()
end
