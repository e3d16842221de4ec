local script = require "support.script"

describe("range", function()
  local passes = script.passes

  it("holds the numbers that a loop of the same bounds visits", function()
    passes [[
      local bounds = {
        {1, 10}, {3, 3}, {2, 1}, {1, 10, 3}, {10, 1, -3}, {1, 10, -1}, {-5, 5, 5}, {0, 1, 0.25},
        {1.0, 3}, {1, 2.5}, {0.5, 3}, {5, 1, -1.5}, {-1, -1}, {1, 0, 1},
        {math.maxinteger - 2, math.maxinteger}, {math.mininteger + 2, math.mininteger, -1},
        {math.mininteger, math.maxinteger, math.maxinteger},
        {math.maxinteger, math.mininteger, math.mininteger},
        {5, 1, math.mininteger}, {1, 2, 0.5}, {1, 2.0, 1}, {2.5, 1},
        {9007199254740993, 9007199254740996.0}, {math.maxinteger - 1, 2.0^63}, {1, 2.0^80, 1 << 62},
        {math.mininteger + 1, -2.0^70, -1}, {5, 1.5, -1}, {1, -2.0^63}, {-1, 2.0^63, -1},
      }
      for _, b in ipairs(bounds) do
        local visited = {}
        for x in (function(first, last, step)
          return coroutine.wrap(function() for x = first, last, step do coroutine.yield(x) end end)
        end)(b[1], b[2], b[3] or 1) do
          visited[#visited + 1] = x
        end
        local range = parallel.range(table.unpack(b))
        local held = {}
        for i, x in ipairs(range) do held[i] = x end
        equal(#range, #visited)
        equal(held, visited)
        equal(parallel.map(function(x) return x end, range), visited)
      end
    ]]
  end)

  it("gives nil outside, and for what is no place", function()
    passes [[
      local range = parallel.range(10, 20)
      equal({range[1], range[11]}, {10, 20})
      for _, key in ipairs {0, -1, 12, 1.5, "1", "x", math.maxinteger, math.mininteger, true} do
        equal(range[key], nil)
      end
    ]]
  end)

  it("has places for floats that are whole, as a table has", function()
    passes "equal(parallel.range(10, 20)[2.0], 11)"
  end)

  it("is never built: it may be very long", function()
    passes [[
      local range = parallel.range(1, math.maxinteger)
      equal(#range, math.maxinteger)
      equal(range[math.maxinteger], math.maxinteger)
      local ok, err = pcall(parallel.map, function(x) if x == 3 then error "three" end end, range)
      assert(not ok and err.index == 3, err)
    ]]
  end)

  it("stands where inputs do", function()
    passes [[
      equal({parallel.map(function(x) return x * x end, parallel.range(2, 4))}, {{4, 9, 16, n = 3}})
      equal(parallel.map(math.type, parallel.range(1, 2)), {"integer", "integer"})
      equal(parallel.map(math.type, parallel.range(1, 2, 0.5)), {"float", "float", "float"})
      local results = parallel.map(function(x) return x end, parallel.range(1, 20000), {workers = 4})
      equal({results.n, results[1], results[20000]}, {20000, 1, 20000})
    ]]
  end)

  it("is a value that travels, as argument, captured, and home", function()
    passes [[
      local range = parallel.range(1, 9, 2)
      local function f(r)
        local sum = 0
        for _, x in ipairs(r) do sum = sum + x end
        return {sum, #r, #range, r[2], range[5], #parallel.map(function(x) return x end, range)}
      end
      equal(parallel.map(f, {range, parallel.range(1, 0)})[1], {25, 5, 5, 3, 9, 5})
      local back = parallel.map(function(last) return parallel.range(1, last) end, {5})[1]
      equal({#back, back[5], back[6]}, {5, 5, nil})
      equal(getmetatable(back), getmetatable(range))
    ]]
  end)

  it("cannot be changed", function()
    passes [[
      local range = parallel.range(1, 3)
      assert(not pcall(function() range[4] = 4 end))
      assert(not pcall(function() range[1] = 4 end))
      equal(#range, 3)
    ]]
  end)

  it("refuses what is no number, not finite, or no step, and blames the caller's line", function()
    for arguments, where in pairs {
      ["nil, 1"] = "#1", ["1"] = "#2", ["1, {}"] = "#2", ["'1', 2"] = "#1", ["1, 2, true"] = "#3",
      ["1, 2, 0"] = "#3", ["1, 2, 0.0"] = "#3", ["1, 1/0"] = "#2", ["0/0, 1"] = "#1", ["1, 2, 1/0"] = "#3",
    } do
      script.fails(
        ("\n\nlocal r = parallel.range(%s)\nprint(r)"):format(arguments),
        ("stdin:3: bad argument %s to 'range'"):format(where)
      )
    end
  end)

  it("refuses more numbers than can be counted", function()
    script.fails("local r = parallel.range(math.mininteger, math.maxinteger)\nprint(r)", "stdin:1: ")
    script.fails("local r = parallel.range(math.maxinteger, math.mininteger, -1)\nprint(r)", "stdin:1: ")
    script.fails("local r = parallel.range(-1, math.maxinteger)\nprint(r)", "stdin:1: ")
    script.fails("local r = parallel.range(0, 1e300)\nprint(r)", "stdin:1: ")
  end)
end)

describe("cpus", function()
  it("says how many cores there are to use", function()
    script.passes [[
      local n = parallel.cpus()
      assert(math.type(n) == "integer" and n >= 1, n)
    ]]
  end)

  it("counts the cores that the process is bound to", function()
    local moons = os.getenv "MOONS" or "build/moons"
    if script.execute({"sh", "-c", "command -v taskset"}).code ~= 0 then
      pending "taskset is not installed"
    elseif moons:find("portable", 1, true) then
      pending "a portable build knows no affinity"
    else
      local bound = script.execute {"taskset", "-c", "0", moons, "-e", "print(parallel.cpus())"}
      assert.equal("1\n", bound.stdout)
    end
  end)
end)
