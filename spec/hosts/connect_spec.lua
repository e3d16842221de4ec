-- Hosts are connected when there is work for them, or when they have to be asked for their cores.
local agents = require "support.agents"
local script = require "support.script"
local temporary = require "support.temporary"

local is_linux = io.open "/proc/self/stat" ~= nil

-- Which hosts have been launched, each once for each time, where a script has these.
local function launched(hosts, code, more)
  return temporary.folder({}, function(folder)
    local launch = ("echo {host} >>%s/launched; %s"):format(folder, more or "exec " .. agents.launch)
    script.passes(code, agents.options(hosts, launch))
    local names = {}
    local file <close> = io.open(folder .. "/launched")
    for name in file and file:lines() or function() end do names[#names + 1] = name end
    table.sort(names)
    return table.concat(names, " ")
  end)
end

local MAP = "equal(parallel.map(function(x) return 2 * x end, {1, 2, 3, 4}), {2, 4, 6, 8, n = 4})\n"

describe("hosts #linux", function()
  if not is_linux then return end

  it("are not connected by a script that has no work for them", function()
    assert.equal("", launched("one:2,two:1", "equal(parallel.cpus(), 3)"))
    assert.equal("", launched("one,two", "local x = 1"))
    assert.equal("", launched("one:2,two:1", [[
      local pool <close> = parallel.pool()
      local few <close> = parallel.pool(2)
      equal({pool:stats().workers, few:stats().workers, pool:stats().hosts[2].state}, {3, 2, "starting"})
    ]]))
  end)

  it("are connected once, by the first map", function()
    assert.equal("one two", launched("one:2,two:1", MAP .. MAP .. "equal(parallel.cpus(), 3)\n" .. MAP))
  end)

  it("are asked for their cores, where nobody has told these, and no others are", function()
    assert.equal("two", launched("one:2,two", "assert(parallel.cpus() >= 3)"))
    assert.equal("one two", launched("one:2,two", "assert(parallel.cpus() >= 3)\n" .. MAP))
    assert.equal("one two", launched("one,two", MAP .. "assert(parallel.cpus() >= 2)"))
  end)

  it("are connected by a pool for itself, whose workers are its own, and not by the script for it", function()
    local code = [[
      local pool <close> = parallel.pool(3)
      equal(pool:map(function(x) return 2 * x end, {1, 2, 3}), {2, 4, 6, n = 3})
    ]]
    assert.equal("one two", launched("one:2,two:1", code))
    assert.equal("one one two two", launched("one:2,two:1", code .. MAP))
  end)

  it("that cannot be reached are an error of the first map, and none before", function()
    local fails = "echo no route to {host} >&2; exit 7; {moons}"
    assert.equal("", launched("one:2,two:1", "equal(parallel.cpus(), 3)", fails))
    assert.equal("one two", launched("one:2,two:1", [[
      equal(parallel.cpus(), 3)
      local ok, err = pcall(parallel.map, function(x) return x end, {1, 2})
      equal({ok, err.kind}, {false, "system"})
      for _, name in ipairs {"one", "two"} do
        local why = ("'%s': no agent answers; its command ended with status 7: no route to %s"):format(name, name)
        assert(err.message:find(why, 1, true), err.message)
      end
    ]], fails))
  end)
end)
