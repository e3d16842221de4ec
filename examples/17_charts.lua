-- test: build/
-- Two charts: what a map costs over longer and longer lists, and what it saves where calls wait.
local chart = require "parallel.experiment".chart
local parallel = require "parallel"
local function seconds(f, ...) local start = parallel.clock() f(...) return parallel.clock() - start end
local function square(x) return x ^ 2 end
local function loop(f, xs) local ys = {} for i = 1, #xs do ys[i] = f(xs[i]) end return ys end
local function wait() parallel.sleep(0.05) end
local folder, loops, maps, waits = arg[1] or "", {}, {}, {}
for power = 1, 5 do
  local xs = loop(square, parallel.range(1, 10 ^ power))
  loops[power], maps[power] = {#xs, seconds(loop, square, xs)}, {#xs, seconds(parallel.map, square, xs)}
end
for n = 1, 8 do waits[n] = {n, seconds(parallel.map, wait, parallel.range(1, n), {workers = 8})} end
chart {title = "x² over a list", x = {label = "length", log = true}, y = {label = "time, s", log = true},
  series = {{"a loop", loops}, {"parallel.map", maps}}, file = folder .. "squares.svg"}
chart {title = "Calls that wait 0.05 s, 8 workers", x = {label = "calls", step = 1}, y = {label = "time, s", min = 0},
  series = {{"parallel.map", waits}}, file = folder .. "waits.svg"}
print(("two charts: %ssquares.svg and %swaits.svg"):format(folder, folder))
