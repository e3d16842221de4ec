--- What a store holds, as an SQLite database: a row for each call, and the first seed. Results are written as they
-- come, in short transactions and with a write-ahead log: a kill at any moment loses what has not come home, and never
-- the file. Several processes may use a file at once.
-- @module parallel.experiment.database

local core = require "parallel.core"

local Database = {}
Database.__index = Database

-- "Moon": tells our files from other databases. The version changes when older ones cannot read the file.
local APPLICATION, VERSION = 0x4D6F6F6E, 1

-- How long to wait for another process that writes, and how long from one try to the next. SQLite itself waits for some
-- milliseconds only: Ctrl-C would not end that.
local PATIENCE_S, TRY_S = 5, 0.002

local TABLES = ([[
  CREATE TABLE IF NOT EXISTS calls (
    key BLOB PRIMARY KEY, item TEXT, value TEXT, error TEXT, seconds REAL, host TEXT, started TEXT, tries INTEGER,
    exact_item BLOB, exact_value BLOB);
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value);
  PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT
]]):format(APPLICATION, VERSION)

local FIND = "SELECT exact_value FROM calls WHERE key = ? AND error IS NULL"

-- A call that has succeeded stays.
local PUT = [[
  INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET item = excluded.item, value = excluded.value, error = excluded.error,
    seconds = excluded.seconds, host = excluded.host, started = excluded.started, tries = excluded.tries,
    exact_item = excluded.exact_item, exact_value = excluded.exact_value
  WHERE calls.error IS NOT NULL
]]

local MISSING = "the store needs the C library 'parallel.store', which 'require' does not find: 'make install' puts \z
  it beside parallel.so where Moons is built with SQLite (libsqlite3-dev on Debian and Ubuntu, sqlite-devel on \z
  Fedora, sqlite on Arch and macOS)"

-- Raises an error of the script's line about a file.
local function refuse(path, why)
  core.blame(("cannot use the store '%s': %s"):format(path, why))
end

-- Raises that of `core.protect` so; but one that a hook has raised, as Ctrl-C does, as it is.
local function fail(path, why)
  if core.ended_by_hook() then
    error(why, 0)
  end
  refuse(path, why)
end

--- SQLite and what is in C beside it, where Moons was built with it.
-- @raise at the script's line where it was not, or where the state of a C program lacks what else is needed
function Database.library()
  if not (os and io and debug and package) then
    core.blame "the store needs the libraries 'os', 'io', 'debug' and 'package', and this Lua state has not got all"
  end
  local found, library = pcall(require, "parallel.store")
  if not found then
    core.blame(MISSING)
  end
  return library
end

-- {== Opening =====================================================================================

-- Runs statements as soon as no other process is in the way.
local function execute(handle, sql)
  local deadline = core.now() + PATIENCE_S
  while not handle:try(sql) do
    if core.now() > deadline then
      error("another process keeps it locked", 0)
    end
    core.sleep(TRY_S)
  end
end

local function number(handle, sql)
  local statement = handle:prepare(sql)
  local value = statement:run()
  statement:close() -- one that stays keeps the file open
  return value
end

-- Whether the file is a store; otherwise it is new.
local function is_store(handle)
  local application = number(handle, "PRAGMA application_id")
  local version = number(handle, "PRAGMA user_version")
  if application == APPLICATION and version > VERSION then
    error(("it was written by a newer version of Moons (format %d, this one reads %d)"):format(version, VERSION), 0)
  elseif application ~= APPLICATION and number(handle, "SELECT count(*) FROM sqlite_master") > 0 then
    error("it is a database of another program", 0)
  end
  return application == APPLICATION
end

-- Writes to a log from now on, and makes a new file a store. Another process may be at it too.
local function claim(handle, is_to_be_read)
  execute(handle, "SELECT 1 FROM sqlite_master") -- what others do to the whole file has ended
  local is_new = not is_store(handle)
  if is_to_be_read then
    return is_new and error("it is no store", 0)
  elseif handle:is_readonly() then
    error("it cannot be written to", 0)
  end
  execute(handle, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
  if is_new then
    execute(handle, "BEGIN IMMEDIATE")
    handle:execute(is_store(handle) and "COMMIT" or TABLES)
  end
end

-- Whether there is a file.
local function is_there(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

-- Does that, and prepares the statements that maps need.
local function prepare(handle, is_to_be_read)
  claim(handle, is_to_be_read)
  return handle:prepare(FIND), not is_to_be_read and handle:prepare(PUT) or nil
end

--- Opens a store, or makes it.
-- @tparam string path
-- @tparam[opt] boolean must_exist it is an error where there is no file
-- @raise at the script's line where that cannot be
function Database.open(path, must_exist)
  local library = Database.library()
  if must_exist and not is_there(path) then
    refuse(path, "there is no such file")
  end
  local opened, handle = core.protect(library.open, path)
  if not opened then
    fail(path, handle)
  end
  local claimed, finding, putting = core.protect(prepare, handle, must_exist)
  if not claimed then
    handle:close()
    fail(path, finding)
  end
  local self = {handle = handle, path = path, library = library, statements = {}, finding = finding, putting = putting}
  return setmetatable(self, Database)
end

-- Raises at the script's line an error of the file that a function has ended with; others as they are.
local function pass(self, succeeded, ...)
  if succeeded then
    return ...
  end
  local why = ...
  if getmetatable(why) == self.library.error_type then
    refuse(self.path, tostring(why))
  end
  error(why, 0)
end

--- Calls a function that uses the file.
-- @return what it returns
-- @raise errors of the file, such as a damaged one, at the script's line
function Database:use(f, ...)
  return pass(self, core.protect(f, ...))
end

-- {== Reading =====================================================================================

--- A statement, which is prepared once.
function Database:statement(sql)
  local statement = self.statements[sql] or self.handle:prepare(sql)
  self.statements[sql] = statement
  return statement
end

--- The value that canonical bytes were made of.
function Database:value(bytes)
  return self.library.read(bytes, core.array_of_parts)
end

--- Begins to look at the file as it is now, so that it is locked once for many calls that are looked up.
function Database:look()
  self:use(self.handle.execute, self.handle, "BEGIN")
  self.is_looking = true
end

--- Ends that. Nothing may be written before.
function Database:look_away()
  self.is_looking = false
  self:use(self.handle.execute, self.handle, "COMMIT")
end

-- Does what writes; where the file is being looked at, before it is looked at again.
local function between_looks(self, write, ...)
  if not self.is_looking then
    return write(self, ...)
  end
  self:look_away()
  write(self, ...)
  self:look()
end

local function keep_seed(self, seed)
  execute(self.handle, "BEGIN IMMEDIATE")
  self:statement("INSERT OR IGNORE INTO settings VALUES ('seed', ?)"):run(seed)
  self.handle:execute "COMMIT"
end

--- The seed that was used first; where there is none yet the one given, which is kept from then on.
-- @raise at the script's line where it cannot be kept
function Database:seed(seed)
  local find = self:use(self.statement, self, "SELECT value FROM settings WHERE name = 'seed'")
  if not self:use(find.run, find) then
    local kept, why = core.protect(between_looks, self, keep_seed, seed)
    if not kept then
      fail(self.path, why)
    end
  end
  return (self:use(find.run, find))
end

-- {== Writing =====================================================================================

--- Begins a transaction, where there is none.
-- @treturn userdata a statement that writes a call: its parameters are the columns of the table
-- @raise a text
function Database:begin()
  if not self.is_writing then
    execute(self.handle, "BEGIN IMMEDIATE")
    self.is_writing = true
  end
  return self.putting
end

--- Keeps what was put.
-- @raise as `begin`
function Database:commit()
  if self.is_writing then
    self.handle:execute "COMMIT"
    self.is_writing = false
  end
end

--- Drops what was put and not committed.
function Database:drop()
  if self.is_writing then
    self.is_writing = false
    pcall(self.handle.execute, self.handle, "ROLLBACK") -- SQLite may have done that
  end
end

--- Closes the file. What was put and not committed is lost.
function Database:close()
  self.finding:close()
  if self.putting then
    self.putting:close()
  end
  for _, statement in pairs(self.statements) do
    statement:close()
  end
  self.statements = {}
  self.handle:close()
end

Database.__close = Database.close

return Database
