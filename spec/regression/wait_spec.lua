local script = require "support.script"

-- What waits for an endless call, `KEPT` being what the script has in its hands still.
local WAITS = {
  ["a map"] = "pool:map(endless, {1})",
  ["a call"] = "pool:apply(endless)",
  ["a future of a call that it gets"] = "KEPT = pool:submit(endless) KEPT:get()",
  ["a future of a call that it waits for"] = "KEPT = pool:submit(endless) KEPT:wait(100)",
  ["a future of a map"] = "KEPT = pool:map_async(endless, {1, 2}) KEPT:get()",
  ["a future of a map whose items do not end"] = "KEPT = pool:map_async(endless, function() return 1 end) KEPT:get()",
  ["a future that shows progress"] = "KEPT = pool:map_async(endless, {1, 2}, {progress = function() end}) KEPT:get()",
  ["a loop over results"] = "for _ in pool:imap(endless, {1}) do end",
  ["results, one by one"] = "KEPT = pool:imap(endless, {1}) KEPT()",
  ["results, one by one as they come"] = "KEPT = pool:imap_unordered(endless, {1}) KEPT()",
  ["a list of futures"] = [[
    KEPT = pool:submit(endless)
    for _ in parallel.as_completed {KEPT, pool:submit(endless)} do end
  ]],
  ["a future that a callback waits for"] = [[
    local other = pool:submit(endless)
    KEPT = pool:submit(endless)
    is_due = false
    local first = parallel.map_async(math.abs, counting(1000)) -- which is read while the script waits
    first:on_done(function() is_due = true other:get() end)
    KEPT:get()
  ]],
}

local PREFACE = [[
  local function endless() if parallel then while true do end end end
  local pool = parallel.pool(%s)
  local KEPT
  local is_due = true
  local function waits() -- in C, where the module lets hooks run
    return debug.getinfo(3, "S").short_src == "parallel"
  end
  local function ends(wait)
    local start = parallel.clock()
    debug.sethook(function()
      if not is_due or not waits() or parallel.clock() < start + 0.1 then return end
      debug.sethook()
      error("ended", 0)
    end, "c")
    equal({pcall(wait)}, {false, "ended"})
  end
]]

for _, backend in ipairs {"threads", "processes"} do
  describe("regression: an error of a hook, as Ctrl-C is one, on " .. backend, function()
    local function passes(code)
      script.passes(PREFACE:format(('{workers = 1, backend = "%s"}'):format(backend)) .. code)
    end

    for what, code in pairs(WAITS) do
      it(("ends %s that the script waits for, and frees the worker #here"):format(what), function()
        passes(("ends(function() %s end)"):format(code) .. [[
          equal(pool:apply(function() return "free" end), "free")
          if type(KEPT) == "table" then
            local got, err = pcall(KEPT.get, KEPT)
            equal({got, err.kind, KEPT:done(), KEPT:ok()}, {false, "cancelled", true, false})
          elseif KEPT then
            local got, err = pcall(KEPT)
            equal({got, err.kind}, {false, "cancelled"})
          end
        ]])
      end)
    end
  end)
end

describe("regression: an error of a hook", function()
  local function passes(code)
    script.passes(PREFACE:format "2" .. code)
  end

  it("leaves alone what the script does not wait for #here #threads", function()
    passes [[
      local other = pool:submit(function() parallel.sleep(0.3) return 7 end)
      local late = pool:submit(endless)
      equal(late:wait(0.01), false) -- its time is over: nobody ends it
      local n_called = 0
      late:on_done(function() n_called = n_called + 1 end)
      ends(function() pool:submit(endless):get() end)
      equal({other:get(), late:done(), n_called}, {7, false, 0})
      equal({late:cancel(), n_called}, {true, 1})
    ]]
  end)

  it("leaves what is waited for where it is a callback's own", function()
    passes [[
      local second = pool:submit(function() parallel.sleep(0.6) return 2 end)
      pool:submit(parallel.sleep, 0.2):on_done(function() error "callback" end)
      local got, err = pcall(second.get, second)
      equal({got, err:match "callback$"}, {false, "callback"})
      equal(second:get(), 2)
    ]]
  end)

  it("does not have an iteration with a store go on as if it were over #here", function()
    passes [[
      local path = os.tmpname()
      local take = pool:imap(function(x) if x == 2 then while true do end end return x end, {1, 2, 3},
        {store = path, chunk = 1})
      equal({take()}, {1, 1})
      ends(take)
      local got, err = pcall(take)
      equal({got, err.kind}, {false, "cancelled"})
      os.remove(path)
    ]]
  end)
end)
