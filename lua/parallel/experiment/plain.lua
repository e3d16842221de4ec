--- Reads values back from the bytes that canonical.lua makes of them.
-- @module parallel.experiment.plain

local plain = {}

local Reader = {}
Reader.__index = Reader

local read = {}

function read.n() return nil end
function read.t() return true end
function read.f() return false end
function read.N() return 0.0 / 0.0 end

local function unpacker(format)
  return function(self)
    local value
    value, self.at = string.unpack(format, self.bytes, self.at)
    return value
  end
end

read.i, read.d, read.s = unpacker ">i8", unpacker ">d", unpacker ">s8"
local read_count = unpacker ">I8"

function read.r(self)
  return self.met[read_count(self)]
end

function read.T(self)
  local t = {}
  self.met[#self.met + 1] = t
  for i = 1, read_count(self) do
    t[i] = self:value()
  end
  for _ = 1, read_count(self) do
    local key = self:value()
    t[key] = self:value()
  end
  return t
end

function Reader:value()
  local tag = self.bytes:sub(self.at, self.at)
  self.at = self.at + 1
  local reader = read[tag] or error(("the store holds a value that this version cannot read (%q)"):format(tag), 0)
  return reader(self)
end

--- The value of these bytes.
-- @tparam string bytes of which `canonical.bytes` has said that they can be read back
function plain.value(bytes)
  return setmetatable({bytes = bytes, at = 1, met = {}}, Reader):value()
end

return plain
