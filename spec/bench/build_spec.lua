-- What measures is not part of the build: nothing but this says whether it still fits the runtime.
local program = require "c.program"

local WARNINGS = "-Wall -Wextra " .. (os.getenv "WERROR" or "-Werror")

describe("what measures", function()
  for _, name in ipairs {"bare", "codec", "hosts", "states", "tenants"} do
    it(name .. ".c compiles", function()
      assert(program.run(("%s %s -fsyntax-only bench/%s.c"):format(os.getenv "MOONS_CC", WARNINGS, name)))
    end)
  end
end)
