-- Returns `travels(make, check [, options])`: asserts that the values which the code `make` returns pass
-- the code `check`, which gets them as `...`, on every way that values can take between states. Both
-- know `equal`; `options` are those of support.script, and `rebuilt` where the values only pass the check
-- once they have travelled.

local script = require "support.script"

local CODE = [[
  local function make() %s end
  local function check(...) %s end
  if not %s then check(make()) end -- the check itself is right

  local values = table.pack(make())
  parallel.starmap(check, {values}) -- argument

  local function get() return table.unpack(values, 1, values.n) end
  parallel.map(function() check(get()) end, {0}) -- captured

  local result = parallel.map(make, {0}, {pack = true})[1] -- result
  check(table.unpack(result, 1, result.n))

  local function echo(...) return ... end
  result = parallel.starmap(echo, {values}, {pack = true})[1] -- there and back
  check(table.unpack(result, 1, result.n))

  result = parallel.starmap(echo, {values}, {pack = true, fresh = false})[1]
  check(table.unpack(result, 1, result.n))
]]

return function(make, check, options)
  script.passes(CODE:format(make, check, options and options.rebuilt), options)
end
