/*
** One table says which right a name needs; a name that it does not know needs that of its library, so that functions of a later
** Lua are not there by mistake. What the module and the state need themselves they have in the registry, where no script gets.
*/
#include "worker/rights.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "moons.h"
#include "state/pristine.h"
#include "worker/print.h"
#include "worker/sandbox.h"

/* A name of NULL: all others of the library. */
typedef struct row {
  const char *library, *name;
  uint32_t rights;
} row;

static const row ROWS[] = {
    {LUA_GNAME, "print", MOONS_MAY_PRINT},
    {LUA_GNAME, "warn", MOONS_MAY_PRINT},
    {LUA_GNAME, "load", MOONS_MAY_LOAD},
    {LUA_GNAME, "loadfile", MOONS_MAY_FILES},
    {LUA_GNAME, "dofile", MOONS_MAY_FILES},
    {LUA_OSLIBNAME, "remove", MOONS_MAY_FILES},
    {LUA_OSLIBNAME, "rename", MOONS_MAY_FILES},
    {LUA_OSLIBNAME, "tmpname", MOONS_MAY_FILES},
    {LUA_OSLIBNAME, "execute", MOONS_MAY_PROCESSES},
    {LUA_OSLIBNAME, "getenv", MOONS_MAY_ENVIRONMENT},
    {LUA_OSLIBNAME, "setlocale", MOONS_MAY_ENVIRONMENT},
    {LUA_OSLIBNAME, "time", MOONS_MAY_CLOCKS},
    {LUA_OSLIBNAME, "clock", MOONS_MAY_CLOCKS},
    {LUA_OSLIBNAME, "date", MOONS_MAY_CLOCKS},
    {LUA_IOLIBNAME, "popen", MOONS_MAY_PROCESSES},
    {LUA_IOLIBNAME, "write", MOONS_MAY_PRINT},
    {LUA_IOLIBNAME, NULL, MOONS_MAY_FILES},
    {LUA_DBLIBNAME, "traceback", 0},
    {LUA_DBLIBNAME, NULL, MOONS_MAY_DEBUG},
    {LUA_LOADLIBNAME, "loadlib", MOONS_MAY_LIBRARIES},
    {LUA_LOADLIBNAME, "cpath", MOONS_MAY_LIBRARIES},
    {LUA_LOADLIBNAME, "path", MOONS_MAY_MODULES},
    {LUA_LOADLIBNAME, "searchpath", MOONS_MAY_MODULES},
};

static uint32_t needed_for(const char *library, const char *name) {
  for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
    if (strcmp(ROWS[i].library, library) == 0 &&
        (ROWS[i].name == NULL || strcmp(ROWS[i].name, name) == 0))
      return ROWS[i].rights;
  return 0;
}

/* Takes fields out of the table on top. */
static void take_out(lua_State *L, const char *library, uint32_t rights) {
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_settop(L, table + 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    if ((needed_for(library, lua_tostring(L, -2)) & ~rights) == 0) continue;
    lua_pushvalue(L, -2);
    lua_pushnil(L);
    lua_rawset(L, table);
  }
}

static void forget(lua_State *L, const char *library) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  lua_setfield(L, -2, library);
  lua_pop(L, 1);
  lua_pushnil(L);
  lua_setglobal(L, library);
}

/* A library of which nothing is left is not there either. */
static void apply_to(lua_State *L, const char *library, uint32_t rights) {
  int top = lua_gettop(L);
  if (moons__libraries_push_loaded(L, library) == LUA_TTABLE) {
    take_out(L, library, rights);
    lua_pushnil(L);
    if (lua_next(L, top + 1) == 0) forget(L, library);
  }
  lua_settop(L, top);
}

/* io.write returns the file that it has written to. */
static void apply_to_files(lua_State *L, uint32_t rights) {
  static const char *const KEPT[] = {"write", "flush"};
  int top = lua_gettop(L);
  if (rights & MOONS_MAY_FILES) return;
  moons__print_without_files(L, (rights & MOONS_MAY_PROCESSES) != 0);
  if (luaL_getmetatable(L, LUA_FILEHANDLE) == LUA_TTABLE) {
    lua_getfield(L, -1, "__index");
    lua_newtable(L);
    for (int i = 0; i < 2; i++) {
      lua_getfield(L, -2, KEPT[i]);
      lua_setfield(L, -2, KEPT[i]);
    }
    lua_setfield(L, -3, "__index");
  }
  lua_settop(L, top);
}

/* Where require looks: for what is preloaded, for files in Lua, and twice for libraries in C. */
static void apply_to_searchers(lua_State *L, uint32_t rights) {
  static const uint32_t NEEDED[] = {0, MOONS_MAY_MODULES, MOONS_MAY_LIBRARIES, MOONS_MAY_LIBRARIES};
  lua_Integer n = 0;
  lua_getfield(L, -1, "searchers");
  lua_newtable(L);
  for (int i = 0; i < 4; i++) {
    if ((NEEDED[i] & ~rights) != 0) continue;
    lua_rawgeti(L, -2, i + 1);
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, -3, "searchers");
  lua_pop(L, 1);
}

/* The function `require` has the table, whoever has not, and `debug` finds it there. The module wants to see that the library is open. */
static void apply_to_package(lua_State *L, uint32_t rights) {
  int top = lua_gettop(L);
  if (moons__libraries_push_loaded(L, LUA_LOADLIBNAME) == LUA_TTABLE) {
    apply_to_searchers(L, rights);
    take_out(L, LUA_LOADLIBNAME, rights);
    if ((rights & MOONS_MAY_MODULES) == 0) {
      forget(L, LUA_LOADLIBNAME);
      luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
      lua_newtable(L);
      lua_setfield(L, -2, LUA_LOADLIBNAME);
    }
  }
  lua_settop(L, top);
}

void moons__rights_apply(lua_State *L, uint32_t rights) {
  static const char *const LIBRARIES[] = {LUA_GNAME, LUA_OSLIBNAME, LUA_IOLIBNAME, LUA_DBLIBNAME};
  if (rights == MOONS_MAY_ALL) return;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  apply_to_files(L, rights);
  apply_to_package(L, rights);
  for (size_t i = 0; i < sizeof LIBRARIES / sizeof LIBRARIES[0]; i++)
    apply_to(L, LIBRARIES[i], rights);
  moons__pristine_note(L, 0);
}

uint32_t moons__rights_of(lua_State *L) {
  const moons__sandbox *s = moons__sandbox_find(L);
  return s != NULL ? moons__terms_of(s->terms)->rights : MOONS_MAY_ALL;
}
