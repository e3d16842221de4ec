--- Runs scripts in processes of their own, with a time limit.
-- Specs never call `parallel` themselves: a crash or a hang must cost one case, not the run.
-- @module support.script

local assert = require "luassert"
local busted = require "busted"
local temporary = require "support.temporary"

local script = {}

local root = os.getenv "PWD"
local moons = os.getenv "MOONS" or "build/moons"
moons = moons:find("^/") and moons or root .. "/" .. moons
local has_timeout = os.execute "command -v timeout >/dev/null"

local function command_line(words, options, input, errors)
  local quote = temporary.quote
  local line = {"cd", quote(options.folder or root), "&& env"}
  for name, value in pairs(options.env or {}) do
    table.insert(line, quote(name .. "=" .. value))
  end
  table.insert(line, has_timeout and ("timeout -k 5 %d"):format(options.timeout or 60) or "")
  for _, word in ipairs(words) do
    table.insert(line, quote(word))
  end
  return ("%s <%s 2>%s"):format(table.concat(line, " "), quote(input), quote(errors))
end

local function read_all(name)
  local file <close> = assert(io.open(name, "rb"))
  return file:read "a"
end

--- Runs a command.
-- @tparam {string,...} words the command and its arguments
-- @tparam[opt] table options `stdin` (text), `env` (values by name), `timeout` (seconds),
--   `folder` (where it runs; default the project's)
-- @treturn table `code` (of exit; "hangs" past the time limit; 128 + n for signal n), `stdout`,
--   `stderr`
function script.execute(words, options)
  options = options or {}
  return temporary.file(options.stdin or "", function(input)
    return temporary.file("", function(errors)
      local pipe = assert(io.popen(command_line(words, options, input, errors)))
      local stdout = pipe:read "a"
      local _, how, code = pipe:close()
      code = how == "signal" and 128 + code or code
      code = has_timeout and (code == 124 or code == 137) and "hangs" or code
      return {code = code, stdout = stdout, stderr = read_all(errors)}
    end)
  end)
end

-- With `make spec BACKEND=processes` all scripts run there that do not choose another backend.
local backend = os.getenv "SPEC_BACKEND"

local function has(words, wanted)
  for _, word in ipairs(words) do
    if word == wanted then return true end
  end
  return false
end

--- Runs the command `moons`.
-- @tparam {string,...} arguments
-- @tparam[opt] table options those of `execute`; `interpreter`: a command to run in its place; `launcher`: words
-- before it
-- @treturn table as `execute`
function script.moons(arguments, options)
  local interpreter = options and options.interpreter
  if backend == "hosts" and not interpreter then
    local launch = "exec " .. moons:gsub("moons$", "") .. "{moons}"
    arguments = {"-H", "one:4,two:4", "--launch", launch, table.unpack(arguments)}
  elseif backend == "mpi" and not interpreter and not has(arguments, "-b") then
    arguments = {"-b", "mpi", "-j", "8", table.unpack(arguments)}
    options = setmetatable({launcher = require "support.mpi".launcher(3)}, {__index = options})
  elseif backend and not interpreter then
    arguments = {"-b", backend, table.unpack(arguments)}
  end
  local words = {table.unpack(options and options.launcher or {})}
  words[#words + 1] = interpreter or moons
  return script.execute(table.move(arguments, 1, #arguments, #words + 1, words), options)
end

--- Runs a script. It is read from stdin, and errors call it "stdin"; where `stdin` is given, from a file.
-- @tparam string code
-- @tparam[opt] table options those of `moons`, and `flags` (before the script) and `args` (after it)
-- @treturn table as `execute`
function script.run(code, options)
  options = options or {}
  local function run(name, stdin)
    local arguments = {table.unpack(options.flags or {})}
    table.insert(arguments, name)
    table.move(options.args or {}, 1, #(options.args or {}), #arguments + 1, arguments)
    return script.moons(arguments, setmetatable({stdin = stdin}, {__index = options}))
  end
  if not options.stdin then
    return run("-", code)
  end
  return temporary.file(code, function(name) return run(name, options.stdin) end)
end

local function check(result, code)
  local text = "exit code: %s\nstdout: %s\nstderr: %s"
  local report = assert.message(text:format(result.code, result.stdout, result.stderr))
  report.equal(code, result.code)
  return result, report
end

--- Asserts that a script ends well and prints `expected`, but for spaces at both ends.
-- @treturn table as `execute`
function script.prints(code, expected, options)
  local result, report = check(script.run(code, options), 0)
  report.equal(expected:match "^%s*(.-)%s*$", result.stdout:match "^%s*(.-)%s*$")
  return result
end

--- Asserts that a script ends well. It knows `parallel`, and what equal.lua returns: `equal(actual, expected)` and
-- `counting([last])`.
-- @treturn table as `execute`
function script.passes(code, options)
  local locals = "local parallel, equal, counting = require 'parallel', dofile %q; "
  return (check(script.run(locals:format(root .. "/spec/support/equal.lua") .. code, options), 0))
end

--- Asserts that a script ends with exit code 1 and that stderr contains `expected`.
-- @treturn table as `execute`
function script.fails(code, expected, options)
  local result, report = check(script.run(code, options), 1)
  report.truthy(result.stderr:find(expected, 1, true))
  return result
end

--- Asserts that an option is refused where it has one of some values: at the script's line, by its name and that of the
-- call, whichever that is.
-- @tparam string option
-- @tparam string values in Lua: a list in braces
function script.refuses(option, values)
  return script.passes(([[
    local function f(x) return x end
    local pool <close> = parallel.pool(1)
    for _, value in ipairs %s do
      local options = {%s = value}
      for name, call in pairs {
        map = function() parallel.map(f, {1}, options) end,
        starmap = function() parallel.starmap(f, {{1}}, options) end,
        run = function() parallel.run({parallel.delayed(f)(1)}, options) end,
        pool = function() local _ <close> = parallel.pool(options) end,
        imap = function() pool:imap(f, {1}, options) end,
        imap_unordered = function() pool:imap_unordered(f, {1}, options) end,
        istarmap = function() pool:istarmap(f, {{1}}, options) end,
        map_async = function() pool:map_async(f, {1}, options) end,
        starmap_async = function() pool:starmap_async(f, {{1}}, options) end,
      } do
        local ok, err = pcall(call)
        assert(not ok and type(err) == "string", name .. " took " .. tostring(value))
        assert(err:find "^stdin:%%d+: " and err:find("option '%s' of '" .. name .. "'", 1, true), err)
      end
    end
  ]]):format(values, option, option))
end

--- Options with which stock `lua5.4` runs scripts, and finds the module.
script.lua54 = {
  name = "in stock lua #unsanitized", -- which cannot load a sanitized module
  interpreter = os.getenv "LUA" or "lua5.4",
  env = {LUA_CPATH = moons:gsub("[^/]*$", "?.so") .. ";;"},
}

--- Where the contract must hold: each a `name` that can stand in that of a spec, and options.
script.hosts = {{name = "on threads #threads"}, {name = "inline", flags = {"-b", "inline"}}, script.lua54}

--- Describes what must hold on several hosts.
-- @tparam string name of what is described; that of the host comes behind it
-- @tparam function body takes `case(name, code[, options])`, which makes a case of a script; `passes(code[, options])`,
-- which is `script.passes` on that host; and the host
-- @tparam[opt=""] string start what each of its scripts begins with
-- @tparam[optchain] {table,...} hosts those of `script.hosts`
function script.on_hosts(name, body, start, hosts)
  for _, host in ipairs(hosts or script.hosts) do
    local function passes(code, options)
      return script.passes((start or "") .. code, setmetatable(options or {}, {__index = host}))
    end
    busted.describe(name .. " " .. host.name, function()
      body(function(case, code, options)
        busted.it(case, function() passes(code, options) end)
      end, passes, host)
    end)
  end
end

return script
