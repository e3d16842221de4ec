-- tap.lua N FORM: makes one stream out of what N files of specs have printed (TAP). Reads a line for each as soon as it
-- is over: the name of the file with what it printed, the status, how many seconds it took, and which it was. FORM is
-- TAP, or "short": without what is well. Fails where a case did.
local n_due, form = tonumber(arg[1]), arg[2]
local n, n_failed, n_skipped, n_files = 0, 0, 0, 0

local function show(line)
  if form == "TAP" or not line:find "^ok " then
    io.write(line, "\n")
  end
end

local function fail(what)
  n, n_failed = n + 1, n_failed + 1
  show(("not ok %d - %s"):format(n, what))
end

-- Passes on a line of a file; cases are counted anew. Returns whether it is the plan, which is its end.
local function pass_on(line)
  if line:find "^1%.%.%d+$" then
    return true
  end
  local is_bad, name = line:match "^(n?o?t? ?)ok %d+ (%- .*)$"
  if name then
    n = n + 1
    n_failed = n_failed + (is_bad ~= "" and 1 or 0)
    n_skipped = n_skipped + (is_bad == "" and name:find "^%- # SKIP" and 1 or 0)
    line = ("%sok %d %s"):format(is_bad, n, name)
  end
  show(line)
  return false
end

for result in io.lines() do
  local path, status, seconds, name = result:match "^(%S+) (%d+) (%d+) (.*)$"
  local n_before, n_failed_before, is_whole = n, n_failed, false
  for line in io.lines(path) do
    is_whole = pass_on(line) or is_whole
  end
  if status == "124" or status == "137" then
    fail(name .. " took too long, or was killed")
  elseif not is_whole or status ~= "0" and n_failed == n_failed_before then
    fail(name .. " ended early, with status " .. status)
  end
  io.write(("# %s: %d, %d s\n"):format(name, n - n_before, tonumber(seconds)))
  io.flush()
  n_files = n_files + 1
end
if n_files ~= n_due then
  fail(("%d files of specs gave no result"):format(n_due - n_files))
end
if form == "TAP" then
  print("1.." .. n)
else
  print(("%d ok, %d failed, %d skipped"):format(n - n_failed - n_skipped, n_failed, n_skipped))
end
os.exit(n_failed == 0)
