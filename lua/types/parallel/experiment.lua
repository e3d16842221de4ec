---@meta parallel.experiment
-- Definitions of the module `parallel.experiment` for LuaLS, the language server of editors. Nothing loads this file.

---Settings that are never built: a grid or a sample.
---@class parallel.Settings
---@field n integer how many there are
---@field [integer] table<string, any>

---@class parallel.Distribution
---@field kind "uniform"|"log_uniform"|"integers"|"choice"

---@class parallel.GridOptions
---@field order? string[] the names, the last of which changes fastest; sorted by default

---@class parallel.SampleOptions
---@field seed? integer by default a number drawn from the script's `math.random`

---@alias parallel.Kind "lines"|"points"|"bars"

---@class parallel.Axis
---@field label? string
---@field log? boolean
---@field min? number
---@field max? number
---@field step? number

---`{name, points}`, or these fields. A point is `{x, y}`; the x of a bar may be a name.
---@class parallel.Series
---@field [1]? string the name
---@field [2]? table[] the points
---@field name? string
---@field points? table[]
---@field kind? parallel.Kind
---@field colour? string such as "#e5484d"

---@class parallel.Chart
---@field series parallel.Series[]
---@field kind? parallel.Kind `"lines"` by default
---@field title? string
---@field note? string a small line at the bottom
---@field x? parallel.Axis
---@field y? parallel.Axis
---@field file? string ends with .svg or .png; by default the chart is printed
---@field width? integer pixels of a file
---@field height? integer pixels of a file

---Experiments: settings to try, and charts of what came of them.
---@class parallel.experiment
local experiment = {}

---All settings of some parameters: each way to take a value from each list.
---@param parameters table<string, any[]|parallel.Range> by name a list of values
---@param options? parallel.GridOptions
---@return parallel.Settings grid
function experiment.grid(parameters, options) end

---Random settings of some parameters. Setting i depends on the seed and on i.
---@param n integer how many
---@param parameters table<string, parallel.Distribution>
---@param options? parallel.SampleOptions
---@return parallel.Settings sample
function experiment.sample(n, parameters, options) end

---Floats, all equally likely.
---@param low number
---@param high number
---@return parallel.Distribution distribution
function experiment.uniform(low, high) end

---Floats above 0 whose logarithms are equally likely.
---@param low number
---@param high number
---@return parallel.Distribution distribution
function experiment.log_uniform(low, high) end

---Integers, both ends among them.
---@param low integer
---@param high integer
---@return parallel.Distribution distribution
function experiment.integers(low, high) end

---Values of a list or a range, all equally likely.
---@param values any[]|parallel.Range
---@return parallel.Distribution distribution
function experiment.choice(values) end

---A call in a store.
---@class parallel.Row
---@field item any
---@field value any
---@field error? string
---@field seconds? number
---@field host? string
---@field started string UTC
---@field tries? integer

---What a store holds.
---@class parallel.Store
local store = {}

---Iterates over the calls.
---@return fun(): parallel.Row? next
function store:rows() end

---How many calls have succeeded, and how many have failed.
---@return integer succeeded
---@return integer failed
function store:count() end

---The call with the least, or the greatest, value.
---@param by? string|fun(value: any, row: parallel.Row): number? a field of the values, or a function of them
---@param which? "min"|"max" `"min"` by default
---@return parallel.Row? row
function store:best(by, which) end

---Writes all calls as comma-separated values.
---@param path string
function store:csv(path) end

---Closes the file.
function store:close() end

---Opens a store that is there.
---@param path string
---@return parallel.Store store
function experiment.open(path) end

---Draws a chart, by gnuplot.
---@param spec parallel.Chart
function experiment.chart(spec) end

return experiment
