local script = require "support.script"
local temporary = require "support.temporary"

describe("regression: a chart", function()
  -- gnuplot 5.4 reads an apostrophe at the beginning of a text between single quotes wrong.
  it("has texts that begin with an apostrophe, and runs nothing of any", function()
    temporary.folder({["a.lua"] = [==[
      local experiment = require "parallel.experiment"
      local texts = {
        "'90s", "'", "''", "dogs'", "\\", "\\\\`touch touched`", "'`touch touched`'", "\\\"; system('touch touched') #",
        "\\042; system('touch touched') #", "\"`touch touched`",
      }
      for _, text in ipairs(texts) do
        for _, kind in ipairs {"lines", "bars"} do
          local points = kind == "bars" and {{text, 1}, {"other", 2}} or {{1, 1}, {2, 2}}
          experiment.chart {
            title = text, note = text, x = {label = text}, y = {label = text}, kind = kind, series = {{text, points}},
            file = "a.svg",
          }
          local file <close> = io.open "a.svg"
          local n = 0
          for shown in file:read "a":gmatch "<text>(.-)</text>" do
            shown = shown:gsub("<[^>]*>", ""):gsub("&quot;", '"'):gsub("&#39;", "'"):gsub("&apos;", "'")
            n = n + (shown == text and 1 or 0)
          end
          assert(n >= 4, text)
        end
      end
      assert(not io.open "touched")
    ]==]}, function(folder)
      local result = script.moons({"a.lua"}, {folder = folder})
      assert.equal(0, result.code, result.stderr)
    end)
  end)
end)
