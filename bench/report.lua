--- Samples to a table for people and lines for programs.
-- @module report

local report = {}

local SCALES = {["µs"] = 1e3, ms = 1e6, s = 1e9}

-- The value below which so much of the values lie; half: the median.
local function quantile(values, part)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local place = 1 + (#sorted - 1) * part
  return (sorted[math.floor(place)] + sorted[math.ceil(place)]) / 2
end

local SHOWN = {
  median = function(values) return quantile(values, 0.5) end,
  p99 = function(values) return quantile(values, 0.99) end,
  max = function(values) return math.max(table.unpack(values)) end,
}

--- The median of a list of numbers.
report.median = SHOWN.median

--- The keys of a table, in order.
function report.sorted_keys(list)
  local keys = {}
  for key in pairs(list) do
    table.insert(keys, key)
  end
  table.sort(keys)
  return keys
end

-- How many times longer the other took, in each round.
local function ratios(own, other)
  local result = {}
  for round = 1, math.min(#own, #other) do
    result[round] = other[round] / own[round]
  end
  return result
end

-- Whether a row is as wanted; nil where nothing is, or where what it is compared with is not there.
local function holds(row, result)
  if row.at_most then
    return result.shown <= row.at_most * (SCALES[row[3]] or 1)
  elseif row.at_least and result.best_ratio then
    return result.best_ratio >= row.at_least
  end
end

--- Sums up the samples of a row.
-- @tparam table row as in rows.lua
-- @tparam table samples key -> list of values, in the order of the rounds
-- @treturn ?table `shown` (median, or what the row says), `best`, `n_rounds`; `ratio` (median of the
-- rounds' ratios) and `best_ratio` (ratio of the minima); `holds`. nil where there are no samples
function report.sum_up(row, samples)
  local own, other = samples[row[1]], samples[row.against]
  if not own then
    return nil
  end
  local result = {
    shown = SHOWN[row.shows or "median"](own),
    best = math.min(table.unpack(own)),
    n_rounds = #own,
  }
  if other then
    result.ratio = report.median(ratios(own, other))
    result.best_ratio = math.min(table.unpack(other)) / result.best
  end
  result.holds = holds(row, result)
  return result
end

--- Three digits that count, at least; "" for nil.
function report.digits(value)
  if not value then
    return ""
  end
  local size = math.abs(value)
  return (size >= 100 and "%.0f" or size >= 10 and "%.1f" or size == 0 and "%.0f" or "%.2f"):format(value)
end

local digits = report.digits

-- A value in its unit; from 1e300 on it stands for what is not so at any value.
local function quantity(value, unit)
  return value >= 1e300 and "none" or digits(value / (SCALES[unit] or 1)) .. " " .. unit
end

local function wanted(row)
  if row.at_least then
    return "≥ " .. digits(row.at_least)
  end
  return row.at_most and ("≤ %g %s"):format(row.at_most, row[3]) or ""
end

local function yes_or_no(value)
  return value == nil and "" or value and "yes" or "NO"
end

--- The heading of the table.
report.HEADING = [[
| | median | minimum | ratio | ratio of minima | wanted | holds |
|---|---:|---:|---:|---:|---:|---|]]

--- The lines of a part in the table.
-- @treturn {string,...}
function report.lines(part, samples)
  local lines = {("| **%s** | | | | | | |"):format(part.title)}
  for _, row in ipairs(part) do
    local result, unit = report.sum_up(row, samples), row[3]
    if result then
      table.insert(lines, ("| %s | %s | %s | %s | %s | %s | %s |"):format(
        row[2], quantity(result.shown, unit), quantity(result.best, unit), digits(result.ratio),
        digits(result.best_ratio), wanted(row), yes_or_no(result.holds)))
    end
  end
  return lines
end

--- The heading of the lines that `csv_lines` gives. `at` says what `wanted` is about: the ratio is to be
-- that at least, the value at most.
report.CSV_HEADING = "part,key,against,unit,rounds,median,minimum,ratio,ratio_of_minima,at,wanted,holds"

local function csv_line(part, row, result)
  local unit = SCALES[row[3]] and "ns" or row[3]
  local function number(value) return value and ("%.6g"):format(value) or "" end
  local at_most = row.at_most and row.at_most * (SCALES[row[3]] or 1)
  return table.concat({
    part.part, row[1], row.against or "", unit, result.n_rounds, number(result.shown),
    number(result.best), number(result.ratio), number(result.best_ratio),
    row.at_least and "ratio" or row.at_most and "value" or "", number(row.at_least or at_most),
    yes_or_no(result.holds),
  }, ",")
end

--- The same for programs; times are in ns. What was measured and is in no row comes last, by key.
-- @treturn {string,...}
function report.csv_lines(part, samples)
  local rows, others, lines = table.move(part, 1, #part, 1, {}), {}, {}
  for key in pairs(samples) do
    others[key] = true
  end
  for _, row in ipairs(part) do
    others[row[1]] = nil
  end
  for _, key in ipairs(report.sorted_keys(others)) do
    table.insert(rows, {key, key, "ns"})
  end
  for _, row in ipairs(rows) do
    local result = report.sum_up(row, samples)
    if result then
      table.insert(lines, csv_line(part, row, result))
    end
  end
  return lines
end

return report
