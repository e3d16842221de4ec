#include "setup.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "pristine.h"
#include "raise.h"

enum { N_MESSAGES = 4 };

/* Encoding. */

/* The fields of what is said of a changed table. */
static const char SET[] = "set", REMOVED[] = "removed";

/* Puts into the table on top the fields of `table` that are not the same in `before`. */
static int put_set(lua_State *L, int table, int before) {
  int changes = lua_gettop(L), found = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_rawget(L, before);
    int same = moons__pristine_is_same(L, -1, -2);
    lua_pop(L, 1);
    if (same) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, changes);
    found = 1;
  }
  return found;
}

/* Appends to the list on top the keys of `before` that `table` has no more. */
static int put_removed(lua_State *L, int table, int before) {
  int list = lua_gettop(L);
  lua_Integer n = 0;
  for (lua_pushnil(L); lua_next(L, before); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    int is_there = lua_rawget(L, table) != LUA_TNIL;
    lua_pop(L, 1);
    if (is_there) continue;
    lua_pushvalue(L, -2);
    lua_rawseti(L, list, ++n);
  }
  return n > 0;
}

/* Pushes what is different between the table on top, which it pops, and what was noted of it; nil
** where nothing is. */
static void push_changes(lua_State *L, const char *name) {
  int table = lua_gettop(L), before = table + 1, changes = table + 2;
  if (!moons__pristine_push_library(L, name)) lua_newtable(L);
  lua_newtable(L);
  lua_newtable(L);
  int found = put_set(L, table, before);
  lua_setfield(L, changes, SET);
  lua_newtable(L);
  found |= put_removed(L, table, before);
  lua_setfield(L, changes, REMOVED);
  if (!found) lua_pushnil(L);
  lua_replace(L, table);
  lua_settop(L, table);
}

/* Whether the fields of a table may travel as changes: the paths of `package` go by themselves. */
static int may_change(moons__libraries bits, moons__libraries libraries) {
  return bits != MOONS__LIBRARIES_PACKAGE && (bits & libraries) != 0;
}

/* Pushes what the script has changed in these libraries: name -> field -> value, or nil. */
static void push_patches(lua_State *L, moons__libraries libraries) {
  lua_pushnil(L);
  int patches = lua_gettop(L);
  const char *name;
  moons__libraries bits;
  for (unsigned n = 0; (name = moons__pristine_table(n, &bits)) != NULL; n++) {
    if (!may_change(bits, libraries) || !moons__pristine_may_have_changed(L, n, name)) continue;
    moons__pristine_push_present(L, name);
    push_changes(L, name);
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
  if (!wanted || !moons__pristine_push_present(L, LUA_LOADLIBNAME)) return;
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
  moons__check(e->L, moons__buffer_append(e->out, &n_bytes, sizeof n_bytes));
  int first = lua_gettop(e->L) - n_values + 1;
  moons__encode(e, first, n_values, what);
  n_bytes = e->out->n_bytes - length_at - sizeof n_bytes;
  memcpy(e->out->bytes + length_at, &n_bytes, sizeof n_bytes);
  lua_settop(e->L, first - 1);
}

/* A changed field may hold anything, so where there is one, all libraries go along, with all that
** was changed in them. */
static void put_patches(moons__encoder *e) {
  push_patches(e->L, e->needs);
  if (!lua_isnil(e->L, -1)) {
    lua_pop(e->L, 1);
    e->needs |= MOONS__LIBRARIES_ALL;
    e->changes_standard = 1;
    push_patches(e->L, e->needs);
  }
  put_message(e, 1, "changed library");
}

typedef struct header {
  moons__libraries libraries;
  uint32_t changes_standard; /* take note of what is there before it is changed */
} header;

void moons__setup_encode(moons__encoder *e, int function, int init) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  size_t start = e->out->n_bytes;
  header h = {0};
  e->changes_standard = 0;
  moons__check(L, moons__buffer_append(e->out, &h, sizeof h));
  lua_pushvalue(L, function);
  lua_pushvalue(L, init);
  put_message(e, 2, NULL);
  put_patches(e);
  push_preload(L, (e->needs & MOONS__LIBRARIES_PACKAGE) != 0);
  put_message(e, 1, "package.preload");
  push_paths(L, (e->needs & MOONS__LIBRARIES_PACKAGE) != 0);
  put_message(e, 2, "package path");
  h = (header){e->needs, (uint32_t)e->changes_standard};
  memcpy(e->out->bytes + start, &h, sizeof h);
}

int moons__setup_covers(lua_State *L, moons__libraries libraries) {
  const char *name;
  moons__libraries bits;
  if (libraries & MOONS__LIBRARIES_PACKAGE) return 0;
  for (unsigned n = 0; (name = moons__pristine_table(n, &bits)) != NULL; n++)
    if (may_change(bits, libraries) && moons__pristine_may_have_changed(L, n, name)) return 0;
  return 1;
}

/* Applying. */

typedef struct message {
  const char *bytes;
  size_t n_bytes;
} message;

static header header_of(const void *bytes, size_t n_bytes) {
  header h = {0};
  if (n_bytes >= sizeof h) memcpy(&h, bytes, sizeof h);
  return h;
}

moons__libraries moons__setup_libraries(const void *bytes, size_t n_bytes) {
  return header_of(bytes, n_bytes).libraries;
}

static void find_messages(lua_State *L, const char *bytes, size_t n_bytes, message found[]) {
  const char *at = bytes + sizeof(header), *end = bytes + n_bytes;
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
  if (lua_isstring(L, top + 1) && moons__pristine_push_present(L, LUA_LOADLIBNAME)) {
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

/* Takes the keys in the list on top, which it pops, out of the table below it. */
static void remove_fields(lua_State *L) {
  int list = lua_gettop(L);
  for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
    lua_pushnil(L);
    lua_rawset(L, list - 1);
  }
  lua_settop(L, list - 1);
}

static void apply_patches(moons__decoder *d, message m) {
  lua_State *L = d->L;
  int patches = lua_gettop(L) + 1, name = patches + 1, changes = patches + 2;
  moons__decode(d, m.bytes, m.n_bytes);
  if (lua_istable(L, patches))
    for (lua_pushnil(L); lua_next(L, patches); lua_settop(L, name)) {
      if (!moons__pristine_push_present(L, lua_tostring(L, name))) continue;
      lua_getfield(L, changes, REMOVED);
      remove_fields(L);
      lua_getfield(L, changes, SET);
      set_fields(L);
    }
  lua_settop(L, patches - 1);
}

void moons__setup_apply(moons__decoder *d, const void *bytes, size_t n_bytes) {
  message found[N_MESSAGES];
  if (header_of(bytes, n_bytes).changes_standard) moons__pristine_note(d->L, 0);
  find_messages(d->L, bytes, n_bytes, found);
  apply_paths(d, found[3]);
  apply_preload(d, found[2]);
  apply_patches(d, found[1]);
  moons__decode(d, found[0].bytes, found[0].n_bytes);
}
