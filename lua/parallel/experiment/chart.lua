--- Charts: what a script may say of one, and its checks. The chart is drawn by gnuplot, a program of its own.
-- @module parallel.experiment.chart

local check = require "parallel.check"
local core = require "parallel.core"
local space = require "parallel.experiment.space"

local chart = {}

local KINDS = {lines = true, points = true, bars = true}

-- The form of each ending of a file's name.
local FORMS = {svg = "svg", png = "png"}

local function refuse(what, expected, got)
  core.blame(("bad argument #1 to 'chart' (%s: %s expected, got %s)"):format(what, expected, got))
end

local function shown(value)
  if type(value) == "string" then
    return ("%q"):format(value)
  end
  return type(value) == "number" and tostring(value) or type(value)
end

local function is_finite(value)
  return type(value) == "number" and value - value == 0
end

-- What fields may be: for each type a check, and what it wants.

local function text(value)
  return type(value) == "string", "a string"
end

local function flag(value)
  return type(value) == "boolean", "a boolean"
end

local function number(value)
  return is_finite(value), "a finite number"
end

local function size(value)
  return is_finite(value) and value >= 100 and value <= 10000, "from 100 to 10000"
end

local function list_or_table(value)
  return type(value) == "table", "a table"
end

local function kind(value)
  return KINDS[value] ~= nil, '"lines", "points" or "bars"'
end

local function colour(value)
  return type(value) == "string" and value:find "^#%x%x%x%x%x%x$" ~= nil, 'a colour such as "#e5484d"'
end

local AXIS = {label = text, log = flag, min = number, max = number, step = number}
local CHART = {
  title = text, x = list_or_table, y = list_or_table, series = list_or_table, file = text, kind = kind,
  note = text, width = size, height = size,
}
local SERIES = {name = text, points = list_or_table, kind = kind, colour = colour, [1] = text, [2] = list_or_table}

-- Checks the fields of a table; `what` says whose they are, "" for the chart's.
local function check_fields(fields, known, what)
  for name, value in next, fields do
    local is_right = known[name]
    if not is_right then
      core.blame(("bad argument #1 to 'chart' (there is no field '%s%s')"):format(what, tostring(name)))
    end
    local right, expected = is_right(value)
    if not right then
      refuse(what .. tostring(name), expected, shown(value))
    end
  end
end

-- The axis of this name, with its fields checked.
local function read_axis(spec, name)
  local axis = spec[name] or {}
  check_fields(axis, AXIS, name .. ".")
  if axis.log then
    for _, bound in ipairs {"min", "max"} do
      if axis[bound] and axis[bound] <= 0 then
        refuse(name .. "." .. bound, "more than 0, as the axis is logarithmic,", shown(axis[bound]))
      end
    end
  end
  return {label = axis.label or "", log = axis.log or false, min = axis.min, max = axis.max, step = axis.step}
end

-- A coordinate; nil where it is not finite: such a point leaves a gap.
local function read_number(value, axis, axis_name, what)
  if type(value) ~= "number" then
    refuse(what, "numbers {x, y}", ("%s = %s"):format(axis_name, shown(value)))
  elseif axis.log and value <= 0 then
    refuse(what, ("more than 0 on the logarithmic axis %s"):format(axis_name), shown(value))
  end
  return is_finite(value) and value or nil
end

-- A point {x, y}. The x of a bar may be a name.
local function read_point(point, series, axes, what)
  if type(point) ~= "table" then
    refuse(what, "a point {x, y}", shown(point))
  end
  local x = point[1]
  if not (series.kind == "bars" and type(x) == "string") then
    x = read_number(x, axes.x, "x", what)
  end
  return {x = x, y = read_number(point[2], axes.y, "y", what)}
end

local function read_points(list, series, axes, what)
  local n, other = space.count(list)
  if not n or n == 0 then
    refuse(what, "a list of points {x, y}", n and "an empty one" or other)
  end
  local points = {}
  for i = 1, n do
    points[i] = read_point(list[i], series, axes, ("%s, point %d"):format(what, i))
  end
  return points
end

-- A series is {name, points}, or has fields of these names.
local function read_series(given, i, default_kind, axes)
  if type(given) ~= "table" then
    refuse(("series[%d]"):format(i), "{name, points}", shown(given))
  end
  check_fields(given, SERIES, ("series[%d]."):format(i))
  local series = {
    name = given.name or given[1] or "", kind = given.kind or default_kind, colour = given.colour,
  }
  local what = ("series[%d]"):format(i) .. (series.name ~= "" and (" (%q)"):format(series.name) or "")
  series.points = read_points(given.points or given[2], series, axes, what)
  return series
end

-- Bars are drawn with bars, and over names or over numbers.
local function check_bars(all, axes)
  local has_bars, has_names, has_numbers = false, false, false
  for _, series in ipairs(all) do
    has_bars = has_bars or series.kind == "bars"
    for _, point in ipairs(series.points) do
      has_names = has_names or type(point.x) == "string"
      has_numbers = has_numbers or type(point.x) ~= "string"
    end
  end
  if has_names and has_numbers then
    refuse("series", "points over names or over numbers", "both")
  elseif has_bars and not has_names and axes.x.log then
    refuse("x.log", "false where bars stand over numbers", 'true: give names, as in {"1000", y}')
  end
  return has_names
end

local function check_some_point(all)
  for _, series in ipairs(all) do
    for _, point in ipairs(series.points) do
      if point.x and point.y then
        return
      end
    end
  end
  refuse("series", "at least one point that is finite", "none")
end

-- Checks all series and returns them anew.
local function read_all_series(spec, axes)
  local n, other = space.count(spec.series)
  if not n or n == 0 then
    refuse("series", "a list of {name, points}", n and "an empty one" or other)
  end
  local all = {}
  for i = 1, n do
    all[i] = read_series(spec.series[i], i, spec.kind or "lines", axes)
  end
  check_some_point(all)
  return all
end

-- The form of the file that is named; "terminal" where none is.
local function form_of(file)
  if file == nil then
    return "terminal"
  end
  local form = FORMS[(file:match "%.(%a+)$" or ""):lower()]
  if not form or file:find("\0", 1, true) then
    refuse("file", "a name that ends with .svg or .png", shown(file))
  end
  return form
end

--- Draws a chart, by gnuplot.
-- @tparam table spec with these fields:
--
-- - `series`: a list of `{name, points}`, where `points` is a list of `{x, y}`; each may have a `kind` and a `colour`
--   ("#e5484d") of its own. Points that are not finite leave a gap. The `x` of bars may be names: such bars lie one
--   below the other, and `y` is their length.
-- - `title`
-- - `x`, `y`: tables with `label`, `log` (a boolean), and `min`, `max` and `step` where gnuplot is not to find them
-- - `kind`: `"lines"` (the default), `"points"` or `"bars"`
-- - `file`: ends with `.svg` or `.png`; by default the chart is printed, with characters
-- - `note`: a small line at the bottom
-- - `width`, `height`: pixels of a file, 860 and 520 by default
-- @raise where gnuplot is missing or fails, or the file cannot be written: a file that was there is then as it was
function chart.chart(spec)
  if type(spec) ~= "table" then
    check.refuse("chart", 1, "table", type(spec))
  end
  check_fields(spec, CHART, "")
  local axes = {x = read_axis(spec, "x"), y = read_axis(spec, "y")}
  local all = read_all_series(spec, axes)
  local has_names = check_bars(all, axes)
  require "parallel.experiment.gnuplot".draw {
    title = spec.title or "", note = spec.note or "", x = axes.x, y = axes.y, series = all, has_names = has_names,
    form = form_of(spec.file), file = spec.file, width = spec.width or 860, height = spec.height,
  }
end

return chart
