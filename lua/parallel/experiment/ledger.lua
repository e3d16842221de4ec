--- Which calls of a map were made before, and what they gave. A call is the same where its key is: a digest of the
-- functions with all that they hold, of the item, and of the seed where random numbers are drawn.
-- @module parallel.experiment.ledger

local Database = require "parallel.experiment.database"
local canonical = require "parallel.experiment.canonical"
local core = require "parallel.core"
local json = require "parallel.experiment.json"
local plain = require "parallel.experiment.plain"

local Ledger = {}
Ledger.__index = Ledger

-- Part of each key: another number where the same call would have other bytes.
local FORMAT = 1

local KEY_BYTES = 16

-- Runs a part of canonical.lua; what has no bytes is an error of the script's line.
local function bytes_of(what, f, ...)
  local made, bytes, more = pcall(f, ...)
  if not made and type(bytes) == "table" and bytes.canonical then
    core.blame(("%s cannot be kept in a store: it holds %s"):format(what, bytes.canonical))
  elseif not made then
    error(bytes, 0)
  end
  return bytes, more
end

-- Where the store is, and what the script says that calls depend on besides.
local function read_option(store)
  if type(store) == "table" then
    return store.path, store.version
  end
  return store
end

--- Opens the store of a map.
-- @tparam function f
-- @tparam boolean is_rows items are rows of arguments
-- @tparam table options checked, with `store`
-- @treturn table the ledger: `draws` says whether calls may draw random numbers
-- @raise at the script's line
function Ledger.open(f, is_rows, options)
  if core.is_worker() then
    core.blame("a map in a call cannot have a store: give it to the map of the script")
  end
  local path, version = read_option(options.store)
  local names, libraries = canonical.names()
  local keeps = options.fresh == false
  local parts = table.pack(FORMAT, f, options.init, is_rows or false, options.pack or false, keeps, version)
  local setup, draws = bytes_of("the function", canonical.setup, parts, names, libraries)
  local self = setmetatable({names = names, libraries = libraries, draws = draws, n_found = 0}, Ledger)
  self.database = Database.open(path)
  self.prefix = self.database.digest(setup)
  if draws then
    local seed = self.database:seed(options.seed or core.draw_seed())
    self.prefix = self.prefix .. string.pack(">i8", options.seed or seed)
  end
  return self
end

--- What is known of an item.
-- @treturn string key
-- @treturn integer two numbers that random numbers are to begin with
-- @treturn integer
-- @treturn string|boolean the bytes of the item; false where they cannot be read back
function Ledger:entry(item)
  local bytes, is_plain = bytes_of("an item", canonical.bytes, item, self.names, self.libraries)
  local digest = self.database.digest(self.prefix .. bytes)
  local a, b = string.unpack(">i8i8", digest, KEY_BYTES + 1)
  return digest:sub(1, KEY_BYTES), a, b, is_plain and bytes
end

--- Whether a call was made, and what it gave.
function Ledger:find(key)
  local bytes = self.database:find(key)
  if bytes then
    self.n_found = self.n_found + 1
    return true, plain.value(bytes)
  end
  return false
end

local last_second, last_text

-- When a call began. Many begin in one second.
local function started(seconds)
  local second = math.floor(os.time() - seconds)
  if second ~= last_second then
    last_second, last_text = second, os.date("!%Y-%m-%dT%H:%M:%SZ", second)
  end
  return last_text
end

-- The columns of a call that has failed.
local function failed(entry, failure, use)
  return {entry.key, json.text(entry.item), nil, tostring(failure.message), use.seconds, use.host,
    started(use.seconds or 0), use.tries, entry.bytes or nil, nil, n = 10}
end

-- The columns of a call that has given a value.
function Ledger:succeeded(entry, value, use)
  local bytes, is_plain = bytes_of("a result", canonical.bytes, value, self.names, self.libraries)
  if not is_plain then
    core.blame(("the result of call %d cannot be kept in a store: it holds a function, or a table with a metatable")
      :format(entry.i))
  end
  return {entry.key, json.text(entry.item), json.text(value), nil, use.seconds, use.host, started(use.seconds or 0),
    use.tries, entry.bytes or nil, bytes, n = 10}
end

--- Keeps calls that have come home. Where they cannot be written, that is said once, and no more are: their results are
-- those of the map all the same.
-- @tparam {table,...} calls each with `entry` (`key`, `item`, `bytes`, `i`), `value`, `failure` and `use`
function Ledger:keep(calls)
  if self.has_failed or #calls == 0 then
    return
  end
  local rows = {}
  for n, call in ipairs(calls) do
    rows[n] = call.failure and failed(call.entry, call.failure, call.use)
      or self:succeeded(call.entry, call.value, call.use)
  end
  local kept, why = pcall(self.database.put, self.database, rows)
  if not kept then
    self.has_failed = true
    core.say(("parallel: the store '%s' keeps no more results: %s\n"):format(self.database.path, tostring(why)))
  end
end

--- Closes the file.
function Ledger:close()
  self.database:close()
end

Ledger.__close = Ledger.close

return Ledger
