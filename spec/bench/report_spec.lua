local function load_report()
  local path = package.path
  package.path = "bench/?.lua;bench/peers/?.lua;" .. path
  local report, Samples = require "report", require "peers_report"
  package.path = path
  return report, Samples
end

describe("the table of measurements", function()
  local report, Samples = load_report()

  local function sum_up(row, samples)
    return report.sum_up(row, samples)
  end

  it("shows the median and the minimum of the rounds", function()
    local result = sum_up({"map", "a map", "ns"}, {map = {5, 1, 3, 9}})
    assert.are.same({4, 1, 4}, {result.shown, result.best, result.n_rounds})
  end)

  it("lets the least disturbed rounds decide about a ratio", function()
    local row = {"map", "a map", "ns", against = "loop", at_least = 2}
    local samples = {map = {10, 50, 50}, loop = {20, 20, 20}}
    local result = sum_up(row, samples)
    assert.are.equal(0.4, result.ratio)
    assert.are.equal(2, result.best_ratio)
    assert.is_true(result.holds)
    row.at_least = 2.1
    assert.is_false(sum_up(row, samples).holds)
  end)

  it("compares times with the unit of what is wanted", function()
    local row = {"call", "a call", "µs", at_most = 10}
    assert.is_true(sum_up(row, {call = {10000}}).holds)
    assert.is_false(sum_up(row, {call = {10001}}).holds)
  end)

  it("shows the most, or the 99th percentile, where a row asks for it", function()
    local values = {}
    for i = 1, 201 do
      values[i] = (i * 7) % 201
    end
    assert.are.equal(200, sum_up({"x", "", "", shows = "max"}, {x = values}).shown)
    assert.are.equal(198, sum_up({"x", "", "", shows = "p99"}, {x = values}).shown)
  end)

  it("says nothing of a row whose other side was not measured", function()
    local result = sum_up({"x", "", "ns", against = "y", at_least = 2}, {x = {1}})
    assert.is_nil(result.ratio)
    assert.is_nil(result.holds)
    assert.is_nil(sum_up({"y", "", "ns"}, {x = {1}}))
  end)

  it("puts what is in no row into the lines for programs", function()
    local lines = report.csv_lines({part = "maps", {"loop", "a loop", "ns"}}, {loop = {1}, other = {2}})
    assert.are.same({"maps,loop,,ns,1,1,1,,,,,", "maps,other,,ns,1,2,2,,,,,"}, lines)
  end)

  it("tells how far Moons is ahead of the best peer, whichever way is better", function()
    local samples = Samples.new()
    for key, times in pairs {moons = {10, 8}, python = {16, 20}, node = {40}} do
      for _, time in ipairs(times) do
        samples:add("apply", key, time * 1e-6)
        samples:add("spin_10", key, time)
        samples:add("spin_loop_10", key, 20)
      end
    end
    local kinds = {{key = "moons", version = "1"}, {key = "python", version = "2"}, {key = "node", version = "3"}}
    local text = samples:table(kinds)
    assert.matches("| 8%.00 | 16%.0 | 40%.0 | 2%.00 |", text)
    assert.matches("| 2%.50 | 1%.25 | 0%.50 | 2%.00 |", text)
  end)
end)
