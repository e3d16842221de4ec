-- test: 50000
-- A table of numbers as an array: a million rows of ten numbers, and the spread of each row.
-- An array lies outside all states: nothing of it is sent. Workers read a row where it lies, and with `into` what calls
-- return goes to its place in another array. The argument is the number of rows.

local parallel = require "parallel"

local n_rows, n_columns = math.tointeger(arg[1] or 1000000), 10

local data = parallel.array {n_rows, n_columns}
for i = 1, #data do
  data[i] = (i * 7919) % 10007 / 100
end

--- The standard deviation of the numbers in a list.
local function spread(row)
  local sum, squares = 0, 0
  for i = 1, #row do sum = sum + row[i] end
  local mean = sum / #row
  for i = 1, #row do squares = squares + (row[i] - mean) ^ 2 end
  return math.sqrt(squares / #row)
end

-- `map` gives each call a row as a table, `starmap` its numbers as arguments, which is faster where they are few.
local start = parallel.clock()
local spreads = parallel.map(spread, data:rows(), {into = parallel.array(n_rows)})
local largest = parallel.starmap(math.max, data:rows(), {into = parallel.array(n_rows)})
io.stderr:write(("%.2f s for both\n"):format(parallel.clock() - start))

print(("%d rows: mean spread %.4f, from %.4f to %.4f"):format(#spreads, spreads:mean(), spreads:min(), spreads:max()))
print(("largest numbers: from %.2f to %.2f"):format(largest:min(), largest:max()))
print(("row 3: %s"):format(table.concat(data:row(3), " ")))
