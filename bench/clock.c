/*
** A clock for Lua: clock.now_ns() is wall-clock time that only goes forward, in ns.
*/
#include <lauxlib.h>

#include "bench.h"

static int now_ns(lua_State *L) {
  lua_pushnumber(L, bench_now_ns());
  return 1;
}

LUAMOD_API int luaopen_clock(lua_State *L) {
  static const luaL_Reg FUNCTIONS[] = {{"now_ns", now_ns}, {NULL, NULL}};
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
