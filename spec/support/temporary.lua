--- Files and folders that are removed after use, whatever happens.
-- @module support.temporary

local temporary = {}

--- Puts text between quotes for the shell.
function temporary.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function at_end(f)
  return setmetatable({}, {__close = f})
end

local function write(name, text)
  local file <close> = assert(io.open(name, "wb"))
  file:write(text)
end

--- Calls `f` with the name of a new file.
-- @tparam string text what the file holds
-- @return what `f` returns
function temporary.file(text, f)
  local name = os.tmpname()
  local _ <close> = at_end(function() os.remove(name) end)
  write(name, text)
  return f(name)
end

--- Calls `f` with the path of a new folder.
-- @tparam {[string]=string} files texts by their names, which may name folders: "lib/a.lua"
-- @return what `f` returns
function temporary.folder(files, f)
  local folder = os.tmpname()
  os.remove(folder)
  local _ <close> = at_end(function() os.execute("rm -r " .. temporary.quote(folder)) end)
  assert(os.execute("mkdir " .. temporary.quote(folder)))
  for name, text in pairs(files) do
    local path = folder .. "/" .. name
    assert(os.execute("mkdir -p " .. temporary.quote(path:match "^(.*)/")))
    write(path, text)
  end
  return f(folder)
end

return temporary
