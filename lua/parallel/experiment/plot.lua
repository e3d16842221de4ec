--- The commands for gnuplot that draw a chart. Texts of the script stand only between double quotes, without what
-- gnuplot replaces there; all else is numbers. Text and lines are of middling brightness, and the background is left
-- out, so that a chart can be read on light and on dark.
-- @module parallel.experiment.plot

local plot = {}

local TEXT, GRID = "#7d858f", "#a07d858f" -- the grid: mostly see-through

local COLOURS = {
  "#e5484d", "#3b82f6", "#2e9e5b", "#f0883e", "#9a6cf0", "#0d9aa8", "#d6409f", "#7aa93c", "#b8905c", "#8b949e",
}

-- Lines of up to so many points show these.
local MOST_MARKS = 60

-- The part of its room that a bar fills, and up to how many bars that stand show their values.
local BAR_PART, MOST_VALUES = 0.8, 40

-- Pixels: of a bar that lies, between those of two names, around all of them, and of other charts. Rows of characters:
-- around such bars, and of other charts.
local BAR_HEIGHT, BAR_GAP, AROUND, HEIGHT = 20, 12, 140, 520
local ROWS_AROUND, ROWS = 6, 24

-- A text for gnuplot. Between single quotes 5.4 reads an apostrophe at the beginning wrong; between double ones it runs
-- what stands in backquotes, unless they are written by their numbers.
local function quoted(text)
  local function by_number(character)
    return ("\\%03o"):format(character:byte())
  end
  return '"' .. text:gsub("%c", " "):gsub('[\\"`]', by_number) .. '"'
end

-- The same for the text of a mark on an axis, which is a format of the number there.
local function quoted_format(text)
  return quoted((text:gsub("%%", "%%%%")))
end

-- A number for gnuplot, whatever the locale; nil is a gap.
local function written(value)
  return value and ("%.17g"):format(value):gsub(",", ".") or "NaN"
end

local function row(...)
  local fields = table.pack(...)
  for i = 1, fields.n do
    fields[i] = written(fields[i])
  end
  return table.concat(fields, " ")
end

local function colour_of(series, i)
  return series.colour or COLOURS[(i - 1) % #COLOURS + 1]
end

-- {== Lines and points ============================================================================

local function style_of(series)
  if series.kind == "points" then
    return "with points pt 7 ps 0.6"
  end
  return #series.points <= MOST_MARKS and "with linespoints lw 2 pt 7 ps 0.5" or "with lines lw 2"
end

local function add_points(script, series, i)
  script:data(("$points%d"):format(i), series.points, function(point)
    return point.x and row(point.x, point.y) or row(nil, nil)
  end)
  script:plot(("$points%d using 1:2 %s lc rgb '%s' title %s"):format(i, style_of(series), colour_of(series, i),
    quoted(series.name)))
end

-- {== Bars ========================================================================================

-- The bars at each place, in the order of the series: {place = {bar, ...}}, and the places in order.
local function group_bars(series)
  local groups, places = {}, {}
  for i, one in ipairs(series) do
    for _, point in ipairs(one.kind == "bars" and one.points or {}) do
      local group = point.x and groups[point.x]
      if point.x and not group then
        group = {}
        groups[point.x], places[#places + 1] = group, point.x
      end
      if point.x and point.y then
        group[#group + 1] = {series = i, y = point.y}
      end
    end
  end
  return groups, places
end

-- The least distance of neighbours.
local function least_distance(places)
  local sorted, least = table.move(places, 1, #places, 1, {}), math.huge
  table.sort(sorted)
  for i = 2, #sorted do
    least = math.min(least, sorted[i] - sorted[i - 1])
  end
  return least < math.huge and least or 1
end

-- Where bars begin: at 0, on a logarithmic axis at the power of ten below all of them.
local function base_of(chart, groups)
  if not chart.y.log then
    return 0
  end
  local least = math.huge
  for _, group in pairs(groups) do
    for _, bar in ipairs(group) do
      least = math.min(least, bar.y)
    end
  end
  return chart.y.min or 10.0 ^ (math.ceil(math.log(least, 10)) - 1)
end

-- Lays the bars of all places out: each gets `from` and `to`, across its length. Over names they lie, from the top
-- down.
local function lay_out(chart, groups, places)
  local room = chart.has_names and 1 or least_distance(places)
  for number, place in ipairs(places) do
    local group = groups[place]
    local centre = chart.has_names and #places - number or place
    local width = BAR_PART * room / #group
    for i, bar in ipairs(group) do
      local offset = (i - 1) * width - BAR_PART * room / 2
      local from = chart.has_names and centre - offset - width or centre + offset
      bar.from, bar.to = from, from + width
    end
  end
end

-- The value of a bar as it is shown: three digits, or an integer.
local function shown(value)
  local format = math.abs(value) >= 1000 and math.abs(value) < 1e6 and "%.0f" or "%.3g"
  return format:format(value):gsub(",", ".")
end

-- The bars of a series as rows: a rectangle, and where its value stands.
local function add_bars_of(script, chart, series, i, groups, places, base)
  local bars = {}
  for _, place in ipairs(places) do
    for _, bar in ipairs(groups[place]) do
      bars[#bars + 1] = bar.series == i and bar or nil
    end
  end
  script:data(("$bars%d"):format(i), bars, function(bar)
    local middle = (bar.from + bar.to) / 2
    local rectangle = chart.has_names and row(bar.y, middle, base, bar.y, bar.from, bar.to)
      or row(middle, bar.y, bar.from, bar.to, base, bar.y)
    return rectangle .. " " .. shown(bar.y)
  end)
  script:plot(("$bars%d using 1:2:3:4:5:6 with boxxyerror lc rgb '%s' title %s"):format(i, colour_of(series, i),
    quoted(series.name)))
end

local function add_values(script, chart, i)
  local offset = chart.has_names and "left offset 0.4,0" or "center offset 0,0.6"
  script:plot(("$bars%d using 1:2:7 with labels %s textcolor rgb '%s' notitle"):format(i, offset, TEXT))
end

-- The names of places along the axis on the left.
local function name_places(script, places)
  local tics, longest = {}, 0
  for number, place in ipairs(places) do
    tics[number] = ("%s %d"):format(quoted_format(place), #places - number)
    longest = math.max(longest, utf8.len(place) or #place)
  end
  script:put("set ytics (%s) noenhanced", table.concat(tics, ", "))
  script:put("set yrange [-0.7:%g]", #places - 0.3)
  script:put("set lmargin %d", longest + 3)
end

local function add_bars(script, chart)
  local groups, places = group_bars(chart.series)
  local base, n_bars = base_of(chart, groups), 0
  lay_out(chart, groups, places)
  if chart.has_names then
    name_places(script, places)
  end
  for i, series in ipairs(chart.series) do
    if series.kind == "bars" then
      add_bars_of(script, chart, series, i, groups, places, base)
      n_bars = n_bars + #series.points
    end
  end
  for i, series in ipairs(chart.series) do
    if series.kind == "bars" and (chart.has_names or n_bars <= MOST_VALUES) then
      add_values(script, chart, i)
    end
  end
  return base
end

-- {== The script ==================================================================================

local Script = {}
Script.__index = Script

function Script:put(format, ...)
  self.lines[#self.lines + 1] = format:format(...)
end

-- Puts a named block of data, a line for each item of a list.
function Script:data(name, list, line_of)
  self:put("%s << EOD", name)
  for _, item in ipairs(list) do
    self.lines[#self.lines + 1] = line_of(item)
  end
  self:put("EOD")
end

-- Notes what is to be plotted, when all data are there.
function Script:plot(text)
  self.plots[#self.plots + 1] = text
end

local TERMINALS = {
  svg = "set terminal svg size %d,%d dynamic enhanced font 'sans-serif,14'",
  png = "if (strstrt(GPVAL_TERMINALS, ' pngcairo ')) \z
    { set terminal pngcairo size %d,%d enhanced font 'sans-serif,11' } \z
    else { set terminal png size %d,%d enhanced }",
  terminal = "set terminal dumb size %d,%d noenhanced mono",
}

-- How many bars there are room for, one below the other, and how many names.
local function count_rooms(chart)
  local groups, places = group_bars(chart.series)
  local most = 1
  for _, group in pairs(groups) do
    most = math.max(most, #group)
  end
  return most * #places, #places
end

-- How high the picture is: in pixels, on the terminal in rows of characters.
local function height_of(chart)
  local is_printed = chart.form == "terminal"
  if not chart.has_names then
    return is_printed and ROWS or HEIGHT
  end
  local n_bars, n_names = count_rooms(chart)
  return is_printed and ROWS_AROUND + n_bars + n_names or AROUND + BAR_HEIGHT * n_bars + BAR_GAP * n_names
end

local function put_terminal(script, chart)
  local width = chart.form == "terminal" and chart.columns or chart.width
  local height = chart.form ~= "terminal" and chart.height or height_of(chart)
  script:put(TERMINALS[chart.form], width, height, width, height)
end

local HEADING = [[
set encoding utf8
set border 3 lc rgb '$text'
set tics nomirror textcolor rgb '$text'
set grid ytics lc rgb '$grid' lt 1
set key outside right top Left reverse noenhanced textcolor rgb '$text'
set style fill solid 0.9 noborder]]

-- Where all is drawn with characters, lines of a grid look like those of a series.
local PLAIN = "unset grid\nset key bmargin center horizontal"

local function put_axis(script, chart, axis, letter, is_value)
  script:put("set %slabel %s noenhanced textcolor rgb '%s'", letter, quoted(axis.label), TEXT)
  if axis.log then
    script:put("set logscale %s", letter)
    script:put("set grid %stics", letter)
  end
  if axis.log and chart.form ~= "terminal" then
    script:put("set format %s '10^{%%T}'", letter)
  end
  if axis.step then
    script:put("set %stics %s", letter, written(axis.step))
  end
  if not is_value or axis.min or axis.max then
    local least, most = axis.min and written(axis.min) or "*", axis.max and written(axis.max) or "*"
    script:put("set %srange [%s:%s]", letter, least, most)
  end
end

-- The axis of values begins where bars do.
local function put_base(script, chart, letter, base)
  local most = chart.y.max and written(chart.y.max) or "*"
  local least = chart.y.min or (chart.y.log and base)
  script:put("set %srange [%s:%s]", letter, least and written(least) or "*<0", most)
end

local function put_texts(script, chart)
  script:put("set title %s noenhanced textcolor rgb '%s'", quoted(chart.title), TEXT)
  if chart.note ~= "" then
    script:put("set label %s at screen 0.01,0.02 noenhanced font ',10' textcolor rgb '%s'", quoted(chart.note), TEXT)
    script:put("set bmargin 5")
  end
end

local function has_legend(chart)
  for _, series in ipairs(chart.series) do
    if series.name ~= "" then
      return true
    end
  end
  return false
end

local function put_axes(script, chart)
  local across = chart.has_names
  put_axis(script, chart, chart.y, across and "x" or "y", true)
  if across then
    script:put("set grid xtics noytics")
    script:put("set ylabel %s noenhanced textcolor rgb '%s'", quoted(chart.x.label), TEXT)
  else
    put_axis(script, chart, chart.x, "x", false)
  end
end

local function add_series(script, chart)
  local has_bars = false
  for i, series in ipairs(chart.series) do
    has_bars = has_bars or series.kind == "bars"
    if series.kind ~= "bars" then
      add_points(script, series, i)
    end
  end
  if has_bars then
    put_base(script, chart, chart.has_names and "x" or "y", add_bars(script, chart))
  end
end

--- The commands that draw a chart to gnuplot's standard output.
-- @tparam table chart as `chart.chart` gives it to `gnuplot.draw`; with `columns`, how wide the terminal is, where it
-- goes there
-- @treturn string
function plot.script(chart)
  local script = setmetatable({lines = {}, plots = {}}, Script)
  put_terminal(script, chart)
  script.lines[#script.lines + 1] = HEADING:gsub("%$(%w+)", {text = TEXT, grid = GRID})
  put_texts(script, chart)
  put_axes(script, chart)
  if chart.form == "terminal" then
    script:put(PLAIN)
  end
  if not has_legend(chart) then
    script:put("unset key")
  end
  add_series(script, chart)
  script.lines[#script.lines + 1] = "plot " .. table.concat(script.plots, ", \\\n  ") .. "\n"
  return table.concat(script.lines, "\n")
end

return plot
