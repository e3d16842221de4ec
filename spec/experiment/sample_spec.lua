-- Samples: random settings that depend on a seed and their number alone.
local script = require "support.script"

local START = [[
  local experiment = require "parallel.experiment"
  local uniform, log_uniform = experiment.uniform, experiment.log_uniform
  local integers, choice, sample = experiment.integers, experiment.choice, experiment.sample
]]

script.on_hosts("a sample", function(case)
  -- Bit for bit the numbers that any machine must draw: from here on they are never to change.
  case("draws these very numbers", [[
    local space = {lr = log_uniform(1e-4, 1), depth = integers(2, 9), loss = choice {"l1", "l2"}, x = uniform(0, 1)}
    local settings = sample(3, space, {seed = 1})
    local shown = {}
    for i, s in ipairs(settings) do shown[i] = ("%a %d %s %a"):format(s.lr, s.depth, s.loss, s.x) end
    equal(shown, {
      "0x1.6880acbc76df4p-2 7 l1 0x1.796d3df4115d1p-1",
      "0x1.3a3a7ba44b346p-2 7 l2 0x1.39ea8db8e723cp-1",
      "0x1.bf7e35045517ap-11 2 l2 0x1.ab4b002bbeaeep-1",
    })
    equal(("%a"):format(sample(10^9, space, {seed = -7})[10^9].lr), "0x1.60910b22f35b4p-10")
  ]])

  case("depends on seed, number and name alone: not on its length, nor on other parameters", [[
    local a = sample(5, {x = uniform(0, 1)}, {seed = 3})
    local b = sample(1000000000, {w = integers(1, 6), x = uniform(0, 1), y = uniform(0, 1)}, {seed = 3})
    for i, setting in ipairs(a) do equal(b[i].x, setting.x) end
    assert(b[1].x ~= b[1].y and b[1].x ~= b[2].x)
    assert(sample(1, {x = uniform(0, 1)}, {seed = 4})[1].x ~= a[1].x)
    equal(b[999999999], b[999999999])
  ]])

  case("takes its seed from the script's random numbers where none is given", [[
    local space = {x = uniform(0, 1)}
    math.randomseed(5)
    local a, b = sample(1, space)[1].x, sample(1, space)[1].x
    math.randomseed(5)
    assert(a ~= b)
    equal({sample(1, space)[1].x, sample(1, space)[1].x}, {a, b})
    local function f() return sample(1, space)[1].x end
    local first = parallel.map(f, {1, 2}, {seed = 1})
    assert(first[1] ~= first[2])
    equal(parallel.map(f, {1, 2}, {seed = 1}), first)
  ]])

  case("keeps to its bounds, and fills them", [[
    local n = 4000
    local counts, lows, values = {}, 0, {}
    local s = sample(n, {i = integers(-1, 2), l = log_uniform(1e-3, 10), u = uniform(-2, 6),
      c = choice {n = 3, "a", nil, false}}, {seed = 11})
    for _, setting in ipairs(s) do
      assert(setting.u >= -2 and setting.u < 6 and setting.l >= 1e-3 and setting.l <= 10)
      equal(math.type(setting.i), "integer")
      counts[setting.i] = (counts[setting.i] or 0) + 1
      lows = lows + (setting.l < 0.1 and 1 or 0) + (setting.u < 2 and 1 or 0)
      local c = tostring(setting.c)
      values[c] = (values[c] or 0) + 1
    end
    for i = -1, 2 do assert(math.abs(counts[i] - n / 4) < 150, counts[i]) end
    for _, c in ipairs {"a", "nil", "false"} do assert(math.abs(values[c] - n / 3) < 150, values[c]) end
    equal(counts[-2] or counts[3], nil)
    assert(math.abs(lows - n) < 200, lows)
  ]])

  case("takes bounds of any size, and equal ones", [[
    local s = sample(50, {
      all = integers(math.mininteger, math.maxinteger), one = integers(4, 4.0), same = uniform(2, 2),
      wide = log_uniform(5e-324, 1.7e308), tiny = log_uniform(5e-324, 1e-320), whole = log_uniform(3, 3),
    }, {seed = 2})
    local negative = 0
    for _, setting in ipairs(s) do
      negative = negative + (setting.all < 0 and 1 or 0)
      equal({setting.one, setting.same, setting.whole}, {4, 2.0, 3.0})
      assert(setting.wide >= 5e-324 and setting.wide <= 1.7e308)
      assert(setting.tiny >= 5e-324 and setting.tiny <= 1e-320)
    end
    assert(negative > 10 and negative < 40)
  ]])

  case("has logarithms and powers that are right to the last bits", [[
    local exact = require "parallel.experiment.exact"
    for i = 1, 2000 do
      local x = 10.0 ^ (i / 10 - 100)
      assert(math.abs(exact.log(x) - math.log(x)) <= 4e-16 * math.max(1, math.abs(math.log(x))), x)
      local y = i / 3 - 333
      assert(math.abs(exact.exp(y) / math.exp(y) - 1) <= 4e-16, y)
    end
    equal({exact.log(1), exact.exp(0)}, {0.0, 1.0})
  ]])

  case("stands where sequences do, and is never built", [[
    local s = sample(1000000000, {k = integers(1, 6)}, {seed = 9})
    equal({#s, s[0], s[1000000001]}, {1000000000, nil, nil})
    for i, value in parallel.imap(function(setting) return setting.k end, s) do
      equal(value, s[i].k)
      if i == 500 then break end
    end
    local few = sample(4, {k = integers(1, 6)}, {seed = 9})
    equal(parallel.map(function(i) return few[i].k end, {1, 2, 3, 4}), {s[1].k, s[2].k, s[3].k, s[4].k, n = 4})
    equal(parallel.map(function(x) return x end, sample(0, {k = integers(1, 6)})), {n = 0})
  ]])

  case("is refused at the script's line where it can be none", [[
    local x = {x = uniform(0, 1)}
    for text, call in pairs {
      ["#1 to 'sample' (number of settings expected, got nil)"] = function() sample() end,
      ["#1 to 'sample' (number of settings expected, got -1)"] = function() sample(-1, x) end,
      ["#1 to 'sample' (number of settings expected, got 1.5)"] = function() sample(1.5, x) end,
      ["#2 to 'sample' (table of distributions by name expected, got nil)"] = function() sample(1) end,
      ["parameter 'a': distribution, such as uniform(0, 1), expected, got a list: write choice(list)"] = function()
        sample(1, {a = {1, 2}})
      end,
      ["parameter 'a': distribution, such as uniform(0, 1), expected, got number"] = function() sample(1, {a = 1}) end,
      ["unknown option 'sed' to 'sample'; there is 'seed'"] = function() sample(1, x, {sed = 1}) end,
      ["option 'seed' of 'sample' must be an integer, not 1.5"] = function() sample(1, x, {seed = 1.5}) end,
      ["option 'seed' of 'sample' must be an integer, not a string"] = function() sample(1, x, {seed = "1"}) end,
      ["#2 to 'uniform' (finite number expected, got nil)"] = function() uniform(1) end,
      ["#1 to 'uniform' (finite number expected, got -inf)"] = function() uniform(-math.huge, 1) end,
      ["#2 to 'uniform' (it must not be less than the first)"] = function() uniform(2, 1) end,
      ["#2 to 'uniform' (too far from the first)"] = function() uniform(-1.7e308, 1.7e308) end,
      ["#1 to 'log_uniform' (finite number above 0 expected, got 0)"] = function() log_uniform(0, 1) end,
      ["#2 to 'integers' (integer expected, got 2.5)"] = function() integers(1, 2.5) end,
      ["#1 to 'integers' (integer expected, got string)"] = function() integers("1", 2) end,
      ["#1 to 'choice' (list of values expected, got an empty one)"] = function() choice {} end,
      ["#1 to 'choice' (list of values expected, got string)"] = function() choice("ab") end,
      ["a sample cannot be changed"] = function() sample(1, x)[1] = 2 end,
    } do
      local ok, err = pcall(call)
      assert(not ok and err:find "^stdin:%d+: " and err:find(text, 1, true), text .. " / " .. tostring(err))
    end
  ]])
end, START)
