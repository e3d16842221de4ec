#include "state/libraries.h"

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"

static moons__libraries of(const char *name) {
  return moons__libraries_of_global(name, strlen(name));
}

static lua_State *open_state(moons__libraries libraries) {
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  moons__libraries_open(L, libraries);
  CHECK(lua_gettop(L) == 0);
  return L;
}

static int has_global(lua_State *L, const char *name) {
  int type = lua_getglobal(L, name);
  lua_pop(L, 1);
  return type != LUA_TNIL;
}

/* With all libraries a state has just what luaL_openlibs gives. */
static void all_is_all(void) {
  lua_State *L = open_state(MOONS__LIBRARIES_ALL), *usual = luaL_newstate();
  luaL_openlibs(usual);
  int n_usual = 0, n_ours = 0;
  lua_pushglobaltable(usual);
  for (lua_pushnil(usual); lua_next(usual, 1); lua_pop(usual, 1)) {
    n_usual++;
    CHECK(has_global(L, lua_tostring(usual, -2)));
  }
  lua_pushglobaltable(L);
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
    n_ours++;
  CHECK(n_usual == n_ours);
  lua_close(usual);
  lua_close(L);
}

/* Each standard global is there when just the libraries that it is said to need are opened. */
static void each_name_is_there(void) {
  lua_State *usual = luaL_newstate();
  luaL_openlibs(usual);
  lua_pushglobaltable(usual);
  for (lua_pushnil(usual); lua_next(usual, 1); lua_pop(usual, 1)) {
    const char *name = lua_tostring(usual, -2);
    moons__libraries needed = of(name);
    CHECK(needed != 0);
    lua_State *L = open_state(needed | MOONS__LIBRARIES_LEAST);
    CHECK(has_global(L, name));
    lua_close(L);
  }
  lua_close(usual);
}

static void others_are_none(void) {
  static const char *const NAMES[] = {"", "parallel", "mat", "maths", "arg", "Math", "_E"};
  for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
    CHECK(of(NAMES[i]) == 0);
  CHECK(moons__libraries_of_global("math\0x", 6) == 0);
  CHECK(moons__libraries_of_global("mathx", 4) == of("math"));
}

static void reaching_names(void) {
  static const char *const ALL[] = {"_G",      "load",  "loadfile", "dofile",
                                    "require", "debug", "package"};
  for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++)
    CHECK(of(ALL[i]) == MOONS__LIBRARIES_ALL);
  CHECK(moons__libraries_reaches_globals("_G", 2));
  CHECK(moons__libraries_reaches_globals("load", 4));
  CHECK(moons__libraries_reaches_globals("dofile", 6));
  CHECK(!moons__libraries_reaches_globals("math", 4));
  CHECK(!moons__libraries_reaches_globals("loa", 3));
}

static void every_subset_opens(void) {
  for (moons__libraries set = 0; set <= MOONS__LIBRARIES_ALL; set += 37) {
    moons__libraries libraries = set | MOONS__LIBRARIES_LEAST;
    lua_State *L = open_state(libraries);
    for (unsigned i = 1; i < 10; i++) {
      const char *name = moons__libraries_name(1u << i);
      CHECK(name != NULL && of(name) != 0);
      CHECK(has_global(L, name) == ((libraries >> i & 1) != 0));
    }
    CHECK(luaL_dostring(L, "assert(('x'):rep(3) == 'xxx' and select('#', 1, 2) == 2)") == LUA_OK);
    lua_close(L);
  }
}

static void names_of_bits(void) {
  CHECK(moons__libraries_name(1) == NULL); /* base */
  CHECK(moons__libraries_name(MOONS__LIBRARIES_PARALLEL) == NULL);
  CHECK(moons__libraries_name(MOONS__LIBRARIES_ALL) == NULL);
  CHECK(strcmp(moons__libraries_name(MOONS__LIBRARIES_MATH), "math") == 0);
  CHECK(strcmp(moons__libraries_name(MOONS__LIBRARIES_PACKAGE), "package") == 0);
}

static void found_by_name(void) {
  for (unsigned i = 1; i < 10; i++) {
    const char *name = moons__libraries_name(1u << i);
    CHECK(moons__libraries_find(name) == name);
  }
  CHECK(strcmp(moons__libraries_find("_G"), "_G") == 0);
  CHECK(moons__libraries_find("print") == NULL);
  CHECK(moons__libraries_find("parallel") == NULL);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"all libraries are those of luaL_openlibs", all_is_all},
      {"each standard global is there with the libraries it needs", each_name_is_there},
      {"names of no library need none", others_are_none},
      {"names that reach anything need all", reaching_names},
      {"any set of libraries opens, and no other", every_subset_opens},
      {"each library has a name", names_of_bits},
      {"a library is found by its name, what is none is not", found_by_name},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
