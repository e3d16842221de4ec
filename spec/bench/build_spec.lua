-- What measures is not part of the build: nothing but this says whether it still fits the runtime.
local program = require "c.program"

local WARNINGS = "-Wall -Wextra " .. (os.getenv "WERROR" or "-Werror")

describe("what measures", function()
  for _, name in ipairs {"bare", "codec", "hosts", "rules", "states", "tenants"} do
    it(name .. ".c compiles", function()
      assert(program.run(("%s %s -fsyntax-only bench/%s.c"):format(os.getenv "MOONS_CC", WARNINGS, name)))
    end)
  end

  it("one_state.c compiles", function()
    if not program.run "printf '#include <http_parser.h>\n#include <cjson/cJSON.h>\n' | cc -E - >/dev/null" then
      return pending "there is no cJSON, or no http-parser"
    end
    local compile = "%s %s -iquote examples/service -fsyntax-only bench/one_state.c"
    assert(program.run(compile:format(os.getenv "MOONS_CC", WARNINGS)))
  end)
end)
