-- The logs of 200 files, in blocks of 10: each call reads its files and counts, and the counts are added up. Lines are
-- JSON, which the library cjson reads.

local json = require "cjson"
local parallel = require "parallel"

local n_files, n_lines, block_size = 200, 100, 10
local prefix = os.tmpname()

local function name(i) return ("%s.%03d.log"):format(prefix, i) end

--- Writes a log to have one: of a server that is slow or fails now and then.
local function write_log(i)
  local file <close> = assert(io.open(name(i), "w"))
  for _ = 1, n_lines do
    local path, chance = ("/page/%d"):format(math.random(5)), math.random(100)
    file:write(json.encode {path = path, status = chance > 97 and 500 or 200, ms = chance * chance}, "\n")
  end
end

--- Iterates over blocks of files: lists of names.
local function blocks()
  local first = 1
  return function()
    if first > n_files then return nil end
    local block = {}
    for i = first, math.min(first + block_size - 1, n_files) do block[#block + 1] = name(i) end
    first = first + block_size
    return block
  end
end

--- Counts requests, failures and milliseconds of some files by path.
local function count(files)
  local counts = {}
  for _, file in ipairs(files) do
    for line in io.lines(file) do
      local entry = json.decode(line)
      local c = counts[entry.path] or {requests = 0, failures = 0, ms = 0}
      counts[entry.path] = c
      c.requests, c.ms = c.requests + 1, c.ms + entry.ms
      if entry.status >= 500 then c.failures = c.failures + 1 end
    end
  end
  return counts
end

parallel.map(write_log, parallel.range(1, n_files), {seed = 1})

local total, paths = {}, {}
for _, counts in parallel.imap_unordered(count, blocks()) do
  for path, c in pairs(counts) do
    if not total[path] then paths[#paths + 1], total[path] = path, {requests = 0, failures = 0, ms = 0} end
    for field, n in pairs(c) do total[path][field] = total[path][field] + n end
  end
end

table.sort(paths)
print("path     requests  failures  mean ms")
for _, path in ipairs(paths) do
  local c = total[path]
  print(("%s  %7d  %8d  %7.1f"):format(path, c.requests, c.failures, c.ms / c.requests))
end

for i = 1, n_files do os.remove(name(i)) end
os.remove(prefix)
