-- The module `parallel` in the state of a call, which has little of it until the call uses it.
local script = require "support.script"

script.on_hosts("the module in a call", function(case)
  case("has all its names, and is one table however it is reached", [[
    local function names()
      local list = {}
      for name in pairs(require "parallel") do list[#list + 1] = name end
      table.sort(list)
      return table.concat(list, " ")
    end
    equal(parallel.map(function(f) return f() end, {names})[1], names())
    equal(parallel.map(function() return require "parallel" == package.loaded.parallel end, {1})[1], true)
    equal(parallel.map(function() return require "parallel" == parallel end, {1})[1], true)
    equal(parallel.map(function() return parallel.map(function(x) return x end, {7})[1] end, {1})[1], 7)
  ]])

  case("knows what the call has changed before it was used", [[
    local function change()
      function string.shout(s) return s:upper() .. "!" end
      local searchers = _G.package.searchers
      searchers[#searchers + 1] = function(name)
        if name == "odd" then return function() return {n = 7} end end
      end
      setmetatable(_G, {__index = function(_, key) return "none " .. key end})
      getmetatable("").__add = function(a, b) return a .. b end
      debug.setmetatable(1, {__index = function(n, key) return key .. n end})
    end
    local function use(x)
      return x:shout() .. require "odd".n .. _G.xx .. ("a" + "b") .. (1).hello
    end
    local function outer()
      change()
      return require("para" .. "llel").map(use, {"a", "b"})
    end
    equal(parallel.map(outer, {1}), {{"A!7none xxabhello1", "B!7none xxabhello1"}})
  ]])
end)
