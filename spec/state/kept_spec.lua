local script = require "support.script"

script.on_hosts("with fresh = false a worker", function(case, _, host)
  case("keeps globals, upvalues and captured tables from call to call", [[
    count = 0
    local n, list = 0, {}
    local function f()
      count, n, list[#list + 1] = count + 1, n + 1, true
      return {count, n, #list}
    end
    local results = parallel.map(f, parallel.range(1, 100), {fresh = false, workers = 1, chunk = 7})
    for i = 1, 100 do equal(results[i], {i, i, i}) end
    equal({count, n, list}, {0, 0, {}})
  ]])

  case("keeps loaded modules and a changed library", [[
    local function f(x)
      local was = {package.loaded.invented, string.extra}
      package.loaded.invented, string.extra = x, x
      return was
    end
    equal(parallel.map(f, {1, 2, 3}, {fresh = false, workers = 1}), {{}, {1, 1}, {2, 2}})
  ]])

  case("can hold a cache", [[
    local cache = {}
    local function f(x)
      local hit = cache[x] ~= nil
      cache[x] = cache[x] or x * x
      return {cache[x], hit}
    end
    equal(parallel.map(f, {3, 4, 3, 4}, {fresh = false, workers = 1}),
      {{9, false}, {16, false}, {9, true}, {16, true}})
  ]])

  it("can hold an open file", function()
    require "support.temporary".file("", function(name)
      script.passes([[
        local log
        local function f(x)
          log = log or io.open(arg_name, "w")
          log:write(x, "\n")
        end
        arg_name = arg[1]
        parallel.map(f, {1, 2, 3}, {fresh = false, workers = 1, init = function() collectgarbage() end})
      ]], setmetatable({args = {name}}, {__index = host}))
      local file <close> = io.open(name)
      assert.equal("1\n2\n3\n", file:read "a")
    end)
  end)

  case("lets different functions share their globals", [[
    local options = {fresh = false, workers = 1}
    parallel.map(function(x) shared = (shared or 0) + x end, {1, 2}, options)
    local seen = parallel.map(function(x) return (shared or 0) + x end, {10}, options)
    equal(seen, {13})
    equal(shared, nil)
  ]])

  case("goes on after calls that failed", [[
    local n = 0
    local function f(x)
      n = n + 1
      if x % 2 == 0 then error "even" end
      return n
    end
    local options = {fresh = false, workers = 1, errors = "collect"}
    local results, errors = parallel.map(f, {1, 2, 3, 4, 5}, options)
    equal(results, {1, nil, 3, nil, 5})
    assert(errors[2] and errors[4])
  ]])

  case("gives the same results as fresh states where calls leave nothing behind", [[
    local base = {1, 2, 3}
    local function f(x) return x + #base + math.floor(2.5) end
    local expected = parallel.map(f, parallel.range(1, 1000))
    for _, workers in ipairs {1, 2, 8} do
      equal(parallel.map(f, parallel.range(1, 1000), {fresh = false, workers = workers}), expected)
    end
  ]])

  case("holds many functions in turn, each with the captures of its map", [[
    local options = {fresh = false, workers = 2}
    for round = 1, 3 do
      for k = 1, 40 do
        local values = {k, round}
        local f = function(x) return x + values[1] * 100 + values[2] end
        equal(parallel.map(f, {1, 2}, options), {1 + k * 100 + round, 2 + k * 100 + round})
      end
    end
  ]])
end)
