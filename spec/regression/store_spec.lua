local script = require "support.script"
local temporary = require "support.temporary"

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

describe("regression: a store", function()
  -- To SQLite these are no names of files, and such a store kept nothing.
  it("is a file whatever its name", function()
    temporary.folder({["a.lua"] = [[
      for _, name in ipairs {":memory:", "file:a?mode=memory", "-a", "b?c#d%20e"} do
        for round = 1, 2 do
          local report = {}
          parallel.map(math.sqrt, {4, 9}, {store = name, report = report})
          assert(#report == (round == 1 and 2 or 0), name)
        end
        local store <close> = require "parallel.experiment".open(name)
        assert(store:count() == 2 and assert(io.open(name)):close())
      end
    ]]}, function(folder)
      local result = script.moons({"a.lua"}, {folder = folder})
      assert.equal(0, result.code, result.stderr)
    end)
  end)
end)
