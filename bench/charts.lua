-- Draws charts (SVG, by gnuplot) of what was measured.
--
--     moons bench/charts.lua FROM TO
--
-- FROM is the folder with bench.csv or peers.csv, TO the one for the charts. Each chart says at its
-- bottom on what machine it was measured. Text and lines are of middling brightness and the background is
-- left out, so that they can be read on light and on dark.

local from, to = arg[1], arg[2]

local TEXT, GRID = "#7d858f", "#a07d858f" -- the grid: mostly see-through

-- Who has which name and colour, in the order of legends.
local SERIES = {
  {"loop", "Lua, a plain loop", "#8b949e"},
  {"loop_python", "Python, a plain loop", "#b8905c"},
  {"bare", "two bare threads", "#8b949e"},
  {"moons", "Moons", "#e5484d"},
  {"kept", "Moons, fresh = false", "#f0883e"},
  {"python", "Python multiprocessing.Pool", "#3b82f6"},
  {"joblib", "joblib", "#0d9aa8"},
  {"node", "Node piscina", "#2e9e5b"},
  {"typed", "Node piscina, typed arrays", "#7aa93c"},
  {"luv", "luv new_work", "#9a6cf0"},
  {"r", "R parallel", "#d6409f"},
}

-- A file's lines as tables by column name; nil where there is no file.
local function read_csv(name)
  local file <close> = io.open(from .. "/" .. name)
  if not file then
    return nil
  end
  local names, rows = {}, {}
  for column in file:read("l"):gmatch("[^,]+") do
    table.insert(names, column)
  end
  for line in file:lines() do
    local row, i = {}, 0
    for value in (line .. ","):gmatch("([^,]*),") do
      i = i + 1
      row[names[i]] = tonumber(value) or value
    end
    table.insert(rows, row)
  end
  return rows
end

local function read_line(name)
  local file <close> = assert(io.open(from .. "/" .. name))
  return file:read("l")
end

-- A text for gnuplot.
local function quoted(text)
  return '"' .. text:gsub('[\\"]', "\\%0") .. '"'
end

local HEADING = [[
set terminal svg size 860,%d dynamic enhanced font 'sans-serif,14'
set output '%s'
set datafile missing '?'
set border 3 lc rgb '$text'
set tics nomirror noenhanced textcolor rgb '$text'
set grid ytics lc rgb '$grid' lt 1
set key outside right top Left reverse invert noenhanced textcolor rgb '$text'
set title %s textcolor rgb '$text' noenhanced
set xlabel %s textcolor rgb '$text'
set ylabel %s textcolor rgb '$text'
set label %s at screen 0.01,0.02 textcolor rgb '$text' font ',10' noenhanced
set bmargin 5
]]

-- `commands` of the kind of chart come before those of its own.
local function run_gnuplot(chart, machine, commands, script)
  local file = ("%s/%s.svg"):format(to, chart.name)
  local pipe = assert(io.popen("gnuplot", "w"))
  pipe:write((HEADING:gsub("%$(%w+)", {text = TEXT, grid = GRID}):format(chart.height or 520, file,
    quoted(chart.title), quoted(chart.x), quoted(chart.y or ""), quoted(machine))))
  pipe:write(commands, "\n", chart.settings or "", "\n", script, "\n")
  assert(pipe:close(), "gnuplot failed at " .. chart.name)
  print(file)
end

-- Lines through points, the first in the legend on top: chart.points[key] is a list of {x, y}.
local function draw_lines(chart, machine)
  local data, plots = {}, {}
  for number, series in ipairs(SERIES) do
    local key, name, colour = table.unpack(series)
    local points = chart.points[key]
    if points and #points > 0 then
      table.sort(points, function(a, b) return a[1] < b[1] end)
      table.insert(data, ("$%s << EOD"):format(key))
      for _, point in ipairs(points) do
        table.insert(data, ("%.9g %.9g"):format(point[1], point[2]))
      end
      table.insert(data, "EOD")
      table.insert(plots, 1, ("$%s with linespoints lw 2 pt %d ps 0.6 lc rgb '%s' title %s"):format(
        key, number + 3, colour, quoted(name)))
    end
  end
  run_gnuplot(chart, machine, table.concat(data, "\n"), "plot " .. table.concat(plots, ", \\\n"))
end

-- A bar for each, from the top: chart.bars is a list of {name, value, colour, label}, chart.first where the
-- bars begin.
local function draw_bars(chart, machine)
  local n, data = #chart.bars, {"$bars << EOD"}
  for i, bar in ipairs(chart.bars) do
    table.insert(data, ("%.9g %.9g %d %d %s %s"):format(chart.first, bar[2], n - i,
      tonumber(bar[3]:sub(2), 16), quoted(bar[1]), quoted(bar[4])))
  end
  table.insert(data, "EOD")
  chart.height = 130 + (chart.bar_height or 32) * n
  table.insert(data, ([[
unset key
set logscale x
set yrange [-0.7:%g]
set grid xtics noytics
set lmargin %d
set rmargin 8
set style fill solid 0.9 noborder]]):format(n - 0.3, chart.left or 30))
  run_gnuplot(chart, machine, table.concat(data, "\n"), ([[
plot $bars using 1:3:1:2:($3-0.36):($3+0.36):4:yticlabels(5) with boxxyerror lc rgb variable, \
  $bars using 2:3:6 with labels left offset 0.4,0 textcolor rgb '%s']]):format(TEXT))
end

local function draw(chart, machine)
  if chart.points and chart.points.moons then
    draw_lines(chart, machine)
  elseif chart.bars and #chart.bars > 0 then
    draw_bars(chart, machine)
  end
end

-- Peers.

local LOG_BOTH = "set logscale xy; set format xy '10^{%T}'; set tics enhanced; set grid xtics"

-- Adds a point to those of a series.
local function add_point(points, key, x, y)
  points[key] = points[key] or {}
  table.insert(points[key], {x, y})
end

-- Points by runner from works that are a prefix and a number.
local function points_of(rows, prefix)
  local points = {}
  for _, row in ipairs(rows) do
    local x = tonumber(row.work:match("^" .. prefix .. "_(%d+)$"))
    if x then
      add_point(points, row.runner, x, row.minimum)
    end
  end
  return points
end

-- Least time of the calls one by one, against that of the map.
local function speedups(rows)
  local points, loops = points_of(rows, "spin"), points_of(rows, "spin_loop")
  for key, list in pairs(points) do
    for i, point in ipairs(list) do
      point[2] = loops[key][i][2] / point[2]
    end
  end
  return points
end

-- Bars of a work, in the unit of which a second or byte has so many.
local function bars_of(rows, work, scale, chart)
  chart.bars = {}
  local least, most = math.huge, 0
  for _, series in ipairs(SERIES) do
    for _, row in ipairs(rows) do
      if row.work == work and row.runner == series[1] then
        local value = row.minimum * scale
        local label = (value >= 100 and "%.0f" or value >= 10 and "%.1f" or "%.2g"):format(value)
        table.insert(chart.bars, {series[2], value, series[3], label})
        least, most = math.min(least, value), math.max(most, value)
      end
    end
  end
  chart.first = 10.0 ^ (math.floor(math.log(least, 10)) - 1)
  chart.settings = ("set xrange [%g:%g]"):format(chart.first, most * 3)
  return chart
end

local function charts_of_peers(rows)
  local squares = points_of(rows, "length")
  squares.loop = points_of(rows, "loop_length").moons
  return {
    {name = "squares", title = "x² over a list of floats, 2 workers", points = squares,
      x = "length of the list", y = "time, s", settings = LOG_BOTH},
    {name = "waits", title = "Calls that wait 2 s, 8 workers", points = points_of(rows, "wait"),
      x = "number of calls", y = "time, s", settings = "set xtics 1; set xrange [0.5:16.5]; set yrange [0:*]"},
    {name = "speedup", title = "How many times faster calls are than one by one, 2 workers", points = speedups(rows),
      x = "length of a call, µs", y = "times faster", settings = "set logscale x; set yrange [0:2.2]; set ytics 0.5"},
    bars_of(rows, "apply", 1e6,
      {name = "overhead", title = "One call there and back in a stream of calls", x = "time, µs"}),
    bars_of(rows, "memory", 1e-6,
      {name = "memory", title = "Memory that an idle worker holds for itself", x = "memory, MB"}),
    bars_of(rows, "start", 1e3, {name = "start", title = "8 workers started, until 8 calls are back", x = "time, ms"}),
  }
end

-- Moons alone.

local function points_of_lengths(rows)
  local points = {}
  for _, row in ipairs(rows) do
    local way, length = tostring(row.key):match("^length_(%a+)_(%d+)$")
    if way then
      add_point(points, way == "fresh" and "moons" or way, tonumber(length), row.minimum / tonumber(length))
    end
  end
  return points
end

-- What part of the wanted each row with a target reaches: 1 is as wanted, more is better.
local function bars_of_wanted(rows)
  local bars = {}
  for _, row in ipairs(rows) do
    local part = row.at == "ratio" and tonumber(row.ratio_of_minima) and row.ratio_of_minima / row.wanted
      or row.at == "value" and row.median > 0 and row.wanted / row.median
    if part then
      local name = ("%s: %s%s"):format(row.part, row.key, row.against ~= "" and " / " .. row.against or "")
      local shown = math.max(0.01, math.min(part, 100))
      local label = (part < 0.01 and "0" or part < 10 and "%.2g" or "%.0f"):format(part)
      table.insert(bars, {name, shown, part >= 1 and "#2e9e5b" or "#e5484d", label})
    end
  end
  return bars
end

local function charts_of_bench(rows)
  local bars = bars_of_wanted(rows)
  return {
    {name = "lengths", title = "x² over a list of floats: time for each item, 2 workers",
      points = points_of_lengths(rows), x = "length of the list", y = "time for each item, ns", settings = LOG_BOTH},
    {name = "wanted", title = "What was measured, as a part of what is wanted", bars = bars, first = 0.01,
      x = "times what is wanted: from 1 on it is reached", bar_height = 20, left = 44,
      settings = ("set xrange [0.01:300]; set arrow from 1,-0.7 to 1,%g nohead lw 2 lc rgb '%s' front"):format(
        #bars - 0.3, TEXT)},
  }
end

if not os.execute("gnuplot --version >/dev/null 2>&1") then
  print("no gnuplot here: no charts are drawn")
  return
end
assert(os.execute("mkdir -p '" .. to .. "'"))
for name, charts_of in pairs {bench = charts_of_bench, peers = charts_of_peers} do
  local rows = read_csv(name .. ".csv")
  for _, chart in ipairs(rows and charts_of(rows) or {}) do
    draw(chart, read_line(name .. "_machine.txt"))
  end
end
