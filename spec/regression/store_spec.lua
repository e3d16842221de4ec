local script = require "support.script"

script.on_hosts("regression: a map with a store", function(case)
  -- The seed was written while the file was being looked at: "cannot start a transaction within a transaction".
  case("keeps the first seed where an item is the first to draw random numbers", [[
    local path = os.tmpname()
    local function call(f) return f(1000000) end
    local function draw(n) return math.random(n) end
    local calls = {parallel.delayed(math.abs)(-1), parallel.delayed(draw)(1000000), parallel.delayed(math.abs)(-2)}
    local first = {
      parallel.map(call, {math.abs, draw, math.random}, {store = path})[2],
      parallel.run(calls, {store = path})[2],
    }
    equal(parallel.map(call, {math.random, draw}, {store = path})[2], first[1])
    equal(parallel.run(calls, {store = path}), {1, first[2], 2, n = 3})
    os.remove(path)
    equal(parallel.run(calls, {store = path}).n, 3)
    for _, value in parallel.imap(call, {math.abs, draw}, {store = path}) do equal(type(value), "number") end
    for _, suffix in ipairs {"", "-wal", "-shm"} do os.remove(path .. suffix) end
  ]])
end)
