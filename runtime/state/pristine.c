/*
** A state's first look is kept in its registry: copies of the tables that scripts may change, and beside each the
** fields as lua_next gives them, so that the usual question, "has anything changed?", is one comparison of bytes. A
** state that is asked late is compared with a new one.
*/
#include "state/pristine.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <string.h>

/* Keys in the registry: a table of the tables that were noted, by name, with that of the globals under
** LUA_GNAME, and of what lua_next gave for each, by its place; and the environment that is made of
** them. */
static const char NOTED[] = "moons.pristine";
static const char GLOBALS_METATABLE[] = "metatable of globals"; /* keys in the former */
static const char SEARCHERS[] = "searchers"; /* of type metatables: -1, -2, ... */
static const char ENVIRONMENT[] = "moons.environment";

const char *moons__pristine_table(unsigned n, moons__libraries *libraries) {
  *libraries = n == 0 ? MOONS__LIBRARIES_ALL : (moons__libraries)1 << n;
  return n == 0 ? MOONS__STRING_METATABLE : moons__libraries_name(*libraries);
}

int moons__pristine_push_present(lua_State *L, const char *name) {
  if (strcmp(name, MOONS__STRING_METATABLE) == 0) {
    lua_pushliteral(L, "");
    int found = lua_getmetatable(L, -1);
    lua_remove(L, found ? -2 : -1);
    return found;
  }
  if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE) {
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    lua_remove(L, -2);
  }
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

/* Pushes the globals that count: the standard ones, or all. */
static void push_globals_now(lua_State *L, int all) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  push_copy(L);
  if (all) return;
  int copy = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, copy); lua_pop(L, 1)) {
    size_t n_bytes;
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &n_bytes) : NULL;
    if (name != NULL && moons__libraries_of_global(name, n_bytes)) continue;
    lua_pushvalue(L, -2);
    lua_pushnil(L);
    lua_rawset(L, copy);
  }
}

/* A field as lua_next gives it. */
typedef struct field {
  const void *key;                             /* its address: the copy keeps it alive */
  uint64_t value;                              /* its address, or the bits of a number */
  enum { OBJECT, INTEGER, FLOAT, OTHER } kind; /* of the value */
} field;

/* What lua_next gives for a table is kept as a string of fields: where it gives the same again, in the
** same order, nothing was changed. Comparing that takes a third of the time that looking up each field
** would. A string and not a userdata: those in a worker's state keep it from being put back. */
enum { MOST_FIELDS = 64 }; /* of standard libraries math has most, 27 */

/* The field whose key and value are on top. */
static inline field field_on_top(lua_State *L) {
  const void *address = lua_topointer(L, -1);
  field f = {.key = lua_topointer(L, -2), .value = (uintptr_t)address, .kind = OBJECT};
  if (address != NULL) return f;
  if (lua_isinteger(L, -1)) {
    f.kind = INTEGER;
    f.value = (uint64_t)lua_tointeger(L, -1);
  } else if (lua_type(L, -1) == LUA_TNUMBER) {
    lua_Number number = lua_tonumber(L, -1);
    f.kind = FLOAT;
    memcpy(&f.value, &number, sizeof number);
  } else {
    f.kind = OTHER;
  }
  return f;
}

/* Pushes the fields of the table on top; nil where there are too many. */
static void push_fields(lua_State *L) {
  int table = lua_gettop(L);
  field fields[MOST_FIELDS];
  size_t n = 0;
  memset(fields, 0, sizeof fields);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (n < MOST_FIELDS) fields[n] = field_on_top(L);
    n++;
  }
  if (n <= MOST_FIELDS)
    lua_pushlstring(L, (const char *)fields, n * sizeof fields[0]);
  else
    lua_pushnil(L);
}

static int is_same(const field *a, const field *b) {
  return a->key == b->key && a->value == b->value && a->kind == b->kind && a->kind != OTHER;
}

/* Whether the table on top has the fields in the string below it. */
static int has_fields(lua_State *L) {
  int table = lua_gettop(L);
  size_t n_bytes, at = 0;
  const char *bytes = lua_tolstring(L, table - 1, &n_bytes);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), at += sizeof(field)) {
    field now = field_on_top(L), noted = {0};
    if (at < n_bytes) memcpy(&noted, bytes + at, sizeof noted);
    if (at < n_bytes && is_same(&now, &noted)) continue;
    lua_settop(L, table);
    return 0;
  }
  return at == n_bytes;
}

/* What the script changed before anybody took note. What a new state has decides; userdata, and C functions that
** are no standard ones, are the host's. */

/* Pushes onto L the value on top of `from`, if that is the same in every state; otherwise returns 0. */
static int push_same(lua_State *L, lua_State *from) {
  size_t n_bytes;
  const char *bytes;
  switch (lua_type(from, -1)) {
  case LUA_TBOOLEAN: lua_pushboolean(L, lua_toboolean(from, -1)); return 1;
  case LUA_TNUMBER:
    if (lua_isinteger(from, -1))
      lua_pushinteger(L, lua_tointeger(from, -1));
    else
      lua_pushnumber(L, lua_tonumber(from, -1));
    return 1;
  case LUA_TSTRING:
    bytes = lua_tolstring(from, -1, &n_bytes);
    lua_pushlstring(L, bytes, n_bytes);
    return 1;
  case LUA_TFUNCTION:
    if (lua_getupvalue(from, -1, 1) == NULL) {
      lua_pushcfunction(L, lua_tocfunction(from, -1));
      return 1;
    }
    lua_pop(from, 1);
    return 0;
  default: return 0;
  }
}

/* Whether the C function on top of L is what a new state has on top, or its host's. */
static int is_original(lua_State *L, lua_State *new) {
  lua_CFunction function = lua_tocfunction(L, -1);
  if (lua_tocfunction(new, -1) == function) return 1;
  int is_standard = lua_rawgetp(new, LUA_REGISTRYINDEX, (void *)(uintptr_t)function) != LUA_TNIL;
  lua_pop(new, 1);
  return !is_standard;
}

/* Whether the value on top of L is what a new state has on top. */
static int is_as_new_value(lua_State *L, lua_State *new) {
  if (lua_iscfunction(L, -1)) return is_original(L, new);
  if (lua_istable(L, -1)) return lua_istable(new, -1);
  if (!push_same(L, new)) return 0;
  int is_same = moons__pristine_is_same(L, -1, -2);
  lua_pop(L, 1);
  return is_same;
}

/* Whether the field whose key and value are on top is as in the table on top of a new state. */
static int is_as_new(lua_State *L, lua_State *new) {
  if (lua_isuserdata(L, -1)) return 1;
  if (lua_type(L, -2) != LUA_TSTRING) return 0;
  size_t n_bytes;
  const char *key = lua_tolstring(L, -2, &n_bytes);
  lua_pushlstring(new, key, n_bytes);
  lua_rawget(new, -2);
  int is_same = is_as_new_value(L, new);
  lua_pop(new, 1);
  return is_same;
}

/* Takes from the table on top what the one on top of a new state lacks or has otherwise. */
static int take_changes(lua_State *L, lua_State *new) {
  int table = lua_gettop(L), n_changes = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (is_as_new(L, new)) continue;
    lua_pushvalue(L, -2);
    lua_pushnil(L);
    lua_rawset(L, table);
    n_changes++;
  }
  return n_changes;
}

/* Puts into the table on top what only the one on top of a new state has; `true` stands for what cannot be had
** from there. */
static int put_missing(lua_State *L, lua_State *new) {
  int table = lua_gettop(L), n_changes = 0;
  for (lua_pushnil(new); lua_next(new, -2); lua_pop(new, 1)) {
    lua_pushstring(L, lua_tostring(new, -2));
    lua_pushvalue(L, -1);
    if (lua_rawget(L, table) == LUA_TNIL) {
      lua_pop(L, 1);
      if (!push_same(L, new)) lua_pushboolean(L, 1);
      lua_rawset(L, table);
      n_changes++;
    } else {
      lua_pop(L, 2);
    }
  }
  return n_changes;
}

/* Makes the copy on top of a table what it was before the script changed that. Returns whether it did. */
static int undo_changes(lua_State *L, lua_State *new) {
  return take_changes(L, new) + put_missing(L, new) > 0;
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

/* Pushes the table of what is noted, empty yet, unless there is one in the registry: the first note holds, for the script may
** have changed things since. */
static int begin_note(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (is_noted(L)) return 0;
  lua_newtable(L);
  return 1;
}

/* Notes the n-th table, into the one on top. `new` is a new state to compare it with, or NULL. */
static void note_table(lua_State *L, unsigned n, const char *name, lua_State *new) {
  int noted = lua_gettop(L), is_changed = 0;
  if (!moons__pristine_push_present(L, name)) return;
  push_fields(L);
  lua_insert(L, -2);
  push_copy(L);
  if (new != NULL && moons__pristine_push_present(new, name)) {
    is_changed = undo_changes(L, new);
    lua_pop(new, 1);
  }
  lua_setfield(L, noted, name);
  if (!is_changed) lua_rawseti(L, noted, (lua_Integer)n + 1);
  lua_settop(L, noted);
}

/* Puts into the table of globals on top the libraries, wherever their names lead by now, and `require`, which
** only the script may have. */
static void put_originals(lua_State *L) {
  const char *name;
  moons__libraries libraries;
  for (unsigned n = 1; (name = moons__pristine_table(n, &libraries)) != NULL; n++)
    if (moons__pristine_push_present(L, name)) lua_setfield(L, -2, name);
  if (lua_getfield(L, -1, "require") == LUA_TBOOLEAN) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pushliteral(L, "require");
    lua_rawget(L, -2);
    lua_setfield(L, -4, "require");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void note_globals(lua_State *L, int all, lua_State *new) {
  push_globals_now(L, all);
  if (new != NULL) {
    lua_pushglobaltable(new);
    undo_changes(L, new);
    lua_pop(new, 1);
    put_originals(L);
  }
  lua_setfield(L, -2, LUA_GNAME);
}

/* Whether the function in C on top of L, in this place of the list, stands for the searcher on top of a new state. */
static int is_searcher(lua_State *L, lua_Integer place, lua_State *new, lua_Integer new_place) {
  lua_CFunction function = lua_tocfunction(L, -1);
  if (function == NULL) return 0;
  if (function == lua_tocfunction(new, -1)) return 1;
  return place == new_place && is_original(L, new);
}

/* Appends to the list at `noted` that searcher in the list on top which stands for the one on top of a new state. */
static void note_searcher(lua_State *L, int noted, lua_State *new, lua_Integer new_place) {
  int now = lua_gettop(L);
  for (lua_Integer i = 1; lua_rawgeti(L, now, i) != LUA_TNIL; i++, lua_pop(L, 1)) {
    if (!is_searcher(L, i, new, new_place)) continue;
    lua_rawseti(L, noted, (lua_Integer)lua_rawlen(L, noted) + 1);
    return;
  }
  lua_pop(L, 1);
}

/* Pushes a list of those searchers in the list on top, which it pops, that are a new state's. */
static void push_original_searchers(lua_State *L, lua_State *new) {
  int now = lua_gettop(L), top = lua_gettop(new);
  lua_newtable(L);
  lua_pushvalue(L, now);
  if (moons__pristine_push_present(new, LUA_LOADLIBNAME) &&
      lua_getfield(new, -1, "searchers") == LUA_TTABLE)
    for (lua_Integer i = 1; lua_rawgeti(new, top + 2, i) != LUA_TNIL; i++, lua_pop(new, 1))
      note_searcher(L, now + 1, new, i);
  lua_settop(new, top);
  lua_settop(L, now + 1);
  lua_remove(L, now);
}

static void note_searchers(lua_State *L, lua_State *new) {
  int noted = lua_gettop(L);
  if (moons__pristine_push_present(L, LUA_LOADLIBNAME) &&
      lua_getfield(L, -1, "searchers") == LUA_TTABLE) {
    if (new == NULL)
      push_copy(L);
    else
      push_original_searchers(L, new);
    lua_setfield(L, noted, SEARCHERS);
  }
  lua_settop(L, noted);
}

/* What a state has of them before its script runs is the host's. */
static void note_type_metatables(lua_State *L) {
  for (int n = 0; moons__pristine_push_type_metatable(L, n) >= 0; n++)
    lua_rawseti(L, -2, -(lua_Integer)n - 1);
}

static void note(lua_State *L, int all, lua_State *new) {
  const char *name;
  moons__libraries libraries;
  if (!begin_note(L)) return;
  for (unsigned n = 0; (name = moons__pristine_table(n, &libraries)) != NULL; n++)
    note_table(L, n, name, new);
  note_globals(L, all, new);
  note_searchers(L, new);
  if (new == NULL) note_type_metatables(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  if (new == NULL && lua_getmetatable(L, -1)) lua_setfield(L, -3, GLOBALS_METATABLE);
  lua_pop(L, 1);
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

int moons__pristine_push_searchers(lua_State *L) {
  return moons__pristine_push_library(L, SEARCHERS);
}

int moons__pristine_had_type_metatable(lua_State *L, int n) {
  int metatable = lua_gettop(L), is_same = 0;
  if (lua_getfield(L, LUA_REGISTRYINDEX, NOTED) == LUA_TTABLE) {
    lua_rawgeti(L, -1, -(lua_Integer)n - 1);
    is_same = lua_rawequal(L, -1, metatable);
  }
  lua_settop(L, metatable);
  return is_same;
}

int moons__pristine_may_have_changed(lua_State *L, unsigned n, const char *name) {
  int top = lua_gettop(L), is_as_noted = 0;
  if (!moons__pristine_push_present(L, name)) return 0;
  if (lua_getfield(L, LUA_REGISTRYINDEX, NOTED) == LUA_TTABLE &&
      lua_rawgeti(L, -1, (lua_Integer)n + 1) == LUA_TSTRING) {
    lua_pushvalue(L, top + 1);
    is_as_noted = has_fields(L);
  }
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
  push_copy(L);
  const char *name;
  moons__libraries libraries;
  for (unsigned n = 1; (name = moons__pristine_table(n, &libraries)) != NULL; n++)
    if (moons__pristine_push_library(L, name)) lua_setfield(L, -2, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, ENVIRONMENT);
}
