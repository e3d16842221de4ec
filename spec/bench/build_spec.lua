-- What measures is not part of the build, so that nothing but this says whether it still fits the runtime.
local program = require "c.program"

describe("what measures", function()
  for _, name in ipairs {"bare", "codec", "states"} do
    it(name .. ".c compiles", function()
      assert(program.run(("%s -Wall -Wextra -Werror -fsyntax-only bench/%s.c"):format(os.getenv "MOONS_CC", name)))
    end)
  end
end)
