-- Whatever goes wrong, wherever in a call, in whichever chunk: the right call fails, and no other.
local script = require "support.script"

local matrix = [==[
  local crashes = {
    error = function() error("crash", 0) end,
    exit = function() os.exit(3) end,
    overflow = function()
      local function deep() return 1 + deep() end
      local function wide(...) return 1 + wide(nil, ...) end -- which is there in a thousandth of the calls
      return (IS_DEEP and deep or wide)()
    end,
    memory = function() local t = {} while true do t[#t + 1] = {} end end,
    timeout = function() while true do end end,
    execute = function() os.execute "exec sleep 999" end,
    popen = function() io.popen "exec sleep 999":read "a" end,
  }
  local kinds = {exit = "error", memory = "memory", timeout = "timeout", execute = "timeout", popen = "timeout"}
  local options = {memory = {memory = 4 << 20}, timeout = {timeout = 0.05}, execute = {timeout = 0.3},
    popen = {timeout = 0.3}}

  -- For each stage a function and the argument that makes it crash.
  local function same(x) return x end
  local function stages(crash)
    return {
      decoding = {same, setmetatable({}, {__marshal = function() return crash end})},
      running = {function(x) return x == "bad" and crash() or x end, "bad"},
      encoding = {function(x) return x == "bad" and setmetatable({}, {__marshal = crash}) or x end, "bad"},
    }
  end

  -- An error while something is sent is one of sending.
  local function kind_of(name, stage)
    return kinds[name] or stage ~= "running" and "marshal" or "error"
  end

  local function check(pool, name, stage, f, bad, at)
    local what = ("%s while %s call %d"):format(name, stage, at)
    local xs = {}
    for i = 1, 9 do xs[i] = i == at and bad or i end
    local own = {chunk = 3}
    for key, value in pairs(options[name] or {}) do own[key] = value end
    local ok, err = pcall(pool.map, pool, f, xs, own)
    assert(not ok and err.index == at, what .. ": " .. tostring(err))
    assert(name == "overflow" or err.kind == kind_of(name, stage), what .. ": " .. tostring(err))
    own.errors = "collect"
    local results, errors = pool:map(f, xs, own)
    equal(results.n, 9)
    for i = 1, 9 do
      if i == at then
        assert(results[i] == nil and errors[i] and errors[i].index == i, what)
        assert(name == "overflow" or errors[i].kind == kind_of(name, stage), what .. ": " .. tostring(errors[i]))
      else
        assert(results[i] == i and errors[i] == nil, what .. ": " .. i .. ": " .. tostring(errors[i]))
      end
    end
    equal(pool:map(same, {1, 2, 3}), {1, 2, 3})
  end
]==]

script.on_hosts("a call that ends badly", function(_, _, host)
  for _, fresh in ipairs {true, false} do
    for _, name in ipairs {"error", "exit", "overflow", "memory", "timeout", "execute", "popen"} do
      it(("by %s, while decoding, running or encoding, is the one that fails, fresh = %s"):format(name, fresh),
        function()
          script.passes(matrix .. ([[
            local name, fresh = %q, %s
            IS_DEEP = fresh
            local pool <close> = parallel.pool {workers = 2, fresh = fresh}
            for stage, case in pairs(stages(crashes[name])) do
              local places = name == "overflow" and {stage == "running" and 9 or 1} or {1, 5, 9}
              if name == "execute" or name == "popen" then places = {5} end -- which are for a timeout long
              for _, at in ipairs(places) do check(pool, name, stage, case[1], case[2], at) end
            end
          ]]):format(name, fresh), host)
        end)
    end
  end
end)
