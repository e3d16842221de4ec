-- The rules service of examples/service under load: by a client that compares each answer.
local program = require "c.program"
local script = require "support.script"
local temporary = require "support.temporary"

local SOURCES = {"service", "http", "json", "tenants"}

-- The libraries that the example needs beside; nil where they are missing.
local function libraries()
  local found, libs = program.run "pkg-config --libs libcjson"
  local has_parser = program.run "echo '#include <http_parser.h>' | cc -E - >/dev/null"
  return found and has_parser and libs:gsub("%s*$", " -lhttp_parser") or nil
end

local function build(needs)
  local sources = {}
  for i, name in ipairs(SOURCES) do
    sources[i] = ("examples/service/%s.c"):format(name)
  end
  for i, name in ipairs {"http", "json", "tenants"} do
    sources[#SOURCES + i] = ("examples/service/%s.h"):format(name)
  end
  local client = program.build("client", {"spec/service/client.c"})
  return program.build("service", sources, nil, needs), client
end

-- Starts the service, and runs commands that have $port, $pid, and $client. Prints how it has ended after that.
local SERVE = [[
folder=$1 service=$2 client=$3
"$service" 0 >"$folder/url" & pid=$!
for i in $(seq 100); do [ -s "$folder/url" ] || sleep 0.1; done
port=$(sed 's/.*://' "$folder/url")
put() { "$client" "$port" PUT "/rules/$1" "$2"; }
post() { "$client" "$port" POST "/rules/$1" "$2"; }
%s
kill -TERM $pid
wait $pid
echo "ended with $?"
]]

local function serve(commands)
  local needs = libraries()
  if not needs then
    return nil, "there is no cJSON, or no http-parser"
  end
  local service, client = build(needs)
  return temporary.folder({["serve.sh"] = SERVE:format(commands)}, function(folder)
    return script.execute({"sh", folder .. "/serve.sh", folder, service, client}, {timeout = 200})
  end)
end

describe("the rules service", function()
  it("answers with what rules give, and says what is wrong", function()
    local result, why = serve [[
      put ada 'function total(order) return {sum = order.price * order.n, tags = {"x", true, 2.5}} end'
      post ada/total '{"price": 2.5, "n": 4}'
      post ada/total '{"price": 2.5}'
      post ada/total '{'
      post ada/none '{}'
      post bob/total '{}'
      put bob 'function f( return end'
      put bob 'function f() return {tostring(os.execute), tostring(io.open)} end'
      post bob/f 'null'
      put eve 'function f() while true do end end'
      post eve/f '[]' && post eve/f '[]' && post eve/f '[]' && post eve/f '[]'
    ]]
    if not result then return pending(why) end
    assert.equal([[
201 null
200 {"sum":10,"tags":["x",true,2.5]}
422 {"error":"error","message":"rules:1: attempt to perform arithmetic on a nil value (field 'n')"}
400 {"error":"request","message":"the body is no JSON"}
400 {"error":"request","message":"invalid argument"}
404 {"error":"request","message":"PUT /rules/NAME, then POST /rules/NAME/FUNCTION"}
422 {"error":"load","message":"rules:1: <name> or '...' expected near 'return'"}
201 null
200 ["nil","nil"]
201 null
422 {"error":"timeout","message":"timed out"}
422 {"error":"timeout","message":"timed out"}
422 {"error":"timeout","message":"timed out"}
404 {"error":"request","message":"PUT /rules/NAME, then POST /rules/NAME/FUNCTION"}
ended with 0
]], result.stdout .. result.stderr)
  end)

  it("loses and mixes up no request of 200 tenants beside some that loop, hang, and flood #linux", function()
    local result, why = serve [[
      ls /proc/$pid/fd | wc -l >"$folder/before"
      "$client" "$port" 2000 || echo wrong
      "$client" "$port" 18000 quiet || echo wrong
      for i in $(seq 50); do # it closes connections when it gets to it
        ls /proc/$pid/fd | wc -l >"$folder/after"
        cmp -s "$folder/before" "$folder/after" && break
        sleep 0.1
      done
      cmp "$folder/before" "$folder/after"
      [ $(ls /proc/$pid/task | wc -l) -lt 80 ] || echo 'too many threads'
    ]]
    if not result then return pending(why) end
    local rates = result.stdout:gsub("ended with 0\n$", "")
    assert.equal("", result.stderr)
    assert.truthy(rates:find "^%d+ requests a second[^\n]*\n%d+ requests a second[^\n]*\n$", result.stdout)
  end)
end)
