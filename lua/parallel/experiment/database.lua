--- What a store holds, as an SQLite database: a row for each call, and the first seed. Results are written as they
-- come, in short transactions and with a write-ahead log: a kill at any moment loses what has not come home, and never
-- the file. Several processes may use a file at once.
-- @module parallel.experiment.database

local core = require "parallel.core"

local Database = {}
Database.__index = Database

-- "Moon": tells our files from other databases. The version changes when older ones cannot read the file.
local APPLICATION, VERSION = 0x4D6F6F6E, 1

-- How long to wait for another process that writes.
local PATIENCE_MS = 10000

local TABLES = [[
  CREATE TABLE IF NOT EXISTS calls (
    key BLOB PRIMARY KEY, item TEXT, value TEXT, error TEXT, seconds REAL, host TEXT, started TEXT, tries INTEGER,
    exact_item BLOB, exact_value BLOB);
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value);
]]

local FIND = "SELECT exact_value FROM calls WHERE key = CAST(? AS BLOB) AND error IS NULL"

-- A call that has succeeded stays.
local PUT = [[
  INSERT INTO calls VALUES (CAST(? AS BLOB), ?, ?, ?, ?, ?, ?, ?, CAST(? AS BLOB), CAST(? AS BLOB))
  ON CONFLICT (key) DO UPDATE SET item = excluded.item, value = excluded.value, error = excluded.error,
    seconds = excluded.seconds, host = excluded.host, started = excluded.started, tries = excluded.tries,
    exact_item = excluded.exact_item, exact_value = excluded.exact_value
  WHERE calls.error IS NOT NULL
]]

local MISSING = "the store needs SQLite, which was missing when Moons was built: install libsqlite3-dev (Debian, \z
  Ubuntu), \z
  sqlite-devel (Fedora) or sqlite (Arch, macOS), and run 'make' again"

-- Raises an error of the script's line about a file.
local function fail(path, why)
  core.blame(("cannot use the store '%s': %s"):format(path, why))
end

local function get_library()
  local found, library = pcall(require, "parallel.store")
  if not found then
    core.blame(MISSING)
  end
  return library
end

local function pragma(handle, name)
  return handle:prepare("PRAGMA " .. name):run()
end

-- Says why a file is not ours; makes the tables where it is new. In one transaction: another process may be at it too.
local function claim(handle)
  handle:execute "BEGIN IMMEDIATE"
  local application, version = pragma(handle, "application_id"), pragma(handle, "user_version")
  local n_tables = handle:prepare("SELECT count(*) FROM sqlite_master"):run()
  if application ~= APPLICATION and n_tables > 0 then
    return "it is a database of another program"
  elseif version > VERSION then
    return ("it was written by a newer version of Moons (format %d, this one reads %d)"):format(version, VERSION)
  end
  handle:execute(TABLES)
  handle:execute(("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT"):format(APPLICATION, VERSION))
end

-- Writes to a log from now on, as other processes do that have the file open: while one of them takes this step, others
-- are refused.
local function use_log(handle)
  local deadline = core.now() + PATIENCE_MS / 1000
  while true do
    local done, why = pcall(handle.execute, handle, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    if done then
      return
    elseif core.now() > deadline then
      error(why, 0)
    end
    core.sleep(0.01)
  end
end

--- Opens a store, or makes it.
-- @tparam string path
-- @tparam[opt] boolean must_exist it is an error where there is no file
-- @raise at the script's line where that cannot be
function Database.open(path, must_exist)
  local library = get_library()
  local file = must_exist and io.open(path, "rb")
  if must_exist and not file then
    fail(path, "there is no such file")
  elseif file then
    file:close()
  end
  local opened, handle = pcall(library.open, path, PATIENCE_MS)
  if not opened then
    fail(path, handle)
  end
  local claimed, why = pcall(claim, handle)
  if claimed and not why then
    claimed, why = pcall(use_log, handle)
  end
  if not claimed or why then
    handle:close()
    fail(path, why)
  end
  local self = {handle = handle, path = path, digest = library.digest, statements = {}}
  self.finding = handle:prepare(FIND)
  return setmetatable(self, Database)
end

-- A statement, which is prepared once.
function Database:statement(sql)
  local statement = self.statements[sql] or self.handle:prepare(sql)
  self.statements[sql] = statement
  return statement
end

--- The bytes of the value of a call that has succeeded; nil where there is none.
function Database:find(key)
  return self.finding:run(key)
end

--- The seed that was used first; the one given where there is none yet, which is kept from then on.
function Database:seed(seed)
  self:statement("INSERT OR IGNORE INTO settings VALUES ('seed', ?)"):run(seed)
  return (self:statement("SELECT value FROM settings WHERE name = 'seed'"):run())
end

--- Writes some calls, all or none.
-- @tparam {table,...} calls each with the columns of the table, in order, and their number in `n`
function Database:put(calls)
  self.handle:execute "BEGIN IMMEDIATE"
  local put = self:statement(PUT)
  local written, why = pcall(function()
    for _, call in ipairs(calls) do
      put:run(table.unpack(call, 1, call.n))
    end
    self.handle:execute "COMMIT"
  end)
  if not written then
    pcall(self.handle.execute, self.handle, "ROLLBACK")
    error(why, 0)
  end
end

--- Closes the file.
function Database:close()
  self.finding:close()
  for _, statement in pairs(self.statements) do
    statement:close()
  end
  self.statements = {}
  self.handle:close()
end

Database.__close = Database.close

return Database
