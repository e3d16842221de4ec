-- What chance makes of functions and of what they capture: a call that was proved to leave no trace leaves none.
local script = require "support.script"

local SECONDS = "60"

describe("a minute of random functions #unsanitized", function()
  it("come to the same, whether they are proved or the state is put back", function()
    local words = {"-b", "inline", "spec/fuzz/trace_fuzz.lua", "--seed", "1", "--seconds", SECONDS}
    local result = script.moons(words, {timeout = 300})
    assert.equal(0, result.code, result.stdout .. result.stderr) -- 2: nothing can be proved
  end)
end)

describe("500 random functions #linux", function()
  it("come to the same in a worker process", function()
    local words = {"-b", "inline", "spec/fuzz/trace_fuzz.lua", "--seed", "2", "--count", "500",
      "--elsewhere", "processes"}
    local result = script.moons(words, {timeout = 300})
    assert.truthy(result.code == 0 or result.code == 2, result.stdout .. result.stderr) -- 2: nothing can be proved
    assert.truthy(result.stdout:find("elsewhere too: [45]%d%d"), result.stdout)
  end)
end)
