-- io.popen and os.execute in calls, and in the script under `moons`: as Lua's own, which stock Lua's script has.
local script = require "support.script"

for _, host in ipairs(script.hosts) do
  local function passes(name, code, options)
    it(name .. " " .. host.name, function()
      script.passes(code, setmetatable(options or {}, {__index = host}))
    end)
  end

  describe("a program of a call", function()
    passes("gives what it gives the script, and ends as there", [==[
      local function packed(ok, ...) return {ok, ...} end
      local function all()
        local out = {}
        local function note(name, ...) out[name] = table.pack(...) end
        for _, command in ipairs {"true", "exit 3", "exit 255", "kill -9 $$", "kill $$", "no-such-program-at-all 2>&1",
            "printf 'a\nb'", "printf 1", "cat </dev/null"} do
          note("execute " .. command, os.execute(command .. " >/dev/null"))
          local p = io.popen(command)
          note("read " .. command, p:read "a")
          note("close " .. command, p:close())
          note("type " .. command, io.type(p), tostring(p))
        end
        note("shell", os.execute())
        note("nil", os.execute(nil))
        local lines = {}
        for line in io.popen "printf 'one\ntwo\n\nlast'":lines "L" do lines[#lines + 1] = line end
        note("lines", table.unpack(lines))
        local name = os.tmpname()
        local p <close> = io.popen("cat >" .. name, "w")
        note("write", p:write("x", 1, 2.5) == p, p:setvbuf "line", p:seek "cur")
        note("flush", p:flush() == p)
        note("written", p:close())
        local file <close> = io.open(name)
        note("file", file:read "a")
        os.remove(name)
        for _, mode in ipairs {"", "rw", "r+", "rb", "a", "x"} do
          note("mode " .. mode, pcall(io.popen, "true", mode))
        end
        note("no command", pcall(io.popen))
        note("a table", pcall(io.popen, {}))
        note("a table to execute", pcall(os.execute, {}))
        note("read of a writer", io.popen("true", "w"):read "a")
        note("closed", pcall(p.read, p))
        note("twice", pcall(p.close, p))
        return out
      end
      local here = all()
      for _, fresh in ipairs {true, false} do
        for _, there in ipairs((parallel.map(all, {1, 2, 3}, {fresh = fresh}))) do
          for name, values in pairs(here) do
            equal(there[name].n, values.n)
            for i = 1, values.n do
              local text = "%s, value %d: %s in the script, %s in a call"
              assert(there[name][i] == values[i], text:format(name, i, values[i], there[name][i]))
            end
          end
        end
      end
    ]==])

    passes("sees what its call has written to files that are open", [==[
      local function f(i)
        local name = os.tmpname()
        local file = assert(io.open(name, "w"))
        file:write("text ", i)
        local p = io.popen("cat " .. name)
        local first = p:read "a"
        p:close()
        io.output(name)
        io.write("default ", i)
        local second = io.popen("cat " .. name):read "a"
        io.close()
        io.output(io.stdout)
        os.remove(name)
        return first .. "," .. second
      end
      equal(f(0), "text 0,default 0")
      equal((parallel.map(f, {1, 2}))[2], "text 2,default 2")
    ]==])

    passes("takes and gives ten megabytes", [==[
      local function f(i)
        local name = os.tmpname()
        local p = assert(io.popen("cat >" .. name, "w"))
        local line = ("x"):rep(1023) .. "\n"
        for _ = 1, 10240 do assert(p:write(line)) end
        assert(p:close())
        local q = assert(io.popen("cat " .. name))
        local n = #q:read "a"
        q:close()
        os.remove(name)
        return n
      end
      equal((parallel.map(f, {1, 2}))[2], 10240 * 1024)
    ]==])

    passes("that has ended is an error of who writes to it", [==[
      local function f()
        local p = io.popen("exit 4", "w")
        os.execute "sleep 0.2"
        local result
        for _ = 1, 10 do
          result = table.pack(p:write(("x"):rep(100000)))
          if not result[1] then break end
        end
        local closed = table.pack(p:close())
        return {result[2] ~= nil and result[2]:find "[Bb]roken pipe" ~= nil, closed[2], closed[3]}
      end
      for _, fresh in ipairs {true, false} do
        equal(parallel.map(f, {1}, {fresh = fresh})[1], {true, "exit", 4})
      end
    ]==])

    passes("inherits no pipe of another", [==[
      -- Each of these ends when nobody has its pipe any more.
      local r = parallel.map(function(i)
        local p = io.popen("cat >/dev/null; exit " .. i, "w")
        p:write "x"
        local other <close> = io.popen "sleep 0.05"
        return select(3, p:close())
      end, parallel.range(1, 40), {workers = 8, chunk = 1})
      for i = 1, 40 do equal(r[i], i) end
    ]==])

    passes("ignores and blocks no signals", [==[
      local function f()
        local p = io.popen "kill -PIPE $$; echo alive"
        local text = p:read "a"
        return {text, select(2, p:close()), os.execute "kill -TERM $$; true", (select(2, os.execute "kill -INT $$"))}
      end
      local r = parallel.map(f, {1, 2})
      equal({r[2][1], r[2][2], r[2][3]}, {"", "signal", nil})
    ]==])

    passes("is one of two hundred at once", [==[
      local r = parallel.map(function(i)
        local ps = {}
        for k = 1, 5 do ps[k] = assert(io.popen("sleep 0.1; echo " .. i * k)) end
        local sum = 0
        for k = 1, 5 do
          sum = sum + ps[k]:read "n"
          assert(ps[k]:close())
        end
        return sum
      end, parallel.range(1, 40), {workers = 40, chunk = 1})
      for i = 1, 40 do equal(r[i], i * 15) end
    ]==])

    passes("leaves no file descriptor and no zombie, however its call ends #linux #here", [==[
      local function count()
        local p <close> = io.popen [[
          sleep 0.2 # until this process has closed its copy of the pipe's other end
          ls /proc/$PPID/fd | wc -l
          cat /proc/[0-9]*/stat 2>/dev/null | grep -c ") Z $PPID "]]
        return p:read("n", "n")
      end
      local before = count()
      local function f(i)
        local p, q = io.popen("echo x; sleep 0.01"), io.popen("cat >/dev/null", "w")
        os.execute "exit 1"
        q:write "text"
        local way = i % 5
        if way == 0 then p:close() q:close() end
        if way == 1 then error "left open" end
        if way == 2 then os.exit(1) end
        if way == 3 then local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end end
      end
      parallel.map(f, parallel.range(1, 60), {errors = "collect", memory = 8 << 20, chunk = 1})
      equal({count()}, {before, 0})
      for _, finish in ipairs {"close", "terminate"} do
        local pool = parallel.pool {workers = 2, fresh = false}
        pool:map(f, parallel.range(1, 20), {errors = "collect", memory = 8 << 20})
        pool[finish](pool)
        equal({count()}, {before, 0})
      end
    ]==])

    passes("that a call leaves open while it prints finds that nobody reads, as under plain Lua", [==[
      local names = parallel.map(function()
        local name = os.tmpname()
        leftover = io.popen("yes; echo $? >" .. name)
        assert(leftover:read() == "y")
        return name
      end, {1, 2})
      for _, name in ipairs(names) do
        local file = io.open(name)
        equal(file:read "n", 128 + 13) -- SIGPIPE
        file:close()
        os.remove(name)
      end
    ]==])

    passes("that a call leaves open gets what was written to it, and ends", [==[
      local names = parallel.map(function(i)
        local name = os.tmpname()
        leftover = io.popen("cat >" .. name, "w")
        leftover:write("text ", i)
        return name
      end, {1, 2})
      for i, name in ipairs(names) do
        local file = io.open(name)
        equal(file:read "a", "text " .. i)
        file:close()
        os.remove(name)
      end
      -- One that never ends does not keep its map from ending.
      parallel.map(function() leftover = io.popen "exec sleep 1000" end, {1, 2})
      parallel.map(function() leftover = io.popen("exec sleep 1000", "w") leftover:write(("x"):rep(100)) end, {1})
    ]==], {timeout = 40})
  end)
end

describe("programs", function()
  for _, host in ipairs {script.hosts[1], script.hosts[3]} do
    it("of calls do not wait for each other " .. host.name, function()
      script.passes([==[
        local now = require "parallel.core".now
        local start = now()
        local r = parallel.map(function(i) return io.popen("sleep 0.5; echo " .. i):read "n" end, parallel.range(1, 16),
          {workers = 8, chunk = 1})
        equal(r[16], 16)
        local seconds = now() - start
        assert(seconds < 7.5, seconds) -- one by one: 8
      ]==], host)
    end)

    it("of calls start while the script waits for input " .. host.name, function()
      local result = script.execute({"sh", "-c", [==[
        (sleep 3; echo) | "$@"]==], "sh", host.interpreter or os.getenv "MOONS", "-e", [==[
        local parallel = require "parallel"
        local pool = parallel.pool(2)
        local function now()
          local p = io.popen "date +%s"
          local t = p:read "n"
          p:close()
          return t
        end
        local start = now()
        local future = pool:submit(now)
        io.read()
        local waited = future:get() - start
        assert(waited <= 2, waited)
        print "done"]==]}, host)
      assert.equal("done\n", result.stdout, result.stderr)
      assert.equal(0, result.code)
    end)
  end
end)
