--- How far a map has come: a bar on a terminal, lines where there is none, or calls of a function of
-- the script's.
--
-- All of it happens on the caller's thread, while the script waits for the map. Nothing that a call prints
-- mixes with a bar (console.h sees to that), and what the script itself prints cannot either: a bar
-- leaves the screen before code of the script runs. Where that is between any two chunks (the body of a
-- loop, the source of items, whatever stands between two waits for a future), the bar is a guest: it is
-- there only as long as the script waits.
--
-- @module parallel.progress

local core = require "parallel.core"

local progress = {}

-- Least seconds from one showing to the next: of calls of a function, of bars, and of lines.
local CALL_S, BAR_S, LINE_S = 0.05, 0.1, 5

-- The same of a guest that was taken away in between. It appears as soon as the script waits, but
-- drawing takes some 10 us, and is to take no more than a hundredth of the time.
local GUEST_S = 0.001

-- Lines come more rarely as time goes on: after this share of it.
local LINE_SHARE = 0.05

-- Columns within the brackets of a bar; where there is no room for the least, it has none.
local LEAST_COLUMNS, MOST_COLUMNS = 8, 40

-- {== Counting and waiting ========================================================================

-- Each kind has `show(self, now)`, `conclude(self, now)`, which shows the last numbers, and
-- `period(self, now)`, seconds to the next showing.
local Progress = {}
Progress.__index = Progress

local function new_kind()
  local kind = setmetatable({}, Progress)
  kind.__index = kind
  kind.__close = function(self, failure) self:leave(failure) end
  return kind
end

--- Counts calls that are over.
-- @tparam integer n_calls
-- @tparam integer n_failed how many of them failed
-- @tparam[opt] number now the time
function Progress:count(n_calls, n_failed, now)
  self.done, self.failed = self.done + n_calls, self.failed + n_failed
  self.counted = now or core.now()
end

-- Shows the numbers, for it is time to.
function Progress:tick(now)
  self:show(now)
  now = core.now()
  self.due = now + self:period(now)
end

-- Shows the last numbers, once.
function Progress:finish(now)
  if not self.is_over then
    self.is_over, self.due = true, math.huge
    self:conclude(now)
  end
end

--- Collects a chunk of a run as its job does, counts it, and shows the numbers when it is time to.
-- @tparam table run
-- @tparam ?number seconds to wait; for ever without
-- @return as `job:collect`
-- @raise errors of the script's function
function Progress:collect(run, seconds)
  if run.job:is_stopped() then
    return run.job:collect(seconds)
  end
  local _ <close> = self.is_guest and seconds ~= 0 and self or nil
  local now = seconds and core.now() or self.looked
  local deadline = now + (seconds or math.huge)
  repeat
    run:check_open()
    local n_calls, first, n_failed = run.job:collect(math.min(deadline, self.due) - now)
    now = core.now()
    if n_calls then
      self:count(n_calls, n_failed, now)
    elseif n_calls == nil and run.job:has_ended() then
      self:finish(now)
    end
    if now >= self.due then
      self:tick(now, n_calls == false and now < deadline)
    end
    if n_calls ~= false then
      self.looked = now
      return n_calls, first, n_failed
    end
  until now >= deadline
  return false
end

--- Waits as `core.next` does, and shows the numbers when it is time to.
-- @param job
-- @tparam ?number seconds
-- @return as `core.next`; also returns, nothing, where the map is over
function Progress:wait(job, seconds)
  local news
  local now = core.now()
  local deadline = seconds and now + seconds or math.huge
  repeat
    if now >= self.due then
      self:tick(now, true)
    end
    if self.is_over then
      return nil
    end
    news = core.next(job, math.min(deadline, self.due) - now)
    now = core.now()
  until news or now >= deadline
  return news
end

--- Leaves the screen to the script, until the next wait. Also at the end of a to-be-closed variable.
-- @param[opt] failure the error that ends the wait
function Progress:leave() end

--- Ends it before its time: the map has failed, or is dropped.
function Progress:close()
  self.is_over, self.due = true, math.huge
end

-- {== A function of the script's ==================================================================

local Calls = new_kind()

function Calls:period()
  return CALL_S
end

function Calls:show()
  if self.told_done == self.done and self.told_failed == self.failed then
    return
  end
  self.told_done, self.told_failed = self.done, self.failed
  core.hide() -- the bar of another map
  if not self.on_error then
    self.f(self.done, self.total, self.failed)
    return
  end
  local called, err = pcall(self.f, self.done, self.total, self.failed)
  if not called then
    self.on_error(err)
  end
end

Calls.conclude = Calls.show

-- {== Numbers as text =============================================================================

local function clock(seconds)
  seconds = math.min(seconds, 1e9) // 1 | 0
  local hours, minutes = seconds // 3600, seconds // 60 % 60
  if hours > 0 then
    return ("%d:%02d:%02d"):format(hours, minutes, seconds % 60)
  end
  return ("%d:%02d"):format(minutes, seconds % 60)
end

-- Three digits.
local function per_second(rate)
  if rate >= 999.5e3 then
    return ("%.3gM/s"):format(rate / 1e6)
  elseif rate >= 999.5 then
    return ("%.3gk/s"):format(rate / 1e3)
  end
  return ("%.3g/s"):format(rate)
end

-- How many calls are done.
local function done_text(self)
  if not self.total then
    return ("%d done"):format(self.done)
  end
  local total = ("%d"):format(self.total)
  return (" "):rep(#total - #("%d"):format(self.done)) .. ("%d/%s"):format(self.done, total)
end

-- Seconds that are left if the calls to come take as long as those that are done. While none come home
-- it shrinks; once that shows that they take longer, it grows.
local function seconds_left(self, now)
  local n_left = self.total - self.done
  local seconds = n_left * (self.counted - self.began) / self.done - (now - self.counted)
  return seconds > 0 and seconds or n_left * (now - self.began) / self.done
end

-- How long it has taken, and has left. For the last numbers, short times have a digit more.
local function time_text(self, now, is_last)
  local seconds = now - self.began
  if is_last then
    return seconds < 10 and ("in %.1f s"):format(seconds) or "in " .. clock(seconds)
  elseif self.total and self.done > 0 then
    return ("%s, %s left"):format(clock(seconds), clock(seconds_left(self, now)))
  end
  return clock(seconds)
end

-- All but how many calls are done, as far as there is room for it.
local function rest_text(self, now, is_last, room)
  local parts = {}
  if self.total then
    parts[1] = ("%3d%%"):format(self.total > 0 and self.done * 100 // self.total or 100)
  end
  if self.done > 0 and now > self.began then
    table.insert(parts, per_second(self.done / (now - self.began)))
  end
  table.insert(parts, time_text(self, now, is_last))
  if self.failed > 0 then
    table.insert(parts, ("%d failed"):format(self.failed))
  end
  local text = table.concat(parts, ", ")
  while #text > room and #parts > 0 do
    table.remove(parts)
    text = table.concat(parts, ", ")
  end
  return text
end

-- {== Lines =======================================================================================

local Lines = new_kind()

function Lines:period(now)
  return math.max(LINE_S, LINE_SHARE * (now - self.began))
end

function Lines:show(now, is_last)
  local line = done_text(self) .. ", " .. rest_text(self, now, is_last, math.huge) .. "\n"
  core.say((line:gsub("^ +", "")))
end

function Lines:conclude(now)
  self:show(now, true)
end

-- {== Bars ========================================================================================

local Bar = new_kind()

function Bar:period()
  return BAR_S
end

-- A guest is shown only where the script waits.
function Bar:tick(now, waits)
  if waits or not self.is_guest then
    Progress.tick(self, now)
  end
end

-- The line, one column shorter than the terminal: one that fills it may wrap.
local function bar_text(self, now, is_last)
  local n_columns = math.max(0, (core.columns() or 0) - 1)
  local head = done_text(self)
  local tail = rest_text(self, now, is_last, n_columns - #head - #", ")
  local width = math.min(MOST_COLUMNS, n_columns - #head - #tail - #" [] ")
  if not self.total or width < LEAST_COLUMNS then
    local text = tail == "" and head or head .. (self.total and " " or ", ") .. tail
    return text:sub(1, n_columns)
  end
  local n_full = self.total > 0 and self.done * width // self.total or width
  return ("%s [%s%s] %s"):format(head, ("#"):rep(n_full), ("-"):rep(width - n_full), tail)
end

function Bar:show(now, is_last)
  self.is_shown, self.shown = true, now -- first: Ctrl-C may raise its error where the other returns
  core.show(bar_text(self, now, is_last))
end

function Bar:conclude(now)
  self:show(now, true)
  core.hide(true)
  self.is_shown = false
end

function Bar:leave(failure)
  if self.is_shown then
    core.hide(failure ~= nil)
    self.is_shown, self.due = false, self.shown + GUEST_S
  end
end

function Bar:close()
  if self.is_shown then
    self:conclude(core.now())
  end
  Progress.close(self)
end

-- {== Making ======================================================================================

local function kind_of(option)
  if option ~= true then
    return Calls
  end
  return core.columns() and Bar or Lines
end

--- Makes the progress of a map that begins now.
-- @param option `true`, or a function to be called with what is done, the total (nil where nobody knows
-- it) and what has failed
-- @tparam integer n how many calls there are; -1 where nobody knows
-- @treturn ?table nil where nothing is to be shown: calls show no progress of the maps within them
function progress.new(option, n)
  if option == true and core.is_worker() then
    return nil
  end
  local kind, now = kind_of(option), core.now()
  local self = {f = option, total = n >= 0 and n or nil, done = 0, failed = 0}
  self.began, self.counted, self.looked = now, now, now
  self.is_guest = kind == Bar and n < 0 -- the source of items is a function of the script's
  self.due = now + kind.period(self, now)
  return setmetatable(self, kind)
end

--- Makes a bar a guest.
function Progress:be_guest()
  self.is_guest = getmetatable(self) == Bar
end

return progress
