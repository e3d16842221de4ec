local script = require "support.script"
local temporary = require "support.temporary"

-- Calls have nothing in common but files: a try is a byte that is added to the file of its call.
local tries = [[
  local folder = arg[1]
  local function n_tries(x)
    local file <close> = assert(io.open(folder .. "/" .. x, "a+"))
    file:write "."
    file:seek("set", 0)
    return #file:read "a"
  end
  local function works_the_third_time(x)
    local n = n_tries(x)
    if n < 3 then error("try " .. n .. " of " .. x, 0) end
    return x
  end
  local function fails(x) error("try " .. n_tries(x) .. " of " .. x, 0) end
]]

script.on_hosts("retries", function(_, _, host)
  local function passes(code)
    temporary.folder({["."] = nil}, function(folder)
      local options = setmetatable({args = {folder}}, {__index = host})
      script.passes(tries .. code, options)
    end)
  end

  it("call again what has failed, until it works", function()
    passes [[
      equal(parallel.map(works_the_third_time, {1, 2, 3}, {retries = 2}), {1, 2, 3})
      equal(parallel.map(works_the_third_time, {4, 5}, {retries = 5, fresh = false, chunk = 1}), {4, 5})
      for x = 1, 5 do equal(n_tries(x), 4) end -- three tries, and this one
      equal(parallel.starmap(works_the_third_time, {{6}, {7}}, {retries = 2}), {6, 7})
      equal(parallel.run({parallel.delayed(works_the_third_time)(8)}, {retries = 2}), {8})
    ]]
  end)

  it("that all fail give the last try's error", function()
    passes [[
      local ok, err = pcall(parallel.map, fails, {1}, {retries = 2})
      equal({ok, err.message, err.index, err.kind}, {false, "try 3 of 1", 1, "error"})
      ok, err = pcall(parallel.map, fails, {2}, {retries = 0})
      equal({ok, err.message}, {false, "try 1 of 2"})
      ok, err = pcall(parallel.map, fails, {3})
      equal({ok, err.message}, {false, "try 1 of 3"})
    ]]
  end)

  it("that all fail give each call's last error where errors are collected", function()
    passes [[
      local function f(x)
        if x % 3 == 0 then fails(x) end
        if x % 3 == 1 then return works_the_third_time(x) end
        return x
      end
      for _, chunk in ipairs {1, 4} do
        local first = chunk * 100
        local xs = {}
        for i = 1, 12 do xs[i] = first * 3 + i end
        local results, errors = parallel.map(f, xs, {retries = 2, errors = "collect", chunk = chunk})
        equal(results.n, 12)
        for i, x in ipairs(xs) do
          if x % 3 == 0 then
            equal({results[i], errors[i].index, errors[i].message}, {nil, i, "try 3 of " .. x})
          else
            equal({results[i], errors[i]}, {x, nil})
          end
        end
      end
    ]]
  end)

  it("are counted by the pool", function()
    passes [[
      local pool <close> = parallel.pool {workers = 2, retries = 2}
      equal(pool:map(works_the_third_time, {1, 2, 3}), {1, 2, 3})
      local stats = pool:stats()
      equal({stats.done, stats.failed, stats.retried}, {3, 0, 6})
      assert(not pcall(pool.map, pool, fails, {4}))
      stats = pool:stats()
      equal({stats.failed, stats.retried}, {1, 8})
      pool:map(tostring, parallel.range(1, 50))
      equal(pool:stats().retried, 8)
    ]]
  end)

  it("hold for every call of a pool, and a call's own come first", function()
    passes [[
      local pool <close> = parallel.pool {workers = 2, retries = 2}
      equal(pool:apply(works_the_third_time, 1), 1)
      equal(pool:submit(works_the_third_time, 2):get(), 2)
      equal(pool:map_async(works_the_third_time, {3}):get(), {3})
      for i, value in pool:imap(works_the_third_time, {4, 5}) do equal(value, i + 3) end
      for i, value in pool:imap_unordered(works_the_third_time, {6, 7}) do equal(value, i + 5) end
      equal(pool:starmap(works_the_third_time, {{8}}), {8})
      local ok, err = pcall(pool.map, pool, works_the_third_time, {9}, {retries = 1})
      equal({ok, err.message}, {false, "try 2 of 9"})
    ]]
  end)

  it("give every try a state of its own, and the caller's argument", function()
    passes [[
      local count = 0
      local function f(t)
        count = count + 1
        t.seen = (t.seen or 0) + 1
        if n_tries(t.name) < 3 then error "again" end
        return {count, t.seen}
      end
      equal(parallel.map(f, {{name = 1}, {name = 2}}, {retries = 2, workers = 1}), {{1, 1}, {1, 1}})
    ]]
  end)

  it("call again after a timeout, a lack of memory, and a result that cannot be sent", function()
    passes [[
      local function f(how)
        if n_tries(how) == 3 then return how end
        if how == "timeout" then while true do end end
        if how == "memory" then return ("x"):rep(1 << 26) end
        if how == "marshal" then return coroutine.create(print) end
        if how == "exit" then os.exit(1) end
      end
      local hows = {"timeout", "memory", "marshal", "exit"}
      equal(parallel.map(f, hows, {retries = 2, timeout = 0.2, memory = 8 << 20}), hows)
    ]]
  end)

  it("draw the same random numbers", function()
    passes [[
      local function f(x)
        local drawn = math.random(0)
        if n_tries(x) < 3 then error(drawn) end
        return drawn
      end
      local expected = parallel.map(function() return math.random(0) end, {1, 2, 3}, {seed = 5})
      equal(parallel.map(f, {1, 2, 3}, {seed = 5, retries = 2}), expected)
    ]]
  end)
end)

describe("a number of retries", function()
  it("that is none is an error that names it, of the script's line", function()
    script.refuses("retries", '{-1, 1.5, 2.25, "1", true, {}, print, 0 / 0, math.maxinteger}')
  end)
end)
