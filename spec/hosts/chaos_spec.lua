-- Kills, stops and cuts by chance: `make chaos` makes more rounds of them.
local agents = require "support.agents"
local script = require "support.script"
local temporary = require "support.temporary"

local is_linux = io.open "/proc/self/stat" ~= nil
local n_rounds = tonumber(os.getenv "SPEC_ROUNDS") or 25
local seed = tonumber(os.getenv "SPEC_SEED") or os.time()

describe("on hosts, what is killed, stopped and cut at random #linux #unsanitized", function()
  if not is_linux then return end

  it(("costs no result in %d rounds"):format(n_rounds), function()
    local mark = ("chaos-%d-%s"):format(os.time(), tostring({}):match "%w+$")
    local result = temporary.folder({}, function(folder)
      local options = agents.options("one:2,two:1,three:2", agents.connected(folder), {
        env = {SPEC_MARK = mark}, timeout = 60 + 3 * n_rounds})
      return script.moons({"-H", options.flags[2], "--launch", options.flags[4], "spec/hosts/chaos.lua", folder,
        tostring(n_rounds), tostring(seed)}, options)
    end)
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert(not result.stderr:find("is not used any more", 1, true), result.stderr)
    if os.getenv "SPEC_ROUNDS" then io.write(result.stdout) end
    for _, pid in ipairs(agents.processes_of(mark)) do
      os.execute "sleep 0.1"
      assert(agents.ends(pid), pid .. " runs on")
    end
  end)
end)
