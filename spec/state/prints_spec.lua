-- What calls print is on its way when plain Lua's would be, in order, also to a pipe or a file.
local script = require "support.script"
local temporary = require "support.temporary"

-- Runs a script whose stdout, or both streams, go to a shell's `rest`.
local function run(code, host, rest, args)
  return temporary.file(code, function(name)
    local words = {"sh", "-c", '"$@" ' .. rest, "sh", host.interpreter or os.getenv "MOONS"}
    for _, flag in ipairs(host.flags or {}) do table.insert(words, flag) end
    table.insert(words, name)
    for _, argument in ipairs(args or {}) do table.insert(words, argument) end
    return script.execute(words, {env = host.env, timeout = 60})
  end)
end

script.on_hosts("what a call prints", function(_, _, host)
  it("reaches a reader while the call goes on", function()
    temporary.folder({}, function(folder)
      local seen = folder .. "/seen"
      local result = run([==[
        local parallel = require "parallel"
        local seen = arg[1]
        parallel.map(function(x)
          for i = 1, 3 do
            print("line " .. i)
            local waited = 0
            while not io.open(seen .. i) do
              os.execute "sleep 0.05"
              waited = waited + 1
              assert(waited < 200, "nobody has seen it")
            end
          end
        end, {1})
        io.stderr:write "done"
      ]==], host, ("| while read -r word number; do : >%s$number; done"):format(temporary.quote(seen)), {seen})
      assert.equal("done", result.stderr)
    end)
  end)

  it("comes in order with stderr, and with what the script prints", function()
    local result = run([==[
      local parallel = require "parallel"
      io.write "script 1\n"
      parallel.map(function(x)
        print("out", x)
        io.stderr:write("err\t", x, "\n")
        io.write("out\t", x, "\n")
        warn "@on"
        warn(tostring(x))
      end, {1, 2}, {workers = 1})
      io.write "script 2\n"
      parallel.map(print, {3})
      print "script 3"
      parallel.map(function() print "before" os.execute "echo program" print "after" end, {4})
    ]==], host, "2>&1 | cat")
    assert.equal("script 1\nout\t1\nerr\t1\nout\t1\nLua warning: 1\nout\t2\nerr\t2\nout\t2\nLua warning: 2\n" ..
      "script 2\n3\nscript 3\nbefore\nprogram\nafter\n", result.stdout)
  end)

  it("is not lost where the process is killed", function()
    local result = run([==[
      local parallel = require "parallel"
      for i = 1, 3 do parallel.map(print, {i}) end
      os.execute "kill -KILL $PPID"
    ]==], host, "| cat")
    assert.equal("1\n2\n3\n", result.stdout)
  end)

  it("comes whole and once, many lines of many calls", function()
    local result = run([==[
      local parallel = require "parallel"
      local long = ("x"):rep(5000)
      parallel.map(function(i)
        io.write(i, " ", i % 100 == 0 and long or "short")
        io.write(" end\n")
      end, parallel.range(1, 20000))
    ]==], host, "| cat")
    local n, is_seen = 0, {}
    for number, text in result.stdout:gmatch "(%d+) (%l+) end\n" do
      assert(not is_seen[number], number)
      is_seen[number] = true
      assert(text == (tonumber(number) % 100 == 0 and ("x"):rep(5000) or "short"))
      n = n + 1
    end
    assert.equal(20000, n)
  end)
end)
