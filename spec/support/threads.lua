--- What scripts begin with that count the threads of their process: `n_threads()`. Linux only.
-- @module support.threads

return [[
  local function n_threads()
    local n = 0
    local file <close> = io.open "/proc/self/status"
    for line in file:lines() do n = tonumber(line:match "^Threads:%s*(%d+)") or n end
    return n
  end
]]
