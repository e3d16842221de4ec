--- Makes a failing program smaller: drops lines as long as it fails in the same way.
-- @module trace.shrink

-- The lines but `n` from the i-th on.
local function without(lines, i, n)
  local rest = table.move(lines, 1, i - 1, 1, {})
  return table.move(lines, i + n, #lines, i, rest)
end

local function parses(lines)
  return load(table.concat(lines, "\n"), "=program") ~= nil
end

-- Drops runs of `n` lines where that is possible; returns what is left.
local function drop_runs(lines, n, fails)
  local i = #lines - n + 1
  while i >= 1 do
    local fewer = without(lines, i, n)
    if parses(fewer) and fails(fewer) then
      lines = fewer
      i = math.min(i, #lines - n + 2)
    end
    i = i - 1
  end
  return lines
end

-- Drops the first and the last line of blocks, and keeps what is between.
local function drop_frames(lines, fails)
  local i = 1
  while i <= #lines do
    for j = i + 1, math.min(#lines, i + 12) do
      local fewer = without(without(lines, j, 1), i, 1)
      if lines[j] == "end" and parses(fewer) and fails(fewer) then
        lines = fewer
        break
      end
    end
    i = i + 1
  end
  return lines
end

--- Drops lines.
-- @tparam {string,...} lines of a program that fails
-- @tparam function fails whether a program of fewer lines does
-- @treturn {string,...} what is left
return function(lines, fails)
  local n_before
  repeat
    n_before = #lines
    for _, n in ipairs {16, 8, 4, 3, 2, 1} do
      lines = drop_runs(lines, n, fails)
    end
    lines = drop_frames(lines, fails)
  until #lines == n_before
  return lines
end
