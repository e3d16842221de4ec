/*
** What the script returned is kept in a table that both functions have as an upvalue, so that it is in the image of the state. Names
** are followed without metamethods: what a name leads to is what the script has left there, and looking runs none of its code.
*/
#include "worker/script.h"

#include <lauxlib.h>
#include <string.h>

#include "moons.h"
#include "state/libraries.h"
#include "worker/rights.h"

enum {
  MAX_STEPS = 8
}; /* names with more are not listed, which also ends tables that hold themselves */

/* Upvalues: the table that holds what the script has returned; of `init` also the script. */
enum { HOLDER = 1, CHUNK };

/* Replaces the table on top by its field; anything else by nil. */
static void step(lua_State *L, const char *key, size_t n_bytes) {
  if (lua_istable(L, -1)) {
    lua_pushlstring(L, key, n_bytes);
    lua_rawget(L, -2);
  } else {
    lua_pushnil(L);
  }
  lua_remove(L, -2);
}

/* Follows a name from the value on top, which is replaced. */
static int follow(lua_State *L, const char *name) {
  for (;;) {
    size_t n_bytes = strcspn(name, ".");
    step(L, name, n_bytes);
    if (name[n_bytes] == '\0') return lua_isfunction(L, -1);
    name += n_bytes + 1;
  }
}

/* Pushes what has that name; whether it is a function. `holder` is the index of the table that holds what the script returned. */
static int find(lua_State *L, int holder, const char *name) {
  lua_rawgeti(L, holder, 1);
  if (follow(L, name)) return 1;
  lua_pop(L, 1);
  lua_pushglobaltable(L);
  return follow(L, name);
}

/* {== The names of all ======================================================================== */

/* Whether the table on top is a library's or a module's: package.loaded has it. */
static int is_module(lua_State *L) {
  int table = lua_gettop(L), found = 0;
  if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE)
    for (lua_pushnil(L); !found && lua_next(L, -2) != 0; lua_pop(L, 1))
      found = lua_rawequal(L, -1, table);
  lua_settop(L, table);
  return found;
}

/* Whether the key below the top is a step of a name. */
static int is_step(lua_State *L) {
  size_t n_bytes;
  if (lua_type(L, -2) != LUA_TSTRING) return 0;
  const char *key = lua_tolstring(L, -2, &n_bytes);
  return n_bytes > 0 && strcspn(key, ".") == n_bytes;
}

/* Adds the names of the functions in the table on top, which is popped, to the list at 1. */
static void list_names(lua_State *L, const char *prefix, int n_steps) {
  luaL_checkstack(L, LUA_MINSTACK, "too many tables in tables");
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_settop(L, table + 1)) {
    if (!is_step(L)) continue;
    const char *key = lua_tostring(L, -2);
    if (lua_isfunction(L, -1)) {
      lua_pushfstring(L, "%s%s", prefix, key);
      lua_rawseti(L, 1, (lua_Integer)lua_rawlen(L, 1) + 1);
    } else if (lua_istable(L, -1) && n_steps < MAX_STEPS && !is_module(L)) {
      const char *inner = lua_pushfstring(L, "%s%s.", prefix, key);
      lua_insert(L, -2);
      list_names(L, inner, n_steps + 1);
    }
  }
  lua_settop(L, table - 1);
}

/* Returns them one by one: a table might be that of a module, for all that who sends it knows, and all these would be looked at. */
static int list_all(lua_State *L) {
  lua_settop(L, 0);
  lua_newtable(L);
  if (lua_rawgeti(L, lua_upvalueindex(HOLDER), 1) == LUA_TTABLE) list_names(L, "", 1);
  lua_settop(L, 1);
  lua_pushglobaltable(L);
  list_names(L, "", 1);
  int n_names = (int)lua_rawlen(L, 1);
  luaL_checkstack(L, n_names, "too many functions");
  for (int i = 1; i <= n_names; i++)
    lua_rawgeti(L, 1, i);
  return n_names;
}

/* {== Functions =============================================================================== */

/* Arguments: the name, those of the function. */
static int call_by_name(lua_State *L) {
  size_t n_bytes;
  const char *name = luaL_checklstring(L, 1, &n_bytes);
  if (n_bytes == 0) return list_all(L);
  if (!find(L, lua_upvalueindex(HOLDER), name))
    return luaL_error(L, "the script has no function '%s'", name);
  lua_replace(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

int moons__script_find(lua_State *L) {
  lua_getupvalue(L, 1, HOLDER);
  return find(L, lua_gettop(L), lua_touserdata(L, 2));
}

/* Sets the global `parallel`, where it can be had. */
static void give_parallel(lua_State *L) {
  int may_map = (moons__rights_of(L) & MOONS_MAY_MAPS) != 0;
  if (lua_getglobal(L, "require") == LUA_TFUNCTION && may_map) {
    lua_pushliteral(L, "parallel");
    lua_call(L, 1, 1);
    lua_setglobal(L, "parallel");
  }
  lua_settop(L, 0);
}

static int run_script(lua_State *L) {
  give_parallel(L);
  lua_pushvalue(L, lua_upvalueindex(CHUNK));
  lua_call(L, 0, 1);
  lua_rawseti(L, lua_upvalueindex(HOLDER), 1);
  return 0;
}

void moons__script_apply(lua_State *L, const moons__source *source) {
  lua_createtable(L, 1, 0);
  if (luaL_loadbufferx(L, source->bytes, source->n_bytes, source->name, "t") != LUA_OK)
    lua_error(L);
  lua_pushvalue(L, -2);
  lua_insert(L, -2);
  lua_pushcclosure(L, run_script, 2);
  lua_insert(L, -2);
  lua_pushcclosure(L, call_by_name, 1);
  lua_insert(L, -2);
}
