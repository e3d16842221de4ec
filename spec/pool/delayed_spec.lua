local script = require "support.script"

local start = [==[
  local delayed = parallel.delayed
  local function count(...) return select("#", ...) end
  local function add(a, b) return a + b end
]==]

script.on_hosts("a list of delayed calls", function(case, _, host)
  it("of one function is a map of that, and its errors are those of any map", function()
    script.passes([[
      local delayed = parallel.delayed
      local function calls(f) return {delayed(f)(), delayed(f)()} end
      for f, text in pairs {
        [string.rep] = "bad argument #1 to 'string.rep' (string expected, got no value)",
        [error] = "(error object is a nil value)",
      } do
        local ok, err = pcall(parallel.run, calls(f), {workers = 1})
        equal({ok, err.index, err.message, err.traceback:find("delayed", 1, true)}, {false, 1, text})
        err = select(2, parallel.run(calls(f), {errors = "collect"}))
        equal({err[1].message, err[2].message, err.n}, {text, text, 2})
      end
      local function count(...) return select("#", ...) end
      equal(parallel.run {delayed(count)(), delayed(count)(nil, nil), delayed(count)(1)}, {0, 2, 1})
      local ok, err = pcall(parallel.run, {delayed(print)(), 5})
      assert(not ok and err:find("item 2: a call made by 'delayed' expected", 1, true), err)
    ]], host)
  end)

  case("gives the first value of each, in order", [[
    equal({parallel.run {delayed(add)(1, 2), delayed(add)(3, 4)}}, {{3, 7, n = 2}})
    local pool <close> = parallel.pool(2)
    equal({pool:run {delayed(add)(1, 2), delayed(add)(3, 4)}}, {{3, 7, n = 2}})
    local calls = {}
    for i = 1, 500 do calls[i] = delayed(add)(i, i) end
    for _, chunk in ipairs {1, 7, 1000} do
      local results = parallel.run(calls, {chunk = chunk})
      equal({results.n, results[1], results[500]}, {500, 2, 1000})
    end
  ]])

  case("may come from an iterator", [[
    local i = 0
    local function calls()
      i = i + 1
      if i <= 100 then return delayed(i % 2 == 0 and add or math.max)(i, 1) end
    end
    local results = parallel.run(calls)
    equal({results.n, results[99], results[100]}, {100, 99, 101})
    local generator = coroutine.wrap(function() for j = 1, 3 do coroutine.yield(delayed(add)(j, j)) end end)
    equal(parallel.run(generator), {2, 4, 6})
  ]])

  case("may be of different functions, and of values with __call", [[
    local double = setmetatable({by = 2}, {__call = function(self, x) return self.by * x end})
    equal(parallel.run {delayed(add)(1, 2), delayed(string.upper)("a"), delayed(double)(4), delayed(count)()},
      {3, "A", 8, 0})
  ]])

  case("keeps nils among arguments and at their end", [[
    equal(parallel.run {delayed(count)(), delayed(count)(nil), delayed(count)(1, nil, nil),
      delayed(count)(nil, 2)}, {0, 1, 3, 2})
    equal(parallel.run({delayed(function(...) return ... end)(nil, 1, nil)}, {pack = true}), {{nil, 1, nil, n = 3}})
  ]])

  case("that is empty gives no results", [[
    equal({parallel.run {}}, {{n = 0}})
    equal({parallel.run(function() end)}, {{n = 0}})
    equal({parallel.run({}, {errors = "collect"})}, {{n = 0}, {}})
  ]])

  case("with something else in it is an error that says which and what", [[
    for _, calls in ipairs {{delayed(add)(1, 2), 5}, {delayed(add)(1, 2), delayed(add)}, {add}, {{}}, {"x"}} do
      local ok, err = pcall(parallel.run, calls)
      assert(not ok and tostring(err):find("item " .. #calls, 1, true)
        and tostring(err):find(type(calls[#calls]), 1, true), tostring(err))
    end
    for hole, calls in ipairs {{nil, delayed(add)(1, 2)}, {delayed(add)(1, 2), nil, delayed(add)(3, 4)}} do
      local ok, err = pcall(parallel.run, calls)
      assert(not ok and tostring(err):find(("item %d: a call"):format(hole), 1, true), tostring(err))
    end
    local i = 0
    local ok, err = pcall(parallel.run, function() i = i + 1 return i == 1 and delayed(add)(1, 2) or 5 end)
    assert(not ok and tostring(err):find("item 2", 1, true), tostring(err))
    equal(parallel.run {delayed(add)(1, 2)}, {3})
  ]])

  case("can be made of a function only, and run from a list only", [[
    for _, f in ipairs {function() delayed(5) end, function() delayed(nil) end, function() parallel.run(5) end} do
      local ok, err = pcall(f)
      assert(not ok and err:find "^stdin:%d+: bad argument #1 to '", err)
    end
  ]])

  case("is of its own function, whatever __eq says of that and another", [[
    local class = {__eq = function() return true end, __call = function(self) return self.name end}
    local a, b = setmetatable({name = "a"}, class), setmetatable({name = "b"}, class)
    equal(parallel.run {delayed(a)(), delayed(b)(), delayed(a)()}, {"a", "b", "a"})
  ]])

  case("is still one in a call that it has travelled to", [[
    local call = delayed(add)(1, 5)
    equal(parallel.map(function(x) return parallel.run({call, x})[2] end, {delayed(add)(2, 2)}), {4})
  ]])

  case("has its errors at their index", [[
    local calls = {delayed(add)(1, 2), delayed(error)({7}), delayed(add)(3, 4)}
    local ok, err = pcall(parallel.run, calls)
    equal({ok, err.index, err.value, err.kind}, {false, 2, {7}, "error"})
    local results, errors = parallel.run(calls, {errors = "collect"})
    equal({results, results.n, errors[2].index, errors[2].value}, {{3, nil, 7}, 3, 2, {7}})
    ok, err = pcall(parallel.run, {delayed(add)(1, 2), delayed(count)(coroutine.create(print))})
    assert(not ok and err.index == 2 and err.kind == "marshal", tostring(err))
  ]])
end, start)
