-- What becomes of an error in a call.

local parallel = require "parallel"

local readings = {"20.5", "21.0", "n/a", "19.5", "", "22.0"}

local function to_kelvin(reading)
  local celsius = tonumber(reading)
  if not celsius then error(("not a number: %q"):format(reading)) end
  return celsius + 273.15
end

--- A message without the folder of the script, which depends on where it was started.
local function without_folder(message) return (message:gsub("^[^:]*/", "")) end

-- 1. An error ends the map and is raised here. It says which call failed, and why; `print(err)`
--    shows all of it.

print("raised")
local ok, err = pcall(parallel.map, to_kelvin, readings, {workers = 1})
print("  ok         " .. tostring(ok))
print("  index      " .. err.index)
print("  kind       " .. err.kind)
print("  message    " .. without_folder(err.message))
local has_line = err.traceback:find("07_errors.lua:9:", 1, true)
print("  traceback  " .. (has_line and "names line 9" or "does not name line 9"))

-- 2. With `errors = "collect"` all calls run; those that failed leave a hole, so count to `n`.

print("collected")
local kelvins, errors = parallel.map(to_kelvin, readings, {errors = "collect"})
for i = 1, kelvins.n do
  print(("  %d  %s"):format(i, kelvins[i] or without_folder(errors[i].message)))
end

-- 3. What is thrown may be any value, and arrives as it was.

print("thrown as a table")
local function fetch(url)
  error {code = 404, url = url}
end

local _, thrown = pcall(parallel.map, fetch, {"/moon"})
print("  code       " .. thrown.value.code)
print("  url        " .. thrown.value.url)

-- 4. A failed call harms nobody: the same workers serve the next map.

print("afterwards")
local results = parallel.map(to_kelvin, {"20.5", "21.0"})
print("  " .. table.concat(results, "  "))
