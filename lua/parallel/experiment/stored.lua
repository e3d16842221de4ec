--- Maps with the option `store`: calls that were made before are not made again, and the others are kept as they come.
-- @module parallel.experiment.stored

local Ledger = require "parallel.experiment.ledger"
local Run = require "parallel.run"
local check = require "parallel.check"
local core = require "parallel.core"
local errors = require "parallel.errors"
local range = require "parallel.range"
local source = require "parallel.source"
local wait_for = require "parallel.wait"

local stored = {}

local exit = os and os.exit -- a host may have left it out

-- A row with more arguments is an error of its call.
local MOST_ARGUMENTS = 500000

-- Items that are looked up before calls that have come home are looked after again.
local MOST_AT_ONCE = 1000

-- {== Items =======================================================================================

-- How many items there are, -1 where nobody knows, and a function that gives number and item, one after the other.
local function each_item(items, is_rows)
  local n, i = source.measure(items, is_rows), 0
  if n >= 0 then
    return n, function()
      if i < n then
        i = i + 1
        return i, items[i]
      end
    end
  end
  return n, function()
    local item = items()
    if item ~= nil then
      i = i + 1
      return i, item
    end
  end
end

-- Whether an item can be a row of arguments. One that cannot is an error of its call, as in maps without a store.
local function is_row(item)
  local n = type(item) == "table" and (check.integer(rawget(item, "n")) or #item)
  if n == 0 then
    local name = next(item)
    return name == nil or name == "n" and next(item, name) == nil
  end
  return math.type(n) == "integer" and n <= MOST_ARGUMENTS
end

-- A row of arguments as they are passed: with their number, and nothing else.
local function packed(row)
  local n = math.max(check.integer(rawget(row, "n")) or #row, 0)
  return table.move(row, 1, n, 1, {n = n})
end

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
  local a, b, row = entry.a, entry.b, entry.item
  if not is_rows then
    return {a, b, row, n = 3}
  elseif not is_row(row) then
    return row
  end
  return table.move(row, 1, row.n, 3, {a, b, n = row.n + 2})
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

-- The error of a call at a place of the script's map. Equal items have one call, and each an error.
local function failure_at(failure, i, item)
  local own = setmetatable({}, getmetatable(failure))
  for name, value in next, failure do
    own[name] = value
  end
  own.index, own.item = i, item
  return own
end

-- {== Calls on their way ==========================================================================

-- A map under way: looks its items up as they are read, has those calls made that are missing, and gives `sink` what is
-- found and what comes home, by `sink:put(i, value, failure)`. `by_key` has the calls on their way: each key once,
-- whichever places ask for it.
local Flow = {}
Flow.__index = Flow

-- The options of the calls that are missing. The seed is drawn once, however many these are.
local function options_of_missing(ledger, options)
  local own = {}
  for name, value in pairs(options) do
    own[name] = value
  end
  own.store, own.reports_all, own.progress = nil, nil, nil
  own.errors, own.report, own.seed = "collect", {}, ledger.seed or ledger.new_seed
  return own
end

-- Whether code of the script's may run as items are read: it may take its time, or use the store.
local function is_of_script(items)
  return type(items) == "function" or getmetatable(items) ~= nil and not range.is(items)
end

-- Takes out of a report what another map has put there.
local function empty(report)
  for i in next, report do
    if check.integer(i) then
      report[i] = nil
    end
  end
end

-- Makes it. `is_whole`: a map gives all at once, so it may keep what became of each key; a call that has failed is not
-- made again. The run is there before the first item is read: what the function captures is sent as it was when its key
-- was made.
local function new_flow(pool, f, items, is_rows, options, sink, is_whole)
  local ledger = Ledger.open(f, is_rows, options)
  local own = options_of_missing(ledger, options)
  local n, next_item = each_item(items, is_rows)
  local self = setmetatable({
    ledger = ledger, sink = sink, is_rows = is_rows, n = n, next_item = next_item, runs_script = is_of_script(items),
    report = options.report, uses = own.report, made = is_whole and {} or nil,
    tells = is_whole and options.progress == true, entries = {}, by_key = {},
    n_entries = 0, n_items = 0, n_made = 0, n_found = 0, n_of_others = 0, n_at_once = 0,
  }, Flow)
  self.run = Run.new(seeded(f), function() return self:next_argument() end, true, own, pool.workers)
  self.run:show_progress(options.progress, n)
  if options.report and not options.reports_all then
    empty(options.report)
  end
  return self
end

-- Counts calls of the script's map that the run does not know of: found ones, and other places of those it knows.
function Flow:count(n_calls, n_failed)
  if self.run.progress then
    self.run.progress:count(n_calls, n_failed)
  end
end

-- Notes a call that is to be made; returns it, or nothing where another process is to make it.
function Flow:add(entry)
  if not self.ledger:is_mine(entry.key) then
    self.n_of_others, self.n_at_once = self.n_of_others + 1, self.n_at_once + 1
    return nil
  end
  self.n_entries, self.n_made = self.n_entries + 1, self.n_made + 1
  self.by_key[entry.key], self.entries[self.n_entries] = entry, entry
  return entry
end

-- Gives what is in the store. What this map has put there was not found.
function Flow:put_found(i, value, key)
  self.n_at_once = self.n_at_once + 1
  if not (self.made and self.made[key] ~= nil) then
    self.n_found = self.n_found + 1
  end
  self:count(1, 0)
  self.sink:put(i, value)
end

-- Gives the error of a call that has failed before in this map.
function Flow:put_failed(i, item, failure)
  self:count(1, 1)
  self.sink:put(i, nil, failure_at(failure, i, item))
end

-- Looks an item up. Returns the entry of the call that is to be made, where it is a new one.
function Flow:look_up(i, item)
  if self.is_rows and is_row(item) then
    item = packed(item)
  end
  local entry, is_found, value = self.ledger:look_up(item, i)
  local same = self.by_key[entry.key]
  if same then
    same.others = same.others or {}
    table.insert(same.others, i)
  elseif is_found then
    self:put_found(i, value, entry.key)
  elseif self.made and self.made[entry.key] then
    self:put_failed(i, item, self.made[entry.key])
  else
    return self:add(entry)
  end
end

-- Whether something else is to be done before more items are read.
function Flow:must_pause()
  return self.n_at_once >= MOST_AT_ONCE or self.sink:is_full() and self.run.job:pending() > 0
end

-- Reads on to the next call that is missing. It is sent before the next item is read, which may change this one.
function Flow:next_argument()
  while not self:must_pause() do
    local i, item = self.next_item()
    if not i then
      return nil
    end
    self.n_items = i
    local entry = self:look_up(i, item)
    if entry then
      self.n_at_once = self.n_at_once + 1 -- workers may make calls as fast as they are sent
      return seeded_row(entry, self.is_rows)
    end
  end
  return core.pause
end

-- Forgets a call that has come home: from now on it is in the store.
function Flow:forget(j)
  local entry = self.entries[j]
  self.by_key[entry.key], self.entries[j] = nil, nil
  return entry
end

-- Gives what a call gave to all its places: to each its own, which the script may change.
function Flow:put(call)
  local n_others = call.entry.others and #call.entry.others or 0
  self:count(n_others, call.failure and n_others or 0)
  for i in places_of(call.entry) do
    local is_first = i == call.entry.i
    if self.report then
      self.report[i] = is_first and call.use or self.ledger:copy(call.use)
    end
    if call.failure then
      local failure = failure_at(call.failure, i, call.entry.item)
      failure.value = is_first and failure.value or self.ledger:copy(failure.value)
      self.sink:put(i, nil, failure)
    else
      self.sink:put(i, is_first and call.value or self.ledger:copy(call.value))
    end
  end
end

-- Takes the calls of a chunk out of what has come home, keeps them, and gives them.
function Flow:take_chunk(n_calls, first)
  local results, failures, uses = self.run.job:results(), self.run.job:errors(), self.uses
  local calls = {}
  for j = first, first + n_calls - 1 do
    calls[#calls + 1] = {entry = self:forget(j), value = results[j], failure = failures[j], use = uses[j] or {}}
    results[j], failures[j], uses[j] = nil, nil, nil
  end
  self.ledger:keep(calls)
  for _, call in ipairs(calls) do
    self:put(call)
    if self.made then
      self.made[call.entry.key] = call.failure or false
    end
  end
end

-- Takes the calls whose arguments could not be sent: their errors are all that is left of them.
function Flow:take_unsent()
  local failures = self.run.job:errors()
  for j, failure in next, failures do
    failures[j] = nil
    self:put {entry = self:forget(j), failure = failure, use = {}}
  end
end

-- Reads items, and sends those that are missing, as far as keeps the workers busy. The file is not locked while code of
-- the script's runs; otherwise once for all of them.
function Flow:try_to_feed()
  if self.runs_script then
    self.ledger:commit()
    return self.run:try_to_feed(self.run.most_chunks)
  end
  self.ledger:look()
  local fed, n_unsent = self.run:try_to_feed(self.run.most_chunks)
  self.ledger:look_away()
  return fed, n_unsent
end

-- Sends what may be sent. An error of what items are read from ends them: it is raised after what was sent has come
-- home; but at once where it is that no worker can be started.
function Flow:feed()
  self.n_at_once = 0
  local fed, n_unsent = self:try_to_feed()
  if fed and n_unsent > 0 then
    self:take_unsent()
  elseif not fed and self.run.job:lacks_worker() then
    errors.raise(n_unsent)
  elseif not fed then
    self.has_failed, self.failure = true, n_unsent
  end
end

-- Waits until some more has come home, or is to be kept, or more is to be read; returns false at the end.
function Flow:go_on()
  self.run:check_open()
  self:feed()
  local seconds = self.ledger:tick()
  if self.n_at_once > 0 then -- there may be more, or a loop waits for these
    seconds = 0
  end
  local n_calls, first = self.run:collect(seconds)
  local has_come = n_calls ~= nil
  while n_calls do
    self:take_chunk(n_calls, first)
    n_calls, first = self.run:collect(0)
  end
  return has_come or not self.run.job:has_ended()
end

-- Says how many calls were there, where progress is shown.
function Flow:tell()
  if self.tells and self.n_found > 0 then
    core.say(("%d of %d calls were in the store\n"):format(self.n_found, self.n_items))
  end
end

-- The end, when all has come home. A script that has made its share of the calls ends too: what comes next would lack
-- the others.
function Flow:finish()
  self.run.job:settle(self.n_items)
  self.run:close()
  self:tell()
  if self.has_failed then
    error(self.failure, 0)
  elseif self.n_of_others == 0 then
    return
  end
  local library = self.ledger.library
  self:close()
  local text = "parallel: shard %d of %d ends here: it has made %d calls and found %d, %d are left to other shards\n"
  core.say(text:format(library.shard, library.n_shards, self.n_made, self.n_found, self.n_of_others))
  exit(true, true)
end

-- Its pool counts all calls of the script's map: the random numbers of later ones are those that they have without a
-- store.
function Flow:close()
  self.run:close()
  if self.n >= 0 then
    self.run.job:settle(self.n)
  end
  self.ledger:close()
end

Flow.__close = Flow.close

-- {== Whole maps ==================================================================================

local Outcome = {}
Outcome.__index = Outcome

local function new_outcome()
  return setmetatable({results = {}, errors = {}, n_errors = 0}, Outcome)
end

function Outcome:put(i, value, failure)
  if failure then
    self.errors[i] = failure
    self.n_errors = self.n_errors + 1
  else
    self.results[i] = value
  end
end

function Outcome:is_full()
  return false
end

-- The errors of failed calls, of which there are `n`, which `pairs` does not give.
local function with_count(list, n)
  return setmetatable(list, {__index = {n = n}})
end

--- A map: all items are looked up, as they are read, and those calls are made that are missing.
function stored.map(pool, f, items, is_rows, options)
  local outcome, raises = new_outcome(), options.errors ~= "collect"
  local flow <close> = new_flow(pool, f, items, is_rows, options, outcome, true)
  repeat
    local goes_on = flow:go_on()
  until not goes_on or raises and outcome.n_errors > 0
  if raises and outcome.n_errors > 0 and not flow.has_failed then
    errors.raise(errors.lowest(outcome.errors))
  end
  flow:finish()
  outcome.results.n = flow.n_items
  return outcome.results, not raises and with_count(outcome.errors, outcome.n_errors) or nil
end

-- {== Iterations ==================================================================================

-- Results that wait to be taken, at most, before no more items are read while calls are on their way.
local MOST_READY = 10000

-- A stream of results. What is ready waits in `ready` by its place; `order` has the places in the order of arrival.
local Stream = {}
Stream.__index = Stream

function Stream:put(i, value, failure)
  self.ready[i] = {value = value, failure = failure}
  self.n_ready = self.n_ready + 1
  if not self.in_order then
    self.last = self.last + 1
    self.order[self.last] = i
  end
end

function Stream:is_full()
  return self.n_ready >= MOST_READY
end

-- Waits for some more to be ready; returns false at the end.
local function advance(self)
  if self.is_over then
    return false
  end
  self.is_over = not self.flow:go_on()
  self.flow.ledger:commit() -- who knows when the loop comes back
  return true
end

-- Ends it: calls that were under way are no results, so it cannot go on.
local function drop(self)
  self.is_over, self.flow.has_failed, self.flow.failure = true, true, errors.new("cancelled", "cancelled")
  self.flow.run:close()
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
      return self.flow:finish()
    end
  end
end

local function iterate(pool, f, items, is_rows, options, in_order)
  local stream = setmetatable({
    raises = options.errors ~= "collect", in_order = in_order, ready = {}, n_ready = 0, order = {}, first = 1, last = 0,
    n_taken = 0,
  }, Stream)
  stream.flow = new_flow(pool, f, items, is_rows, options, stream, false)
  stream.flow.run.job:note_caller()
  if stream.flow.run.progress then
    stream.flow.run.progress:be_guest()
  end
  return function() return stream:next() end, nil, nil, stream.flow
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
