/*
** Errors are caught and raised again, since luaL_argerror names the function that runs, which is the original. The texts are
** Lua's own and are taken apart by their form; one that does not have it is passed on as it is.
*/
#include "worker/original.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static const char BAD_ARGUMENT[] = "bad argument #";

/* Raises it as an error of the running function's where the text blames an argument: "bad argument #1 to '?' (...)". */
static void raise_for_argument(lua_State *L, const char *text) {
  if (strncmp(text, BAD_ARGUMENT, sizeof BAD_ARGUMENT - 1) != 0) return;
  char *rest;
  long argument = strtol(text + sizeof BAD_ARGUMENT - 1, &rest, 10);
  const char *why = strstr(rest, "' (");
  if (why == NULL) return;
  why += strlen("' (");
  lua_pushlstring(L, why, strlen(why) - 1);
  luaL_argerror(L, (int)argument, lua_tostring(L, -1));
}

/* A text without a place comes from luaL_error in C called from C, which finds no line: the caller's line is added here. */
int moons__original_raise(lua_State *L, int status) {
  if (status != LUA_ERRRUN || lua_type(L, -1) != LUA_TSTRING) return lua_error(L);
  raise_for_argument(L, lua_tostring(L, -1));
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

/* Without lua_callk: what yields in here could not come back. */
int moons__original_call(lua_State *L, int first) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, first);
  int status = lua_pcall(L, lua_gettop(L) - first, LUA_MULTRET, 0);
  return status == LUA_OK ? lua_gettop(L) - first + 1 : moons__original_raise(L, status);
}

void moons__original_replace(lua_State *L, const char *name, lua_CFunction function) {
  if (lua_getfield(L, -1, name) == LUA_TFUNCTION) {
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
  } else {
    lua_pop(L, 1);
  }
}

void moons__original_put(lua_State *L, const luaL_Reg *functions) {
  lua_pushglobaltable(L);
  if (lua_getfield(L, -1, LUA_GNAME) == LUA_TTABLE) luaL_setfuncs(L, functions, 0);
  lua_pop(L, 2);
}
