-- Measures Moons: prints a table, and writes bench.md and bench.csv into the folder `bench` beside the
-- `moons` that runs this.
--
--     moons bench/run.lua [part ...]
--
-- The parts are those of rows.lua; without any, all but those that are measured on demand. A part is a
-- program (NAME.c) that prints lines "key value", or a module (NAME.lua) that is a function of a
-- function `sample(key, value)` and of the part's numbers. Each is measured in a process of its own.

local here = arg[0]:match("^(.*)/") or "."
local there = arg[-1]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path

local build = require "build"
local machine = require "machine"
local report = require "report"
local rows = require "rows"

local built = build.all(here, there)

-- The command that measures a part.
local function command(part)
  local by = part.by or part.part
  if package.searchpath(by, package.path) then
    return ("'%s' '%s/part.lua' '%s' %s %s"):format(arg[-1], here, built, by, table.concat(part.with or {}, " "))
  end
  return ("'%s/%s'"):format(built, by)
end

local function measure(part)
  local samples = {}
  local pipe = assert(io.popen(command(part)))
  for line in pipe:lines() do
    local key, value = line:match("^(%S+) (%S+)$")
    samples[key] = samples[key] or {}
    table.insert(samples[key], tonumber(value))
  end
  assert(pipe:close(), part.part .. " failed")
  return samples
end

local function is_asked_for(part)
  for _, name in ipairs(arg) do
    if name == part.part then
      return true
    end
  end
  return #arg == 0 and not part.on_demand
end

local function check_arguments()
  local known = {}
  for _, part in ipairs(rows) do
    known[part.part] = true
  end
  for _, name in ipairs(arg) do
    assert(known[name], "bench: no part " .. name)
  end
end

check_arguments()
local csv <close> = assert(io.open(built .. "/bench.csv", "w"))
local markdown <close> = assert(io.open(built .. "/bench.md", "w"))

local function show(text)
  print(text)
  markdown:write(text, "\n")
end

do
  local file <close> = assert(io.open(built .. "/bench_machine.txt", "w"))
  file:write(machine.description(), "\n")
end
csv:write(report.CSV_HEADING, "\n")
show(machine.description() .. ".\n")
show(report.HEADING)
for _, part in ipairs(rows) do
  if is_asked_for(part) then
    local samples = measure(part)
    show(table.concat(report.lines(part, samples), "\n"))
    csv:write(table.concat(report.csv_lines(part, samples), "\n"), "\n")
  end
end
