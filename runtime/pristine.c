#include "pristine.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/* Keys in the registry: a table of the tables that were noted, by name, with that of the globals under
** LUA_GNAME; and the environment that is made of them. */
static const char NOTED[] = "moons.pristine";
static const char ENVIRONMENT[] = "moons.environment";

const char *moons__pristine_table(unsigned n, moons__libraries *libraries) {
  *libraries = n == 0 ? MOONS__LIBRARIES_ALL : (moons__libraries)1 << n;
  return n == 0 ? MOONS__STRING_METATABLE : moons__stdlib_name(*libraries);
}

int moons__pristine_push_present(lua_State *L, const char *name) {
  if (strcmp(name, MOONS__STRING_METATABLE) == 0) {
    lua_pushliteral(L, "");
    int found = lua_getmetatable(L, -1);
    lua_remove(L, found ? -2 : -1);
    return found;
  }
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (lua_istable(L, -1)) return 1;
  lua_pop(L, 1);
  return 0;
}

/* Pushes a shallow copy of the table on top, which it pops. */
static void push_copy(lua_State *L) {
  int table = lua_gettop(L);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, table);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, table + 1);
  }
  lua_remove(L, table);
}

/* Pushes the globals that count. */
static void push_globals_now(lua_State *L, int all) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  push_copy(L);
  if (all) return;
  int copy = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, copy); lua_pop(L, 1)) {
    size_t n_bytes;
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &n_bytes) : NULL;
    if (name != NULL && moons__stdlib_of_global(name, n_bytes)) continue;
    lua_pushvalue(L, -2);
    lua_pushnil(L);
    lua_rawset(L, copy);
  }
}

void moons__pristine_note(lua_State *L, int all) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int noted = lua_getfield(L, LUA_REGISTRYINDEX, NOTED) != LUA_TNIL;
  lua_pop(L, 1);
  if (noted) return;
  lua_newtable(L);
  const char *name;
  moons__libraries libraries;
  for (unsigned n = 0; (name = moons__pristine_table(n, &libraries)) != NULL; n++) {
    if (!moons__pristine_push_present(L, name)) continue;
    push_copy(L);
    lua_setfield(L, -2, name);
  }
  push_globals_now(L, all);
  lua_setfield(L, -2, LUA_GNAME);
  lua_setfield(L, LUA_REGISTRYINDEX, NOTED);
}

int moons__pristine_push_library(lua_State *L, const char *name) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, NOTED) == LUA_TTABLE) {
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
  }
  if (lua_istable(L, -1)) return 1;
  lua_pop(L, 1);
  return 0;
}

void moons__pristine_push_globals(lua_State *L) {
  if (!moons__pristine_push_library(L, LUA_GNAME)) lua_newtable(L);
}

void moons__pristine_push_environment(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, ENVIRONMENT) == LUA_TTABLE) return;
  lua_pop(L, 1);
  moons__pristine_push_globals(L);
  push_copy(L);
  const char *name;
  moons__libraries libraries;
  for (unsigned n = 1; (name = moons__pristine_table(n, &libraries)) != NULL; n++)
    if (moons__pristine_push_library(L, name)) lua_setfield(L, -2, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, ENVIRONMENT);
}
