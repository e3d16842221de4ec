--- What is measured over and over: lists, loops, and a function that takes a while. It knows no Moons and no clock, for
-- peers in stock Lua use it too.
-- Functions that go to workers are made where they are used: of a module they would bring the rest along.
-- @module work

local work = {}

--- The source of a function whose loop runs as often as its argument says.
work.SPIN = [[
  return function(n)
    local x = 0.5
    for _ = 1, n do
      x = 3.7 * x * (1 - x)
    end
    return x
  end
]]

--- The function of `work.SPIN`, in the i-th of many places in a state. A processor may have a load wait for a store to
-- an address that ends in the same 12 bits: where Lua's instructions and its stack lie so, the loop takes a fifth more.
function work.spin_at(i)
  local word = ('"%s"'):format(("-"):rep(40 * i))
  return load((work.SPIN:gsub("local x = 0.5", "local x, _ = 0.5, " .. word)))()
end

--- The source of a function that gives the standard deviation of a row.
work.DEVIATION = [[
  return function(row)
    local sum, squares = 0, 0
    for i = 1, #row do
      sum = sum + row[i]
    end
    local mean = sum / #row
    for i = 1, #row do
      squares = squares + (row[i] - mean) ^ 2
    end
    return (squares / #row) ^ 0.5
  end
]]

--- What f makes of 1 to n, in a loop as one would write it.
function work.list(n, f)
  local list = {}
  for i = 1, n do
    list[i] = f(i)
  end
  return list
end

--- The floats from 1 to n, each multiplied by `factor` (1.0 by default).
function work.floats(n, factor)
  factor = factor or 1.0
  return work.list(n, function(i) return i * factor end)
end

--- The same value n times.
function work.copies(value, n)
  return work.list(n, function() return value end)
end

--- A row of ten numbers, another one for each i.
function work.row(i)
  return work.list(10, function(j) return (i * 7 + j * j) % 101 / 10 end)
end

function work.records(n)
  return work.list(n, function(i)
    return {id = i, name = "record " .. i, score = i * 0.5, ok = i % 3 == 0}
  end)
end

--- A binary tree of tables.
function work.tree(depth)
  return depth == 0 and {} or {left = work.tree(depth - 1), right = work.tree(depth - 1)}
end

--- A map as one would write it without Moons.
function work.loop(f, xs)
  local results = {}
  for i = 1, #xs do
    results[i] = f(xs[i])
  end
  return results
end

return work
