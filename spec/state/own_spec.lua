-- What the process has one of, and a call its own: its processor time, its default input and output, its locale.
local script = require "support.script"

for _, host in ipairs(script.hosts) do
  local function passes(name, code)
    it(name .. " " .. host.name, function() script.passes(code, host) end)
  end

  describe("os.clock in a call", function()
    passes("is the processor time of the call since it began", [[
      local function burn() for _ = 1, 3e7 do end end
      burn() -- the script's own
      local clock = os.clock
      local function by_name(x)
        if x == 1 then burn() end
        return os.clock()
      end
      local function captured(x)
        if x == 1 then burn() end
        return clock()
      end
      local library = os
      local function of_library(x)
        if x == 1 then burn() end
        return library.clock()
      end
      for name, f in pairs {by_name = by_name, captured = captured, of_library = of_library} do
        for _, fresh in ipairs {true, false} do
          local r = parallel.map(f, {1, 2, 3, 4, 1}, {workers = 1, fresh = fresh})
          for i = 1, 5 do
            local is_long = i == 1 or i == 5
            local text = ("%s, fresh = %s, call %d: %s"):format(name, fresh, i, r[i])
            assert(math.type(r[i]) == "float" and r[i] >= 0, text)
            assert(is_long and r[i] > 0.02 or not is_long and r[i] < r[1] / 2, text)
          end
        end
      end
    ]])

    passes("does not count waiting, nor what other calls take", [[
      local r = parallel.map(function(i)
        if i == 1 then parallel.sleep(0.3) return os.clock() end
        for _ = 1, 3e7 do end
        return os.clock()
      end, {1, 2, 3, 4}, {workers = 4, chunk = 1})
      assert(r[1] < r[2] / 2, r[1])
    ]])

    passes("goes forward, also where nothing names it, and counts anew for each call", [[
      for _, fresh in ipairs {true, false} do
        local function f()
          local now = os["cl" .. "ock"]
          local before = now()
          for _ = 1, 3e7 do end
          return now() - before, now()
        end
        for _, r in ipairs(parallel.map(f, {1, 2, 3}, {workers = 1, fresh = fresh, pack = true})) do
          assert(r[1] > 0.01 and r[1] <= r[2], r[1])
          assert(r[2] < 1.5 * r[1] + 0.05, r[2]) -- nothing of the calls before
        end
      end
    ]])

    passes("in init counts from its begin, and in the script all that it has taken #here", [[
      local before = os.clock()
      local function init()
        for _ = 1, 1e7 do end
        taken = os.clock()
      end
      local r = parallel.map(function() return taken end, {1}, {init = init})
      local used = os.clock() - before
      assert(r[1] > 0.005, r[1])
      assert(used >= r[1] * 0.9, used)
    ]])
  end)

  describe("os.setlocale in a call", function()
    passes("tells which it is, and refuses to change it", [[
      local categories = {"all", "collate", "ctype", "monetary", "numeric", "time"}
      local here = {}
      for i, category in ipairs(categories) do here[i] = os.setlocale(nil, category) end
      local function f(categories)
        local out = {os.setlocale(), os.setlocale(nil, nil)}
        for _, category in ipairs(categories) do
          out[#out + 1] = os.setlocale(nil, category)
          assert(os.setlocale(os.setlocale(nil, category), category) == os.setlocale(nil, category))
          assert(os.setlocale("POSIX", category) == "C" and os.setlocale("C", category) == "C")
          for _, name in ipairs {"", "C.utf8", "C.UTF-8", "de_DE.UTF-8", "no such locale"} do
            local got, why = os.setlocale(name, category)
            assert(got == nil, got)
            assert(why:find("cannot set the locale '" .. name .. "' in a call", 1, true), why)
          end
        end
        return out
      end
      for _, fresh in ipairs {true, false} do
        for _, r in ipairs(parallel.map(f, {categories, categories, categories}, {fresh = fresh})) do
          equal(r, {here[1], here[1], table.unpack(here)})
        end
      end
      for i, category in ipairs(categories) do equal(os.setlocale(nil, category), here[i]) end
    ]])

    passes("tells what the script has set", [[
      for _, name in ipairs {"C.utf8", "C.UTF-8"} do
        local set = os.setlocale(name, "ctype") -- nil where the system has none
        if set then
          equal(parallel.map(function() return os.setlocale(nil, "ctype") end, {1})[1], set)
          equal(parallel.map(function() return os.setlocale(set, "ctype") end, {1})[1], set)
          equal(parallel.map(function() return (os.setlocale("C", "ctype")) end, {1})[1], nil)
          equal(os.setlocale(nil, "ctype"), set)
        end
      end
    ]])
  end)

  describe("the default input and output that a call sets", function()
    passes("are those of that call alone, and written out and closed at its end", [[
      local function slurp(name)
        local file <close> = assert(io.open(name))
        return file:read "a"
      end
      local input = os.tmpname()
      local file = io.open(input, "w")
      file:write "first\nsecond\n"
      file:close()
      for _, fresh in ipairs {true, false} do
        local names = {os.tmpname(), os.tmpname(), os.tmpname(), os.tmpname()}
        local function f(i)
          local is_own = io.output() ~= io.stdout or io.input() ~= io.stdin
          if i % 2 == 1 then
            io.output(names[i])
            io.output():setvbuf "full"
            io.write("call ", i)
            io.input(input)
            return tostring(is_own) .. io.read()
          end
          io.output(io.open(names[i], "w"))
          io.write("call ", i)
          io.input(io.open(input))
          return tostring(is_own) .. io.read()
        end
        local r = parallel.map(f, {1, 2, 3, 4}, {workers = 1, fresh = fresh})
        equal(r, {"falsefirst", "falsefirst", "falsefirst", "falsefirst", n = 4})
        for i, name in ipairs(names) do
          equal(slurp(name), "call " .. i)
          os.remove(name)
        end
        -- A call that fails, one that closes it, and one that only numbers go to and from.
        local name = os.tmpname()
        local pool <close> = parallel.pool {workers = 1, fresh = fresh}
        local function fail() io.output(name) io.write "before" error "x" end
        equal(pcall(pool.map, pool, fail, {1}), false)
        equal(slurp(name), "before")
        local function is_standard() return io.output() == io.stdout and io.input() == io.stdin end
        equal(pool:apply(is_standard), true)
        pool:apply(function() io.output(name) io.close() end)
        equal(pool:apply(is_standard), true)
        local function count(i)
          local n = io.output() == io.stdout and i or -i
          io.output(name)
          return n
        end
        local numbers = pool:map(count, parallel.range(1, 300))
        for i = 1, 300 do equal(numbers[i], i) end
        os.remove(name)
      end
      assert(io.output() == io.stdout and io.input() == io.stdin)
      os.remove(input)
    ]])

    passes("leave those of the script alone, and no descriptor behind #linux #here", [[
      local function n_open() -- the least, for this process closes its copy of the pipe's other end when it gets to it
        local p <close> = io.popen "for i in 1 2 3; do sleep 0.1; ls /proc/$PPID/fd | wc -l; done | sort -n"
        return p:read "n"
      end
      local name, other = os.tmpname(), os.tmpname()
      local file = io.open(name, "w")
      io.output(file)
      io.write "script "
      local before = n_open()
      for _, fresh in ipairs {true, false} do
        local pool <close> = parallel.pool {workers = 2, fresh = fresh}
        pool:map(function(i) io.output(other) io.input(other) io.write(i) end, parallel.range(1, 2000))
        equal(n_open(), before)
      end
      assert(io.output() == file)
      io.write "script"
      io.output(io.stdout)
      file:close()
      local written <close> = io.open(name)
      equal(written:read "a", "script script")
      os.remove(name)
      os.remove(other)
    ]])

    passes("are in a kept state what init has set", [[
      local names = {os.tmpname(), os.tmpname()}
      local function init() io.output(names[1]) end
      local function f(i)
        io.write("call ", i, "\n")
        if i == 1 then io.output(names[2]) io.write "own" end
      end
      do
        local pool <close> = parallel.pool {workers = 1, fresh = false, init = init}
        pool:map(f, {1, 2})
      end
      local texts = {}
      for i, name in ipairs(names) do
        local file <close> = io.open(name)
        texts[i] = file:read "a"
        os.remove(name)
      end
      equal(texts, {"call 1\ncall 2\n", "own"})
    ]])
  end)
end
