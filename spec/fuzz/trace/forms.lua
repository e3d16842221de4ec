--- The forms of forms.txt, read: what random functions are made of.
-- @module trace.forms

local forms = {}

-- Notes what a line before a form says of it: flags and names, or code under a name.
local function note(form, line)
  local name, code = line:match "^%%(%l+) (.*)$"
  if name then
    form[name] = form[name] and form[name] .. "\n" .. code or code
    return
  end
  for word in line:gmatch "[%w=@]+" do
    local kind, letter = word:match "^(%l+)=@(%a)$"
    form[kind or word] = letter or true
  end
end

--- Reads forms.
-- @tparam string path
-- @treturn table lists of forms by their section's name; each form has its lines, and what lines before it say
function forms.read(path)
  local sections, section = {}, nil
  local form = {}
  for line in io.lines(path) do
    local name = line:match "^== ([%l_]+)$"
    if name then
      section = {}
      sections[name] = section
    elseif line:find "^%%" then
      note(form, line)
    elseif section and line ~= "" and not line:find "^%-%- " then
      local text, goes_on = line:match "^(.-) ?(\\?)$"
      form[#form + 1] = text
      if goes_on == "" then
        section[#section + 1] = form
        form = {}
      end
    end
  end
  return sections
end

return forms
