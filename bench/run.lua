-- Measures Moons: prints tables, and writes bench.csv beside the `moons` that runs this.
--
--     moons bench/run.lua [part ...]
--
-- The parts are those of rows.lua; without any, all of them. A part is a program (NAME.c) that prints
-- lines "key value", or a module (NAME.lua) that is a function of a function `sample(key, value)`.

local here = arg[0]:match("^(.*)/") or "."
local there = arg[-1]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path

local build = require "build"
local report = require "report"
local rows = require "rows"

local built = build.all(here, there)
package.cpath = built .. "/?.so;" .. package.cpath

local function run_program(path, sample)
  local pipe = assert(io.popen(path))
  for line in pipe:lines() do
    local key, value = line:match("^(%S+) (%S+)$")
    sample(key, tonumber(value))
  end
  assert(pipe:close(), path .. " failed")
end

local function measure(name)
  local samples = {}
  local function sample(key, value)
    samples[key] = samples[key] or {}
    table.insert(samples[key], value)
  end
  if package.searchpath(name, package.path) then
    require(name)(sample)
  else
    run_program(built .. "/" .. name, sample)
  end
  return samples
end

local function write_rows(csv, part, samples)
  for _, row in ipairs(part) do
    local result = report.sum_up(row, samples)
    if result then
      csv:write(report.csv_line(part, row, result), "\n")
    end
  end
end

local function is_asked_for(part)
  for _, name in ipairs(arg) do
    if name == part.part then
      return true
    end
  end
  return #arg == 0
end

local csv <close> = assert(io.open(there .. "/bench.csv", "w"))
csv:write(report.CSV_HEADING, "\n")
for _, part in ipairs(rows) do
  if is_asked_for(part) then
    local samples = measure(part.part)
    report.print_table(part, samples)
    write_rows(csv, part, samples)
  end
end
