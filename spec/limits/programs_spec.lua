-- Programs of calls that are to end, and what is left of them.
local script = require "support.script"
local temporary = require "support.temporary"

local prelude = [==[
  local now = require "parallel.core".now

  -- Each way to wait for a program, and programs that end in ways of their own.
  local waits = {
    execute = function(command) return os.execute(command) end,
    read = function(command) return io.popen(command):read "a" end,
    close = function(command) return io.popen(command):close() end,
    write = function(command)
      local p = io.popen(command, "w")
      while p:write(("x"):rep(10000)) do end
    end,
    nothing = function(command)
      local p = io.popen(command)
      while p do end
    end,
    collect = function(command)
      io.popen(command)
      collectgarbage()
      collectgarbage()
    end,
  }
  -- NUMBER stands for a length of sleep that no other program has. The last ones start others.
  local programs = {"exec sleep NUMBER", "trap '' TERM; exec sleep NUMBER"}
  local number = tonumber(arg[1])
  if arg[2] == "trees" then
    table.insert(programs, "sleep NUMBER; true")
    table.insert(programs, "sleep NUMBER | cat")
    table.insert(programs, "trap '' TERM; sleep NUMBER; sleep NUMBER; sleep NUMBER")
    table.insert(programs, "sh -c 'sleep NUMBER; true' & wait")
  end
  local function command(i) return (programs[i]:gsub("NUMBER", number)) end
]==]

-- How many programs run with this number as an argument; waits a while for there to be none.
local function count(number)
  local n
  for _ = 1, 40 do
    local p = io.popen("ps -eo stat,args | grep -v '^Z' | grep -c '[s]leep " .. number .. "'")
    n = p:read "n"
    p:close()
    if n == 0 then break end
    os.execute "sleep 0.05"
  end
  return n
end

local last_number = 100000 + tonumber(tostring({}):match "0x%x+") // 16 % 800000

-- What a program has started is found on Linux, and where no terminal keeps programs from having groups of their own.
local is_linux = io.open "/proc/self/stat" and not os.getenv "MOONS":find "portable"
local has_terminal = os.execute "(: </dev/tty) 2>/dev/null"
local trees = (is_linux or not has_terminal) and "trees" or "none"

local function run(code, options)
  last_number = last_number + 1
  options = setmetatable({args = {tostring(last_number), trees}, timeout = 60}, {__index = options})
  return script.run("local parallel = require 'parallel'\n" .. prelude .. code, options), last_number
end

local function leaves_nothing(code, options)
  local result, number = run(code, options)
  assert.equal(options.code or 0, result.code, result.stderr)
  assert.equal(0, count(number), "programs that go on")
  return result
end

script.on_hosts("a program", function(_, _, host)
  it("ends with its call when the time of that is over", function()
    leaves_nothing([==[
      local n = 0
      for name, wait in pairs(waits) do
        for i = 1 + n % 2, #programs, 2 do
          local start = now()
          local ok, err = pcall(parallel.map, function() return wait(command(i)) end, {1},
            {timeout = 0.1, fresh = n % 3 == 0})
          assert(not ok and err.kind == "timeout", name .. ": " .. tostring(err))
          assert(now() - start < 20, name .. ": " .. command(i))
          assert(not err.message:find "given up", name .. ": " .. command(i))
          n = n + 1
        end
      end
      assert(parallel.map(function() return io.popen "echo 1":read "n" end, {1})[1] == 1)
    ]==], host)
  end)

  it("ends with the call around that of its own", function()
    leaves_nothing([==[
      local ok, err = pcall(parallel.map, function()
        return parallel.map(function() return os.execute(command(2)) end, {1, 2})
      end, {1, 2}, {timeout = 0.2})
      assert(not ok and err.kind == "timeout", tostring(err))
    ]==], host)
  end)

  it("does not begin in a call that is over, also where no Lua code runs in between", function()
    leaves_nothing([==[
      local start = now()
      local ok, err = pcall(parallel.map, function()
        return (("sleep 0.05; false,"):rep(1000):gsub("[^,]+", os.execute))
      end, {1}, {timeout = 0.2})
      assert(not ok and err.kind == "timeout", tostring(err))
      assert(now() - start < 40) -- all of them take 50 s
    ]==], host)
  end)
end)

script.on_hosts("a program", function(_, _, host)
  it("ends with the map that has failed, the future that is cancelled, the pool that is terminated", function()
    leaves_nothing([==[
      for i = 1, #programs do
        local ok, err = pcall(parallel.map, function(x)
          if x == 2 then os.execute "sleep 0.1" error "no" end
          return os.execute(command(i))
        end, {1, 2}, {workers = 2, chunk = 1})
        assert(not ok and err.message:find "no", tostring(err))
        local pool = parallel.pool(2)
        local future = pool:submit(waits.read, command(i))
        assert(not future:wait(0.1))
        future:cancel()
        local other = pool:submit(waits.execute, command(i))
        assert(not other:wait(0.1))
        pool:terminate()
      end
    ]==], host)
  end)

  it("of a call that nobody waits for keeps no script from ending", function()
    leaves_nothing([==[
      local pool = parallel.pool(4)
      for i = 1, #programs do
        pool:submit(waits.read, command(i))
        pool:submit(waits.execute, command(i))
      end
      os.execute "sleep 0.2"
    ]==], host)
  end)

  it("of a call ends with a script that exits", function()
    if host.interpreter then return end -- there os.exit of the script is Lua's own
    leaves_nothing([==[
      local pool = parallel.pool(4)
      for i = 1, #programs do pool:submit(waits.execute, command(i)) end
      os.execute "sleep 0.2"
      os.exit(7)
    ]==], setmetatable({code = 7}, {__index = host}))
  end)
end, nil, {script.hosts[1], script.hosts[3]})

describe("Ctrl-C", function()
  local function interrupt(code, options)
    return leaves_nothing(code:gsub("INTERRUPT", [[os.execute("(sleep 0.5; kill -INT $PPID) >/dev/null 2>&1 &")]]),
      setmetatable({code = 130}, {__index = options}))
  end

  for _, host in ipairs {script.hosts[1], script.hosts[2]} do
    it("ends a map of calls that run programs, and the programs " .. host.name, function()
      interrupt([==[
        INTERRUPT
        parallel.map(function(x)
          if x % 2 == 0 then return waits.read(command(x % #programs + 1)) end
          return waits.execute(command(x % #programs + 1))
        end, parallel.range(1, 64), {workers = 8})
        print "not interrupted"
      ]==], host)
    end)
  end

  it("ends a program of the script that gets no signal from a terminal", function()
    for _, wait in ipairs {"execute", "read"} do
      interrupt(([==[
        INTERRUPT
        waits.%s("exec sleep " .. number)
        print "not interrupted"
      ]==]):format(wait))
    end
  end)

  it("ends a script whose calls were given up", function()
    temporary.folder({}, function(folder)
      local pipe = folder .. "/pipe"
      assert(os.execute("mkfifo " .. temporary.quote(pipe)))
      interrupt(([==[
        for _ = 1, 2 do
          pcall(parallel.map, function() return io.open(%q) end, {1}, {timeout = 0.05})
        end
        INTERRUPT
        parallel.map(function() return os.execute(command(1)) end, {1, 2})
      ]==]):format(pipe))
    end)
  end)
end)

describe("the end of a script", function()
  it("writes out its files, and waits for none that a call reads for ever", function()
    temporary.folder({}, function(folder)
      local fifo, text = folder .. "/fifo", folder .. "/text"
      assert(os.execute("mkfifo " .. temporary.quote(fifo)))
      for _, finish in ipairs {"", "os.exit(0)", "os.exit(true, true)"} do
        local code = ([==[
          local fifo, text = %q, %q
          local keeper = io.open(fifo, "r+")
          local pool = parallel.pool(2)
          for _ = 1, 2 do
            local future = pool:submit(function() return io.open(fifo):read "a" end)
            assert(not future:wait(0.1))
            future:cancel()
          end
          pcall(parallel.map, function() return io.open(fifo):read "a" end, {1}, {timeout = 0.05})
          unclosed = io.open(text, "w")
          unclosed:write "written"
          io.write "printed"
          %s
        ]==]):format(fifo, text, finish)
        local result = run(code, {timeout = 30})
        assert.equal(0, result.code, result.stderr)
        assert.equal("printed", result.stdout)
        local file = io.open(text)
        assert.equal("written", file:read "a")
        file:close()
      end
    end)
  end)
end)
