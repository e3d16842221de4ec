-- The parts of the runtime that have no Lua face. Each case runs in a process of its own.
local program = require "c.program"

local PARTS = {
  "arena", "batch", "budget", "buffer", "capture", "chunk", "failure", "image", "job", "machine", "names",
  "pages", "park", "ptrmap", "stdlib", "wire",
}

for _, part in ipairs(PARTS) do
  describe(part .. ".c", function()
    local source = ("spec/c/%s_test.c"):format(part)
    local path

    setup(function()
      path = program.build(part .. "_test", {source, "spec/c/check.h"})
    end)

    for _, name in ipairs(program.cases(source)) do
      it(name, function()
        local succeeded, output = program.run(path .. " " .. program.quote(name))
        assert(succeeded, output)
      end)
    end
  end)
end
