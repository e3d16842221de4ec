--- Values to bytes and back in one state, in turn with lua-cmsgpack where it is there.
-- @module wire

local codec = require "codec"
local measure = require "measure"
local work = require "work"

local has_cmsgpack, cmsgpack = pcall(require, "cmsgpack")

local ROUNDS = 9

-- What is measured: a name, what makes it, how many items it has, and how many fields its tables have.
local VALUES = {
  {"floats", function() return work.list(1000000, math.sin) end, 1000000, 0},
  {"records", function() return work.records(100000) end, 100000, 4},
  {"tree", function() return work.tree(15) end, 65535, 2},
  {"string", function() return ("0123456789"):rep(1000000) end, 10000000, 0},
}

-- Whether a tree of values is the same as another. MessagePack makes integers of some floats: of it no
-- more can be asked than equal numbers.
local function same(a, b, by_type)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b and (not by_type or math.type(a) == math.type(b))
  end
  for key, value in pairs(a) do
    if not same(value, b[key], by_type) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

-- Ways to encode, and to decode what was encoded last.

local function moons()
  local bytes = codec.new()
  return {
    prefix = "",
    encode = function(value) bytes:encode(value) end,
    decode = function() return bytes:decode() end,
    keeps_types = true,
  }
end

local function message_pack()
  local text
  return {
    prefix = "cmsgpack_",
    encode = function(value) text = cmsgpack.pack(value) end,
    decode = function() return cmsgpack.unpack(text) end,
  }
end

local function measure_way(sample, name, value, n_items, way)
  local encode, decode = way.prefix .. "encode_" .. name, way.prefix .. "decode_" .. name
  local least = measure.in_turn(sample, 1, n_items, {{encode, way.encode, value}, {decode, way.decode}})
  sample(way.prefix .. "both_" .. name, least[encode] + least[decode])
end

local function ways()
  return has_cmsgpack and {moons(), message_pack()} or {moons()}
end

--- Measures all values.
-- @tparam function sample takes a key and a value
return function(sample)
  for _, known in ipairs(VALUES) do
    local name, make, n_items, n_fields = table.unpack(known)
    local value, in_turn = make(), ways()
    for _, way in ipairs(in_turn) do
      way.encode(value)
      assert(same(value, way.decode(), way.keeps_types), name .. " is another value after its way")
    end
    assert(same(value, codec.copy(value, n_fields), true))
    for _ = 1, ROUNDS do
      measure.in_turn(sample, 1, n_items, {{"copy_" .. name, codec.copy, value, n_fields}})
      for _, way in ipairs(in_turn) do
        measure_way(sample, name, value, n_items, way)
      end
    end
  end
end
