/*
** A state's first look is kept in its registry: copies of the tables that scripts may change, and a number for each that
** tells whether anything has changed since. A state that is asked late is compared with a new one.
*/
#include "state/pristine.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <string.h>

#include "state/fields.h"

/* Keys in the registry: a table of the tables that were noted, by name, with that of the globals under LUA_GNAME and the
** metatables of basic types under the names of these, and of the sums over their fields, by number; and the environment
** that is made of them. */
static const char NOTED[] = "moons.pristine";
static const char GLOBALS_METATABLE[] = "metatable of globals"; /* a key in the former */
static const char ENVIRONMENT[] = "moons.environment";

const char *moons__pristine_table(unsigned n, moons__libraries *libraries) {
  *libraries = n == 0 ? MOONS__LIBRARIES_ALL : (moons__libraries)1 << n;
  return n == 0 ? MOONS__STRING_METATABLE : moons__libraries_name(*libraries);
}

/* Pushes the metatable of strings, or nil. */
static void push_string_metatable(lua_State *L) {
  lua_pushliteral(L, "");
  if (!lua_getmetatable(L, -1)) lua_pushnil(L);
  lua_remove(L, -2);
}

int moons__pristine_push_present(lua_State *L, const char *name) {
  int is_searchers = strcmp(name, MOONS__SEARCHERS) == 0;
  if (strcmp(name, MOONS__STRING_METATABLE) == 0)
    push_string_metatable(L);
  else if (strcmp(name, MOONS__FILE_METATABLE) == 0)
    luaL_getmetatable(L, name);
  else if (moons__libraries_push_loaded(L, is_searchers ? LUA_LOADLIBNAME : name) == LUA_TTABLE &&
           is_searchers) {
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
  }
  if (lua_istable(L, -1)) return 1;
  lua_pop(L, 1);
  return 0;
}

/* What the script changed before anybody took note. What a new state has decides; userdata, and C functions that
** are no standard ones, are the host's. */

/* Whether the value on top of L is the host's. */
static int is_hosts(lua_State *L, void *data) {
  lua_State *new = data;
  if (!lua_iscfunction(L, -1)) return lua_isuserdata(L, -1);
  void *function = (void *)(uintptr_t)lua_tocfunction(L, -1);
  int is_standard = lua_rawgetp(new, LUA_REGISTRYINDEX, function) != LUA_TNIL;
  lua_pop(new, 1);
  return !is_standard;
}

static int has_upvalues(lua_State *L) {
  int has_any = lua_getupvalue(L, -1, 1) != NULL;
  lua_pop(L, has_any);
  return has_any;
}

/* Pushes onto L what a field was before any change. Its value is on top of L, that in a new state on top of `new`. For what
** belongs to one state, as tables do, the present value stands, or `true` where that is of another type. */
static void push_unchanged(lua_State *L, lua_State *new) {
  int type = lua_type(new, -1);
  size_t n_bytes;
  const char *bytes;
  if (type == LUA_TSTRING) {
    bytes = lua_tolstring(new, -1, &n_bytes);
    lua_pushlstring(L, bytes, n_bytes);
  } else if (lua_isinteger(new, -1)) {
    lua_pushinteger(L, lua_tointeger(new, -1));
  } else if (type == LUA_TNUMBER) {
    lua_pushnumber(L, lua_tonumber(new, -1));
  } else if (type == LUA_TFUNCTION && !has_upvalues(new)) {
    lua_pushcfunction(L, lua_tocfunction(new, -1));
  } else if (type == lua_type(L, -1)) {
    lua_pushvalue(L, -1);
  } else {
    lua_pushboolean(L, 1);
  }
}

/* Replaces the table on top by what it was before the script changed it; that of a new state is on top of `new`. */
static void undo_changes(lua_State *L, lua_State *new) {
  int now = lua_gettop(L), before = now + 1;
  lua_newtable(L);
  for (lua_pushnil(new); lua_next(new, -2); lua_pop(new, 1)) {
    const char *name = lua_tostring(new, -2);
    lua_pushstring(L, name);
    lua_rawget(L, now);
    push_unchanged(L, new);
    lua_setfield(L, before, name);
    lua_settop(L, before);
  }
  moons__fields_set(L, now, is_hosts, new);
  lua_remove(L, now);
}

/* Metatables of basic types. */

static const int TYPES[] = {LUA_TNIL,      LUA_TBOOLEAN, LUA_TNUMBER,
                            LUA_TFUNCTION, LUA_TTHREAD,  LUA_TLIGHTUSERDATA};
enum { N_TYPES = sizeof TYPES / sizeof TYPES[0] };

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Pushes a value of the n-th type. */
static void push_value_of(lua_State *L, int n) {
  switch (TYPES[n]) {
  case LUA_TBOOLEAN: lua_pushboolean(L, 1); break;
  case LUA_TNUMBER: lua_pushinteger(L, 0); break;
  case LUA_TFUNCTION: lua_pushcfunction(L, nothing); break;
  case LUA_TTHREAD: lua_pushthread(L); break;
  case LUA_TLIGHTUSERDATA: lua_pushlightuserdata(L, NULL); break;
  default: lua_pushnil(L);
  }
}

int moons__pristine_push_type_metatable(lua_State *L, int n) {
  if (n >= N_TYPES) return -1;
  push_value_of(L, n);
  if (!lua_getmetatable(L, -1)) lua_pushnil(L);
  lua_remove(L, -2);
  return n;
}

int moons__pristine_have_type_metatables(lua_State *L) {
  int top = lua_gettop(L), have_any = 0;
  for (int n = 0; n < N_TYPES && !have_any; n++) {
    push_value_of(L, n);
    have_any = lua_getmetatable(L, -1);
  }
  lua_settop(L, top);
  return have_any;
}

void moons__pristine_set_type_metatable(lua_State *L, lua_Integer n) {
  if (n >= 0 && n < N_TYPES) {
    push_value_of(L, (int)n);
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
  }
  lua_pop(L, 1);
}

/* Taking note. */

static int is_noted(lua_State *L) {
  int is_noted = lua_getfield(L, LUA_REGISTRYINDEX, NOTED) != LUA_TNIL;
  lua_pop(L, 1);
  return is_noted;
}

/* Notes the n-th table, into the one on top. `new` is a new state to compare it with, or NULL. */
static void note_table(lua_State *L, unsigned n, const char *name, lua_State *new) {
  if (!moons__pristine_push_present(L, name)) return;
  if (new != NULL && moons__pristine_push_present(new, name)) {
    undo_changes(L, new);
    lua_pop(new, 1);
  } else {
    moons__fields_copy(L);
  }
  lua_pushinteger(L, moons__fields_sum(L));
  lua_rawseti(L, -3, (lua_Integer)n + 1);
  lua_setfield(L, -2, name);
}

static int has_standard_name(lua_State *L, void *data) {
  (void)data;
  size_t n_bytes;
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &n_bytes) : NULL;
  return name != NULL && moons__libraries_of_global(name, n_bytes) != 0;
}

/* Makes the table of globals on top what it was before the script changed it. Libraries are found wherever their names lead
** by now. */
static void undo_changes_of_globals(lua_State *L, lua_State *new) {
  const char *name;
  moons__libraries libraries;
  lua_pushglobaltable(new);
  undo_changes(L, new);
  lua_pop(new, 1);
  for (unsigned n = 1; (name = moons__pristine_table(n, &libraries)) != NULL; n++)
    if (moons__pristine_push_present(L, name)) lua_setfield(L, -2, name);
}

/* Notes the globals that count, the standard ones or all, and their metatable. */
static void note_globals(lua_State *L, int all, lua_State *new) {
  int noted = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  if (all) {
    lua_pushvalue(L, -1);
    moons__fields_copy(L);
  } else {
    lua_newtable(L);
    moons__fields_set(L, noted + 1, has_standard_name, NULL);
  }
  if (new != NULL) undo_changes_of_globals(L, new);
  lua_setfield(L, noted, LUA_GNAME);
  if (new == NULL && lua_getmetatable(L, noted + 1)) lua_setfield(L, noted, GLOBALS_METATABLE);
  lua_settop(L, noted);
}

/* Appends to the list on top that searcher in the list at `now` which stands for the n-th of a new state, which is on top
** there: the same function, or one of the host's in the same place. */
static void note_searcher(lua_State *L, int now, lua_State *new, lua_Integer n) {
  for (lua_Integer i = 1; lua_rawgeti(L, now, i) != LUA_TNIL; i++, lua_pop(L, 1)) {
    if (!lua_iscfunction(L, -1)) continue;
    int is_same = lua_tocfunction(L, -1) == lua_tocfunction(new, -1);
    if (!is_same && (i != n || !is_hosts(L, new))) continue;
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    return;
  }
  lua_pop(L, 1);
}

static void note_searchers(lua_State *L, lua_State *new) {
  int now = lua_gettop(L) + 1;
  if (!moons__pristine_push_present(L, MOONS__SEARCHERS)) return;
  lua_newtable(L);
  if (new == NULL) {
    moons__fields_set(L, now, NULL, NULL);
  } else if (moons__pristine_push_present(new, MOONS__SEARCHERS)) {
    for (lua_Integer n = 1; lua_rawgeti(new, -1, n) != LUA_TNIL; n++, lua_pop(new, 1))
      note_searcher(L, now, new, n);
    lua_pop(new, 2);
  }
  lua_setfield(L, now - 1, MOONS__SEARCHERS);
  lua_settop(L, now - 1);
}

/* What a state has of them before its script runs is the host's. */
static void note_type_metatables(lua_State *L) {
  for (int n = 0; moons__pristine_push_type_metatable(L, n) >= 0; n++)
    lua_setfield(L, -2, lua_typename(L, TYPES[n]));
}

/* The first note holds, for the script may have changed things since. */
static void note(lua_State *L, int all, lua_State *new) {
  const char *name;
  moons__libraries libraries;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (is_noted(L)) return;
  lua_newtable(L);
  for (unsigned n = 0; (name = moons__pristine_table(n, &libraries)) != NULL; n++)
    note_table(L, n, name, new);
  note_globals(L, all, new);
  note_searchers(L, new);
  if (new == NULL) note_type_metatables(L);
  lua_setfield(L, LUA_REGISTRYINDEX, NOTED);
}

void moons__pristine_note(lua_State *L, int all) { note(L, all, NULL); }

void moons__pristine_note_anew(lua_State *L) {
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, NOTED);
  note(L, 1, NULL);
}

/* Opens the standard libraries of a new state, and puts the addresses of their functions into its registry. */
static int open_libraries(lua_State *new) {
  luaL_openlibs(new);
  lua_getfield(new, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_pushnil(new); lua_next(new, 1); lua_pop(new, 1))
    for (lua_pushnil(new); lua_next(new, 3); lua_pop(new, 1)) {
      if (!lua_iscfunction(new, -1)) continue;
      lua_pushboolean(new, 1);
      lua_rawsetp(new, LUA_REGISTRYINDEX, (void *)(uintptr_t)lua_tocfunction(new, -2));
    }
  return 0;
}

/* Argument: a new state. */
static int note_standard(lua_State *L) {
  note(L, 0, lua_touserdata(L, 1));
  return 0;
}

/* Two states at once: an error in either is caught before the new one is closed, and raised after that. */
void moons__pristine_note_standard(lua_State *L) {
  if (is_noted(L)) return;
  lua_State *new = luaL_newstate();
  if (new == NULL) luaL_error(L, "not enough memory");
  lua_pushcfunction(new, open_libraries);
  int status = lua_pcall(new, 0, 0, 0);
  if (status == LUA_OK) {
    lua_pushcfunction(L, note_standard);
    lua_pushlightuserdata(L, new);
    status = lua_pcall(L, 1, 0, 0);
  } else {
    lua_pushliteral(L, "not enough memory");
  }
  lua_close(new);
  if (status != LUA_OK) lua_error(L);
}

/* Raw equality takes 1 and 1.0 for the same, and a call can tell them apart. */
int moons__pristine_is_same(lua_State *L, int a, int b) {
  return lua_rawequal(L, a, b) && lua_isinteger(L, a) == lua_isinteger(L, b);
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

int moons__pristine_had_type_metatable(lua_State *L, int n) {
  int metatable = lua_gettop(L);
  int is_same =
      moons__pristine_push_library(L, lua_typename(L, TYPES[n])) && lua_rawequal(L, -1, metatable);
  lua_settop(L, metatable);
  return is_same;
}

int moons__pristine_may_have_changed(lua_State *L, unsigned n, const char *name) {
  int top = lua_gettop(L), is_as_noted = 0;
  if (!moons__pristine_push_present(L, name)) return 0;
  lua_Integer sum = moons__fields_sum(L);
  if (lua_getfield(L, LUA_REGISTRYINDEX, NOTED) == LUA_TTABLE)
    is_as_noted =
        lua_rawgeti(L, -1, (lua_Integer)n + 1) == LUA_TNUMBER && lua_tointeger(L, -1) == sum;
  lua_settop(L, top);
  return !is_as_noted;
}

void moons__pristine_push_globals(lua_State *L) {
  if (!moons__pristine_push_library(L, LUA_GNAME)) lua_newtable(L);
}

int moons__pristine_has_new_metatable(lua_State *L) {
  int top = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  int is_new = lua_getmetatable(L, top + 1) &&
               (!moons__pristine_push_library(L, GLOBALS_METATABLE) || !lua_rawequal(L, -1, -2));
  lua_settop(L, top);
  return is_new;
}

/* Made once and kept: it is the same for all that the module loads. */
void moons__pristine_push_environment(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, ENVIRONMENT) == LUA_TTABLE) return;
  lua_pop(L, 1);
  moons__pristine_push_globals(L);
  moons__fields_copy(L);
  const char *name;
  moons__libraries libraries;
  for (unsigned n = 1; (name = moons__pristine_table(n, &libraries)) != NULL; n++)
    if (moons__pristine_push_library(L, name)) lua_setfield(L, -2, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, ENVIRONMENT);
}
