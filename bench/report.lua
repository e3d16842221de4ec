--- Samples to a table for people and lines for programs.
-- @module report

local report = {}

local SCALES = {["µs"] = 1e3, ms = 1e6}

local function median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) / 2
  return (sorted[math.floor(middle)] + sorted[math.ceil(middle)]) / 2
end

-- How many times longer the other took, in each round.
local function ratios(own, other)
  local result = {}
  for round = 1, math.min(#own, #other) do
    result[round] = other[round] / own[round]
  end
  return result
end

-- Whether a row is as wanted; nil where nothing is.
local function holds(row, result)
  if row.at_least then
    return result.best_ratio >= row.at_least
  elseif row.at_most then
    return result.median <= row.at_most
  end
end

--- Sums up the samples of a row.
-- @tparam table row as in rows.lua
-- @tparam table samples key -> list of values, in the order of the rounds
-- @treturn ?table `median`, `best`, `n_rounds`; `ratio` (median of the rounds' ratios) and
-- `best_ratio` (ratio of the minima); `holds`. nil where there are no samples
function report.sum_up(row, samples)
  local own, other = samples[row[1]], samples[row.against]
  if not own then
    return nil
  end
  local result = {median = median(own), best = math.min(table.unpack(own)), n_rounds = #own}
  if other then
    result.ratio = median(ratios(own, other))
    result.best_ratio = math.min(table.unpack(other)) / result.best
  end
  result.holds = holds(row, result)
  return result
end

-- Three digits that count, at least.
local function digits(value)
  if not value then
    return ""
  end
  local size = math.abs(value)
  return (size >= 100 and "%.0f" or size >= 10 and "%.1f" or size == 0 and "%.0f" or "%.2f"):format(value)
end

local function wanted(row)
  return row.at_least and "≥ " .. row.at_least or row.at_most and "≤ " .. row.at_most .. " " .. row[3] or ""
end

local function yes_or_no(value)
  return value == nil and "" or value and "yes" or "NO"
end

--- Prints the table of a part.
function report.print_table(part, samples)
  print(("\n### %s\n"):format(part.title))
  print("| | median | minimum | ratio | ratio of minima | wanted | holds |")
  print("|---|---:|---:|---:|---:|---:|---|")
  for _, row in ipairs(part) do
    local result, unit = report.sum_up(row, samples), row[3]
    if result then
      local scale = SCALES[unit] or 1
      print(("| %s | %s %s | %s %s | %s | %s | %s | %s |"):format(
        row[2], digits(result.median / scale), unit, digits(result.best / scale), unit,
        digits(result.ratio), digits(result.best_ratio), wanted(row), yes_or_no(result.holds)))
    end
  end
end

--- The heading of the lines that `csv_line` gives.
report.CSV_HEADING = "part,key,unit,rounds,median,minimum,ratio,ratio_of_minima,wanted,holds"

--- The line of a row for programs; times are in ns.
function report.csv_line(part, row, result)
  local unit = SCALES[row[3]] and "ns" or row[3]
  local function number(value) return value and ("%.6g"):format(value) or "" end
  return table.concat({
    part.part, row[1], unit, result.n_rounds, number(result.median), number(result.best),
    number(result.ratio), number(result.best_ratio), number(row.at_least or row.at_most),
    yes_or_no(result.holds),
  }, ",")
end

return report
