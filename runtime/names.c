/*
** A path is the module's name and then a key for each step down: each is a tag ('s' a string, 'i' an
** integer), for strings a length, and the bytes. Modules are walked breadth first, so that the
** shortest path wins; of the globals only functions in C are told, for the rest is the script's.
*/
#include "names.h"

#include <lauxlib.h>
#include <string.h>

#include "moons.h"
#include "stdlib.h"

enum { STRING_KEY = 's', INTEGER_KEY = 'i' };

void moons__names_free(moons__names *names) {
  moons__ptrmap_free(&names->known);
  moons__buffer_free(&names->paths);
  *names = (moons__names){0};
}

/* Paths in bytes: a length, then the steps. */

static void check(lua_State *L, int error) {
  if (error) luaL_error(L, "%s", moons_error_text(error));
}

/* Appends the key at `index` to the path being built; returns 0 for keys that paths cannot hold. */
static int append_key(moons__names *names, lua_State *L, int index) {
  moons__buffer *paths = &names->paths;
  if (lua_type(L, index) == LUA_TSTRING) {
    size_t n_bytes;
    const char *bytes = lua_tolstring(L, index, &n_bytes);
    char tag = STRING_KEY;
    check(L, moons__buffer_append(paths, &tag, 1));
    check(L, moons__buffer_append(paths, &n_bytes, sizeof n_bytes));
    check(L, moons__buffer_append(paths, bytes, n_bytes));
    return 1;
  }
  if (lua_isinteger(L, index)) {
    lua_Integer key = lua_tointeger(L, index);
    char tag = INTEGER_KEY;
    check(L, moons__buffer_append(paths, &tag, 1));
    check(L, moons__buffer_append(paths, &key, sizeof key));
    return 1;
  }
  return 0;
}

static size_t path_length(const moons__names *names, size_t at) {
  size_t n_bytes;
  memcpy(&n_bytes, names->paths.bytes + at, sizeof n_bytes);
  return n_bytes;
}

/* Builds the path of `parent` (its place, or 0 for none) and the key at `index`; 0: no such path. */
static size_t add_path(moons__names *names, lua_State *L, size_t parent, int index) {
  moons__buffer *paths = &names->paths;
  size_t at = paths->n_bytes, n_bytes = 0;
  check(L, moons__buffer_append(paths, &n_bytes, sizeof n_bytes));
  if (parent > 0) {
    size_t n_parent = path_length(names, parent);
    check(L, moons__buffer_reserve(paths, n_parent));
    memcpy(paths->bytes + paths->n_bytes, paths->bytes + parent + sizeof n_parent, n_parent);
    paths->n_bytes += n_parent;
  }
  if (!append_key(names, L, index)) {
    paths->n_bytes = at;
    return 0;
  }
  n_bytes = paths->n_bytes - at - sizeof n_bytes;
  memcpy(paths->bytes + at, &n_bytes, sizeof n_bytes);
  return at;
}

/* Looking. */

static int is_object(lua_State *L, int index) {
  int type = lua_type(L, index);
  return type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA ||
         type == LUA_TLIGHTUSERDATA;
}

/* The address that stands for an object; a light userdata may be NULL (cjson.null is). */
static const void *address_of(lua_State *L, int index) {
  static const char null_userdata = 0;
  const void *address = lua_topointer(L, index);
  return address != NULL ? address : &null_userdata;
}

static int is_known(const moons__names *names, const void *object) {
  return moons__ptrmap_get(&names->known, object) != MOONS__PTRMAP_NONE;
}

/* Notes what the table on top holds, and puts tables in it at the end of the list below it. */
static void look_into(moons__names *names, lua_State *L, int list, size_t path, int only_c) {
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    const void *object = address_of(L, -1);
    if (!is_object(L, -1) || is_known(names, object)) continue;
    if (only_c && !lua_iscfunction(L, -1)) continue;
    size_t child = add_path(names, L, path, table + 1);
    if (child == 0) continue;
    check(L, moons__ptrmap_put(&names->known, object, child));
    if (!lua_istable(L, -1)) continue;
    lua_pushvalue(L, -1);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
  }
}

static int is_globals(lua_State *L, int index) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  int same = lua_rawequal(L, -1, index < 0 ? index - 1 : index);
  lua_pop(L, 1);
  return same;
}

/* Walks tables from the list until none is left. */
static void look_deeper(moons__names *names, lua_State *L, int list) {
  for (lua_Integer i = 1; lua_rawgeti(L, list, i) == LUA_TTABLE; i++) {
    size_t path = (size_t)moons__ptrmap_get(&names->known, lua_topointer(L, -1));
    int at_module = is_globals(L, -1);
    luaL_checkstack(L, 8, NULL);
    look_into(names, L, list, path, at_module);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void push_loaded(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
}

static void look(moons__names *names, lua_State *L) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 10, NULL);
  moons__ptrmap_clear(&names->known);
  names->paths.n_bytes = 0;
  check(L, moons__buffer_append(&names->paths, "", 1)); /* no path begins at 0 */
  lua_newtable(L);
  push_loaded(L);
  look_into(names, L, top + 1, 0, 0);
  lua_pop(L, 1);
  look_deeper(names, L, top + 1);
  lua_settop(L, top);
}

void moons__names_refresh(moons__names *names, lua_State *L) {
  size_t n_modules = 0, fingerprint = 0;
  luaL_checkstack(L, 4, NULL);
  push_loaded(L);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    n_modules++;
    fingerprint += (size_t)lua_topointer(L, -1) * 31 + (size_t)lua_topointer(L, -2);
  }
  lua_pop(L, 1);
  if (n_modules == names->n_modules && fingerprint == names->fingerprint) return;
  names->n_modules = n_modules;
  names->fingerprint = fingerprint;
  look(names, L);
}

/* Following paths. */

typedef struct steps {
  const char *at, *end;
} steps;

/* Pushes the next key; returns 0 at the end, and at bytes that are no path. */
static int push_key(lua_State *L, steps *s) {
  if (s->at >= s->end) return 0;
  char tag = *s->at++;
  size_t left = (size_t)(s->end - s->at);
  if (tag == STRING_KEY && left >= sizeof(size_t)) {
    size_t n_bytes;
    memcpy(&n_bytes, s->at, sizeof n_bytes);
    if (n_bytes > left - sizeof n_bytes) return 0;
    lua_pushlstring(L, s->at + sizeof n_bytes, n_bytes);
    s->at += sizeof n_bytes + n_bytes;
    return 1;
  }
  if (tag == INTEGER_KEY && left >= sizeof(lua_Integer)) {
    lua_Integer key;
    memcpy(&key, s->at, sizeof key);
    lua_pushinteger(L, key);
    s->at += sizeof key;
    return 1;
  }
  return 0;
}

/* Whether the path leads to the value at `index` still. */
static int leads_to(lua_State *L, const char *path, size_t n_bytes, int index) {
  int top = lua_gettop(L);
  steps s = {path, path + n_bytes};
  luaL_checkstack(L, 4, NULL);
  push_loaded(L);
  while (lua_istable(L, -1) && push_key(L, &s)) {
    lua_rawget(L, -2);
    lua_remove(L, -2);
  }
  int same = s.at == s.end && lua_rawequal(L, -1, index);
  lua_settop(L, top);
  return same;
}

static const char *find_known(moons__names *names, lua_State *L, int index, size_t *n_bytes) {
  uint64_t at = moons__ptrmap_get(&names->known, address_of(L, index));
  if (at == MOONS__PTRMAP_NONE) return NULL;
  *n_bytes = path_length(names, (size_t)at);
  const char *path = names->paths.bytes + at + sizeof *n_bytes;
  return leads_to(L, path, *n_bytes, index) ? path : NULL;
}

const char *moons__names_find(moons__names *names, lua_State *L, int index, size_t *n_bytes) {
  if (!is_object(L, index)) return NULL;
  index = lua_absindex(L, index);
  const char *path = find_known(names, L, index, n_bytes);
  if (path != NULL || !lua_iscfunction(L, index)) return path;
  look(names, L); /* a module may have gained it since */
  return find_known(names, L, index, n_bytes);
}

/* `path` as a person writes it: json.encode, t[3]. */
static void push_text(lua_State *L, const char *path, size_t n_bytes) {
  steps s = {path, path + n_bytes};
  luaL_Buffer text;
  lua_pushnil(L); /* room for keys below the buffer */
  int key = lua_gettop(L), first = 1;
  luaL_buffinit(L, &text);
  while (push_key(L, &s)) {
    lua_replace(L, key);
    int is_integer = lua_isinteger(L, key);
    if (!first) luaL_addstring(&text, is_integer ? "[" : ".");
    lua_pushvalue(L, key);
    luaL_addvalue(&text);
    if (is_integer) luaL_addstring(&text, "]");
    first = 0;
  }
  luaL_pushresult(&text);
  lua_remove(L, key);
}

/* Pushes package.loaded[name], requiring the module where it is not there. The name is on top. */
static void push_module(lua_State *L, int may_require) {
  int name = lua_gettop(L);
  push_loaded(L);
  lua_pushvalue(L, name);
  if (lua_rawget(L, -2) != LUA_TNIL) {
    lua_replace(L, name);
    lua_settop(L, name);
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushliteral(L, "require");
  if (lua_rawget(L, -2) != LUA_TFUNCTION || !may_require)
    luaL_error(L, "module '%s' is not loaded and cannot be required", lua_tostring(L, name));
  lua_pushvalue(L, name);
  lua_call(L, 1, 1);
  lua_replace(L, name);
  lua_settop(L, name);
}

void moons__names_push(lua_State *L, const char *path, size_t n_bytes, int may_require) {
  steps s = {path, path + n_bytes};
  luaL_checkstack(L, 12, NULL);
  if (!push_key(L, &s)) luaL_error(L, "malformed bytes: no path");
  if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "malformed bytes: no module name");
  push_module(L, may_require);
  while (s.at < s.end) {
    if (!push_key(L, &s)) luaL_error(L, "malformed bytes: no path");
    if (lua_istable(L, -2))
      lua_rawget(L, -2);
    else
      lua_pushnil(L);
    lua_remove(L, -2);
    if (!lua_isnil(L, -1)) continue;
    push_text(L, path, n_bytes);
    luaL_error(L, "'%s' is not there on this side", lua_tostring(L, -1));
  }
}

/* The next key where it is a string. */
static const char *take_string(steps *s, size_t *n_bytes) {
  if ((size_t)(s->end - s->at) < 1 + sizeof *n_bytes || *s->at != STRING_KEY) return NULL;
  memcpy(n_bytes, s->at + 1, sizeof *n_bytes);
  const char *bytes = s->at + 1 + sizeof *n_bytes;
  s->at = bytes + *n_bytes;
  return bytes;
}

const char *moons__names_global(const char *path, size_t n_bytes, size_t *n_name_bytes) {
  static const char *const LIBRARIES[] = {"string",    "table", "utf8", "math", LUA_GNAME,
                                          "coroutine", "os",    "io",   "debug", "package"};
  steps s = {path, path + n_bytes};
  const char *module = take_string(&s, n_name_bytes);
  for (size_t i = 0; module != NULL && i < sizeof LIBRARIES / sizeof LIBRARIES[0]; i++) {
    if (strlen(LIBRARIES[i]) != *n_name_bytes) continue;
    if (memcmp(module, LIBRARIES[i], *n_name_bytes) != 0) continue;
    if (strcmp(LIBRARIES[i], LUA_GNAME) == 0 && s.at < s.end) return take_string(&s, n_name_bytes);
    return module;
  }
  return NULL;
}

int moons__names_is_parallel(const char *path, size_t n_bytes) {
  steps s = {path, path + n_bytes};
  size_t length;
  const char *module = take_string(&s, &length);
  static const char NAME[] = "parallel";
  size_t n = sizeof NAME - 1;
  return module != NULL && length >= n && memcmp(module, NAME, n) == 0 &&
         (length == n || module[n] == '.');
}
