--- A large table that a function captures, sent to many workers.
-- @module captured

local codec = require "codec"
local measure = require "measure"
local work = require "work"

local N_FLOATS, WORKERS, ROUNDS = 1000000, 8, 9

-- What eight workers would take that each had the table encoded and decoded for itself, and what is
-- left where it is encoded once; in one thread.
local function measure_parts(sample, list)
  local bytes = codec.new()
  local least = measure.in_turn(sample, 1, 1, {{"encode", bytes.encode, bytes, list}, {"decode", bytes.decode, bytes}})
  sample("once", least.encode + WORKERS * least.decode)
  sample("each", WORKERS * (least.encode + least.decode))
end

--- Measures it.
-- @tparam function sample takes a key and a value
return function(sample)
  local list, range = work.floats(N_FLOATS, 0.1), parallel.range(1, WORKERS)
  local pool <close> = parallel.pool(WORKERS)
  for round = 1, ROUNDS do
    list[1] = round -- another table: no worker has it yet
    local function read(i) return list[i] end
    measure_parts(sample, list)
    measure.in_turn(sample, 1, 1, {
      {"map", pool.map, pool, read, range, {chunk = 1}},
      {"map_kept", pool.map, pool, read, range, {chunk = 1, fresh = false}},
    })
  end
end
