--- A large table that a function captures, sent to many workers.
-- @module captured

local codec = require "codec"
local stopwatch = require "stopwatch"

local N_FLOATS, WORKERS, ROUNDS = 1000000, 8, 9

local function floats()
  local list = {}
  for i = 1, N_FLOATS do
    list[i] = i * 0.1
  end
  return list
end

-- What eight workers would take that each had the table encoded and decoded for itself, and what is
-- left where it is encoded once; in one thread.
local function measure_parts(sample, list)
  local bytes = codec.new()
  local encode_ns = stopwatch(bytes.encode, bytes, list)
  local decode_ns = stopwatch(bytes.decode, bytes)
  sample("encode", encode_ns)
  sample("decode", decode_ns)
  sample("once", encode_ns + WORKERS * decode_ns)
  sample("each", WORKERS * (encode_ns + decode_ns))
end

--- Measures it.
-- @tparam function sample takes a key and a value
return function(sample)
  local list = floats()
  local pool <close> = parallel.pool(WORKERS)
  for round = 1, ROUNDS do
    list[1] = round -- another table: no worker has it yet
    measure_parts(sample, list)
    local function read(i) return list[i] end
    local range = parallel.range(1, WORKERS)
    sample("map", (stopwatch(pool.map, pool, read, range, {chunk = 1})))
    sample("map_kept", (stopwatch(pool.map, pool, read, range, {chunk = 1, fresh = false})))
  end
end
