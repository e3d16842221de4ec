/*
** Which changes a set-up makes beside its values. What was there before is not kept: in a fresh session the image puts it
** back. A kept state is set up again and again, so it notes which globals set-ups have given it: what the script has taken
** back can go, and what a call has set stays. What does not fit its place is the decoder's to refuse: nothing is changed then.
*/
#include "wire/places.h"

#include <lauxlib.h>
#include <lualib.h>

#include "state/fields.h"
#include "state/pristine.h"
#include "state/weak.h"
#include "wire/names.h"

/* Sets the fields of the table on top in the table below it, and pops both. */
static void set_fields(lua_State *L) {
  lua_insert(L, -2);
  moons__fields_set(L, lua_gettop(L) - 1, NULL, NULL);
  lua_pop(L, 2);
}

/* Takes the keys in the list on top out of the table below it, and pops both. */
static void remove_fields(lua_State *L) {
  int list = lua_gettop(L);
  for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
    lua_pushnil(L);
    lua_rawset(L, list - 1);
  }
  lua_settop(L, list - 2);
}

/* Globals. In a state that is set up again later it is known which value a set-up has given each last: a global that has
** another one was set by a call, which is left alone. */

/* A key in the registry: name -> value. Values are weak, so that a note keeps nothing alive. */
static const char PLACED[] = "moons.placed";

static void push_global(lua_State *L, int name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushvalue(L, name);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

/* Whether the value of the global is what a set-up has placed there last. */
static int is_as_placed(lua_State *L, int name) {
  int top = lua_gettop(L);
  moons__push_weak(L, PLACED, "v");
  lua_pushvalue(L, name);
  lua_rawget(L, -2);
  push_global(L, name);
  int is_same = lua_rawequal(L, -1, -2);
  lua_settop(L, top);
  return is_same;
}

/* Sets the field of the table on top that has the name of the place to its value. */
static void set_named(lua_State *L, int name) {
  lua_pushvalue(L, name);
  lua_pushvalue(L, name + 1);
  lua_rawset(L, -3);
}

static void set_global(lua_State *L, int name, int is_kept) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  set_named(L, name);
  if (!is_kept) return;
  moons__push_weak(L, PLACED, "v");
  set_named(L, name);
}

/* What a set-up before has given the global, and the script has taken back, goes. */
static void clear_global(lua_State *L, int name, int is_kept) {
  if (is_kept && is_as_placed(L, name)) set_global(L, name, 1);
}

/* What the host has given the script's state and not to those of calls cannot be had. */
static void check_host(lua_State *L, int name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushvalue(L, name);
  if (lua_rawget(L, -2) == LUA_TNIL)
    luaL_error(L, "the host's global '%s' is not there in calls: add it in 'open' of the terms",
               lua_tostring(L, name));
}

static void set_globals_metatable(lua_State *L, int name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushvalue(L, name + 1);
  lua_setmetatable(L, -2);
}

/* A module that came by value is noted as such: a result that holds something of it can name it. */
static void set_module(lua_State *L, int name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  set_named(L, name);
  lua_settop(L, name + 1);
  lua_pushvalue(L, name);
  lua_pushvalue(L, name + 1);
  moons__names_note_received(L);
}

/* The module is written in C and was required here; what the script has set in it comes on top. */
static void set_module_fields(lua_State *L, int name) {
  if (moons__libraries_push_loaded(L, lua_tostring(L, name)) != LUA_TTABLE) return;
  lua_pushvalue(L, name + 1);
  set_fields(L);
}

static void change_library(lua_State *L, int name, void change(lua_State *L)) {
  if (!moons__pristine_push_present(L, lua_tostring(L, name))) return;
  lua_pushvalue(L, name + 1);
  change(L);
}

/* Types. */

static void set_type_metatable(lua_State *L, int name) {
  lua_pushvalue(L, name + 1);
  moons__pristine_set_type_metatable(L, lua_tointeger(L, name));
}

/* package. */

static void set_preload(lua_State *L, int name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushvalue(L, name + 1);
  set_fields(L);
}

/* Pushes the list of searchers as it is, and, 1, as it was noted; 0: nothing, where either is missing. */
static int push_searchers(lua_State *L) {
  int top = lua_gettop(L);
  if (moons__pristine_push_present(L, MOONS__SEARCHERS) &&
      moons__pristine_push_library(L, MOONS__SEARCHERS))
    return 1;
  lua_settop(L, top);
  return 0;
}

/* The place in the list at `noted` of the value on top, which it pops; 0: none. A searcher of a new state is in C, bound to
** that state, and travels as its place. */
static lua_Integer place_in(lua_State *L, int noted) {
  int value = lua_gettop(L);
  lua_Integer place = 0;
  for (lua_Integer i = 1; place == 0 && lua_rawgeti(L, noted, i) != LUA_TNIL; i++) {
    if (lua_rawequal(L, -1, value)) place = i;
    lua_pop(L, 1);
  }
  lua_settop(L, value - 1);
  return place;
}

void moons__place_push_searchers(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (!push_searchers(L)) {
    lua_pushnil(L);
    return;
  }
  int noted = lua_gettop(L), now = noted - 1, list = noted + 1;
  lua_Integer n = 1;
  int is_changed = 0;
  lua_newtable(L);
  for (; lua_rawgeti(L, now, n) != LUA_TNIL; n++) {
    lua_pushvalue(L, -1);
    lua_Integer place = place_in(L, noted);
    is_changed |= place != n;
    if (place != 0) {
      lua_pop(L, 1);
      lua_pushinteger(L, place);
    }
    lua_rawseti(L, list, n);
  }
  is_changed |= n - 1 != (lua_Integer)lua_rawlen(L, noted);
  lua_settop(L, list);
  if (!is_changed) lua_pushnil(L);
  lua_replace(L, now);
  lua_settop(L, now);
}

/* The list itself stays: the function `require` has it. */
static void set_searchers(lua_State *L, int name) {
  int list = name + 1;
  if (!push_searchers(L)) return;
  int noted = lua_gettop(L), now = noted - 1;
  lua_Integer n = (lua_Integer)lua_rawlen(L, list), n_now = (lua_Integer)lua_rawlen(L, now);
  lua_newtable(L); /* a copy, for both may be one */
  for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, noted); i++) {
    lua_rawgeti(L, noted, i);
    lua_rawseti(L, noted + 1, i);
  }
  for (lua_Integer i = 1; i <= (n > n_now ? n : n_now); i++) {
    if (lua_rawgeti(L, list, i) == LUA_TNUMBER) lua_rawgeti(L, noted + 1, lua_tointeger(L, -1));
    lua_rawseti(L, now, i);
    lua_settop(L, noted + 1);
  }
}

/* Puts the value on top into a place, and pops it with the name below it. Types are checked here and nowhere else, for bytes
** may say anything. */
static int set(lua_State *L, enum wire_place where, int is_kept) {
  int name = lua_gettop(L) - 1, value = name + 1;
  int has_name = lua_type(L, name) == LUA_TSTRING, has_table = lua_istable(L, value);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int fits = 0;
  switch (where) {
  case WIRE_PLACE_GLOBAL:
    if ((fits = has_name)) set_global(L, name, is_kept);
    break;
  case WIRE_PLACE_GLOBALS_METATABLE:
    if ((fits = has_table || lua_isnil(L, value))) set_globals_metatable(L, name);
    break;
  case WIRE_PLACE_MODULE:
    if ((fits = has_name)) set_module(L, name);
    break;
  case WIRE_PLACE_MODULE_FIELDS:
    if ((fits = has_name && has_table)) set_module_fields(L, name);
    break;
  case WIRE_PLACE_LIBRARY_FIELDS:
    if ((fits = has_name && has_table)) change_library(L, name, set_fields);
    break;
  case WIRE_PLACE_LIBRARY_REMOVED:
    if ((fits = has_name && has_table)) change_library(L, name, remove_fields);
    break;
  case WIRE_PLACE_TYPE_METATABLE:
    if ((fits = lua_isinteger(L, name) && has_table)) set_type_metatable(L, name);
    break;
  case WIRE_PLACE_PRELOAD:
    if ((fits = has_table)) set_preload(L, name);
    break;
  case WIRE_PLACE_ABSENT:
    if ((fits = has_name)) clear_global(L, name, is_kept);
    break;
  case WIRE_PLACE_HOST:
    if ((fits = has_name)) check_host(L, name);
    break;
  case WIRE_PLACE_SEARCHERS:
    if ((fits = has_table)) set_searchers(L, name);
    break;
  case WIRE_N_PLACES: break;
  }
  lua_settop(L, name - 1);
  return fits;
}

/* Kept states. What a set-up has placed is a list: how many entries, at 0, and for each place three: where, name, value. */

static void note(lua_State *L, enum wire_place where, int list) {
  int value = lua_gettop(L);
  lua_rawgeti(L, list, 0);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pushinteger(L, where);
  lua_rawseti(L, list, n + 1);
  for (int i = 0; i < 2; i++) {
    lua_pushvalue(L, value - 1 + i);
    lua_rawseti(L, list, n + 2 + i);
  }
  lua_pushinteger(L, n + 3);
  lua_rawseti(L, list, 0);
  lua_settop(L, value);
}

int moons__place_set(lua_State *L, enum wire_place where, int list) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (list != 0) note(L, where, list);
  return set(L, where, list != 0);
}

/* All but globals are simply put there again. A global is left alone where a call has set it since. */
void moons__place_again(lua_State *L) {
  int list = lua_gettop(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_rawgeti(L, list, 0);
  lua_Integer n = lua_tointeger(L, -1);
  for (lua_Integer i = 1; i <= n; i += 3) {
    lua_settop(L, list);
    lua_rawgeti(L, list, i);
    enum wire_place where = (enum wire_place)lua_tointeger(L, -1);
    lua_rawgeti(L, list, i + 1);
    lua_rawgeti(L, list, i + 2);
    if (where != WIRE_PLACE_GLOBAL || is_as_placed(L, list + 2)) set(L, where, 1);
  }
  lua_settop(L, list - 1);
}
