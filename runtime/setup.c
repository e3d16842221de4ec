#include "setup.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "moons.h"

enum { N_MESSAGES = 4 };

/* The fields of a pristine table. */
static const char GLOBALS[] = "globals";
static const char STRING_METATABLE[] = "string metatable";

/* Libraries and the metatable of strings, by name. */

/* Pushes the table of a library, or of the metatable of strings; returns 0 where there is none. */
static int push_library(lua_State *L, const char *name) {
  if (strcmp(name, STRING_METATABLE) == 0) {
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

/* The n-th table that may be patched among those libraries, from 0; NULL at the end, "" for none. */
static const char *patched_name(unsigned n, moons__libraries libraries) {
  if (n == 0) return STRING_METATABLE;
  moons__libraries bit = (moons__libraries)1 << n;
  if (bit >= MOONS__LIBRARIES_PACKAGE) return NULL; /* the paths go by themselves */
  return libraries & bit ? moons__stdlib_name(bit) : "";
}

/* Pushes a shallow copy of the table on top. */
static void push_copy(lua_State *L) {
  int table = lua_gettop(L);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, table);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, table + 1);
  }
}

/* Pushes the globals that need no sending. */
static void push_present_globals(lua_State *L, int all) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  push_copy(L);
  lua_remove(L, -2);
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

void moons__setup_push_pristine(lua_State *L, int all) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_newtable(L);
  const char *name;
  for (unsigned i = 0; (name = patched_name(i, MOONS__LIBRARIES_ALL)) != NULL; i++) {
    if (*name == '\0' || !push_library(L, name)) continue;
    push_copy(L);
    lua_setfield(L, -3, name);
    lua_pop(L, 1);
  }
  push_present_globals(L, all);
  lua_setfield(L, -2, GLOBALS);
}

void moons__setup_push_pristine_globals(lua_State *L, int pristine) {
  lua_getfield(L, pristine, GLOBALS);
}

/* Encoding. */

/* Pushes a table of the fields in which the table on top, which it pops, differs from its pristine
** copy; nil where there are none. */
static void push_changes(lua_State *L, int pristine, const char *name) {
  int table = lua_gettop(L), found = 0;
  lua_getfield(L, pristine, name);
  if (lua_isnil(L, -1)) lua_newtable(L);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_rawget(L, table + 1);
    int same = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    if (same) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, table + 2);
    found = 1;
  }
  if (!found) lua_pushnil(L);
  lua_replace(L, table);
  lua_settop(L, table);
}

/* Pushes what the script has changed in these libraries: name -> field -> value, or nil. */
static void push_patches(lua_State *L, int pristine, moons__libraries libraries) {
  lua_pushnil(L);
  int patches = lua_gettop(L);
  const char *name;
  for (unsigned i = 0; (name = patched_name(i, libraries)) != NULL; i++) {
    if (*name == '\0' || !push_library(L, name)) continue;
    push_changes(L, pristine, name);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      continue;
    }
    if (lua_isnil(L, patches)) {
      lua_newtable(L);
      lua_replace(L, patches);
    }
    lua_setfield(L, patches, name);
  }
}

/* Pushes package.path and package.cpath, or nils. */
static void push_paths(lua_State *L, int wanted) {
  lua_pushnil(L);
  lua_pushnil(L);
  if (!wanted || !push_library(L, LUA_LOADLIBNAME)) return;
  lua_getfield(L, -1, "path");
  lua_replace(L, -4);
  lua_getfield(L, -1, "cpath");
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* Pushes the functions of package.preload that are in Lua: name -> function; nil for none. */
static void push_preload(lua_State *L, int wanted) {
  lua_pushnil(L);
  int result = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (!wanted || !lua_istable(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  for (lua_pushnil(L); lua_next(L, result + 1); lua_pop(L, 1)) {
    if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1)) continue;
    if (lua_isnil(L, result)) {
      lua_newtable(L);
      lua_replace(L, result);
    }
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, result);
  }
  lua_pop(L, 1);
}

/* Appends the `n_values` on top, which it pops, as a message after its length. */
static void put_message(moons__encoder *e, int n_values, const char *what) {
  uint64_t n_bytes = 0;
  size_t length_at = e->out->n_bytes;
  int error = moons__buffer_append(e->out, &n_bytes, sizeof n_bytes);
  if (error) luaL_error(e->L, "%s", moons_error_text(error));
  int first = lua_gettop(e->L) - n_values + 1;
  moons__encode(e, first, n_values, what);
  n_bytes = e->out->n_bytes - length_at - sizeof n_bytes;
  memcpy(e->out->bytes + length_at, &n_bytes, sizeof n_bytes);
  lua_settop(e->L, first - 1);
}

/* A changed field may hold anything, so where there is one, all libraries go along, with all that
** was changed in them. */
static void put_patches(moons__encoder *e, int pristine) {
  push_patches(e->L, pristine, e->needs);
  if (!lua_isnil(e->L, -1)) {
    lua_pop(e->L, 1);
    e->needs |= MOONS__LIBRARIES_ALL;
    push_patches(e->L, pristine, e->needs);
  }
  put_message(e, 1, "changed library");
}

void moons__setup_encode(moons__encoder *e, int pristine, int function, int init) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  size_t start = e->out->n_bytes;
  e->needs |= MOONS__LIBRARIES_LEAST;
  int error = moons__buffer_append(e->out, &e->needs, sizeof e->needs);
  if (error) luaL_error(L, "%s", moons_error_text(error));
  lua_pushvalue(L, function);
  lua_pushvalue(L, init);
  put_message(e, 2, NULL);
  put_patches(e, pristine);
  push_preload(L, (e->needs & MOONS__LIBRARIES_PACKAGE) != 0);
  put_message(e, 1, "package.preload");
  push_paths(L, (e->needs & MOONS__LIBRARIES_PACKAGE) != 0);
  put_message(e, 2, "package path");
  memcpy(e->out->bytes + start, &e->needs, sizeof e->needs);
}

/* Applying. */

typedef struct message {
  const char *bytes;
  size_t n_bytes;
} message;

moons__libraries moons__setup_libraries(const void *bytes, size_t n_bytes) {
  moons__libraries libraries = 0;
  if (n_bytes >= sizeof libraries) memcpy(&libraries, bytes, sizeof libraries);
  return libraries;
}

static void find_messages(lua_State *L, const char *bytes, size_t n_bytes, message found[]) {
  const char *at = bytes + sizeof(moons__libraries), *end = bytes + n_bytes;
  for (int i = 0; i < N_MESSAGES; i++) {
    uint64_t length;
    if (end - at < (ptrdiff_t)sizeof length) luaL_error(L, "malformed bytes: no set-up");
    memcpy(&length, at, sizeof length);
    at += sizeof length;
    if (length > (uint64_t)(end - at)) luaL_error(L, "malformed bytes: no set-up");
    found[i] = (message){at, (size_t)length};
    at += length;
  }
}

/* Sets the fields of the table on top in the table below it, and pops both. */
static void set_fields(lua_State *L) {
  int fields = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, fields);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, fields - 1);
  }
  lua_settop(L, fields - 2);
}

static void apply_paths(moons__decoder *d, message m) {
  lua_State *L = d->L;
  int top = lua_gettop(L);
  moons__decode(d, m.bytes, m.n_bytes);
  if (lua_isstring(L, top + 1) && push_library(L, LUA_LOADLIBNAME)) {
    lua_pushvalue(L, top + 1);
    lua_setfield(L, -2, "path");
    lua_pushvalue(L, top + 2);
    lua_setfield(L, -2, "cpath");
  }
  lua_settop(L, top);
}

static void apply_preload(moons__decoder *d, message m) {
  lua_State *L = d->L;
  int top = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  moons__decode(d, m.bytes, m.n_bytes);
  if (lua_istable(L, -1)) set_fields(L);
  lua_settop(L, top);
}

static void apply_patches(moons__decoder *d, message m) {
  lua_State *L = d->L;
  int top = lua_gettop(L);
  moons__decode(d, m.bytes, m.n_bytes);
  if (lua_istable(L, top + 1))
    for (lua_pushnil(L); lua_next(L, top + 1); lua_settop(L, top + 2)) {
      if (!push_library(L, lua_tostring(L, top + 2))) continue;
      lua_insert(L, -2);
      set_fields(L);
    }
  lua_settop(L, top);
}

void moons__setup_apply(moons__decoder *d, const void *bytes, size_t n_bytes) {
  message found[N_MESSAGES];
  find_messages(d->L, bytes, n_bytes, found);
  apply_paths(d, found[3]);
  apply_preload(d, found[2]);
  apply_patches(d, found[1]);
  moons__decode(d, found[0].bytes, found[0].n_bytes);
}
