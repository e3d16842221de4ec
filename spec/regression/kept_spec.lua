local script = require "support.script"

script.on_hosts("regression: a kept state", function(case)
  -- A function whose set-up the state has had before was not set up again, whatever had come since.
  case("sees what the script sees, also where that is as it was before", [[
    local function f() return G end
    local function g() return G, 1 end
    for _, value in ipairs {1, 2, 1, "two", true, 1, false, 2.5, 1} do
      G = value
      equal(parallel.map(f, {1}, options)[1], value)
      equal(parallel.map(g, {1}, options)[1], value)
    end
    local function mode() return config.mode .. name_of(config) end
    local function other() return config.mode end
    for _, value in ipairs {"train", "test", "train", "train", "test"} do
      config = {mode = value}
      function name_of() return value:upper() end
      equal(parallel.map(mode, {1}, options)[1], value .. value:upper())
      equal(parallel.map(other, {1}, options)[1], value)
    end
  ]])

  case("sees libraries and modules as they are, also where they are as they were before", [[
    local settings = {}
    package.loaded.settings = settings
    local function shout(s) return s:shout() end
    local function twice() return math.twice(4) end
    local function get() return require "settings".value end
    for _, value in ipairs {"a", "b", "a", "a", "c", "b"} do
      function string.shout(s) return s .. value end
      function math.twice(x) return x .. value end
      settings.value = value
      equal(parallel.map(shout, {"x"}, options)[1], "x" .. value)
      equal(parallel.map(twice, {1}, options)[1], "4" .. value)
      equal(parallel.map(get, {1}, options)[1], value)
    end
  ]])

  -- What the script takes back stayed.
  case("loses what the script takes back, and keeps what a call has set", [[
    local function f() return G end
    local function h() return type(T), helper and helper() end
    G, T = 1, {}
    function helper() return 7 end
    equal(parallel.map(f, {1}, options)[1], 1)
    equal(parallel.map(h, {1}, options)[1], "table")
    G, T, helper = nil, nil, nil
    equal(parallel.map(f, {1}, options).n, 1)
    equal(parallel.map(f, {1}, options)[1], nil)
    equal(parallel.map(h, {1}, {fresh = false, workers = 1, pack = true})[1], {"nil", nil, n = 2})
    G = 5
    equal(parallel.map(f, {1}, options)[1], 5)

    local function count() cache = (cache or 0) + 1 return cache end
    local function look() return cache end
    equal(parallel.map(count, {1, 2, 3}, options), {1, 2, 3, n = 3})
    equal(parallel.map(look, {1}, options)[1], 3)
    equal(parallel.map(f, {1}, options)[1], 5)
    equal(parallel.map(count, {1}, options)[1], 4)
  ]])
end, "local options = {fresh = false, workers = 1} ")
