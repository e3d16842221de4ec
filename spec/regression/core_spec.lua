-- What scripts reach past the Lua half of the module.
local script = require "support.script"

describe("regression: the C half of the module", function()
  it("checks what it relies on", function()
    script.prints([[
      local core = require "parallel.core"
      local function id(x) return x end
      local one = parallel.array(1)
      local wrong = {
        {"x", nil, id, {1}},
        {},
        {{}, nil, id},
        {{}, nil, id, io.stdout},
        {{}, nil, id, "abc"},
        {{into = io.stdout}, nil, id, {1}},
        {{into = one}, nil, id, {1, 2}},
        {{into = one}, nil, id, {}, false, 100, 1, 1},
        {{into = one}, nil, id, {}, false, -1, 1, 1},
        {{workers = -1}, nil, id, {1}},
        {{}, nil, id, {1}, false, nil, nil, nil, 2^32},
        {{}, one, id, {1}},
      }
      for i, arguments in ipairs(wrong) do
        for _, name in ipairs {"job", "map"} do
          local ok = pcall(core[name], table.unpack(arguments, 1, 9))
          if ok then print(name, i) end
        end
      end
      for _, name in ipairs {"call", "apply"} do
        assert(not pcall(core[name], "x", nil, id, true, 1))
        assert(not pcall(core[name], {}, nil, id))
      end
      print(#core.map({}, nil, id, parallel.array {1, 2, 3}, false, 60))
      print(core.map({timeout = -1}, nil, id, {5})[1], core.map({timeout = 1e300}, nil, id, {6})[1])
      local job <close> = core.job({}, nil, id, {1})
      assert(not pcall(job.stored, job, 1))
      one[1] = 7
      print(one[1])
    ]], "3\n5\t6\n7.0\n")
  end)
end)
