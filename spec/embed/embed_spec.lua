-- Embedding through moons.h alone.
local lfs = require "lfs"
local program = require "c.program"

local TESTS = {
  {"embed_test", "a host in C"}, {"program_test", "a host without a Lua state"},
  {"queue_test", "a host that does not wait"}, {"close_test", "a host that closes a runtime"},
  {"storm_test", "a host of many threads"},
  {"lent_test", "a host that lends its threads"},
  {"terms_test", "a host with tenants"}, {"within_test", "functions of a host"}, {"rights_test", "rights of calls"},
  {"bounds_test", "what terms measure out"}, {"ending_test", "a call at a limit of its own"},
  {"share_test", "the share of a tenant"},
  {"view_test", "views of a host's memory"}, {"stats_test", "a host that counts"},
  {"proof_test", "functions of a host's script that are proved"}, {"misuse_test", "a host that is wrong"},
  {"process_test", "the process of a host"}, {"worker_test", "a host on worker processes"},
  {"hosts_test", "a host on other machines"}, {"guest_test", "a process that Moons is a guest in"},
  {"allocation_test", "a host that gives the memory"},
  {"malloc_test", "a host that gives all the memory #linux", "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"},
}

for _, row in ipairs(TESTS) do
  local test, subject, flags = table.unpack(row)
  describe(subject, function()
    local source = "spec/embed/" .. test .. ".c"
    local path

    setup(function()
      path = program.build(test, {source, "spec/c/check.h", "spec/embed/host.h", "runtime/moons.h"}, flags)
    end)

    for _, name in ipairs(program.cases(source)) do
      it(name, function()
        local succeeded, output = program.run(path .. " " .. program.quote(name))
        assert(succeeded, output)
      end)
    end
  end)
end

describe("a program with a Lua of its own", function()
  it("is told, for its states are not those of the library #unsanitized #linux", function()
    local folder = os.getenv "MOONS":match "^(.*)/"
    local command = ("%s -o %%s spec/embed/twin.c -Wl,-Bstatic -llua5.4 -Wl,-Bdynamic -Wl,--exclude-libs,ALL "
      .. "%s/libmoons.so -Wl,-rpath,%s -lm -ldl"):format(os.getenv "MOONS_CC", folder, folder)
    local path = folder .. "/spec/twin"
    lfs.mkdir(folder .. "/spec")
    if not program.make(path, command) then
      pending "there is no static library of Lua"
      return
    end
    local succeeded, output = program.run(path)
    assert(succeeded, output)
    assert.equal("the Lua state was made by another Lua\n", output)
  end)
end)

-- What the library has in the process and not in a runtime, by object file. All else belongs to a host's objects.
local VARIABLES = {
  ["array.o"] = {no_block = true}, -- never written
  ["fork.o"] = {is_watching = true, number = true}, -- how often the process has forked
  ["groups.o"] = {leaders = true}, -- for the handler of Ctrl-Z
  ["interrupt.o"] = {here_now = true, lock = true, signals = true}, -- for the handlers that a host names
  ["process.o"] = {shared = true}, -- in a worker process, to give it back in its forks
  ["shared.o"] = {last_id = true}, -- numbers that are never used twice
  ["plan.o"] = {last_number = true},
  ["terms.o"] = {last_number = true},
  ["shared_file.o"] = {showing = true}, -- a mutex, held while an array goes into a file
}

describe("the library", function()
  it("has few variables of the process #unsanitized #linux", function()
    local library = os.getenv "MOONS":gsub("[^/]*$", "libmoons.a")
    local succeeded, output = program.run("nm -A -f sysv " .. program.quote(library) .. " 2>/dev/null")
    if not succeeded then
      pending "nm cannot read the library"
      return
    end
    local n_objects = 0
    for line in output:gmatch "[^\n]+" do
      local object, name, section = line:match "([%w_]+%.o):([%w_.]+) *|.*|(%.?%S+) *$"
      n_objects = n_objects + (object and 1 or 0)
      if section == ".bss" or section == ".data" or section == ".tbss" or section == ".tdata" then
        assert.truthy((VARIABLES[object] or {})[name], ("%s has the variable %s"):format(object, name))
      end
    end
    assert.is_true(n_objects > 100)
  end)
end)

describe("moons.h", function()
  -- Declares a case that compiles the header alone.
  local function compiles(name, compiler, flags)
    it("compiles alone as " .. name .. " #unsanitized", function()
      if not program.run("command -v " .. compiler) then
        pending("there is no " .. compiler)
        return
      end
      local command = "%s -fsyntax-only -Wall -Wextra -pedantic -Werror %s runtime/moons.h"
      assert(program.run(command:format(compiler, flags)))
    end)
  end

  compiles("C11", os.getenv "CC" or "cc", "-std=c11 -x c")
  compiles("C99", os.getenv "CC" or "cc", "-std=c99 -x c")
  for _, standard in ipairs {"c++11", "c++17", "c++20"} do
    compiles(standard:upper(), os.getenv "CXX" or "c++", ("-std=%s -x c++"):format(standard))
  end
  compiles("C99, by clang,", "clang", "-std=c99 -x c")
  compiles("C++17, by clang,", "clang++", "-std=c++17 -x c++")

  it("has no function that the tests of misuse leave out", function()
    local header = assert(io.open "runtime/moons.h"):read "a"
    local tests = assert(io.open "spec/embed/misuse_test.c"):read "a"
    local n_functions = 0
    for declaration in header:gmatch "\nMOONS_API ([^;]*);" do
      local name = declaration:match "([%w_]+)%("
      assert.truthy(tests:find("%f[%w_]" .. name .. "%f[^%w_]"), name .. " is not in misuse_test.c")
      n_functions = n_functions + 1
    end
    assert.is_true(n_functions > 50)
  end)

  it("names just what the shared library shows #unsanitized", function()
    local library = os.getenv "MOONS":gsub("[^/]*$", "libmoons.so")
    local succeeded, output = program.run("nm -D --defined-only " .. program.quote(library))
    if not succeeded then
      pending "nm cannot read the library"
      return
    end
    local header = assert(io.open("runtime/moons.h")):read "a"
    local n_symbols = 0
    for symbol in output:gmatch " [TDRBVW] ([%w_]+)" do
      assert.truthy(header:find("%f[%w_]" .. symbol .. "%f[^%w_]"), symbol .. " is not in moons.h")
      n_symbols = n_symbols + 1
    end
    for name in header:gmatch "\nMOONS_API [^;(]-([%w_]+)%(" do
      assert.truthy(output:find(" T " .. name .. "\n", 1, true), name .. " is not in the library")
    end
    assert.is_true(n_symbols > 10)
  end)
end)
