-- An image filter: a picture with specks, and the median of each pixel's neighbours, which removes them.
-- Pixels are of type "uint8": an array of them takes a byte a pixel, and a value that does not fit is an error.

local parallel = require "parallel"

local width, height = 240, 160

--- Brightness of rings around a point, from 0 to 255.
local function brightness(x, y)
  local distance = math.sqrt((x - 120) ^ 2 + (y - 80) ^ 2)
  return math.floor(128 + 100 * math.cos(distance / 12) + 0.5)
end

--- A row of the picture, in which one pixel of twenty is black or white.
local function draw(y)
  local row = {}
  for x = 1, width do
    row[x] = math.random(20) > 1 and brightness(x, y) or math.random(0, 1) * 255
  end
  return table.unpack(row)
end

local picture = parallel.array({height, width}, "uint8")
parallel.map(draw, parallel.range(1, height), {into = picture, pack = true, seed = 7})

--- The rows above, at and below one; at the edges, that one again.
local function rows_around(y)
  return picture:row(math.max(1, y - 1)), picture:row(y), picture:row(math.min(height, y + 1))
end

--- Row y, each pixel the median of the nine around it.
local function smooth(y)
  local above, here, below = rows_around(y)
  local row = {}
  for x = 1, width do
    local left, right = math.max(1, x - 1), math.min(width, x + 1)
    local nine = {
      above[left], above[x], above[right], here[left], here[x], here[right], below[left], below[x], below[right],
    }
    table.sort(nine)
    row[x] = nine[5]
  end
  return table.unpack(row)
end

local smoothed = parallel.array({height, width}, "uint8")
parallel.map(smooth, parallel.range(1, height), {into = smoothed, pack = true})

--- How many pixels are far from what they were without specks.
local function count_specks(image)
  local n = 0
  for y = 1, height do
    for x, pixel in ipairs(image:row(y)) do
      if math.abs(pixel - brightness(x, y)) > 40 then n = n + 1 end
    end
  end
  return n
end

print(("specks: %d before, %d after"):format(count_specks(picture), count_specks(smoothed)))

local SHADES = " .:-=+*#%@"
for y = 5, height, 15 do
  local line = {}
  for x = 4, width, 8 do
    local shade = smoothed:get(y, x) * #SHADES // 256 + 1
    line[#line + 1] = SHADES:sub(shade, shade)
  end
  print((table.concat(line):gsub("%s+$", "")))
end
