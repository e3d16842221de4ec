--- Runs gnuplot. The shell is given no text of the script's: commands go in by a temporary file, the picture comes out
-- by a pipe. It is written beside the file that was asked for, and then takes its name: that file is as it was, or
-- whole.
-- @module parallel.experiment.gnuplot

local core = require "parallel.core"
local file = require "parallel.experiment.file"
local plot = require "parallel.experiment.plot"

local gnuplot = {}

-- The shell's code for a command that is not there.
local NOT_FOUND = 127

local MISSING = "a chart needs the program gnuplot, which is not installed: get it with 'apt install gnuplot-nox' \z
  (Debian, Ubuntu), 'dnf install gnuplot' (Fedora), 'pacman -S gnuplot' (Arch), 'apk add gnuplot' (Alpine) or \z
  'brew install gnuplot' (macOS)"

-- How wide a chart of characters is where nobody knows how wide the terminal is.
local COLUMNS = 80

local function at_end(f)
  return setmetatable({}, {__close = f})
end

-- Raises an error of the script's line.
local function fail(text)
  core.blame("cannot draw the chart: " .. text)
end

local function read(path)
  local handle <close> = io.open(path, "rb")
  return handle and handle:read "a" or ""
end

-- What gnuplot says of an error; its place in the script says nothing to others.
local function describe(errors, how, code)
  local text = errors:match "line %d+: ([^\n]*)" or errors:match "^%s*([^\n]+)"
  return text and "gnuplot says: " .. text or ("gnuplot has ended with %s %s"):format(how, code)
end

-- Runs gnuplot on some commands; returns what it gives.
local function run(commands)
  if not (os and io) then
    core.blame "a chart needs the libraries 'io' and 'os', which this Lua state has not got"
  end
  local script, errors = os.tmpname(), os.tmpname()
  local _ <close> = at_end(function()
    os.remove(script)
    os.remove(errors)
  end)
  local written, why = file.write(script, commands)
  if not written then
    fail(tostring(why))
  end
  local pipe = io.popen(("gnuplot -d %s 2>%s </dev/null"):format(script, errors), "r")
  if not pipe then
    fail "no program can be started"
  end
  local picture = pipe:read "a"
  local succeeded, how, code = pipe:close()
  if code == NOT_FOUND then
    core.blame(MISSING)
  elseif not succeeded or #picture == 0 then
    fail(describe(read(errors), how, code))
  end
  return picture
end

--- Draws a chart.
-- @tparam table chart what `chart.chart` has read: `title`, `note`, `series`, the axes `x` and `y`, `has_names`, `form`
-- ("svg", "png" or "terminal"), `file`, `width` and `height`
-- @raise at the script's line
function gnuplot.draw(chart)
  chart.columns = core.columns() or COLUMNS
  local picture = run(plot.script(chart))
  if chart.file then
    local written, why = file.replace(chart.file, picture)
    if not written then
      fail(tostring(why))
    end
  else
    io.stdout:write((picture:gsub("[ \f]+\n", "\n"):gsub("^\f?\n*", ""):gsub("%s*$", "\n")))
  end
end

return gnuplot
