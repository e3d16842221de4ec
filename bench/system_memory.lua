--- What the system says of this process's memory. Linux only: elsewhere all is nil.
-- @module system_memory

local system_memory = {}

local function status_kib(field)
  local file <close> = io.open("/proc/self/status")
  return file and tonumber(file:read("a"):match(field .. ":%s*(%d+) kB"))
end

--- Memory that the process holds now, in KiB, after a garbage collection.
function system_memory.resident_kib()
  collectgarbage()
  collectgarbage()
  return status_kib("VmRSS")
end

--- The most that it has held at any time, in KiB.
function system_memory.peak_kib()
  return status_kib("VmHWM")
end

return system_memory
