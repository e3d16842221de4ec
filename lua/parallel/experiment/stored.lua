--- Maps with the option `store`: calls that were made before are not made again, and the others are kept as they come.
-- @module parallel.experiment.stored

local Ledger = require "parallel.experiment.ledger"
local Run = require "parallel.run"
local check = require "parallel.check"
local core = require "parallel.core"
local errors = require "parallel.errors"

local stored = {}

-- {== Items =======================================================================================

-- Iterates over items, whatever they are read from: number and item.
local function each_item(items)
  if type(items) == "function" then
    local i = 0
    return function()
      local item = items()
      if item ~= nil then
        i = i + 1
        return i, item
      end
    end
  end
  local n = check.integer(rawget(items, "n")) or #items
  local i = 0
  return function()
    if i < n then
      i = i + 1
      return i, items[i]
    end
  end
end

-- A row of arguments as they are passed: with their number, and nothing else.
local function packed(row)
  local n = check.integer(rawget(row, "n")) or #row
  return table.move(row, 1, n, 1, {n = n})
end

-- Calls of one map that are to be made: each key once, whichever places ask for it.
local Missing = {}
Missing.__index = Missing

local function new_missing(ledger, items, is_rows)
  return setmetatable({
    ledger = ledger, is_rows = is_rows, next_item = each_item(items), entries = {}, n_entries = 0, by_key = {},
    n_items = 0,
  }, Missing)
end

-- Reads the next item. Returns its number, or nil at the end; whether its value is in the store, and that; and the
-- entry of the call that is to be made, where it is a new one.
function Missing:read()
  local i, item = self.next_item()
  if not i then
    return nil
  end
  self.n_items = i
  if self.is_rows and type(item) == "table" then
    item = packed(item)
  end
  local key, a, b, bytes = self.ledger:entry(item)
  local entry = self.by_key[key]
  if entry then
    entry.places[#entry.places + 1] = i
    return i, false
  end
  local is_found, value = self.ledger:find(key)
  if is_found then
    return i, true, value
  end
  entry = {key = key, item = item, bytes = bytes, a = a, b = b, i = i, places = {i}}
  self.n_entries = self.n_entries + 1
  self.by_key[key], self.entries[self.n_entries] = entry, entry
  return i, false, nil, entry
end

-- {== Calls =======================================================================================

-- What a call does where random numbers may be drawn: they depend on the seed and the item.
local function seeded(f, is_rows)
  if is_rows then
    return function(a, b, ...)
      math.randomseed(a, b)
      return f(...)
    end
  end
  return function(a, b, item)
    math.randomseed(a, b)
    return f(item)
  end
end

-- The row of arguments of a call that begins with its random numbers.
local function seeded_row(entry, is_rows)
  if not is_rows then
    return {entry.a, entry.b, entry.item, n = 3}
  end
  local row = entry.item
  return table.move(row, 1, row.n, 3, {entry.a, entry.b, n = row.n + 2})
end

-- The options of the map of missing calls.
local function options_of_missing(options)
  local own = {}
  for name, value in pairs(options) do
    own[name] = value
  end
  own.store, own.reports_all = nil, nil
  own.errors, own.report = "collect", {}
  return own
end

local function begin(ledger, f, items, is_rows, options, pool)
  if ledger.draws then
    return Run.new(seeded(f, is_rows), items, true, options, pool.workers)
  end
  return Run.new(f, items, is_rows, options, pool.workers)
end

-- What is given to a call of the map of missing ones.
local function argument_of(ledger, entry, is_rows)
  if ledger.draws then
    return seeded_row(entry, is_rows)
  end
  return entry.item
end

-- Takes the calls of a chunk out of what has come home, and keeps them.
local function take_chunk(ledger, run, missing, report, n_calls, first)
  local results, failures = run.job:results(), run.job:errors()
  local calls = {}
  for j = first, first + n_calls - 1 do
    local entry = missing.entries[j]
    local call = {entry = entry, value = results[j], failure = failures[j], use = report[j] or {}}
    results[j], failures[j], report[j], missing.entries[j] = nil, nil, nil, nil
    missing.by_key[entry.key] = nil -- from now on it is in the store
    calls[#calls + 1] = call
  end
  ledger:keep(calls)
  return calls
end

-- Takes the calls whose arguments could not be sent: their errors are all that is left of them.
local function take_unsent(run, missing)
  local failures, calls = run.job:errors(), {}
  for j, failure in next, failures do
    calls[#calls + 1] = {entry = missing.entries[j], failure = failure, use = {}}
    missing.by_key[missing.entries[j].key] = nil
  end
  for j in next, failures do
    failures[j], missing.entries[j] = nil, nil
  end
  return calls
end

-- The error of a call at a place of the script's map.
local function failure_at(failure, i, item)
  failure.index, failure.item = i, item
  return failure
end

-- {== Whole maps ==================================================================================

local Outcome = {}
Outcome.__index = Outcome

local function new_outcome(report)
  return setmetatable({results = {}, errors = {}, n_errors = 0, report = report}, Outcome)
end

-- Puts what a call gave to all its places.
function Outcome:put(call)
  for _, i in ipairs(call.entry.places) do
    if call.failure then
      self.errors[i] = failure_at(call.failure, i, call.entry.item)
      self.n_errors = self.n_errors + 1
    else
      self.results[i] = call.value
    end
    if self.report then
      self.report[i] = call.use
    end
  end
end

function Outcome:put_all(calls)
  for _, call in ipairs(calls) do
    self:put(call)
  end
end

-- The errors of failed calls, of which there are `n`, which `pairs` does not give.
local function with_count(list, n)
  return setmetatable(list, {__index = {n = n}})
end

local function lowest(list)
  local least
  for i in pairs(list) do
    least = math.min(least or i, i)
  end
  return list[least]
end

-- Makes the calls, until all are home, or one has failed where that is to be raised.
local function finish(ledger, run, missing, report, outcome, raises)
  while true do
    if run:feed() > 0 then
      outcome:put_all(take_unsent(run, missing))
    end
    local n_calls, first = run:collect()
    if n_calls then
      outcome:put_all(take_chunk(ledger, run, missing, report, n_calls, first))
    end
    local is_over = not n_calls and run.job:has_ended()
    if is_over or raises and outcome.n_errors > 0 and run.job:ready() == 0 then
      return
    end
  end
end

-- Says how many calls were there, where progress is shown.
local function tell(options, ledger, n)
  if options.progress == true and ledger.n_found > 0 then
    core.say(("%d of %d calls were in the store\n"):format(ledger.n_found, n))
  end
end

-- Looks all items up. Returns the arguments of the calls that are missing.
local function look_up(ledger, missing, outcome, is_rows)
  local arguments = {n = 0}
  while true do
    local i, is_found, value, entry = missing:read()
    if not i then
      return arguments
    elseif is_found then
      outcome.results[i] = value
    elseif entry then
      arguments.n = arguments.n + 1
      arguments[arguments.n] = argument_of(ledger, entry, is_rows)
    end
  end
end

--- A map: all items are looked up first, and then those calls are made that are missing.
function stored.map(pool, f, items, is_rows, options)
  local ledger <close> = Ledger.open(f, is_rows, options)
  local missing, outcome = new_missing(ledger, items, is_rows), new_outcome(options.report)
  local raises = options.errors ~= "collect"
  local arguments = look_up(ledger, missing, outcome, is_rows)
  tell(options, ledger, missing.n_items)
  if arguments.n > 0 then
    local own = options_of_missing(options)
    local run <close> = begin(ledger, f, arguments, is_rows, own, pool)
    finish(ledger, run, missing, own.report, outcome, raises)
  end
  if raises and outcome.n_errors > 0 then
    errors.raise(lowest(outcome.errors))
  end
  outcome.results.n = missing.n_items
  return outcome.results, not raises and with_count(outcome.errors, outcome.n_errors) or nil
end

-- {== Iterations ==================================================================================

-- Results that wait to be taken, at most, before no more items are read that are in the store, or fewer are sent.
local MOST_READY = 10000

-- A stream of results. What is ready waits in `ready` by its place; `order` has the places in the order of arrival.
local Stream = {}
Stream.__index = Stream

function Stream:add(i, value, failure)
  self.ready[i] = {value = value, failure = failure}
  self.n_ready = self.n_ready + 1
  if not self.in_order then
    self.last = self.last + 1
    self.order[self.last] = i
  end
end

function Stream:add_all(calls)
  for _, call in ipairs(calls) do
    for _, i in ipairs(call.entry.places) do
      self:add(i, call.value, call.failure and failure_at(call.failure, i, call.entry.item))
    end
  end
end

-- Reads on to the next call that is missing. Many that are there end the run, so that they are taken first.
function Stream:next_argument()
  while true do
    local i, is_found, value, entry = self.missing:read()
    if not i then
      self.is_read = true
      return nil
    elseif is_found then
      self:add(i, value)
      if self.n_ready >= MOST_READY then
        return nil
      end
    elseif entry then
      return argument_of(self.ledger, entry, self.is_rows)
    end
  end
end

function Stream:begin()
  local options = options_of_missing(self.options)
  self.missing.entries, self.missing.n_entries, self.report = {}, 0, options.report
  self.run = begin(self.ledger, self.f, function() return self:next_argument() end, self.is_rows, options, self.pool)
  if self.run.progress then
    self.run.progress:be_guest()
  end
end

function Stream:end_run()
  self.run:close()
  self.run = nil
end

-- Sends what may be sent. An error of what items are read from is raised after the results of those before.
function Stream:feed()
  local fed, n_unsent = self.run:try_to_feed(self.n_ready < MOST_READY and self.run.most_chunks or 1)
  if not fed then
    self.is_read, self.has_failed, self.failure = true, true, n_unsent
  elseif n_unsent > 0 then
    self:add_all(take_unsent(self.run, self.missing))
  end
end

-- Waits for some more to be ready; returns false at the end.
function Stream:advance()
  if not self.run and self.is_read then
    return false
  elseif not self.run then
    self:begin()
  end
  self:feed()
  local n_calls, first = self.run:collect()
  if n_calls then
    self:add_all(take_chunk(self.ledger, self.run, self.missing, self.report, n_calls, first))
  end
  if not n_calls and self.run.job:has_ended() then
    self:end_run()
  end
  return true
end

-- The place of the next result; nil where it is not known.
function Stream:next_place()
  if self.in_order then
    return self.n_taken + 1
  end
  return self.order[self.first]
end

function Stream:take(i)
  local result = self.ready[i]
  self.ready[i] = nil
  self.n_ready, self.n_taken = self.n_ready - 1, self.n_taken + 1
  if not self.in_order then
    self.order[self.first] = nil
    self.first = self.first + 1
  end
  if result.failure and self.raises then
    errors.raise(result.failure)
  end
  return i, result.value, result.failure
end

function Stream:next()
  while true do
    local i = self:next_place()
    if i and self.ready[i] then
      return self:take(i)
    elseif not self:advance() then
      break
    end
  end
  if self.has_failed then
    error(self.failure, 0)
  end
end

function Stream:close()
  if self.run then
    self:end_run()
  end
  self.ledger:close()
end

Stream.__close = Stream.close

local function iterate(pool, f, items, is_rows, options, in_order)
  local ledger = Ledger.open(f, is_rows, options)
  local stream = setmetatable({
    pool = pool, f = f, is_rows = is_rows, options = options, ledger = ledger,
    missing = new_missing(ledger, items, is_rows),
    raises = options.errors ~= "collect", in_order = in_order, ready = {}, n_ready = 0, order = {}, first = 1, last = 0,
    n_taken = 0,
  }, Stream)
  return function() return stream:next() end, nil, nil, stream
end

--- For a loop, in order.
function stored.imap(pool, f, items, is_rows, options)
  return iterate(pool, f, items, is_rows, options, true)
end

--- The same, each result as soon as it is there; those that are in the store may come first.
function stored.imap_unordered(pool, f, items, is_rows, options)
  return iterate(pool, f, items, is_rows, options, false)
end

return stored
