/*
** A state does not say who has made it, but its base functions are where the code of its Lua lies. A host may have replaced some of
** them: so a state is of another Lua only where it has several, and none of ours is among them.
*/
#include "state/twin.h"

#include <lauxlib.h>
#include <lualib.h>

#include "moons.h"

enum { LEAST = 3 };

static const char *const NAMES[MOONS__TWIN_N] = {"next",   "rawequal", "rawget",
                                                 "rawlen", "rawset",   "select"};

/* Pushes the global's value, without asking metatables; returns it where it is a C function. */
static lua_CFunction push_function(lua_State *L, int globals, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, globals);
  return lua_tocfunction(L, -1);
}

static int note_functions(lua_State *L) {
  moons__twin *twin = lua_touserdata(L, 1);
  luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
  for (int i = 0; i < MOONS__TWIN_N; i++)
    twin->functions[i] = push_function(L, 2, NAMES[i]);
  return 0;
}

int moons__twin_open(moons__twin *twin) {
  lua_State *L = luaL_newstate();
  if (L == NULL) return MOONS_ENOMEM;
  lua_pushcfunction(L, note_functions);
  lua_pushlightuserdata(L, twin);
  int status = lua_pcall(L, 1, 0, 0);
  lua_close(L);
  return status == LUA_OK ? 0 : MOONS_ENOMEM;
}

int moons__twin_made(const moons__twin *twin, lua_State *L) {
  int top = lua_gettop(L), n_functions = 0, n_own = 0;
  lua_pushglobaltable(L);
  for (int i = 0; i < MOONS__TWIN_N; i++) {
    lua_CFunction function = push_function(L, top + 1, NAMES[i]);
    n_functions += function != NULL;
    n_own += function != NULL && function == twin->functions[i];
  }
  lua_settop(L, top);
  return n_functions >= LEAST && n_own == 0;
}
