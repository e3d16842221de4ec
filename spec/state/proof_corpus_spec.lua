-- How much is proved: functions as scripts have them (support/idioms.lua), those of the README and of the examples.
local script = require "support.script"

local CODE = [[
  local core = require "parallel.core"
  local idioms = dofile "spec/support/idioms.lua"
  local n_proved, missed = 0, {}
  for _, idiom in ipairs(idioms) do
    local results, stats = {}
    for i, after in ipairs {math.maxinteger, 0} do
      core.prove_after(after)
      local pool <close> = parallel.pool {workers = 1, seed = 1}
      results[i] = pool:map(idiom.f, idiom.items)
      stats = pool:stats()
    end
    equal(results[2], results[1])
    assert(stats.proved == 0 or stats.proved == #idiom.items, idiom.name)
    assert(not (idiom.leaves and stats.proved > 0), idiom.name .. " leaves a trace")
    n_proved = n_proved + (stats.proved > 0 and 1 or 0)
    if stats.proved == 0 and not idiom.leaves then missed[#missed + 1] = idiom.name end
  end
  print(n_proved, #idioms, table.concat(missed, ", "))
  assert(n_proved >= 50, table.concat(missed, ", "))
]]

describe("proofs", function()
  it("are found for most functions of scripts, and give what is given without", function()
    script.passes(CODE)
  end)
end)
