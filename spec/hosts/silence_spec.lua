-- A host that says nothing is lost after 30 seconds: an agent that is stopped, and one that never answers.
local agents = require "support.agents"
local script = require "support.script"

local is_linux = io.open "/proc/self/stat" ~= nil

describe("a host that falls silent #linux #unsanitized", function()
  if not is_linux then return end

  it("is lost, be it at the start or later, and costs no result", function()
    agents.noted(function(folder, launch)
      local result = script.passes([[
        local folder = ...
        local first = folder .. "/first"
        local results = parallel.map(function(i)
          local file = io.open(first)
          if not file then -- whichever call comes first stops the agent that it runs for
            io.open(first, "w"):close()
            os.execute "kill -STOP $(ps -o ppid= -p $PPID)"
          end
          parallel.sleep(0.02)
          return i
        end, parallel.range(1, 50), {chunk = 1})
        for i = 1, 50 do equal(results[i], i) end
        parallel.sleep(3)
      ]], agents.options("one:1,two:1,mute:1", "[ {host} != mute ] || exec sleep 300; " .. launch,
        {args = {folder}, timeout = 120}))
      assert(result.stderr:find("host 'mute' is not used any more: it has said nothing for 30 seconds", 1, true),
        result.stderr)
      assert(result.stderr:find("was lost, and is started again: it has said nothing for 30 seconds", 1, true),
        result.stderr)
    end)
  end)
end)
