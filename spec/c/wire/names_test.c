#include "wire/names.h"

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"

static lua_State *open_state(const char *code) {
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  luaL_openlibs(L);
  if (luaL_dostring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the code runs");
  }
  return L;
}

/* Whether the value on top has a name; if so, following the name must give that value. */
static int has_name(moons__names *names, lua_State *L) {
  moons__name name;
  int top = lua_gettop(L);
  moons__names_refresh(names, L);
  int is_found = moons__names_find(names, L, -1, &name);
  CHECK(lua_gettop(L) == top);
  if (!is_found) return 0;
  char *copy = copy_exactly(name.path, name.n_bytes);
  moons__names_push(L, copy, name.n_bytes, 0);
  CHECK(lua_gettop(L) == top + 1 && lua_rawequal(L, -1, -2));
  lua_pop(L, 1);
  free(copy);
  return 1;
}

/* Whether the value of an expression has a name. */
static int is_named(moons__names *names, lua_State *L, const char *expression) {
  char code[200];
  snprintf(code, sizeof code, "return %s", expression);
  CHECK(luaL_dostring(L, code) == LUA_OK);
  int named = has_name(names, L);
  lua_pop(L, 1);
  return named;
}

static void library_values(void) {
  static const char *const NAMED[] = {"math.floor",
                                      "string",
                                      "print",
                                      "string.format",
                                      "io.stdout",
                                      "package.loaded",
                                      "_G",
                                      "debug",
                                      "coroutine.wrap",
                                      "utf8.char",
                                      "getmetatable('')",
                                      "getmetatable(io.stdout)",
                                      "io.stdout.read"};
  moons__names names = {0};
  lua_State *L = open_state("");
  for (size_t i = 0; i < sizeof NAMED / sizeof NAMED[0]; i++)
    CHECK(is_named(&names, L, NAMED[i]));
  moons__names_free(&names);
  lua_close(L);
}

static void script_values(void) {
  static const char *const UNNAMED[] = {
      "{}",           "function() end",         "f", "t", "1", "'x'", "nil", "true",
      "print == nil", "coroutine.create(print)"};
  moons__names names = {0};
  lua_State *L = open_state("function f() end t = {f}");
  for (size_t i = 0; i < sizeof UNNAMED / sizeof UNNAMED[0]; i++)
    CHECK(!is_named(&names, L, UNNAMED[i]));
  moons__names_free(&names);
  lua_close(L);
}

static void module_values(void) {
  moons__names names = {0};
  lua_State *L = open_state("local m = {a = {b = {c = function() end}}, {}, [2.5] = {}}"
                            " m.m, m.a.up = m, m  m[true] = {}"
                            " package.loaded.m = m  package.loaded['a.b c'] = {x = {}}"
                            " package.loaded.f = function() end  package.loaded.n = 5");
  static const char *const NAMED[] = {"package.loaded.m", "package.loaded.m.a",
                                      "package.loaded.m.a.b.c", "package.loaded['a.b c'].x",
                                      "package.loaded.f"};
  for (size_t i = 0; i < sizeof NAMED / sizeof NAMED[0]; i++)
    CHECK(is_named(&names, L, NAMED[i]));
  CHECK(!is_named(&names, L, "package.loaded.m[1]")); /* lists hold data */
  CHECK(!is_named(&names, L, "package.loaded.m[2.5]"));
  CHECK(!is_named(&names, L, "package.loaded.m[true]"));
  moons__names_free(&names);
  lua_close(L);
}

/* A name that no longer leads to the value is none. */
static void changed_values(void) {
  moons__names names = {0};
  lua_State *L = open_state("package.loaded.m = {f = {}} kept = package.loaded.m.f");
  CHECK(is_named(&names, L, "kept"));
  CHECK(luaL_dostring(L, "package.loaded.m.f = {}") == LUA_OK);
  CHECK(!is_named(&names, L, "kept"));
  CHECK(luaL_dostring(L, "package.loaded.later = {kept = kept}") == LUA_OK);
  CHECK(is_named(&names, L, "kept"));
  CHECK(luaL_dostring(L, "package.loaded.later = nil") == LUA_OK);
  CHECK(!is_named(&names, L, "kept"));
  moons__names_free(&names);
  lua_close(L);
}

static int push_path(lua_State *L) {
  size_t n_bytes;
  const char *path = luaL_checklstring(L, 1, &n_bytes);
  moons__names_push(L, path, n_bytes, lua_toboolean(L, 2));
  return 1;
}

/* Follows a path in another state; returns what it says. */
static const char *follow(lua_State *L, const char *path, size_t n_bytes, int may_require) {
  lua_settop(L, 0);
  lua_pushcfunction(L, push_path);
  lua_pushlstring(L, path, n_bytes);
  lua_pushboolean(L, may_require);
  return lua_pcall(L, 2, 1, 0) == LUA_OK ? luaL_tolstring(L, -1, NULL) : lua_tostring(L, -1);
}

static void errors_name_the_module(void) {
  moons__names names = {0};
  moons__name name;
  lua_State *here = open_state("package.loaded.m = {a = {b = {f = print}}, g = {}} "
                               "return package.loaded.m.a.b");
  lua_State *there = open_state("");
  moons__names_refresh(&names, here);
  CHECK(moons__names_find(&names, here, -1, &name));
  const char *path = name.path;
  size_t n_bytes = name.n_bytes;
  CHECK(strstr(follow(there, path, n_bytes, 0), "module 'm' is not loaded") != NULL);
  CHECK(strstr(follow(there, path, n_bytes, 1), "module 'm' not found") != NULL);
  CHECK(luaL_dostring(there, "package.loaded.m = {a = {}}") == LUA_OK);
  CHECK(strcmp(follow(there, path, n_bytes, 1), "'m.a.b' is not there on this side") == 0);
  CHECK(luaL_dostring(there, "package.loaded.m = {a = {b = 'x'}}") == LUA_OK);
  CHECK(strcmp(follow(there, path, n_bytes, 1), "x") == 0);
  CHECK(luaL_dostring(there, "package.loaded.m = 5") == LUA_OK);
  CHECK(strcmp(follow(there, path, n_bytes, 1), "'m.a.b' is not there on this side") == 0);
  moons__names_free(&names);
  lua_close(here);
  lua_close(there);
}

static void garbage(void) {
  uint64_t random = 1;
  moons__name name;
  moons__names names = {0};
  lua_State *here = open_state("package.loaded.m = {a = {b = {f = {}}}} "
                               "return package.loaded.m.a.b.f");
  lua_State *there = open_state("package.loaded.m = {a = {b = {f = {}}}}");
  moons__names_refresh(&names, here);
  CHECK(moons__names_find(&names, here, -1, &name));
  const char *path = name.path;
  size_t n_bytes = name.n_bytes;
  for (int i = 0; i < 20000; i++) {
    size_t n = random_below(&random, n_bytes + 1);
    char *copy = copy_exactly(path, n);
    if (n > 0 && i % 2 == 0) copy[random_below(&random, n)] = (char)random_next(&random);
    follow(there, copy, n, 0);
    free(copy);
  }
  moons__names_free(&names);
  lua_close(here);
  lua_close(there);
}

static int find(moons__names *names, lua_State *L, const char *expression, moons__name *name) {
  char code[200];
  snprintf(code, sizeof code, "return %s", expression);
  CHECK(luaL_dostring(L, code) == LUA_OK);
  moons__names_refresh(names, L);
  return moons__names_find(names, L, -1, name);
}

static void beginnings(void) {
  static const struct {
    const char *expression, *global;
  } CASES[] = {{"math.floor", "math"}, {"math", "math"},         {"print", "print"},
               {"_G", "_G"},           {"string.len", "string"}, {"package.loaded.m.f", NULL}};
  moons__names names = {0};
  lua_State *L = open_state("package.loaded.m = {f = {}} package.loaded.parallel = {map = {}}"
                            " package.loaded['parallel.range'] = {}"
                            " package.loaded.parallelism = {}");
  moons__name name;
  for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
    CHECK(find(&names, L, CASES[i].expression, &name));
    const char *global = moons__names_global(&name), *expected = CASES[i].global;
    CHECK((global == NULL) == (expected == NULL));
    if (global != NULL) CHECK(strcmp(global, expected) == 0);
    CHECK(!moons__names_is_parallel(name.path));
  }
  CHECK(find(&names, L, "package.loaded.parallel.map", &name));
  CHECK(moons__names_is_parallel(name.path));
  CHECK(find(&names, L, "package.loaded['parallel.range']", &name));
  CHECK(moons__names_is_parallel(name.path));
  CHECK(find(&names, L, "package.loaded.parallelism", &name));
  CHECK(!moons__names_is_parallel(name.path));
  moons__names_free(&names);
  lua_close(L);
}

static int loads_nothing(lua_State *L) { return lua_gettop(L); }

static moons__module_kind kind_of(moons__names *names, lua_State *L, const char *expression) {
  moons__name name;
  CHECK(find(names, L, expression, &name));
  return moons__names_module(names, name.module)->kind;
}

static void kinds(void) {
  moons__names names = {0};
  lua_State *L = open_state("package.loaded.host = {f = function() end}");
  moons__names_note_host(L);
  lua_register(L, "in_c", loads_nothing);
  CHECK(luaL_dostring(
            L, "package.loaded.lua = {f = function() end, sqrt = math.sqrt, c = in_c}"
               " package.loaded.library = {c = in_c, f = function() end, d = coroutine.wrap(print)}"
               " package.loaded.parallel = {f = {}} in_c = nil") == LUA_OK);
  CHECK(kind_of(&names, L, "math.sqrt") == MOONS__MODULE_STANDARD);
  CHECK(kind_of(&names, L, "package.loaded.host.f") == MOONS__MODULE_SHARED);
  CHECK(kind_of(&names, L, "package.loaded.parallel.f") == MOONS__MODULE_SHARED);
  CHECK(kind_of(&names, L, "package.loaded.library") == MOONS__MODULE_LIBRARY);
  CHECK(kind_of(&names, L, "package.loaded.lua.c") == MOONS__MODULE_LIBRARY);
  CHECK(kind_of(&names, L, "package.loaded.lua.f") == MOONS__MODULE_LUA);
  moons__names_free(&names);
  lua_close(L);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"values of the standard libraries have names", library_values},
      {"the script's own values have none", script_values},
      {"values of modules have names, at any depth", module_values},
      {"a name that leads elsewhere by now is none", changed_values},
      {"where a name leads nowhere, the error says so", errors_name_the_module},
      {"the beginning of a name tells the library", beginnings},
      {"any bytes give a value or an error", garbage},
      {"modules are of four kinds", kinds},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
