--- Files that are there whole or not at all.
-- @module parallel.experiment.file

local file = {}

--- Writes a file; returns nil and why where it cannot.
function file.write(path, bytes)
  local handle, why = io.open(path, "wb")
  if not handle then
    return nil, why
  end
  local written
  written, why = handle:write(bytes)
  local closed, why_not = handle:close()
  return written and closed, why or why_not
end

-- An ending that no other process gives to its files now.
local function unique_ending()
  local name = os.tmpname()
  os.remove(name)
  return "." .. name:match "[^/_]*$" .. ".part"
end

--- Writes a file beside the one that is meant, which then takes its name: what was there is as it was, or replaced.
-- @return nil and why where it cannot
function file.replace(path, bytes)
  local part = path .. unique_ending()
  local written, why = file.write(part, bytes)
  if written then
    written, why = os.rename(part, path)
  end
  if not written then
    os.remove(part)
  end
  return written, why
end

return file
