--- Scripts on a terminal of their own, and what is then to be seen there.
-- @module support.screen

local assert = require "luassert"
local program = require "c.program"
local script = require "support.script"
local temporary = require "support.temporary"

local screen = {}

local moons = os.getenv "MOONS" or "build/moons"

-- Lines on which bytes are put as a terminal does that knows "\r", "\n", "\t" and "erase to the end of the
-- line".
local Screen = {}
Screen.__index = Screen

function Screen:put(byte)
  if self.column > self.columns then
    self.row, self.column, self.n_wraps = self.row + 1, 1, self.n_wraps + 1
  end
  local line = self.lines[self.row] or {}
  self.lines[self.row] = line
  for column = #line + 1, self.column - 1 do
    line[column] = " "
  end
  line[self.column] = byte
  self.column = self.column + 1
end

function Screen:erase()
  local line = self.lines[self.row] or {}
  for column = #line, self.column, -1 do
    line[column] = nil
  end
end

function Screen:take(bytes)
  local at = 1
  while at <= #bytes do
    local byte = bytes:sub(at, at)
    if byte == "\r" then
      self.column = 1
    elseif byte == "\n" then
      self.row = self.row + 1
    elseif byte == "\t" then
      self.column = self.column + 8 - (self.column - 1) % 8
    elseif bytes:find("^\27%[K", at) then
      self:erase()
      at = at + 2
    else
      assert(byte:find "[%g ]", ("byte %d on the screen"):format(byte:byte()))
      self:put(byte)
    end
    at = at + 1
  end
end

--- What a terminal shows.
-- @tparam string bytes that were written to it
-- @tparam integer columns
-- @treturn {string,...} the lines from top to bottom, without spaces at their ends; the last is the one
-- with the cursor
-- @treturn integer the column of the cursor; 1 is the first
-- @treturn integer how often a line was too long
function screen.read(bytes, columns)
  local self = setmetatable({lines = {}, row = 1, column = 1, columns = columns, n_wraps = 0}, Screen)
  self:take(bytes)
  local lines = {}
  for row = 1, self.row do
    lines[row] = table.concat(self.lines[row] or {}):gsub(" +$", "")
  end
  return lines, self.column, self.n_wraps
end

--- Runs a command on a terminal.
-- @tparam {string,...} words the command and its arguments
-- @tparam[opt] table options `columns` (default 80); `keys`, what is typed: a list of texts on the terminal, each
-- with the keys that are pressed when it has come, after a pause where it is empty; `env` and `timeout` as those of
-- `script.execute`
-- @treturn table `code` of exit; `bytes` written to the terminal; `lines`, `column` and `n_wraps` as
-- `screen.read` returns them
function screen.execute(words, options)
  options = options or {}
  local columns = options.columns or 80
  local line = {program.build("terminal", {"spec/progress/terminal.c"}), tostring(columns)}
  for _, pair in ipairs(options.keys or {}) do
    table.move(pair, 1, 2, #line + 1, line)
  end
  table.insert(line, "--")
  local result = script.execute(table.move(words, 1, #words, #line + 1, line), options)
  assert.equal("", result.stderr)
  local lines, column, n_wraps = screen.read(result.stdout, columns)
  return {code = result.code, bytes = result.stdout, lines = lines, column = column, n_wraps = n_wraps}
end

--- Runs the command `moons` on a terminal.
-- @tparam {string,...} arguments
-- @tparam[opt] table options those of `execute`
-- @treturn table as `execute`
function screen.moons(arguments, options)
  return screen.execute({moons, table.unpack(arguments)}, options)
end

--- Runs a script on a terminal.
-- @tparam string code
-- @tparam[opt] table options those of `execute`; `interrupt`, a text at which Ctrl-C is pressed; `flags` of the
-- command; `redirect`, for the shell; `interpreter` as that of `script.moons`
-- @treturn table as `execute`
function screen.run(code, options)
  options = options or {}
  local keys = options.interrupt and {{options.interrupt, "\3"}}
  return temporary.file(code, function(name)
    local words = {options.interpreter or moons}
    table.move(options.flags or {}, 1, #(options.flags or {}), 2, words)
    table.insert(words, name)
    if options.redirect then
      for i, word in ipairs(words) do
        words[i] = temporary.quote(word)
      end
      words = {"sh", "-c", table.concat(words, " ") .. " " .. options.redirect}
    end
    return screen.execute(words, setmetatable({keys = keys}, {__index = options}))
  end)
end

return screen
