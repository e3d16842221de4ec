-- The module `parallel`: the names of what it has, which is loaded when any of it is used. A call that could use the
-- module, since it may reach any global, has this much of it in its state. No global is used.

local version, give_calls = ...

local NAMES = {
  "map", "starmap", "run", "first", "imap", "istarmap", "imap_unordered", "apply", "submit", "map_async",
  "starmap_async", "delayed", "pool", "as_completed", "range", "array", "cpus", "clock", "sleep",
}

local parallel = {_VERSION = version}

local calls

for i = 1, #NAMES do
  local name = NAMES[i]
  parallel[name] = function(...)
    calls = calls or give_calls()
    return calls[name](...)
  end
end

return parallel
