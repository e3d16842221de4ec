--- What was measured of Moons and its peers: samples by work and runner; as a table and as CSV.
-- @module peers_report

local report = require "report"

local Samples = {}
Samples.__index = Samples

local NAMES = {
  moons = "Moons", kept = "Moons, `fresh = false`", python = "Python Pool", joblib = "joblib",
  node = "Node piscina", typed = "piscina, typed arrays", luv = "luv", r = "R parallel", bare = "bare threads",
}

-- The rows of the table: a work, what it is, and by what its numbers (seconds, bytes) are to be
-- multiplied; or the work against which it is so many times faster.
local ROWS = {
  {"loop", "`x^2` over 1 000 000 floats in the language's own loop, ms", 1e3, is_loop = true},
  {"squares", "`x^2` over 1 000 000 floats, ms", 1e3},
  {"apply", "one call there and back, µs", 1e6},
  {"start", "8 workers started, ms", 1e3},
  {"memory", "memory of a worker, MB", 1e-6},
  {"wait_short_7", "7 calls that wait 0.2 s, 8 workers: over the ideal, ms", 1e3},
  {"wait_short_8", "8 such calls, ms", 1e3},
  {"wait_short_15", "15 such calls, ms", 1e3},
  {"spin_1", "calls of 1 µs, times faster than one by one", against = "spin_loop_1"},
  {"spin_10", "calls of 10 µs", against = "spin_loop_10"},
  {"spin_100", "calls of 100 µs", against = "spin_loop_100"},
  {"spin_1000", "calls of 1 ms", against = "spin_loop_1000"},
  {"spin_10000", "calls of 10 ms", against = "spin_loop_10000"},
}

--- New samples: none.
function Samples.new()
  return setmetatable({works = {}, values = {}}, Samples)
end

--- Adds a sample.
function Samples:add(work, key, value)
  if not self.values[work] then
    self.values[work] = {}
    table.insert(self.works, work)
  end
  self.values[work][key] = self.values[work][key] or {}
  table.insert(self.values[work][key], value)
end

--- Adds a number to all samples of a work.
function Samples:shift(work, number)
  for _, list in pairs(self.values[work]) do
    for i, value in ipairs(list) do
      list[i] = value + number
    end
  end
end

--- The least of a runner's samples; nil where there are none.
function Samples:best(work, key)
  local list = self.values[work] and self.values[work][key]
  return list and math.min(table.unpack(list))
end

-- What stands in a row for a runner: of the least disturbed rounds.
local function cell(samples, row, key)
  local best = samples:best(row[1], key)
  if row.against then
    return best and samples:best(row.against, key) / best
  end
  return best and best * row[3]
end

local IS_NO_PEER = {moons = true, kept = true, bare = true}

-- How many times better Moons with its defaults is than the best of its peers.
local function lead(samples, row, kinds)
  local own, best = cell(samples, row, "moons"), nil
  for _, kind in ipairs(kinds) do
    local value = cell(samples, row, kind.key)
    if not IS_NO_PEER[kind.key] and value and (not best or (value > best) == (row.against ~= nil)) then
      best = value
    end
  end
  if not own or not best or row.is_loop then
    return ""
  end
  return report.digits(row.against and own / best or best / own)
end

--- The table, in Markdown: of the least disturbed rounds.
-- @tparam {table,...} kinds the runners that there are, with their versions
-- @treturn string
function Samples:table(kinds)
  local lines, heading, rule = {}, {"| "}, {"|---"}
  for _, kind in ipairs(kinds) do
    table.insert(heading, NAMES[kind.key])
    table.insert(rule, "---:")
  end
  lines[1] = table.concat(heading, " | ") .. " | times ahead of the best peer |"
  lines[2] = table.concat(rule, "|") .. "|---:|"
  for _, row in ipairs(ROWS) do
    local cells = {"| " .. row[2]}
    for _, kind in ipairs(kinds) do
      table.insert(cells, report.digits(cell(self, row, kind.key)))
    end
    table.insert(lines, table.concat(cells, " | ") .. " | " .. lead(self, row, kinds) .. " |")
  end
  table.insert(lines, "")
  for _, kind in ipairs(kinds) do
    table.insert(lines, ("- %s: %s"):format(NAMES[kind.key], kind.version))
  end
  return table.concat(lines, "\n")
end

--- For programs: seconds, bytes and ratios.
-- @treturn string
function Samples:csv()
  local lines = {"work,runner,rounds,median,minimum,maximum"}
  for _, work in ipairs(self.works) do
    for _, key in ipairs(report.sorted_keys(self.values[work])) do
      local list = self.values[work][key]
      table.insert(lines, ("%s,%s,%d,%.6g,%.6g,%.6g"):format(work, key, #list, report.median(list),
        math.min(table.unpack(list)), math.max(table.unpack(list))))
    end
  end
  return table.concat(lines, "\n")
end

return Samples
