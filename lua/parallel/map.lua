--- A map from its first chunk to its last result.
-- @module parallel.map

local core = require "parallel.core"
local errors = require "parallel.errors"
local source = require "parallel.source"

local map = {}

-- In a call that is itself part of a map, a map without a seed takes one from the call's random
-- numbers, so that the outer map's seed decides on everything within it.
local random = math.random
local function default_seed()
  return core.is_worker() and random(0) or core.seed()
end

-- Raises an error value at the line of the script that asked for the map.
local function fail(value)
  error(value, 0)
end

local function new_job(f, options, workers)
  local made, job = pcall(core.job, f, options.init, {
    workers = workers,
    chunk = options.chunk or 0,
    fresh = options.fresh ~= false,
    pack = options.pack == true,
    collect = options.errors == "collect",
    seed = options.seed or default_seed(),
  })
  if not made then
    fail(errors.new("marshal", job))
  end
  return job
end

-- Keeps chunks under way until the source is empty.
local function feed(job, items, most_chunks, found)
  while not items.ended and job:pending() < most_chunks do
    local failure = items:feed(job)
    if failure then
      found[failure.index] = failure
      return failure
    end
  end
end

-- Raises the error with the lowest index that is known by now.
local function raise_lowest(job, results, found)
  while job:ready() > 0 do
    job:collect(results, found)
  end
  fail(errors.lowest(found))
end

--- Runs a map and waits for it.
-- @tparam function f
-- @param xs a sequence, a range, or an iterator function
-- @tparam boolean is_rows each item is a table of arguments
-- @tparam table options checked
-- @treturn table results, by number
-- @treturn integer how many calls there were
-- @treturn ?table errors by number, where they are collected
function map.run(f, xs, is_rows, options)
  local workers = options.workers or core.workers()
  local items = source.new(xs, is_rows)
  local job <close> = new_job(f, options, workers)
  local results, found = core.table(items.n), {}
  local collects = options.errors == "collect"
  repeat
    local failure = feed(job, items, workers * core.chunks_per_worker, found)
    local n_calls = (collects or not failure) and job:collect(results, found)
    if not collects and next(found) then
      raise_lowest(job, results, found)
    end
  until not n_calls and items.ended
  if collects then
    return results, items.next - 1, found
  end
  return results, items.next - 1
end

return map
