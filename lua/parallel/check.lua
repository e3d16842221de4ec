--- Checks of arguments and options, whose errors name what is wrong and blame the line of the script (`core.blame`).
-- @module parallel.check

local core = require "parallel.core"

local check = {}

local blame, is_callable = core.blame, core.is_callable

--- Raises an error about an argument.
-- @tparam string where name of the function that was called
-- @tparam integer number which argument
-- @tparam string expected what it should have been
-- @param got what it was
function check.refuse(where, number, expected, got)
  blame(("bad argument #%d to '%s' (%s expected, got %s)"):format(number, where, expected, got))
end

local refuse = check.refuse

--- Checks that an argument can be called.
function check.callable(where, number, value)
  if not is_callable(value) then
    refuse(where, number, "function", type(value))
  end
end

-- What is said of values that somebody may take for a list.
local NO_LISTS = {
  ["parallel.pool"] = "a pool",
  ["parallel.future"] = "a future: take its value with 'get' first, or put it into a list: {future}",
  ["parallel.call"] = "a single call: put it into a list: {call}",
}

-- What a table is that the module has made and that is no list; nothing where it is none of these.
local function name_of(value)
  local metatable = getmetatable(value)
  return type(metatable) == "table" and NO_LISTS[metatable.__name] or nil
end

--- Why a table is no list; nothing where it may be one.
function check.why_no_list(value)
  local metatable = getmetatable(value)
  local name = name_of(value)
  if name then
    return name
  elseif type(metatable) == "table" and (metatable.__len or metatable.__index) then
    return nil
  elseif rawget(value, 0) ~= nil then -- as in `arg`, which goes below
    return rawget(value, -1) == nil and "a list from 0: lists begin at 1" or nil
  elseif rawlen(value) == 0 and next(value) ~= nil then
    local key = next(value)
    local shown = type(key) == "string" and ("the key %q"):format(key) or "keys that are no numbers from 1 on"
    return ("a table with %s, and no list in it; with 'n' it may have holes"):format(shown)
  end
end

local why_no_list = check.why_no_list

-- Whether `#` tells nothing of a table, whose items come by __index alone.
local function hides_items(value)
  local metatable = getmetatable(value)
  return type(metatable) == "table" and metatable.__index ~= nil and metatable.__len == nil and value[1] ~= nil
end

-- Checks an array as items.
local function check_array(where, number, value, is_rows)
  if is_rows and core.array_kind(value) == "array" then
    refuse(where, number, "rows of arguments", "an array of numbers: write a:rows()")
  end
end

--- Checks that an argument is a sequence, a range, an array, or an iterator.
-- @tparam boolean is_rows its items must be rows of arguments
function check.sequence(where, number, value, is_rows)
  if type(value) == "function" then
    return
  elseif type(value) == "userdata" and core.array_kind(value) then
    return check_array(where, number, value, is_rows)
  elseif type(value) ~= "table" then
    refuse(where, number, "table, range, array or iterator function", type(value))
  end
  local n = check.integer(rawget(value, "n"))
  local why = not n and why_no_list(value)
  if why then
    refuse(where, number, "list, range or iterator function", why)
  end
  local length = n or #value
  if not check.integer(length) or not n and length < 0 then
    local text = "bad argument #%d to '%s' (its length must be an integer, 0 or more, not %s)"
    blame(text:format(number, where, tostring(length)))
  elseif length == 0 and not n and hides_items(value) then
    refuse(where, number, "list, range or iterator function",
      "a table of length 0 whose metatable has __index: give it __len")
  end
end

--- Checks that an argument is a time to wait.
function check.seconds(where, number, value)
  if type(value) ~= "number" then
    refuse(where, number, "seconds", type(value))
  elseif value ~= value or value < 0 then
    refuse(where, number, "seconds, 0 or more,", value)
  end
end

--- Checks that a method was called on what it belongs to.
-- @param self
-- @tparam table class the metatable that it must have
-- @tparam string what its name
-- @tparam string where the method
function check.self(self, class, what, where)
  if getmetatable(self) ~= class then
    local text = "bad self of '%s' (a %s expected, got %s): call it as %s:%s(...)"
    blame(text:format(where, what, type(self), what, where))
  end
end

-- Some three years: what an integer of nanoseconds holds with ease.
local MOST_SECONDS = 1e8

--- Checks an item of a list of futures.
function check.future(where, i, value, type_of_futures)
  if getmetatable(value) ~= type_of_futures then
    refuse(where, 1, ("item %d: a future"):format(i), type(value))
  end
end

--- Checks that an argument is a list of futures.
function check.futures(where, number, value, type_of_futures)
  if type(value) ~= "table" then
    refuse(where, number, "table of futures", type(value))
  end
  local why = why_no_list(value)
  if why then
    refuse(where, number, "list of futures", why)
  end
  for i = 1, #value do
    check.future(where, i, value[i], type_of_futures)
  end
end

local function boolean(value)
  return type(value) == "boolean", "a boolean"
end

--- A number that is an integer, be it written as 4 or 4.0, as an integer.
-- @return nil for all else
function check.integer(value)
  return type(value) == "number" and math.tointeger(value) or nil
end

local function integer_between(least, most)
  local expected = ("an integer from %d to %d"):format(least, most)
  return function(value)
    local number = check.integer(value)
    return number and number >= least and number <= most, expected
  end
end

local BACKENDS = {threads = true, processes = true, inline = true, hosts = true, mpi = true}

-- For each option a function that says of a value, and of where it was given, whether it will do, and what would have.
local OPTIONS = {
  workers = integer_between(1, core.max_workers),
  chunk = integer_between(1, core.max_chunk),
  backend = function(value, where)
    if where ~= "pool" then
      return false, 'left to the pool, as in parallel.pool {backend = "processes"}'
    end
    return BACKENDS[value], '"threads", "processes", "inline", "hosts" or "mpi"'
  end,
  hosts = function(value, where)
    if where ~= "pool" then
      return false, 'left to the pool, as in parallel.pool {hosts = {"node1:16"}}'
    end
    return require "parallel.hosts".read(value)
  end,
  launch = function()
    return false, 'a field of hosts, as in {hosts = {"node1:16", launch = "ssh {host} {moons}"}}'
  end,
  fresh = boolean,
  pack = boolean,
  init = function(value)
    return is_callable(value), "a function"
  end,
  seed = function(value)
    return check.integer(value), "an integer"
  end,
  timeout = function(value)
    return type(value) == "number" and value > 0 and value <= MOST_SECONDS,
      ("seconds, more than 0 and at most %.0e (left out: no limit)"):format(MOST_SECONDS)
  end,
  memory = integer_between(1, math.maxinteger),
  retries = integer_between(0, 1000),
  errors = function(value)
    return value == "raise" or value == "collect", '"raise" or "collect"'
  end,
  into = function(value)
    return core.array_kind(value) == "array", "an array (parallel.array)"
  end,
  report = function(value)
    return type(value) == "table", "a table, to be filled"
  end,
  store = function(value)
    local path = value
    if type(value) == "table" then
      path = value.path
      for name in next, value do
        path = (name == "path" or name == "version") and path or nil
      end
    end
    return type(path) == "string" and path ~= "" and not path:find("\0", 1, true),
      "the name of a file, or {path = ..., version = ...}"
  end,
  progress = function(value)
    return type(value) == "boolean" or is_callable(value), "a boolean or a function"
  end,
}

local NONE = {}

local function describe(value)
  if type(value) == "string" then
    return ("%q"):format(value)
  end
  return type(value) == "number" and tostring(value) or "a " .. type(value)
end

-- What other libraries call the same.
local OTHER_NAMES = {
  n_jobs = "workers", njobs = "workers", jobs = "workers", processes = "workers", max_workers = "workers",
  n_workers = "workers", num_workers = "workers", threads = "workers", n_threads = "workers", cores = "workers",
  chunksize = "chunk", chunk_size = "chunk", batch = "chunk", batch_size = "chunk",
  initializer = "init", setup = "init",
  nodes = "hosts", machines = "hosts", hostfile = "hosts", host = "hosts",
  random_state = "seed", rng = "seed",
  time_limit = "timeout", deadline = "timeout", max_time = "timeout",
  memory_limit = "memory", max_memory = "memory", mem = "memory",
  retry = "retries", max_retries = "retries", tries = "retries",
  on_error = "errors", return_exceptions = "errors", error = "errors",
  out = "into", output = "into", dest = "into", target = "into",
  stats = "report", timing = "report", timings = "report", profile = "report", usage = "report",
  verbose = "progress", progress_bar = "progress", bar = "progress",
  cache = "store", memo = "store", memory_file = "store", checkpoint = "store", database = "store", db = "store",
  maxtasksperchild = "fresh", isolated = "fresh", keep = "fresh",
}

-- How many letters must change to make one word of another (Levenshtein 1966; two swapped letters count as two).
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

-- The option that may have been meant, or nothing.
local function find_option(name)
  local lower = name:lower()
  if OPTIONS[lower] or OTHER_NAMES[lower] then
    return OPTIONS[lower] and lower or OTHER_NAMES[lower]
  end
  local best, least = nil, math.min(3, #name // 2 + 1)
  for option in pairs(OPTIONS) do
    local d = distance(lower, option)
    if d < least or d == least and best and option < best then
      best, least = option, d
    end
  end
  return best
end

-- What to say of an unknown option.
local function describe_unknown(name, where)
  if type(name) ~= "string" then
    return ("options of '%s' must have names, as in {workers = 4}; [%s] has none"):format(where, tostring(name))
  end
  local meant = find_option(name)
  local hint = meant and ("; did you mean '%s'?"):format(meant) or ""
  return ("unknown option '%s' to '%s'%s"):format(name, where, hint)
end

--- Checks that an array can take the results of a map.
-- @tparam userdata into the array
-- @tparam integer n how many calls there are; -1: nobody knows
-- @tparam boolean is_packed each returns a row
function check.into(into, n, is_packed)
  local _, n_numbers, n_rows, n_columns = core.array_kind(into)
  local room = is_packed and n_rows or n_numbers
  if n >= 0 and n ~= room then
    local what = is_packed and ("%d rows of %d numbers"):format(n_rows, n_columns) or ("%d numbers"):format(n_numbers)
    blame(("option 'into': the array has %s, and there are %d calls"):format(what, n))
  end
end

--- Checks that a map can use arrays now.
-- @param items of the map
-- @tparam ?userdata into
function check.arrays(items, into)
  local why = core.why_not_use(items, into)
  if why then
    blame((into and core.why_not_use(items, nil) == nil and "option 'into': " or "") .. why)
  end
end

--- Checks a table of options.
-- @tparam string where name of the function that was called
-- @tparam integer number which argument the options are
-- @tparam ?table options as the script gave them
-- @treturn table the options; empty where none were given. Not to be changed.
function check.options(where, number, options)
  if options == nil then
    return NONE
  end
  local other = type(options) == "table" and name_of(options)
  if type(options) ~= "table" then
    refuse(where, number, "table of options", type(options))
  elseif other then
    refuse(where, number, "table of options", other)
  elseif rawlen(options) > 0 then
    local hint = "a list: options have names, as in {workers = 4}"
    if where == "map" then
      hint = hint .. "; for calls with several arguments there is 'starmap'"
    end
    refuse(where, number, "table of options", hint)
  end
  for name, value in pairs(options) do
    local is_right = OPTIONS[name]
    if not is_right then
      blame(describe_unknown(name, where))
    end
    local right, expected = is_right(value, where)
    if not right then
      local text = "option '%s' of '%s' must be %s, not %s"
      blame(text:format(name, where, expected, describe(value)))
    end
  end
  return options
end

return check
