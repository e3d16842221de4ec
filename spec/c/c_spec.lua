-- The parts of the runtime that have no Lua face. Each case runs in a process of its own.
local program = require "c.program"

local PARTS = {
  "base/buffer", "base/element", "base/pairing", "base/json", "base/ptrmap", "base/seats", "system/blocks",
  "system/machine", "system/pages", "system/park", "system/shared", "state/arena", "state/array", "state/budget",
  "state/bytecode", "state/image", "state/fields", "state/libraries", "wire/batch", "wire/capture", "wire/failure",
  "wire/head", "wire/names", "wire/wire", "worker/proof", "worker/stop", "schedule/chunk_size", "schedule/job",
  "schedule/owner", "schedule/pace", "host/value", "backend/host_list", "backend/channel", "backend/rank_hosts",
}

for _, part in ipairs(PARTS) do
  describe(part .. ".c", function()
    local source = ("spec/c/%s_test.c"):format(part)
    local path

    setup(function()
      path = program.build(part:gsub("/", "_") .. "_test", {source, "spec/c/check.h"})
    end)

    for _, name in ipairs(program.cases(source)) do
      it(name, function()
        local succeeded, output = program.run(path .. " " .. program.quote(name))
        assert(succeeded, output)
      end)
    end
  end)
end
