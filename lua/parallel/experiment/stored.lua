--- Maps with the option `store`: calls that were made before are not made again, and the others are kept as they come.
-- @module parallel.experiment.stored

local Ledger = require "parallel.experiment.ledger"
local Run = require "parallel.run"
local check = require "parallel.check"
local core = require "parallel.core"
local errors = require "parallel.errors"
local wait_for = require "parallel.wait"

local stored = {}

local exit = os and os.exit -- a host may have left it out

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
  local n = type(items) == "table" and check.integer(rawget(items, "n")) or #items
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
    n_items = 0, n_made = 0, n_of_others = 0,
  }, Missing)
end

-- Notes a call that is to be made; returns it, or nothing where another process is to make it.
function Missing:add(entry)
  if not self.ledger:is_mine(entry.key) then
    self.n_of_others = self.n_of_others + 1
    return nil
  end
  self.n_entries, self.n_made = self.n_entries + 1, self.n_made + 1
  self.by_key[entry.key], self.entries[self.n_entries] = entry, entry
  return entry
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
  local entry, is_found, value = self.ledger:look_up(item, i)
  local same = self.by_key[entry.key]
  if same then
    same.others = same.others or {}
    table.insert(same.others, i)
    return i, false
  elseif is_found then
    return i, true, value
  end
  return i, false, nil, self:add(entry)
end

-- Iterates over the places of the script's map that ask for a call.
local function places_of(entry)
  local others, k = entry.others, 0
  return function(_, i)
    if i == nil then
      return entry.i
    end
    k = k + 1
    return others and others[k] or nil
  end
end

-- Forgets calls that have come home: from now on they are in the store.
function Missing:forget(j)
  local entry = self.entries[j]
  self.by_key[entry.key], self.entries[j] = nil, nil
  return entry
end

-- The end of a script that has made its share of the calls: what comes next would lack the others.
function Missing:leave_to_others()
  if self.n_of_others == 0 then
    return
  end
  local library = self.ledger.library
  self.ledger:close()
  local text = "parallel: shard %d of %d ends here: it has made %d calls and found %d, %d are left to other shards\n"
  core.say(text:format(library.shard, library.n_shards, self.n_made, self.ledger.n_found, self.n_of_others))
  exit(true, true)
end

-- {== Calls =======================================================================================

-- What a call does where random numbers may be drawn: they depend on the seed and the item.
local function seeded(f)
  return function(a, b, ...)
    if a then
      math.randomseed(a, b)
    end
    return f(...)
  end
end

-- The row of arguments of a call that begins with its random numbers.
local function seeded_row(entry, is_rows)
  local a, b = entry.a, entry.b
  if not is_rows then
    return {a, b, entry.item, n = 3}
  end
  local row = entry.item
  return table.move(row, 1, row.n, 3, {a, b, n = row.n + 2})
end

-- The options of the map of missing calls.
local function options_of_missing(ledger, options)
  local own = {}
  for name, value in pairs(options) do
    own[name] = value
  end
  own.store, own.reports_all = nil, nil
  own.errors, own.report, own.seed = "collect", {}, ledger.seed or options.seed
  return own
end

-- Takes the calls of a chunk out of what has come home, and keeps them.
local function take_chunk(run, missing, report, n_calls, first)
  local results, failures = run.job:results(), run.job:errors()
  local calls = {}
  for j = first, first + n_calls - 1 do
    local call = {entry = missing:forget(j), value = results[j], failure = failures[j], use = report[j] or {}}
    results[j], failures[j], report[j] = nil, nil, nil
    calls[#calls + 1] = call
  end
  missing.ledger:keep(calls)
  return calls
end

-- Takes the calls whose arguments could not be sent: their errors are all that is left of them.
local function take_unsent(run, missing)
  local failures, calls = run.job:errors(), {}
  for j, failure in next, failures do
    calls[#calls + 1] = {entry = missing:forget(j), failure = failure, use = {}}
    failures[j] = nil
  end
  return calls
end

-- The error of a call at a place of the script's map. Equal items have one call, and each an error.
local function failure_at(failure, i, item)
  local own = setmetatable({}, getmetatable(failure))
  for name, value in next, failure do
    own[name] = value
  end
  own.index, own.item = i, item
  return own
end

-- {== Whole maps ==================================================================================

local Outcome = {}
Outcome.__index = Outcome

local function new_outcome(report)
  return setmetatable({results = {}, errors = {}, n_errors = 0, report = report}, Outcome)
end

-- Puts what a call gave to all its places.
function Outcome:put(call)
  for i in places_of(call.entry) do
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
local function finish(run, missing, report, outcome, raises)
  while true do
    run:check_open()
    if run:feed() > 0 then
      outcome:put_all(take_unsent(run, missing))
    end
    local n_calls, first = run:collect(missing.ledger:tick())
    if n_calls then
      outcome:put_all(take_chunk(run, missing, report, n_calls, first))
    end
    local is_over = n_calls == nil and run.job:has_ended()
    if is_over or raises and outcome.n_errors > 0 and run.job:ready() == 0 then
      return
    end
  end
end

-- Says how many calls were there, where progress is shown; a function gets numbers of all calls. Returns the option
-- for the calls that are missing.
local function tell(progress, n_found, n_items, n_missing)
  if progress == true and n_found > 0 then
    core.say(("%d of %d calls were in the store\n"):format(n_found, n_items))
  elseif progress and progress ~= true and n_missing == 0 then
    progress(n_items, n_items, 0)
  elseif progress and progress ~= true then
    return function(done, total, failed)
      return progress(done + n_found, total + n_found, failed)
    end
  end
  return progress
end

-- Looks all items up. Returns the entries of the calls that are missing, and whether any may draw random numbers.
local function look_up(ledger, missing, outcome)
  local entries, draws = {}, ledger.draws
  ledger.database:look()
  while true do
    local i, is_found, value, entry = missing:read()
    if not i then
      ledger.database:look_away()
      return entries, draws
    elseif is_found then
      outcome.results[i] = value
    elseif entry then
      entries[#entries + 1] = entry
      draws = draws or entry.a
    end
  end
end

-- Makes the calls of these entries.
local function make(pool, f, missing, entries, draws, options, outcome)
  local own = options_of_missing(missing.ledger, options)
  local arguments = {n = #entries}
  for j, entry in ipairs(entries) do
    arguments[j] = draws and seeded_row(entry, missing.is_rows) or entry.item
  end
  own.progress = tell(options.progress, missing.ledger.n_found, missing.n_items, #entries)
  if #entries > 0 then
    local run <close> = Run.new(draws and seeded(f) or f, arguments, draws or missing.is_rows, own, pool.workers)
    finish(run, missing, own.report, outcome, options.errors ~= "collect")
  end
end

--- A map: all items are looked up first, and then those calls are made that are missing.
function stored.map(pool, f, items, is_rows, options)
  local ledger <close> = Ledger.open(f, is_rows, options)
  local missing, outcome = new_missing(ledger, items, is_rows), new_outcome(options.report)
  local raises = options.errors ~= "collect"
  local entries, draws = look_up(ledger, missing, outcome)
  make(pool, f, missing, entries, draws, options, outcome)
  if raises and outcome.n_errors > 0 then
    errors.raise(lowest(outcome.errors))
  end
  missing:leave_to_others()
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
  local report = self.options.report
  for _, call in ipairs(calls) do
    for i in places_of(call.entry) do
      self:add(i, call.value, call.failure and failure_at(call.failure, i, call.entry.item))
      if report then
        report[i] = call.use
      end
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
      return seeded_row(entry, self.missing.is_rows)
    end
  end
end

function Stream:begin()
  local options = options_of_missing(self.ledger, self.options)
  self.missing.entries, self.missing.n_entries, self.report = {}, 0, options.report
  self.run = Run.new(seeded(self.f), function() return self:next_argument() end, true, options, self.pool.workers)
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
local function advance(self)
  if not self.run and self.is_read then
    return false
  elseif not self.run then
    self:begin()
  end
  self.run:check_open()
  self:feed()
  local n_calls, first = self.run:collect()
  if n_calls then
    self:add_all(take_chunk(self.run, self.missing, self.report, n_calls, first))
  end
  self.ledger:commit() -- who knows when the loop comes back
  if n_calls == nil and self.run.job:has_ended() then
    self:end_run()
  end
  return true
end

-- Ends it: calls that were under way are no results, so it cannot go on.
local function drop(self)
  self.is_read, self.has_failed, self.failure = true, true, errors.new("cancelled", "cancelled")
  if self.run then
    self:end_run()
  end
end

function Stream:advance()
  return wait_for(advance, drop, self)
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
  self.missing:leave_to_others()
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
    pool = pool, f = f, options = options, ledger = ledger,
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
