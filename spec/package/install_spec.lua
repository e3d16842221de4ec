-- What `make install` gives: a prefix from which programs in C and C++, CMake, stock Lua and LuaRocks take Moons; and
-- nothing that stays behind.
local program = require "c.program"
local script = require "support.script"
local temporary = require "support.temporary"

local quote = temporary.quote

-- What a make that calls us has set is not for those that we call.
local MAKE = "env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s "
local SQUARES = "1 4 9\n"

local prefix

local function runs(command)
  local succeeded, output = program.run(command)
  assert(succeeded, output)
  return output
end

local function has(command)
  return program.run("command -v " .. command)
end

-- Runs a command with the libraries and the packages of the prefix.
local function in_prefix(command)
  return runs(("export PKG_CONFIG_PATH=%s/lib/pkgconfig LD_LIBRARY_PATH=%s/lib; %s"):format(prefix, prefix, command))
end

-- The name of the package of Lua 5.4, as moons.pc has it.
local function lua_package()
  return runs(("cat %s/lib/pkgconfig/moons.pc"):format(prefix)):match "Requires.private: (%S+)"
end

setup(function()
  prefix = os.tmpname()
  os.remove(prefix)
  runs(MAKE .. "install PREFIX=" .. prefix)
end)

teardown(function()
  os.execute("rm -rf " .. quote(prefix))
end)

describe("an installed Moons #unsanitized", function()
  local LANGUAGES = {{"C99", "gcc", "-std=c99"}, {"C11", "gcc", "-std=c11"}, {"C++17", "g++", "-std=c++17 -x c++"},
    {"C99", "clang", "-std=c99"}, {"C11", "clang", "-std=c11"}, {"C++17", "clang++", "-std=c++17 -x c++"}}
  local LINKS = {
    shared = "$(pkg-config --cflags --libs moons %s)",
    -- Where both libraries lie in one folder, the linker takes the shared one unless it is told.
    static = "$(pkg-config --static --cflags --libs moons | sed 's/-lmoons/-l:libmoons.a/')",
  }
  for _, row in ipairs(LANGUAGES) do
    for link, flags in pairs(LINKS) do
      local language, compiler, standard = table.unpack(row)
      it(("is used by a program in %s of %s with the %s library #linux"):format(language, compiler, link), function()
        if not has(compiler) then return pending("there is no " .. compiler) end
        local made = prefix .. "/program"
        in_prefix(("%s -Wall -Wextra -pedantic -Werror %s spec/package/program.c -x none -o %s %s"):format(
          compiler, standard, made, flags:format(lua_package())))
        assert.equal(SQUARES, in_prefix(made))
        local wants = program.run("command -v readelf") and runs("readelf -d " .. made) or ""
        assert.equal(link == "shared", wants:find("[libmoons.so.0]", 1, true) ~= nil)
      end)
    end
  end

  it("is found by CMake, the shared library and the static one", function()
    if not has "cmake" then return pending "there is no cmake" end
    local build = prefix .. "/cmake"
    in_prefix(("LUA_PACKAGE=%s cmake -S spec/package -B %s -DCMAKE_PREFIX_PATH=%s && cmake --build %s"):format(
      lua_package(), build, prefix, build))
    for _, name in ipairs {"shared", "static"} do
      assert.equal(SQUARES, runs(prefix .. "/cmake/" .. name))
    end
  end)

  it("runs scripts as the command", function()
    local result = script.execute {prefix .. "/bin/moons", "-e", "print(#parallel.map(math.sin, {1, 2}))"}
    assert.equal("2\n", result.stdout)
  end)

  it("is a module of stock Lua, with its store where that was built", function()
    local folder = prefix .. "/lib/lua/5.4/"
    local code = [[
      local parallel = require "parallel"
      local store = package.searchpath("parallel.store", package.cpath) and {store = os.tmpname()} or {}
      if store.store then os.remove(store.store) end
      print(#parallel.map(function(x) return x end, {1, 2, 3}, store))
      if store.store then os.execute("rm -f " .. store.store .. "*") end
    ]]
    local result = script.execute({script.lua54.interpreter, "-e", code}, {env = {LUA_CPATH = folder .. "?.so"}})
    assert.message(result.stderr).equal("3\n", result.stdout)
  end)

  it("has a manual page that says what each option does, and one of each function", function()
    local help = runs(prefix .. "/bin/moons --help")
    local page = runs(("cat %s/share/man/man1/moons.1"):format(prefix)):gsub("\\%-", "-")
    for option in help:gmatch "\n  (%-%-?%w*)" do
      assert.truthy(page:find("\n.B " .. option, 1, true), option)
    end
    local header = runs "cat runtime/moons.h"
    local manual = runs(("cat %s/share/man/man3/moons.h.3"):format(prefix))
    for name in header:gmatch "\nMOONS_API [^;(]-([%w_]+)%(" do
      assert.truthy(manual:find(name .. "(", 1, true), name)
    end
    for _, name in ipairs {"man1/moons.1", "man3/moons.h.3"} do
      if has "groff" then
        assert.equal("", runs(("groff -man -z -Tutf8 -ww %s/share/man/%s"):format(prefix, name)))
      end
    end
  end)

  it("goes into other folders, under DESTDIR, and leaves nothing when it is removed", function()
    temporary.folder({}, function(folder)
      local where = ("DESTDIR=%s PREFIX=/usr LIBDIR=/usr/lib/machine INCLUDEDIR=/usr/include/moons"):format(folder)
      runs(MAKE .. "install " .. where)
      for _, path in ipairs {"bin/moons", "lib/machine/libmoons.so.0", "include/moons/moons.h",
        "lib/machine/lua/5.4/parallel.so"} do
        runs(("test -e %s/usr/%s"):format(folder, path))
      end
      local path = folder .. "/usr/lib/machine/pkgconfig"
      local flags = runs(("PKG_CONFIG_PATH=%s pkg-config --cflags --libs moons"):format(path))
      assert.truthy(flags:find "^%-I/usr/include/moons ")
      assert.truthy(flags:find "%-L/usr/lib/machine %-lmoons%s*$")
      assert.equal("", runs(("grep -rl %s %s/usr/lib/machine/pkgconfig %s/usr/lib/machine/cmake || true"):format(
        quote(folder), folder, folder)))
      runs(MAKE .. "uninstall " .. where)
      assert.equal("", runs(("find %s ! -type d"):format(folder)))
    end)
  end)

  it("comes by LuaRocks", function()
    if not has "luarocks" then return pending "there is no luarocks" end
    local tree = prefix .. "/rocks"
    -- With the compiler of the build that is there: another one would build all anew.
    runs(("env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL luarocks --lua-version 5.4 --tree %s make CC=cc"):format(tree))
    local code = "print(#require 'parallel'.map(math.sin, {1, 2}))"
    local options = {env = {LUA_CPATH = tree .. "/lib/lua/5.4/?.so"}}
    assert.equal("2\n", script.execute({script.lua54.interpreter, "-e", code}, options).stdout)
    assert.equal("2\n", script.execute {tree .. "/bin/moons", "-e", code}.stdout)
  end)
end)

describe("one file of the library #unsanitized", function()
  it("makes a program with Lua and libuv alone", function()
    runs(MAKE .. "amalg")
    temporary.folder({}, function(folder)
      runs(("cp build/amalg/moons.c build/amalg/moons.h spec/package/program.c %s"):format(folder))
      for _, compiler in ipairs {"cc", "clang"} do
        if has(compiler) then
          runs(([[cd %s && %s -O0 -std=c11 -Wall -Wextra -Werror -pthread -I. program.c moons.c -o program \
            $(pkg-config --cflags --libs %s libuv) -lm]]):format(folder, compiler, lua_package()))
          assert.equal(SQUARES, runs(folder .. "/program"))
        end
      end
    end)
  end)
end)

describe("the reference #unsanitized", function()
  it("is made of the comments, and none is missing", function()
    if not has "doxygen" or not has "ldoc" then return pending "there is no doxygen, or no ldoc" end
    runs(MAKE .. "doc")
    assert.truthy(runs("cat build/doc/c/html/moons_8h.html"):find("moons_runtime_new", 1, true))
    assert.truthy(runs("cat build/doc/lua/modules/parallel.html"):find("imap_unordered", 1, true))
  end)
end)
