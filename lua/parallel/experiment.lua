--- Experiments: settings to try, what came of them, and charts.
--
--     local experiment = require "parallel.experiment"
--     local settings = experiment.grid {lr = {0.1, 0.01}, depth = parallel.range(2, 5)}
--     local scores = parallel.map(score, settings)
--
-- Each part is loaded when it is used.
-- @module parallel.experiment

local experiment = {}

-- Each name, and the part that has it.
local PARTS = {
  grid = "grid", sample = "sample", uniform = "distribution", log_uniform = "distribution",
  integers = "distribution", choice = "distribution", chart = "chart",
  open = "open",
}

for name, part in pairs(PARTS) do
  experiment[name] = function(...)
    return require("parallel.experiment." .. part)[name](...)
  end
end

return experiment
