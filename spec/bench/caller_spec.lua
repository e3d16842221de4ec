-- The simulation of one caller, against what can be told without one.
local function load_caller()
  local path = package.path
  package.path = "bench/?.lua;" .. path
  local caller = require "caller"
  package.path = path
  return caller
end

describe("the simulation of a caller", function()
  local caller = load_caller()

  local function simulate(costs, map)
    for _, key in ipairs {"main", "call", "link", "away", "handover"} do costs[key] = costs[key] or 0 end
    map.n_processors = map.n_processors or 2
    return caller.simulate(costs, map)
  end

  local function is_about(expected, value)
    assert(math.abs(value - expected) <= 0.02 * expected, ("%g, and not %g"):format(value, expected))
  end

  it("loses nothing where nothing costs anything", function()
    is_about(1, simulate({}, {n_workers = 8, call_ns = 1e6, n_calls = 8000}).efficiency)
  end)

  it("has workers wait as long as handing over takes, which long chunks make up for", function()
    local one_by_one = simulate({away = 10e6}, {n_workers = 4, call_ns = 10e6, n_calls = 400})
    is_about(0.5, one_by_one.efficiency)
    is_about(0.5, one_by_one.handing_over)
    local long = simulate({away = 1e6, handover = 500000}, {n_workers = 4, call_ns = 1e6, n_calls = 40000})
    is_about(100 / 101, long.efficiency)
  end)

  it("gives no more workers something to do than the caller can", function()
    local result = simulate({main = 1e6}, {n_workers = 100, call_ns = 10e6, n_calls = 10000})
    is_about(0.1, result.efficiency)
    is_about(0.9, result.caller)
    is_about(1, result.busy)
  end)

  it("has what sends and receives share the caller's processors", function()
    local map = {n_workers = 100, call_ns = 10e6, n_calls = 10000, n_processors = 4}
    local result = simulate({link = 1e6}, map)
    is_about(0.4, result.efficiency)
    is_about(4, result.busy)
  end)

  it("ends unevenly where the calls do not divide", function()
    local result = simulate({}, {n_workers = 4, call_ns = 1e9, n_calls = 5})
    is_about(5 / 8, result.efficiency)
    is_about(3 / 8, result.ends)
  end)
end)
