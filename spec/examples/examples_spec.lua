-- The examples print what stands beside them, and the scripts of the documents what these show.
local lfs = require "lfs"
local program = require "c.program"
local script = require "support.script"
local temporary = require "support.temporary"

local function read(name)
  local file <close> = assert(io.open(name, "rb"))
  return file:read "a"
end

local function check(result, stdout, code, stderr)
  local text = "exit code: %s\nstdout: %s\nstderr: %s"
  local report = assert.message(text:format(result.code, result.stdout, result.stderr))
  report.equal(code or 0, result.code)
  report.equal(stdout, result.stdout)
  if stderr then
    report.equal(stderr, result.stderr)
  end
end

-- The names of the examples, in order.
local function examples()
  local names = {}
  for file in lfs.dir "examples" do
    table.insert(names, (file:match "^(%d%d_.*)%.lua$"))
  end
  table.sort(names)
  return names
end

-- The arguments that an example's first line names.
local function arguments(name)
  local words = {("examples/%s.lua"):format(name)}
  for word in (read(words[1]):match "^%-%- test:([^\n]*)" or ""):gmatch "%S+" do
    table.insert(words, word)
  end
  return words
end

-- Calls that wait do so one after the other where calls run one by one.
local NEEDS_THREADS = {["02_waiting"] = true}

describe("the example", function()
  for _, name in ipairs(examples()) do
    for _, host in ipairs(script.hosts) do
      local is_inline = host.flags ~= nil
      if not (is_inline and NEEDS_THREADS[name]) then
        it(("%s prints what it should %s"):format(name, host.name), function()
          local words = {table.unpack(host.flags or {})}
          table.move(arguments(name), 1, 9, #words + 1, words)
          check(script.moons(words, host), read(("examples/%s.expected"):format(name)))
        end)
      end
    end

    it(name .. " prints the same for any number of workers", function()
      local expected = read(("examples/%s.expected"):format(name))
      for _, workers in ipairs {"1", "2", "4"} do
        check(script.moons({"-j", workers, table.unpack(arguments(name))}), expected)
      end
    end)

    it(name .. " has a row in the list", function()
      assert.truthy(read "examples/README.md":find(("| `%s.lua` |"):format(name), 1, true))
    end)
  end

  it("13_grid_search goes on with what its store holds, on every host #unsanitized", function()
    temporary.folder({}, function(folder)
      local output
      for _, host in ipairs(script.hosts) do
        local words = {table.unpack(host.flags or {})}
        table.move({"examples/13_grid_search.lua", folder .. "/a.svg", folder .. "/a.db"}, 1, 3, #words + 1, words)
        local result = script.moons(words, host)
        assert.equal(0, result.code, result.stderr)
        assert.equal(output or result.stdout, result.stdout)
        output = result.stdout
      end
      local _, n_lines = read(folder .. "/a.db.csv"):gsub("\n", "")
      assert.equal(1 + 30, n_lines) -- each call was made once
    end)
  end)

  it("13_grid_search draws the screen of the README and of doc/experiments.md, also from its results", function()
    temporary.folder({}, function(folder)
      for _ = 1, 2 do
        local result = script.moons {"examples/13_grid_search.lua", "-", folder .. "/sweep.db"}
        local report = assert.message(result.stdout .. result.stderr)
        report.equal(0, result.code)
        local rows = result.stdout:match "^.-25  accuracy.-25  accuracy[^\n]*\n" -- charts of gnuplots may differ
        report.truthy(rows and read "doc/experiments.md":find(rows, 1, true) and read "README.md":find(rows, 1, true))
        report.truthy(result.stdout:find "trees\n[^\n]*depth 1[^\n]*depth 4\n$")
      end
    end)
  end)

  for _, row in ipairs {
    {"host"}, {"rules"}, {"loop_epoll", tags = " #linux"}, {"loop_uv"}, {"loop_uv", "poll"}, {"loop_lent"},
    {"tenants"}, {"preload"}, {"worker", tags = " #unsanitized"},
  } do
    local file = row[1]
    it(("embed/%s.c prints what it should%s"):format(table.concat(row, " "), row.tags or ""), function()
      local path = program.build(file, {("examples/embed/%s.c"):format(file)})
      check(script.execute {path, row[2]}, read(("examples/embed/%s.expected"):format(file)))
    end)

    -- What it prints is not compared, nor whether it has come to a good end: under valgrind a call, or a script that is
    -- loaded, may take longer than its terms allow.
    it(("embed/%s.c has no error that valgrind sees #linux #unsanitized"):format(table.concat(row, " ")), function()
      if not program.run "command -v valgrind" then return pending "there is no valgrind" end
      local path = program.build(file, {("examples/embed/%s.c"):format(file)})
      local result = script.execute {"valgrind", "-q", "--leak-check=full", "--error-exitcode=99", path, row[2]}
      assert(result.code <= 1 and not result.stderr:find("\n?==%d+=="), result.stderr)
    end)
  end
end)

-- What a document shows, in order: a mark, the script in a block of its own, and what it prints in
-- the next.
local function shown(document, mark)
  local text = read(document)
  local blocks = {}
  local pattern = "\n<!%-%- " .. mark .. ": ([^\n]-) %-%->\n```%l+\n(.-)```\n.-```text\n(.-)```"
  for words, code, output in text:gmatch(pattern) do
    local name, fails = words:match "^[^,]+", words:find ", fails$"
    table.insert(blocks, {name = name, fails = fails, code = code, output = output})
  end
  local _, n_marks = text:gsub("\n<!%-%- " .. mark .. ": ", "")
  assert(#blocks == n_marks and n_marks > 0, "a mark in " .. document .. " has no script, or no output")
  return blocks
end

for _, document in ipairs {
  "README.md", "doc/arrays.md", "doc/cluster.md", "doc/experiments.md", "doc/from-python.md", "doc/isolation.md",
  "doc/pools.md",
} do
  describe(document .. ":", function()
    for _, block in ipairs(shown(document, "run")) do
      it(block.name .. " prints what it shows", function()
        temporary.folder({[block.name] = block.code}, function(folder)
          local result = script.moons({block.name}, {folder = folder})
          result.stderr = result.stderr:gsub("^[^:]*/moons: ", "moons: ")
          if block.fails then
            check(result, "", 1, block.output)
          else
            check(result, block.output, 0, "")
          end
        end)
      end)
    end
  end)
end

describe("the page on embedding", function()
  it("shows the examples, and what they print", function()
    for _, block in ipairs(shown("doc/embedding.md", "compile")) do
      assert.equal(read("examples/embed/" .. block.name), block.code)
      assert.equal(read("examples/embed/" .. block.name:gsub("c$", "expected")), block.output)
    end
  end)
end)
