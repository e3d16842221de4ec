-- A connection may be slow: as long as something comes, and be it one result for half a minute, the host is there.
local agents = require "support.agents"
local script = require "support.script"

local is_linux = io.open "/proc/self/stat" ~= nil

describe("a host with a slow connection #linux #unsanitized", function()
  if not is_linux then return end

  it("is not lost in the midst of a large result", function()
    local slow = "for i in $(seq 150); do dd bs=64k count=1 2>/dev/null; sleep 0.3; done; cat"
    local launch = ("%s | { %s; }"):format(agents.launch, slow)
    local result = script.passes([[
      equal(#parallel.map(function() return ("x"):rep(10 << 20) end, {1})[1], 10 << 20)
    ]], agents.options("slow:1", launch, {timeout = 120}))
    assert.equal("", result.stderr)
  end)
end)
