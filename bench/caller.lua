--- One caller and its workers, simulated: what part of the workers' time goes into calls, and where the rest stays.
-- Events in the order of time. The caller's thread makes chunks and takes what has come home, one thing after the
-- other; what sends and receives shares the processors of its machine with it. A worker gets its next chunk when what
-- it had is home: nothing is sent ahead, as in the backends. Chunks have the sizes of `schedule/chunk_size.c` in a
-- first map. That calls are shared out again at the end is left out: all last the same.
-- @module caller

local caller = {}

-- As in sizes.h.
local TARGET_NS, HANDOVERS, AHEAD_NS, MOST_AHEAD, LEAST_NS, MOST_CALLS = 1e6, 200, 8e6, 12, 20e3, 16384

-- Sizes of chunks.

local Chunker = {}
Chunker.__index = Chunker

function Chunker:calls_in(ns)
  return math.max(1, math.min(MOST_CALLS, ns // self.call_ns))
end

function Chunker:next(n_left)
  local n = 1
  if self.call_ns then
    n = math.min(self:calls_in(self.target_ns), self.most)
    n = math.min(n, math.max(n_left // (2 * self.n_workers), self:calls_in(LEAST_NS)))
  end
  self.size = math.min(n, n_left)
  return self.size
end

function Chunker:ahead()
  local n = 2
  if self.call_ns and self.size >= self:calls_in(self.target_ns) // 2 then
    n = math.max(n, math.min(MOST_AHEAD, 1 + AHEAD_NS // (self.call_ns * self.size)))
  end
  return n * self.n_workers
end

function Chunker:measured(n_calls, ns)
  self.call_ns = ns / n_calls
  if n_calls > self.most // 2 then self.most = math.min(MOST_CALLS, 2 * n_calls) end
end

-- What happens next: a heap by time.

local Events = {}
Events.__index = Events

function Events:at(ns, f, a)
  local heap, i = self, #self + 1
  local event = {ns, f, a}
  while i > 1 and heap[i // 2][1] > ns do
    heap[i], i = heap[i // 2], i // 2
  end
  heap[i] = event
end

function Events:take()
  local heap, first, last = self, self[1], table.remove(self)
  local n, i = #heap, 1
  if n == 0 then return first end
  while 2 * i <= n do
    local child = 2 * i
    if child < n and heap[child + 1][1] < heap[child][1] then child = child + 1 end
    if heap[child][1] >= last[1] then break end
    heap[i], i = heap[child], child
  end
  heap[i] = last
  return first
end

-- First in, first out.

local Line = {}
Line.__index = Line

local function new_line() return setmetatable({first = 1, last = 0}, Line) end

function Line:put(x)
  self.last = self.last + 1
  self[self.last] = x
end

function Line:take()
  local x = self[self.first]
  if x == nil then return nil end
  self[self.first] = nil
  self.first = self.first + 1
  return x
end

-- The simulation.

local Run = {}
Run.__index = Run

-- Takes a processor of the caller's machine for so long, and calls f(a) then.
function Run:compute(ns, f, a)
  if self.n_free == 0 then
    self.wanting:put {ns, f, a}
    return
  end
  self.n_free = self.n_free - 1
  self.busy_ns = self.busy_ns + ns
  self.events:at(self.now_ns + ns, function()
    self.n_free = self.n_free + 1
    local next = self.wanting:take()
    if next then self:compute(table.unpack(next)) end
    f(self, a)
  end)
end

-- What the caller's thread needs for a chunk: half when it is made, half when it is home.
function Run:own_ns(chunk)
  return (self.costs.main + chunk.n * self.costs.call) / 2
end

local function made(self, chunk)
  self.is_busy = false
  self.waiting:put(chunk)
  self:hand_over()
  self:go_on()
end

local function collected(self, chunk)
  self.is_busy = false
  self.n_pending = self.n_pending - 1
  self.chunker:measured(chunk.n, chunk.n * self.call_ns)
  self:go_on()
end

-- The caller's thread does the next thing, if there is any.
function Run:go_on()
  if self.is_busy then return end
  local chunk = self.home:take()
  if chunk then
    self.is_busy = true
    self:compute(self:own_ns(chunk), collected, chunk)
  elseif self.n_left > 0 and self.n_pending < self.chunker:ahead() then
    chunk = {n = self.chunker:next(self.n_left)}
    self.n_left, self.n_pending, self.n_chunks = self.n_left - chunk.n, self.n_pending + 1, self.n_chunks + 1
    self.is_busy = true
    self:compute(self:own_ns(chunk), made, chunk)
  end
end

local function received(self, chunk)
  local worker = chunk.worker
  worker.idle_ns = self.now_ns
  self.idle:put(worker)
  self.home:put(chunk)
  self:hand_over()
  self:go_on()
end

local function came_back(self, chunk) self:compute(self.link_ns, received, chunk) end

local function sent(self, chunk)
  self.events:at(self.now_ns + self.away_ns + chunk.n * self.call_ns, came_back, chunk)
end

-- Chunks that wait go to workers that have nothing to do.
function Run:hand_over()
  while self.idle.first <= self.idle.last and self.waiting.first <= self.waiting.last do
    local chunk, worker = self.waiting:take(), self.idle:take()
    if worker.idle_ns then self.starved_ns = self.starved_ns + self.now_ns - worker.idle_ns end
    chunk.worker = worker
    self:compute(self.link_ns, sent, chunk)
  end
end

--- Simulates a map.
-- @tparam table costs of a chunk, in ns: `main`, of the caller's thread; `call`, the same for each call; `link`, of
-- what sends and receives; `away`, for which a worker waits between two chunks, with all of this; `handover`, as the
-- backend says it
-- @tparam table map `n_workers`, `call_ns`, `n_calls`; `n_processors` of the caller's machine
-- @treturn table `efficiency`, from 0 to 1; what was lost, as parts of the workers' time: `handing_over`, `caller` (a
-- worker had nothing to do while calls were left), `ends` (at the start and the end); `busy`, how many processors the
-- caller needs; `n_chunks`
function caller.simulate(costs, map)
  local chunker = {n_workers = map.n_workers, most = 1, size = 1}
  chunker.target_ns = math.max(TARGET_NS, HANDOVERS * costs.handover)
  local run = setmetatable({
    costs = costs, call_ns = map.call_ns, link_ns = costs.link / 2,
    away_ns = math.max(0, costs.away - costs.link),
    n_left = map.n_calls, n_pending = 0, n_chunks = 0, now_ns = 0, busy_ns = 0, starved_ns = 0,
    n_free = map.n_processors, wanting = new_line(), waiting = new_line(), home = new_line(), idle = new_line(),
    chunker = setmetatable(chunker, Chunker), events = setmetatable({}, Events),
  }, Run)
  for _ = 1, map.n_workers do run.idle:put {} end
  run:go_on()
  while run.events[1] do
    local event = run.events:take()
    run.now_ns = event[1]
    event[2](run, event[3])
  end
  local all_ns = map.n_workers * run.now_ns
  local result = {
    efficiency = map.n_calls * map.call_ns / all_ns,
    handing_over = run.n_chunks * math.max(costs.link, costs.away) / all_ns,
    caller = run.starved_ns / all_ns,
    busy = run.busy_ns / run.now_ns,
    n_chunks = run.n_chunks,
  }
  result.ends = math.max(0, 1 - result.efficiency - result.handing_over - result.caller)
  return result
end

return caller
