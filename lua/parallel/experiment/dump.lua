--- The code of a Lua function without the lines that it stood on: a comment more, or another order of definitions,
-- changes nothing in it. The format is that of ldump.c of Lua 5.4.
-- @module parallel.experiment.dump

local dump = {}

-- The signature, the version, the format, a test of line ends, the sizes of three types, one number of each kind, and
-- how many upvalues the function has.
local HEAD_BYTES = 4 + 1 + 1 + 6 + 3 + 8 + 8 + 1

-- How many bytes a constant has after its tag; strings say it themselves.
local CONSTANT_BYTES = {[0x00] = 0, [0x01] = 0, [0x11] = 0, [0x03] = 8, [0x13] = 8}

-- Seven bits a byte, the highest first; the last byte has its high bit set. Returns the size and where it ends.
local function read_size(code, at)
  local size = 0
  while true do
    local byte = code:byte(at)
    size, at = size << 7 | byte & 0x7F, at + 1
    if byte & 0x80 ~= 0 then
      return size, at
    end
  end
end

local function skip_string(code, at)
  local size
  size, at = read_size(code, at)
  return size == 0 and at or at + size - 1
end

local function skip_constants(code, at)
  local n
  n, at = read_size(code, at)
  for _ = 1, n do
    local bytes = CONSTANT_BYTES[code:byte(at)]
    at = bytes and at + 1 + bytes or skip_string(code, at + 1)
  end
  return at
end

-- Skips what is for debugging: in a stripped dump that is four counts of nothing.
local function skip_debug(at)
  return at + 4
end

-- Appends the function at `at` to the pieces, without its lines, and the outermost one without the places of its
-- upvalues, which are those of whoever made it; returns where it ends.
local function take_function(code, at, pieces, is_outermost)
  local lines = skip_string(code, at)
  local _, from = read_size(code, lines)
  _, from = read_size(code, from)
  local n
  n, at = read_size(code, from + 3) -- parameters, whether there are more, stack
  at = skip_constants(code, at + 4 * n)
  pieces[#pieces + 1] = code:sub(from, at - 1)
  n, from = read_size(code, at)
  at = from + 3 * n -- upvalues
  if not is_outermost then
    pieces[#pieces + 1] = code:sub(from, at - 1)
  end
  n, from = read_size(code, at)
  pieces[#pieces + 1] = code:sub(at, from - 1)
  at = from
  for _ = 1, n do
    at = take_function(code, at, pieces)
  end
  return skip_debug(at)
end

--- Takes the lines out of a dump.
-- @tparam string code a stripped dump
-- @treturn string
function dump.without_lines(code)
  local pieces = {code:sub(1, HEAD_BYTES)}
  take_function(code, HEAD_BYTES + 1, pieces, true)
  return table.concat(pieces)
end

return dump
