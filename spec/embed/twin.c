/* A program with a Lua of its own beside that of the library: it is told, and nothing is done to the state. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include "moons.h"

int main(void) {
  moons_runtime *runtime;
  lua_State *L = luaL_newstate();
  if (L == NULL || moons_runtime_new(&runtime, NULL) != 0) return 2;
  luaL_openlibs(L);
  int error = moons_open(L, runtime, NULL);
  if (error) printf("%s\n", moons_error_text(error));
  lua_getfield(L, LUA_REGISTRYINDEX, "moons.runtime");
  int is_untouched = lua_isnil(L, -1);
  lua_close(L);
  moons_runtime_free(runtime);
  return error != MOONS_EFOREIGN || !is_untouched;
}
