-- Charts, drawn by gnuplot.
local lfs = require "lfs"
local script = require "support.script"
local temporary = require "support.temporary"

-- What scripts have here: a folder of their own, and the texts of an SVG file, a line each.
local START = [[
  local experiment = require "parallel.experiment"
  local folder = os.getenv "FOLDER"
  local function read(name)
    local file <close> = assert(io.open(folder .. "/" .. name, "rb"))
    return file:read "a"
  end
  local ENTITIES = {lt = "<", gt = ">", amp = "&", quot = '"', apos = "'", ["#39"] = "'"}
  local function texts(name)
    local list = {}
    for text in read(name):gmatch "<text>(.-)</text>" do
      list[#list + 1] = text:gsub("<[^>]*>", ""):gsub("&([#%w]+);", ENTITIES)
    end
    return "\n" .. table.concat(list, "\n") .. "\n"
  end
]]

-- The names of the files in a folder, sorted.
local function names_in(folder)
  local names = {}
  for name in lfs.dir(folder) do
    names[#names + 1] = name:find "^%.%.?$" == nil and name or nil
  end
  table.sort(names)
  return table.concat(names, " ")
end

-- Runs a script with a folder of its own, which holds these files at first; then `look` with the folder.
local function passes(code, look, files, host)
  temporary.folder(files or {}, function(folder)
    local env = {FOLDER = folder}
    for name, value in pairs(host and host.env or {}) do
      env[name] = value
    end
    script.passes(START .. code, setmetatable({env = env}, {__index = host}))
    if look then
      look(folder)
    end
  end)
end

local function draws(name, code, look, files)
  it(name, function() passes(code, look, files) end)
end

describe("a chart", function()
  draws("has its texts as they are, whatever they hold, and runs nothing of them", [==[
    for _, text in ipairs {
      "a `touch FILE` b", "$(touch FILE)", "it's; system('touch FILE')", 'say "touch FILE"', "@pi {/Bold x}_1^2",
      "two\nsystem('touch FILE')\nplot x", "50% of %d\\n", "|touch FILE", "<tag> & é", "~", "EOD",
    } do
      text = text:gsub("FILE", folder .. "/touched")
      experiment.chart {
        title = text, note = text, x = {label = text}, y = {label = text}, file = folder .. "/lines.svg",
        series = {{text, {{1, 2}, {2, 3}}}},
      }
      experiment.chart {kind = "bars", file = folder .. "/bars.svg", series = {{text, {{text, 2}, {"b", 3}}}}}
      local shown = "\n" .. text:gsub("%c", " ") .. "\n"
      local _, n = texts "lines.svg":gsub("\n", "\n\n"):gsub(shown:gsub("%W", "%%%0"), "")
      equal({text, n}, {text, 5}) -- title, note, both axes, legend
      _, n = texts "bars.svg":gsub("\n", "\n\n"):gsub(shown:gsub("%W", "%%%0"), "")
      equal({text, n}, {text, 2})
    end
  ]==], function(folder)
    assert.equal("bars.svg lines.svg", names_in(folder))
  end)

  draws("takes any name of a file", [[
    for _, name in ipairs {"it's a $(name) `x`.svg", "|cat.SVG", "~.svg", "é.png"} do
      experiment.chart {file = folder .. "/" .. name, series = {{"a", {{1, 1}}}}}
      assert(read(name):find(name:lower():find "svg$" and "<svg" or "^\x89PNG\r\n\x1a\n"), name)
    end
  ]])

  draws("is drawn as lines, points and bars, on linear and logarithmic axes, as SVG and PNG", [[
    local points = {{1, 10}, {10, 1e3}, {100, 1e5}, {1000, 0/0}, {10000, 7}}
    for _, kind in ipairs {"lines", "points", "bars"} do
      for _, log in ipairs {true, false} do
        for _, name in ipairs {"a.svg", "a.png"} do
          os.remove(folder .. "/" .. name)
          experiment.chart {
            kind = kind, x = {log = log and kind ~= "bars"}, y = {log = log, min = 1, max = 1e6},
            series = {{"one", points}, {name = "two", points = points, colour = "#123456"}},
            file = folder .. "/" .. name,
          }
          assert(#read(name) > 1000)
        end
        assert(read "a.svg":find "rgb%( *18, *52, *86%)" or read "a.svg":find "#123456", kind)
        equal(texts "a.svg":find "\n100\n" ~= nil, log) -- 10^0
      end
    end
  ]])

  draws("has bars over names, one below the other, with their values", [[
    experiment.chart {
      title = "Overhead", y = {label = "microseconds", log = true}, kind = "bars",
      series = {{"here", {{"Moons", 2}, {"joblib", 321}}}, {"there", {{"joblib", 1234.5}}}}, file = folder .. "/a.svg",
    }
    for _, text in ipairs {"Moons", "joblib", "2", "321", "123[45]", "here", "there", "microseconds", "Overhead"} do
      assert(texts "a.svg":find("\n" .. text .. "\n"), text)
    end
    local heights = {}
    for y, name in read "a.svg":gmatch "translate%([%d.]+,([%d.]+)%)[^\n]*\n%s*<text>(%a+)<" do
      heights[name] = tonumber(y)
    end
    assert(heights.Moons < heights.joblib)
  ]])

  draws("leaves a gap at points that are not finite", [[
    local points = {{1, 1}, {2, 0/0}, {3, 1}, {4, math.huge}, {0/0, 1}, {5, 1}}
    experiment.chart {kind = "points", file = folder .. "/a.svg", series = {{"", points}}}
    local _, n = read "a.svg":gsub("<use xlink:href='#gpPt", "")
    experiment.chart {kind = "points", file = folder .. "/b.svg", series = {{"", {{1, 1}, {3, 1}, {5, 1}}}}}
    local _, expected = read "b.svg":gsub("<use xlink:href='#gpPt", "")
    equal(n, expected)
  ]])

  draws("has no comma in its numbers, whatever the locale", [[
    assert(os.setlocale("C"))
    for _, name in ipairs {"de_DE.UTF-8", "fr_FR.UTF-8"} do os.setlocale(name) end
    experiment.chart {kind = "bars", file = folder .. "/a.svg", series = {{"", {{"a", 1.5}, {"b", 2.25}}}}}
    assert(texts "a.svg":find "\n2%.25\n")
  ]])

  it("is printed with characters where no file is named", function()
    local result = script.run [[
      require "parallel.experiment".chart {
        title = "Some title", x = {label = "the x"}, y = {label = "y"}, series = {{"falling", {{1, 2}, {2, 1}}}},
      }
      print "done"
    ]]
    for _, text in ipairs {"Some title", "the x", "falling"} do
      assert.truthy(result.stdout:find(text, 1, true))
    end
    assert.truthy(result.stdout:find "\ndone\n$")
    for line in result.stdout:gmatch "[^\n]+" do
      assert.truthy(#line <= 80)
    end
    assert.equal("", result.stderr)
  end)

  for _, host in ipairs(script.hosts) do
    it("can be drawn " .. host.name .. ", in calls too", function()
      passes([[
        local function draw(i)
          experiment.chart {file = folder .. "/" .. i .. ".svg", series = {{"a", {{i, i}}}}}
          return #read(i .. ".svg") > 1000
        end
        equal({draw(1), parallel.map(draw, {2, 3})}, {true, {true, true, n = 2}})
      ]], function(folder) assert.equal("1.svg 2.svg 3.svg", names_in(folder)) end, {}, host)
    end)
  end
end)

describe("a chart that cannot be drawn", function()
  local REFUSED = [[
    local ok, err = pcall(function()
      experiment.chart {file = folder .. "/a.svg", series = {{"a", {{1, 1}}}}}
    end)
    assert(not ok and err:find "^stdin:%d+: ", err)
  ]]

  -- A program of that name, before others in PATH.
  local function with_gnuplot(text, code)
    passes(([[
      assert(os.execute("chmod +x " .. folder .. "/bin/gnuplot"))
      equal(read "a.svg", "old")
      local program = folder .. "/script.lua"
      local file <close> = assert(io.open(program, "w"))
      file:write(%q)
      file:close()
      assert(os.execute(("PATH=%%s/bin:$PATH FOLDER=%%s %%s %%s"):format(folder, folder, arg[-1] or arg[0], program)))
    ]]):format('local parallel = require "parallel"' .. START .. REFUSED:gsub("stdin", "[^:]*script.lua") .. code),
    function(folder)
      assert.equal("a.svg bin script.lua", names_in(folder))
    end, {["a.svg"] = "old", ["bin/gnuplot"] = text})
  end

  it("as gnuplot is missing, says how to get that", function()
    with_gnuplot("#!/bin/sh\nexit 127\n", [[
      assert(err:find("needs the program gnuplot", 1, true) and err:find("apt install gnuplot-nox", 1, true), err)
      assert(read "a.svg" == "old")
    ]])
  end)

  it("as gnuplot fails, says why, and leaves the file that was there", function()
    with_gnuplot("#!/bin/sh\necho '<svg'\necho 'gnuplot> foo' >&2\necho '\"x\" line 3: no such thing' >&2\nexit 1\n", [[
      assert(err:find("cannot draw the chart: gnuplot says: no such thing", 1, true), err)
      assert(read "a.svg" == "old")
    ]])
  end)

  it("as gnuplot is killed, leaves the file that was there", function()
    with_gnuplot("#!/bin/sh\necho '<svg'\nkill -9 $$\n", [[
      assert(err:find("cannot draw the chart: gnuplot ", 1, true), err)
      assert(read "a.svg" == "old")
    ]])
  end)

  draws("as its folder is missing, says so", [[
    local ok, err = pcall(experiment.chart, {file = folder .. "/none/a.svg", series = {{"a", {{1, 1}}}}})
    assert(not ok and err:find "cannot draw the chart: .*No such file or directory", err)
  ]], function(folder) assert.equal("", names_in(folder)) end)

  draws("for what it was told, is refused at the script's line, by the name of the field", [[
    local a = {"a", {{1, 1}}}
    for text, spec in pairs {
      ["there is no field 'tittle'"] = {tittle = "x", series = {a}},
      ["there is no field 'x.lable'"] = {x = {lable = "x"}, series = {a}},
      ["there is no field 'series[1].color'"] = {series = {{"a", {{1, 1}}, color = "#000000"}}},
      ["title: a string expected, got 1"] = {title = 1, series = {a}},
      ["x: a table expected, got \"length\""] = {x = "length", series = {a}},
      ["x.log: a boolean expected, got 10"] = {x = {log = 10}, series = {a}},
      ["y.min: a finite number expected, got inf"] = {y = {min = math.huge}, series = {a}},
      ["y.min: more than 0, as the axis is logarithmic, expected, got 0"] = {y = {min = 0, log = true}, series = {a}},
      ['kind: "lines", "points" or "bars" expected, got "pie"'] = {kind = "pie", series = {a}},
      ["series: a list of {name, points} expected, got nil"] = {},
      ["series: a list of {name, points} expected, got an empty one"] = {series = {}},
      ["series[2]: {name, points} expected, got 7"] = {series = {a, 7}},
      ["series[1] (\"a\"): a list of points {x, y} expected, got an empty one"] = {series = {{"a", {}}}},
      ["series[1] (\"a\"), point 2: a point {x, y} expected, got 3"] = {series = {{"a", {{1, 1}, 3}}}},
      ["series[1] (\"a\"), point 1: numbers {x, y} expected, got y = nil"] = {series = {{"a", {{1}}}}},
      ["series[1] (\"a\"), point 1: numbers {x, y} expected, got x = \"b\""] = {series = {{"a", {{"b", 1}}}}},
      ["point 1: more than 0 on the logarithmic axis y expected, got -1"] = {
        y = {log = true}, series = {{"a", {{1, -1}}}}},
      ["series: at least one point that is finite expected, got none"] = {series = {{"a", {{1, 0/0}}}}},
      ["series: points over names or over numbers expected, got both"] = {
        kind = "bars", series = {{"a", {{1, 1}, {"b", 2}}}}},
      ["x.log: false where bars stand over numbers expected"] = {kind = "bars", x = {log = true}, series = {a}},
      ["file: a name that ends with .svg or .png expected, got \"a.jpg\""] = {file = "a.jpg", series = {a}},
      ["width: from 100 to 10000 expected, got 5"] = {width = 5, series = {a}},
      ['series[1].colour: a colour such as "#e5484d" expected, got "red"'] = {
        series = {{"a", {{1, 1}}, colour = "red"}}},
    } do
      local ok, err = pcall(function() experiment.chart(spec) end)
      assert(not ok and err:find "^stdin:%d+: bad argument #1 to 'chart' %(" and err:find(text, 1, true),
        text .. " / " .. tostring(err))
    end
    local ok, err = pcall(experiment.chart)
    assert(not ok and err:find("bad argument #1 to 'chart' (table expected, got nil)", 1, true), err)
  ]])
end)
