--- Sequences whose items are computed when they are asked for: what grids and samples have in common. Nothing is built;
-- item i depends on the sequence and on i alone, so any of them can be had at any time, in a call too.
-- @module parallel.experiment.computed

local check = require "parallel.check"
local core = require "parallel.core"

local computed = {}

--- Makes the metatable of a kind of sequences, which have how many items they have in the field `n`.
-- @tparam string name of the kind: "grid"
-- @tparam function compute takes the sequence and an integer i from 1 to n, returns item i
-- @treturn table
function computed.type(name, compute)
  local class = {__name = "parallel." .. name}

  function class:__index(key)
    local i = check.integer(key)
    if i and i >= 1 and i <= self.n then
      return compute(self, i)
    end
  end

  function class:__len()
    return self.n
  end

  -- Its fields are its own.
  function class:__pairs()
    return ipairs(self)
  end

  function class:__newindex()
    core.blame(("a %s cannot be changed"):format(name))
  end

  core.note_computed(class)
  return class
end

return computed
