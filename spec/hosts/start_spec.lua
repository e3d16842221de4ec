-- What launches agents may fail, say much, say nothing, or start another version.
local agents = require "support.agents"
local script = require "support.script"

local is_linux = io.open "/proc/self/stat" ~= nil

local function passes(code, hosts, launch, more)
  return script.passes(code, agents.options(hosts, launch, more))
end

local works = "equal(parallel.map(function(x) return 2 * x end, {1, 2, 3}), {2, 4, 6, n = 3})"

-- What is said where no host can be used.
local function said(launch)
  return passes([[
    local function same(x) return x end
    local ok, err = pcall(parallel.map, same, {1, 2, 3})
    assert(not ok and err.kind == "system", tostring(err))
    local _, errors = parallel.map(same, parallel.range(1, 1000), {errors = "collect"})
    equal(errors.n, 1000)
    io.write(err.message)
  ]], "one:2,two", launch).stdout
end

local function has(text, expected)
  assert.truthy(text:find(expected, 1, true), text)
end

describe("a launch command #linux #unsanitized", function()
  if not is_linux then return end

  it("may print much before the agent does, as login shells do", function()
    passes(works, nil, "echo welcome to {host}; head -c 60000 /dev/zero | tr '\\0' x; " .. agents.launch)
    has(said("head -c 70000 /dev/zero | tr '\\0' x; " .. agents.launch), "no agent answers: xxx")
  end)

  it("may print to stderr, and so may programs of calls: that is passed on", function()
    local result = passes([[
      parallel.map(function() os.execute "echo from a program >&2" io.stderr:write "from a call\n" end, {1})
      parallel.sleep(0.2)
    ]], nil, "echo welcome to {host} >&2; exec " .. agents.launch)
    has(result.stderr, "from a call")
    has(result.stderr, "from a program")
  end)

  it("that fails is an error of the calls, with what it has said and how it has ended", function()
    local text = said "echo no route to {host} >&2; exit 7; {moons}"
    has(text, "'one': no agent answers; its command ended with status 7: no route to one")
    has(text, "'two': no agent answers; its command ended with status 7: no route to two")
    has(said "exec /nowhere/{moons}", "/nowhere/moons")
    has(said "exec true {moons}", "no agent answers")
  end)

  it("that fails for one host leaves the others, and is told", function()
    local launch = "[ {host} = two ] || { echo no route >&2; exit 1; }; exec " .. agents.launch
    local result = passes(works, "one,two:1", launch)
    has(result.stderr, "parallel: host 'one' is not used any more: no agent answers")
    has(result.stderr, "its command ended with status 1: no route")
  end)

  it("that starts another version is refused, and both are named", function()
    local other = "Moons 9.9.9, Lua 5.4.0"
    local frame = ("<I4I4I8"):pack(0, 4, #other) .. ("<I4"):pack(8) .. other
    local bytes = ("\n\1moons agent\1\n" .. frame):gsub(".", function(c) return ("\\%03o"):format(c:byte()) end)
    local text = said(("printf '%s'; sleep 1; : {moons}"):format(bytes))
    has(text, other)
    has(text, "this is Moons")
  end)

  it("is ended with the script, whatever it does", function()
    local result = script.execute({"sh", "-c", [[
      out=$("$0" -H one:1 --launch 'sleep 300; {moons}' -e 'parallel.submit(print) print "done"')
      echo "got $out"
    ]], os.getenv "MOONS"}, {timeout = 20})
    assert.equal("got done\n", result.stdout)
  end)
end)

describe("the agent", function()
  it("is no way to start the command, and needs its caller", function()
    local moons = os.getenv "MOONS"
    assert.equal(1, script.execute({moons, "--serve", "agent", "x"}).code)
    assert.equal(1, script.execute({moons, "--serve", "agent"}).code)
    for _, bytes in ipairs {"nonsense", ("x"):rep(100000), ("\255"):rep(64)} do
      local result = script.execute({moons, "--serve", "agent"}, {stdin = bytes, timeout = 20})
      assert(result.code ~= 0 and result.code ~= "hangs", result.code)
    end
  end)
end)
