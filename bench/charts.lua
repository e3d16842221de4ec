-- Draws charts (SVG, by gnuplot) of what was measured.
--
--     moons bench/charts.lua FROM TO
--
-- FROM is the folder with bench.csv or peers.csv, TO the one for the charts. Each chart says at its
-- bottom on what machine it was measured.

local experiment = require "parallel.experiment"

local from, to = arg[1], arg[2]

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

-- Lines through points, the first in the legend on top: chart.points[key] is a list of {x, y}.
local function add_lines(spec, points)
  for _, series in ipairs(SERIES) do
    local key, name, colour = table.unpack(series)
    if points[key] and #points[key] > 0 then
      table.sort(points[key], function(a, b) return a[1] < b[1] end)
      table.insert(spec.series, {name, points[key], colour = colour})
    end
  end
end

-- A bar for each, from the top: a list of {name, value, colour}.
local function add_bars(spec, bars)
  spec.kind = "bars"
  for _, bar in ipairs(bars) do
    table.insert(spec.series, {"", {{bar[1], bar[2]}}, colour = bar[3]})
  end
end

local function draw(chart, machine)
  local spec = {
    title = chart.title, x = chart.x, y = chart.y, note = machine, series = {}, height = chart.height,
    file = ("%s/%s.svg"):format(to, chart.name),
  }
  if chart.points then
    add_lines(spec, chart.points)
  else
    add_bars(spec, chart.bars)
  end
  if #spec.series > 0 then
    experiment.chart(spec)
    print(spec.file)
  end
end

-- Peers.

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
local function bars_of(rows, work, scale)
  local bars = {}
  for _, series in ipairs(SERIES) do
    for _, row in ipairs(rows) do
      if row.work == work and row.runner == series[1] then
        table.insert(bars, {series[2], row.minimum * scale, series[3]})
      end
    end
  end
  return bars
end

local function charts_of_peers(rows)
  local squares = points_of(rows, "length")
  squares.loop = points_of(rows, "loop_length").moons
  return {
    {name = "squares", title = "x² over a list of floats, 2 workers", points = squares,
      x = {label = "length of the list", log = true}, y = {label = "time, s", log = true}},
    {name = "waits", title = "Calls that wait 2 s, 8 workers", points = points_of(rows, "wait"),
      x = {label = "number of calls", min = 0.5, max = 16.5, step = 1}, y = {label = "time, s", min = 0}},
    {name = "speedup", title = "How many times faster calls are than one by one, 2 workers", points = speedups(rows),
      x = {label = "length of a call, µs", log = true}, y = {label = "times faster", min = 0, max = 2.2, step = 0.5}},
    {name = "overhead", title = "One call there and back in a stream of calls", bars = bars_of(rows, "apply", 1e6),
      y = {label = "time, µs", log = true}},
    {name = "memory", title = "Memory that an idle worker holds for itself", bars = bars_of(rows, "memory", 1e-6),
      y = {label = "memory, MB", log = true}},
    {name = "start", title = "8 workers started, until 8 calls are back", bars = bars_of(rows, "start", 1e3),
      y = {label = "time, ms", log = true}},
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
      table.insert(bars, {name, shown, part >= 1 and "#2e9e5b" or "#e5484d"})
    end
  end
  return bars
end

local function charts_of_bench(rows)
  return {
    {name = "lengths", title = "x² over a list of floats: time for each item, 2 workers",
      points = points_of_lengths(rows), x = {label = "length of the list", log = true},
      y = {label = "time for each item, ns", log = true}},
    {name = "wanted", title = "What was measured, as a part of what is wanted", bars = bars_of_wanted(rows),
      y = {label = "times what is wanted: from 1 on it is reached", log = true, min = 0.01, max = 300}},
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
