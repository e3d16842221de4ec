-- Worker processes that the system, a person or chance kills; and callers that are stopped.
local forking = require "support.forking"
local script = require "support.script"
local temporary = require "support.temporary"

local is_linux = io.open "/proc/self/stat" ~= nil

local function passes(code, options)
  options = setmetatable(options or {}, {__index = forking.options {flags = {"-b", "processes"}}})
  return script.passes(code, options)
end

local function capture(command)
  local pipe <close> = io.popen(command)
  return (pipe:read "a":gsub("\n$", ""))
end

describe("worker processes that are killed at random #linux #unsanitized", function()
  if not is_linux then return end

  it("cost the calls that they ran, each made once, and lose no other result", function()
    passes([[
      local me = io.open "/proc/self/stat":read "n"
      os.execute(([=[
        (while kill -0 %d; do
          sleep 0.0$(($(od -An -N1 -tu1 /dev/urandom) %% 10))
          victim=$(ps --ppid %d -o pid= -o args= | grep -e --serve | shuf -n 1 | awk '{print $1}')
          [ -z "$victim" ] || kill -KILL $victim
        done) >/dev/null 2>&1 &]=]):format(me, me))
      local name = os.tmpname()
      local pool <close> = parallel.pool(4)
      local ends, n_lost, n_rounds = os.time() + 12, 0, 0
      while os.time() < ends do
        local n = math.random(1, 300)
        local results, errors = pool:map(function(i)
          local file <close> = io.open(name, "a")
          file:write(i, "\n")
          file:close()
          local sum = 0
          for k = 1, 20000 * (i % 7) do sum = sum + k % i end
          return {i, ("x"):rep(i * 10)}
        end, parallel.range(1, n), {errors = "collect", chunk = ({1, 7, 50, nil})[math.random(4)]})
        local calls = {}
        for line in io.lines(name) do
          local i = tonumber(line)
          calls[i] = (calls[i] or 0) + 1
        end
        io.open(name, "w"):close()
        for i = 1, n do
          local err = errors and errors[i]
          if err then
            assert(err.kind == "lost", tostring(err))
            assert((calls[i] or 0) <= 1, i)
            n_lost = n_lost + 1
          else
            assert(calls[i] == 1, ("call %d of %d was made %s times"):format(i, n, calls[i]))
            assert(results[i][1] == i and #results[i][2] == i * 10)
          end
        end
        n_rounds = n_rounds + 1
      end
      os.remove(name)
      assert(n_lost > 0 and n_rounds > 3, n_lost .. " lost in " .. n_rounds)
      equal(pool:map(function(i) return i end, {1, 2, 3}, {retries = 50}), {1, 2, 3, n = 3})
    ]], {timeout = 120})
  end)
end)

describe("a caller of worker processes #linux", function()
  if not is_linux then return end

  it("may be stopped, and go on", function()
    passes [[
      local me = io.open "/proc/self/stat":read "n"
      os.execute(("(sleep 0.3; kill -STOP %d; sleep 0.5; kill -CONT %d) &"):format(me, me))
      local results = parallel.map(function(i) parallel.sleep(0.02) return i end, parallel.range(1, 100), {workers = 2})
      for i = 1, 100 do equal(results[i], i) end
    ]]
  end)
end)

describe("a call that takes all memory of its group #linux #unsanitized", function()
  local folder = "/sys/fs/cgroup/memory/moons_spec_" .. capture "echo $PPID"
  if not os.execute(("mkdir %s 2>/dev/null"):format(folder)) then
    pending "needs a memory cgroup that may be made"
    return
  end
  teardown(function() os.execute(("rmdir %s"):format(folder)) end)

  it("is one call that is lost", function()
    assert(os.execute(("echo 400000000 > %s/memory.limit_in_bytes"):format(folder)))
    temporary.file(("#!/bin/sh\necho $$ > %s/cgroup.procs\nexec \"$MOONS\" \"$@\"\n"):format(folder), function(limited)
      assert(os.execute("chmod +x " .. temporary.quote(limited)))
      passes([[
        local forking = require "forking"
        local results, errors = parallel.map(function(i)
          if i == 5 then forking.fill() end
          return i
        end, parallel.range(1, 20), {errors = "collect", workers = 2})
        equal({errors.n, errors[5].kind}, {1, "lost"})
        assert(errors[5].message:find "signal 9", errors[5].message)
        for i = 1, 20 do equal(results[i], i ~= 5 and i or nil) end
      ]], {interpreter = limited})
    end)
  end)
end)

describe("where the system starts no more processes #linux #unsanitized", function()
  if not os.execute "setpriv --reuid=65534 --clear-groups true 2>/dev/null" then
    pending "needs to become another user"
    return
  end

  it("a map says so, and hangs not", function()
    local command = "exec prlimit --nproc=6 setpriv --reuid=65534 --clear-groups"
    temporary.file(("#!/bin/sh\n%s \"$MOONS\" \"$@\"\n"):format(command), function(limited)
      assert(os.execute("chmod 755 " .. temporary.quote(limited)))
      passes([[
        local function same(i) return i end
        local ok, err = pcall(parallel.map, same, parallel.range(1, 100), {workers = 30})
        assert(not ok and err.kind == "system", tostring(err))
      ]], {interpreter = limited})
    end)
  end)
end)
