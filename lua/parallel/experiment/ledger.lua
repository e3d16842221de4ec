--- Which calls of a map were made before, and what they gave. A call is the same where its key is: a digest of the
-- functions with all that they hold, of the item, and of the seed where random numbers are drawn.
-- @module parallel.experiment.ledger

local Database = require "parallel.experiment.database"
local canonical = require "parallel.experiment.canonical"
local core = require "parallel.core"

local Ledger = {}
Ledger.__index = Ledger

-- Part of each key: another number where the same call would have other bytes.
local FORMAT = 1

local PREFIX_BYTES = 16

-- What comes home within this time is one transaction.
local TRANSACTION_S = 0.01

-- Where the store is, and what the script says that calls depend on besides.
local function read_option(store)
  if type(store) == "table" then
    return store.path, store.version
  end
  return store
end

-- {== Opening =====================================================================================

local function check_options(options)
  if core.is_worker() then
    core.blame "a map in a call cannot have a store: give it to the map of the script"
  elseif options.into then
    core.blame "option 'into' is not for a map with a store: make an array of its results, parallel.array(results)"
  end
end

-- Writes parts of the key alone, so that an error names the one that cannot be written.
local function check_parts(writer, subject, parts)
  for name, value in next, parts do
    subject.name = name
    writer:write(value)
  end
end

--- Opens the store of a map.
-- @tparam function f
-- @tparam boolean is_rows items are rows of arguments
-- @tparam table options checked, with `store`
-- @treturn table the ledger: `draws` says whether calls may draw random numbers
-- @raise at the script's line
function Ledger.open(f, is_rows, options)
  check_options(options)
  local path, version = read_option(options.store)
  local library = Database.library()
  local writer, state, subject = canonical.writer(library)
  check_parts(writer, subject, {["option 'init'"] = options.init, ["the 'version' of the store"] = version})
  subject.name = "the function"
  local setup, _, notes = writer:write {FORMAT, f, options.init or false, is_rows or false, options.pack or false,
    options.fresh == false, state, version}
  local draws = notes.draws or false
  local self = setmetatable({writer = writer, subject = subject, library = library, draws = draws}, Ledger)
  self.prefix = library.digest(setup):sub(1, PREFIX_BYTES)
  self.given_seed, self.new_seed = options.seed, options.seed or core.draw_seed()
  self.database = Database.open(path)
  if draws then
    self:note_seed()
  end
  return self
end

-- Keys depend on the seed from now on.
function Ledger:note_seed()
  if self.seed then
    return
  end
  local kept = self.database:seed(self.new_seed)
  self.seed = self.given_seed or kept
  self.seed_bytes = string.pack(">i8", self.seed)
end

-- {== Keys ========================================================================================

-- As `library.look_up`.
function Ledger:find(seed_bytes, item)
  local database = self.database
  return database:use(self.library.look_up, database.finding, self.writer, self.prefix, seed_bytes, item,
    core.array_of_parts)
end

-- Whether the item that was written last holds a function which may draw random numbers.
function Ledger:item_draws()
  local notes = self.writer:notes()
  return notes ~= nil and notes.draws
end

--- Looks an item up.
-- @param item
-- @tparam integer i its place
-- @treturn table `key`; `item`; `i`; `bytes` of the item, false where they cannot be read back; where the call was not
-- made `text`, the item as JSON; `a` and `b`, integers that random numbers are to begin with, false where none are
-- drawn; `others`, false: a list of other places
-- @treturn boolean whether the call was made
-- @return what it gave
function Ledger:look_up(item, i)
  self.subject.name = "an item"
  local key, a, b, bytes, is_found, found = self:find(self.draws and self.seed_bytes or nil, item)
  if not bytes and not self.draws and self:item_draws() then
    self:note_seed()
    key, a, b, bytes, is_found, found = self:find(self.seed_bytes, item)
  end
  local text = not is_found and found
  return {key = key, item = item, i = i, bytes = bytes, text = text, a = a, b = b, others = false}, is_found, found
end

--- Has the file locked once for many items that are looked up, where it is not anyway.
function Ledger:look()
  if not self.database.is_writing then
    self.database:look()
  end
end

--- Ends that.
function Ledger:look_away()
  if self.database.is_looking then
    self.database:look_away()
  end
end

--- Another value with the same content, of one that can be kept.
function Ledger:copy(value)
  return self.library.copy(self.writer, value, core.array_of_parts)
end

--- Whether this process is to make the call: with shards, each has its own.
function Ledger:is_mine(key)
  local library = self.library
  return not library.shard or string.unpack(">I4", key) % library.n_shards == library.shard - 1
end

-- {== Keeping =====================================================================================

local last_second, last_text

-- When a call began. Many begin in one second.
local function started(seconds)
  local second = math.floor(os.time() - seconds)
  if second ~= last_second then
    last_second, last_text = second, os.date("!%Y-%m-%dT%H:%M:%SZ", second)
  end
  return last_text
end

-- Does what writes. Where that cannot be, it is said once, and no more is written: the results are those of the map
-- all the same.
function Ledger:try(write, ...)
  if self.has_failed then
    return
  end
  local written, why = core.protect(write, self.database, ...)
  if not written then
    self.has_failed = true
    self.database:drop()
    if core.ended_by_hook() then
      error(why, 0)
    end
    core.say(("parallel: the store '%s' keeps no more results: %s\n"):format(self.database.path, tostring(why)))
    return nil
  end
  return why
end

-- Writes the rows of calls, and begins a transaction where there is none. Returns a call whose value cannot be kept.
local function put(database, self, calls)
  local statement, keep, writer = database:begin(), self.library.keep, self.writer
  for _, call in ipairs(calls) do
    local entry, use = call.entry, call.use
    local message = call.failure and tostring(call.failure.message)
    if not keep(statement, writer, entry.key, entry.text, entry.bytes, call.value, message, use.seconds, use.host,
        started(use.seconds or 0), use.tries) then
      return call
    end
  end
end

--- Keeps calls that have come home, by the next `commit` at the latest.
-- @tparam {table,...} calls each with `entry`, `value`, `failure` and `use`
-- @raise at the script's line where a value cannot be kept
function Ledger:keep(calls)
  self.due = self.due or core.now() + TRANSACTION_S
  local call = self:try(put, self, calls)
  if call then
    core.blame(("the result of call %d cannot be kept in a store: it holds a function, or a table with a metatable")
      :format(call.entry.i))
  end
end

--- Keeps for good what has come home.
function Ledger:commit()
  if self.due then
    self.due = nil
    self:try(self.database.commit)
  end
end

--- Does that where it is time to.
-- @treturn ?number in how many seconds it will be; nil where there is nothing to keep
function Ledger:tick()
  local seconds = self.due and self.due - core.now()
  if seconds and seconds <= 0 then
    self:commit()
    return nil
  end
  return seconds
end

--- Closes the file.
function Ledger:close()
  self:commit()
  self.database:close()
end

Ledger.__close = Ledger.close

return Ledger
