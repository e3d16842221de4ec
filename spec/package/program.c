/* A program that uses an installed Moons, in C99, C11 and C++17: prints what a map of its script gives. */
#ifdef __cplusplus
extern "C" {
#endif
#include <lauxlib.h>
#include <lualib.h>
#ifdef __cplusplus
}
#endif
#include <moons.h>
#include <stdio.h>
#include <string.h>

static const char SCRIPT[] = "local parallel = require 'parallel'\n"
                             "local function f(x) return x * x end\n"
                             "print(table.concat(parallel.map(f, {1, 2, 3}), ' '))\n";

int main(void) {
  moons_runtime *runtime;
  lua_State *L = luaL_newstate();
  if (L == NULL || moons_runtime_new(&runtime, NULL) != 0) return 2;
  if (strcmp(moons_version(), MOONS_VERSION) != 0) return 3;
  luaL_openlibs(L);
  if (moons_open(L, runtime, NULL) != 0) return 4;
  int failed = luaL_dostring(L, SCRIPT) != LUA_OK;
  if (failed) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  moons_runtime_free(runtime);
  return failed;
}
