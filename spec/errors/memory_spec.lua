-- What happens where memory runs out: a clean error of the call, and the next calls work.
local script = require "support.script"

-- A shell that limits the address space of what it runs, in kilobytes.
local function limited(kilobytes, code)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(code)
  file:close()
  local moons = os.getenv "MOONS"
  local result = script.execute {"sh", "-c", ("ulimit -v %d && exec %q %q"):format(kilobytes, moons, path)}
  os.remove(path)
  return result
end

describe("where memory runs out #unsanitized #large", function() -- sanitizers need much address space
  it("a call that grows without end fails with kind memory, and others go on", function()
    local result = limited(1000000, [[
      local r, errors = parallel.map(function(x)
        local t = {}
        while x == 2 do t[#t + 1] = {x} end
        return x
      end, {1, 2, 3}, {errors = "collect", workers = 1})
      assert(r[1] == 1 and r[2] == nil and r[3] == 3 and r.n == 3)
      assert(errors[2].kind == "memory", errors[2].kind)
      assert(errors[2].message:find("memory", 1, true))
      assert(parallel.map(function(x) return x + 1 end, {1})[1] == 2)
      print "done"
    ]])
    assert.equal("done\n", result.stdout, result.stderr)
  end)
end)
