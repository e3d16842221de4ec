-- `make layers`: who may know what, and who may call what. Each breach is told with file and line.
local program = require "c.program"
local temporary = require "support.temporary"

local MODULE = {["lua/parallel/run.lua"] = 'local function new()\n  require("parallel.progress")\nend\n'}

-- What the check says of a tree of files, of which those that are named are compiled.
local function check(files, compiled)
  for name, text in pairs(MODULE) do
    files[name] = files[name] or text
  end
  return temporary.folder(files, function(folder)
    for _, name in ipairs(compiled or {}) do
      local object = ("%s/obj/%s.o"):format(folder, name)
      local command = "mkdir -p %s && cc -c -o %s %s/runtime/%s.c"
      assert(program.run(command:format(object:match "^(.*)/", object, folder, name)))
    end
    local is_clean, output = program.run(("sh .ci/layers.sh %s %s/obj"):format(folder, folder))
    return is_clean, output
  end)
end

describe("the check of layers", function()
  it("passes a tree that keeps the rules", function()
    local is_clean, output = check({
      ["runtime/moons.h"] = "", ["runtime/base/a.h"] = '#include "moons.h"\n#include <lua_of_nobody.h>\n',
      ["runtime/wire/b.h"] = '#include <lua.h>\n\n#include "base/a.h"\n',
      ["runtime/wire/b.c"] = '#include "wire/b.h"\n',
      ["runtime/backend/c.c"] = '#include <uv.h>\n\n#include "wire/b.h"\n',
      ["runtime/command/d.c"] = "#include <stdlib.h>\nvoid d(void);\nvoid d(void) { exit(1); }\n",
    }, {"command/d"})
    assert.equal("", output)
    assert.truthy(is_clean)
  end)

  it("tells an include that runs upward", function()
    local is_clean, output = check {
      ["runtime/base/a.c"] = '#include "base/a.h"\n\n#include "wire/b.h"\n', ["runtime/base/a.h"] = "",
      ["runtime/wire/b.h"] = "",
    }
    assert.falsy(is_clean)
    assert.truthy(output:find("runtime/base/a.c:3: base may not include wire, which is above it", 1, true))
  end)

  it("tells files that include each other in a circle", function()
    local is_clean, output = check {
      ["runtime/wire/a.h"] = "", ["runtime/wire/a.c"] = '#include "wire/b.h"\n',
      ["runtime/wire/b.h"] = '#include "wire/a.h"\n',
    }
    assert.falsy(is_clean)
    assert.truthy(output:find("wire/a", 1, true) and output:find("in a circle", 1, true))
  end)

  it("tells a header of Lua's, libuv's, or SQLite's, on the wrong floor", function()
    local _, output = check {
      ["runtime/system/a.c"] = "#include <lua.h>\n", ["runtime/state/b.c"] = "\n#include <uv.h>\n",
      ["runtime/module/c.c"] = "#include <sqlite3.h>\n",
    }
    local with_lua = "only state wire worker module host store command may include lua.h"
    assert.truthy(output:find("runtime/system/a.c:1: " .. with_lua, 1, true))
    assert.truthy(output:find("runtime/module/c.c:1: only store may include sqlite3.h", 1, true))
    assert.truthy(output:find("runtime/state/b.c:2: only system backend schedule may include uv.h", 1, true))
  end)

  it("tells a call that is the program's, wherever the source hides it", function()
    local is_clean, output = check({
      ["runtime/schedule/a.c"] = "#include <stdlib.h>\n#define LEAVE exit\nvoid a(void);\nvoid a(void) { LEAVE(2); }\n",
      ["runtime/schedule/b.c"] = 'const char *b(void);\nconst char *b(void) { return "exit(1)"; } /* exit(1) */\n',
    }, {"schedule/a", "schedule/b"})
    assert.falsy(is_clean)
    assert.truthy(output:find("runtime/schedule/a.c:%d: may not use exit"))
    assert.falsy(output:find("schedule/b", 1, true))
  end)
end)
