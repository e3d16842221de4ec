--- What a store holds, for those who look at it: all calls, the best of them, and a table for other programs.
-- @module parallel.experiment.open

local Database = require "parallel.experiment.database"
local check = require "parallel.check"
local core = require "parallel.core"
local file = require "parallel.experiment.file"
local canonical = require "parallel.experiment.canonical"

local open = {}

local Store = {__name = "parallel.store"}
Store.__index = Store
Store.__marshal = "cannot send a store: open it there" -- the text of the error

local ROWS = [[
  SELECT item, value, error, seconds, host, started, tries, exact_item, exact_value FROM calls ORDER BY rowid
]]

-- What was kept exactly, or else the text that can be read.
local function exactly(database, bytes, text)
  if bytes then
    return database:value(bytes)
  end
  return text
end

-- The row of a statement that was run; nil at the end.
local function row_of(database, item, ...)
  if item == nil then
    return nil
  end
  local _, err, seconds, host, started, tries, exact_item, exact_value = ...
  return {
    item = exactly(database, exact_item, item), value = exactly(database, exact_value), error = err, seconds = seconds,
    host = host, started = started, tries = tries,
  }
end

local function next_row(database, statement)
  return row_of(database, statement:step())
end

local function count(database)
  return database:statement("SELECT count(*) - count(error), count(error) FROM calls"):run()
end

local function check_self(self, where)
  check.self(self, Store, "store", where)
  if not self.database then
    core.blame("the store is closed")
  end
end

--- Iterates over the calls, in the order in which they were kept first: `for row in store:rows() do`.
-- @return a function that gives a table with `item`, `value`, `error` (the message of a call that has failed),
-- `seconds`, `host`, `started` (UTC) and `tries`. An item that holds a function is the text that the file has for it.
function Store:rows()
  check_self(self, "rows")
  local database = self.database
  local statement = database:use(database.handle.prepare, database.handle, ROWS)
  statement:begin()
  return function()
    return database:use(next_row, database, statement)
  end
end

--- How many calls there are.
-- @treturn integer those that have succeeded
-- @treturn integer those that have failed
function Store:count()
  check_self(self, "count")
  return self.database:use(count, self.database)
end

-- The measure of a row: a field of its value, the value itself, or what a function says of it.
local function measure(row, by)
  if type(by) == "function" then
    return by(row.value, row)
  elseif by ~= nil then
    return type(row.value) == "table" and row.value[by] or nil
  end
  return row.value
end

--- The best call: that with the least value, or the greatest.
-- @tparam ?string|function by the name of a field of the values, or a function of a value and its row; nil: the value
-- @tparam[opt="min"] string which `"min"` or `"max"`
-- @treturn ?table its row; nil where no call has a number there
function Store:best(by, which)
  check_self(self, "best")
  if which ~= nil and which ~= "min" and which ~= "max" then
    check.refuse("best", 2, '"min" or "max"', type(which) == "string" and ("%q"):format(which) or type(which))
  end
  local best, least
  for row in self:rows() do
    local number = not row.error and measure(row, by)
    if type(number) == "number" and number == number then
      number = which == "max" and -number or number
      if not least or number < least then
        best, least = row, number
      end
    end
  end
  return best
end

-- {== CSV =========================================================================================

local COLUMNS = {"error", "seconds", "host", "started", "tries"}

-- The columns of an item or a value: one, or one for each name.
local function columns_of(what, value, add)
  if type(value) ~= "table" or next(value) == nil then
    return add(what, value)
  end
  for key, field in next, value do
    if type(key) ~= "string" then
      return add(what, value)
    end
    add(what .. "." .. key, field)
  end
end

local function cell(writer, value)
  local text = type(value) == "string" and value or value ~= nil and writer:json(value) or ""
  return text:find '[",\r\n]' and '"' .. text:gsub('"', '""') .. '"' or text
end

-- A row by the names of its columns.
local function flatten(row)
  local flat = {}
  local function add(name, value)
    flat[name] = value
  end
  columns_of("item", row.item, add)
  columns_of("value", row.value, add)
  for _, name in ipairs(COLUMNS) do
    flat[name] = row[name]
  end
  return flat
end

-- The names of all columns: of items, of values, then the others.
local function names_of(rows)
  local names, is_known = {}, {}
  for _, name in ipairs(COLUMNS) do
    is_known[name] = true
  end
  for _, flat in ipairs(rows) do
    for name in next, flat do
      if not is_known[name] then
        is_known[name], names[#names + 1] = true, name
      end
    end
  end
  table.sort(names)
  return table.move(COLUMNS, 1, #COLUMNS, #names + 1, names)
end

local function line_of(writer, flat, names)
  local cells = {}
  for i, name in ipairs(names) do
    cells[i] = cell(writer, flat[name])
  end
  return table.concat(cells, ",")
end

--- Writes all calls into a file of comma-separated values: a column for each field of items and values, `item.lr`.
-- @tparam string path
-- @raise where it cannot be written; a file that was there is then as it was
function Store:csv(path)
  check_self(self, "csv")
  if type(path) ~= "string" then
    check.refuse("csv", 1, "name of a file", type(path))
  end
  local rows = {}
  for row in self:rows() do
    rows[#rows + 1] = flatten(row)
  end
  local names = names_of(rows)
  local header = {}
  for _, name in ipairs(names) do
    header[name] = name
  end
  local lines = {line_of(self.writer, header, names)}
  for _, flat in ipairs(rows) do
    lines[#lines + 1] = line_of(self.writer, flat, names)
  end
  local written, why = file.replace(path, table.concat(lines, "\r\n") .. "\r\n")
  if not written then
    core.blame("cannot write the table: " .. tostring(why))
  end
end

--- Closes the file.
function Store:close()
  check.self(self, Store, "store", "close")
  if self.database then
    self.database:close()
    self.database = nil
  end
end

Store.__close = Store.close

--- Opens a store that is there; usable as `local store <close> = experiment.open "sweep.db"`.
-- @tparam string path
-- @treturn table the store, with `rows`, `count`, `best`, `csv` and `close`
function open.open(path)
  if type(path) ~= "string" then
    check.refuse("open", 1, "name of a file", type(path))
  elseif path == "" or path:find("\0", 1, true) then
    check.refuse("open", 1, "name of a file", ("%q"):format(path))
  end
  return setmetatable({database = Database.open(path, true), writer = canonical.writer(Database.library())}, Store)
end

return open
