-- What chance makes of messages, batches, errors and dumps: no bytes do harm.
local program = require "c.program"

local SOURCES = {"spec/fuzz/wire_driver.c", "spec/fuzz/wire_fuzz.c", "spec/fuzz/wire_fuzz.h"}

describe("two hundred thousand malformed inputs", function()
  it("crash nothing and hang nowhere", function()
    local path = program.build("wire_driver", SOURCES)
    assert(program.run(path .. " 200000"))
  end)
end)
