-- Arrays on worker processes: mapped where they are large, sent where they are small; a crash loses no other result.
local forking = require "support.forking"
local script = require "support.script"

-- Numbers of an array that is sent, one that has a mirror, and one that lies in its file.
local start = [[
  local forking = require "forking"
  local SIZES = {10, 20000, 5000000}

  local function filled(n)
    local a = parallel.array(n, "int64")
    for i = 1, n, n // 10 do a[i] = i end
    a[n] = n
    return a
  end
]]

local function passes(code)
  return script.passes(start .. code, forking.options {flags = {"-b", "processes"}})
end

describe("in worker processes, an array #linux", function()
  it("of any size is read in place, and what the script writes meanwhile comes with the next map", function()
    passes [[
      for _, n in ipairs(SIZES) do
        local a = filled(n)
        local pool <close> = parallel.pool(2)
        for round = 1, 3 do
          a[n] = round
          equal(pool:map(function(i) return a[i] + a[n] end, {1, n, 1, n}, {chunk = 1}),
            {1 + round, 2 * round, 1 + round, 2 * round, n = 4})
          equal(pool:apply(function(b) return b[n], b:sum() == a:sum() end, a), round)
        end
      end
    ]]
  end)

  it("that takes results has them all, and what it takes them from may be itself", function()
    passes [[
      for _, n in ipairs {10, 20000, 300000} do
        local a = parallel.array(n, "int64")
        for i = 1, n do a[i] = i end
        for _ = 1, 2 do parallel.map(function(x) return 2 * x end, a, {into = a}) end
        for i = 1, n do assert(a[i] == 4 * i, i) end
        local b = parallel.array(n, "int64")
        equal(parallel.map(function(x) return x // 2 end, a, {into = b, workers = 3}), b)
        for i = 1, n do assert(b[i] == 2 * i, i) end
      end
    ]]
  end)

  it("that a call has made comes home, however large", function()
    passes [[
      for _, n in ipairs(SIZES) do
        local arrays = parallel.map(function(i)
          local a = parallel.array(n, "int64")
          a[n] = i
          return a, {a}
        end, {1, 2, 3}, {pack = true})
        for i = 1, 3 do
          equal(#arrays[i][1], n)
          assert(arrays[i][1][n] == i and arrays[i][2][1][n] == i)
          arrays[i][1][1] = 7
          equal(arrays[i][2][1][1], 7)
        end
      end
    ]]
  end)

  it("goes back to the system when the script drops it", function()
    passes [[
      local pool <close> = parallel.pool(2)
      local function used()
        local pipe <close> = io.popen "grep ^Shmem: /proc/meminfo"
        return pipe:read "a":match "%d+" // 1024
      end
      local before = used()
      for _ = 1, 6 do
        local a = parallel.array(12500000, "int64") -- 100 MB
        a:fill(1)
        equal(pool:map(function(i) return a[i] end, {1, 2}, {chunk = 1}), {1, 1, n = 2})
        a = nil
        collectgarbage() collectgarbage()
      end
      assert(used() - before < 300, used() - before)
    ]]
  end)

  it("in great numbers is in nobody's way", function()
    passes [[
      local arrays = {}
      for i = 1, 3000 do arrays[i] = parallel.array({i}, "int64") end
      local sums = parallel.map(function(a) return a:sum() end, arrays)
      for i = 1, 3000 do equal(sums[i], i) end
      for _ = 1, 3 do
        equal(parallel.apply(function(all) return #all, all[3000][1] end, arrays), 3000)
      end
    ]]
  end)
end)

describe("in worker processes, a call that is lost #linux #unsanitized", function()
  it("leaves all results that others have put into an array", function()
    passes [[
      for _, n in ipairs {50, 20000} do
        for _, chunk in ipairs {1, 7, 50} do
          local a, b = parallel.array(n), parallel.array(n, "int64")
          for i = 1, n do a[i] = i end
          local _, errors = parallel.map(function(x)
            return x % 17 == 3 and x <= 50 and forking.crash() or -x
          end, a, {into = b, chunk = chunk, errors = "collect", workers = 2})
          equal(errors.n, 3)
          for i = 1, n do assert(b[i] == ((i % 17 == 3 and i <= 50) and 0 or -i), i) end
        end
      end
    ]]
  end)

  it("leaves arrays that calls before it have made", function()
    passes [[
      for _, n in ipairs {10, 5000000} do
        local results, errors = parallel.map(function(i)
          if i == 4 then forking.crash() end
          local a = parallel.array(n, "int64")
          a[n] = i
          return a
        end, parallel.range(1, 6), {errors = "collect", chunk = 6, workers = 1})
        equal({errors.n, errors[4].kind}, {1, "lost"})
        for i = 1, 6 do if i ~= 4 then assert(results[i][n] == i, i) end end
      end
    ]]
  end)

  it("may be that of a fork: what its child returns goes nowhere", function()
    passes [[
      local b = parallel.array(20, "int64")
      parallel.map(function(i)
        local child = forking.fork()
        if child == 0 then return -1 end
        forking.wait(child)
        return i
      end, parallel.range(1, 20), {into = b, chunk = 10})
      for i = 1, 20 do equal(b[i], i) end
    ]]
  end)
end)
