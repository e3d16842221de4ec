-- How far a long map has come: a bar, and a function of one's own.

local parallel = require "parallel"

-- 1. `progress = true` shows a bar on the terminal, below whatever the calls print. Where stderr is no
--    terminal there is a line now and then, and one at the end.

local block_size, n_blocks = 1500, 40

--- The number of a block whose Collatz sequence is the longest, and the length of that.
local function longest(block)
  local best, most = 0, -1
  for start = (block - 1) * block_size + 1, block * block_size do
    local n, steps = start, 0
    while n ~= 1 do
      n = n % 2 == 0 and n // 2 or 3 * n + 1
      steps = steps + 1
    end
    if steps > most then best, most = start, steps end
  end
  return {start = best, steps = most}
end

local found = parallel.map(longest, parallel.range(1, n_blocks), {progress = true})
table.sort(found, function(a, b) return a.steps > b.steps end)
print(("longest sequence: from %d, %d steps"):format(found[1].start, found[1].steps))

-- 2. A function shows it in its own way. It runs here, not in the calls, so it can use what is here;
--    and an error in it ends the map: not worth going on when most of the data is bad.

local readings = {}
for i = 1, 300 do readings[i] = i % 3 == 0 and tostring(i / 10) or "n/a" end

local function parse(reading) return tonumber(reading) or error("not a number: " .. reading) end

local most_bad = 100

local function watch(done, total, failed)
  io.stderr:write(("%d of %d readings, %d bad\n"):format(done, total, failed))
  if failed > most_bad then error(("more than %d bad readings"):format(most_bad), 0) end
end

print(pcall(parallel.map, parse, readings, {errors = "collect", progress = watch}))

most_bad = 250
local numbers, errors = parallel.map(parse, readings, {errors = "collect", progress = watch})
local n_bad = 0
for _ in pairs(errors) do n_bad = n_bad + 1 end
print(("%d of %d readings are good; the last is %s"):format(numbers.n - n_bad, numbers.n, numbers[numbers.n]))
