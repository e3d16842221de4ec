-- The most frequent long words of the first 22 chapters of "Moby Dick".
-- Each call counts one piece of the text; the counts are then added up.

local parallel = require "parallel"

local here = arg[0]:match("^.*/") or "./"
local piece_bytes = 16 * 1024
local shortest = 5

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

--- Cuts a text into pieces of about this size, at ends of lines so that no word is cut.
local function pieces(text, bytes)
  local list, first = {}, 1
  while first <= #text do
    local last = text:find("\n", first + bytes, true) or #text
    list[#list + 1] = text:sub(first, last)
    first = last + 1
  end
  return list
end

--- Counts the words of a text: {word = count}.
local function count(text)
  local counts = {}
  for word in text:lower():gmatch("%a+") do
    if #word >= shortest then counts[word] = (counts[word] or 0) + 1 end
  end
  return counts
end

--- Adds many counts up: {word = count}, and the words with the most frequent first.
local function merge(many)
  local total, words = {}, {}
  for _, counts in ipairs(many) do
    for word, n in pairs(counts) do
      if not total[word] then words[#words + 1] = word end
      total[word] = (total[word] or 0) + n
    end
  end
  table.sort(words, function(a, b)
    if total[a] ~= total[b] then return total[a] > total[b] end
    return a < b
  end)
  return total, words
end

local text = read(here .. "data/moby_dick.txt")
local total, words = merge(parallel.map(count, pieces(text, piece_bytes)))

print(("%d different words of %d letters or more"):format(#words, shortest))
for i = 1, 10 do print(("%5d  %s"):format(total[words[i]], words[i])) end
