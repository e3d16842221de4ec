/*
** A path is the module's name and then a key for each step down: each is a tag ('s' a string, 'i' an
** integer), for strings a length, and the bytes. Modules are walked breadth first, so that the
** shortest path wins.
*/
#include "names.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "pristine.h"
#include "raise.h"
#include "stdlib.h"

enum { STRING_KEY = 's', INTEGER_KEY = 'i' };

void moons__names_free(moons__names *names) {
  moons__ptrmap_free(&names->known);
  moons__buffer_free(&names->paths);
  *names = (moons__names){0};
}

/* Paths in bytes: a length, then the steps. */

/* Appends the key at `index` to the path being built; returns 0 for keys that paths cannot hold. */
static int append_key(moons__names *names, lua_State *L, int index) {
  moons__buffer *paths = &names->paths;
  if (lua_type(L, index) == LUA_TSTRING) {
    size_t n_bytes;
    const char *bytes = lua_tolstring(L, index, &n_bytes);
    char tag = STRING_KEY;
    moons__check(L, moons__buffer_append(paths, &tag, 1));
    moons__check(L, moons__buffer_append(paths, &n_bytes, sizeof n_bytes));
    moons__check(L, moons__buffer_append(paths, bytes, n_bytes));
    return 1;
  }
  if (lua_isinteger(L, index)) {
    lua_Integer key = lua_tointeger(L, index);
    char tag = INTEGER_KEY;
    moons__check(L, moons__buffer_append(paths, &tag, 1));
    moons__check(L, moons__buffer_append(paths, &key, sizeof key));
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
  moons__check(L, moons__buffer_append(paths, &n_bytes, sizeof n_bytes));
  if (parent > 0) {
    size_t n_parent = path_length(names, parent);
    moons__check(L, moons__buffer_reserve(paths, n_parent));
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

static void widen(moons__names *names, const char *object) {
  if (names->first == NULL || object < names->first) names->first = object;
  if (object > names->last) names->last = object;
}

/* Notes the value on top under a key of a path, where it is not known yet; returns its path, or 0. */
static size_t note(moons__names *names, lua_State *L, size_t path, int key) {
  const void *object = address_of(L, -1);
  if (!is_object(L, -1) || is_known(names, object)) return 0;
  size_t child = add_path(names, L, path, key);
  if (child == 0) return 0;
  moons__check(L, moons__ptrmap_put(&names->known, object, child));
  if (!lua_iscfunction(L, -1) && !lua_islightuserdata(L, -1)) widen(names, object);
  return child;
}

/* Notes what the table on top holds, and puts tables in it at the end of the list. */
static void look_into(moons__names *names, lua_State *L, int list, size_t path) {
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (note(names, L, path, table + 1) == 0 || !lua_istable(L, -1)) continue;
    lua_pushvalue(L, -1);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
  }
}

/* Notes what a standard library, or the table of globals, had before the script changed it: what is
** in C there, and the tables of `package`. All else in it is the script's. */
static void look_into_standard(moons__names *names, lua_State *L, const char *name, size_t path) {
  int is_package = strcmp(name, LUA_LOADLIBNAME) == 0;
  if (!moons__pristine_push_library(L, name) && !moons__pristine_push_present(L, name)) return;
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    int is_own = lua_iscfunction(L, -1) || lua_isuserdata(L, -1);
    if (is_own || (is_package && lua_istable(L, -1))) note(names, L, path, table + 1);
  }
  lua_pop(L, 1);
}

/* The name of the standard library whose key in package.loaded is at `index`, or NULL. */
static const char *standard_name(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TSTRING) return NULL;
  return moons__stdlib_find(lua_tostring(L, index));
}

static void push_loaded(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
}

/* Notes the loaded modules; those that are not standard go to the list. */
static void look_at_modules(moons__names *names, lua_State *L, int list) {
  push_loaded(L);
  int loaded = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, loaded); lua_pop(L, 1)) {
    const char *standard = standard_name(L, loaded + 1);
    size_t path = note(names, L, 0, loaded + 1);
    if (path == 0) continue;
    if (standard != NULL) {
      look_into_standard(names, L, standard, path);
    } else if (lua_istable(L, -1)) {
      lua_pushvalue(L, -1);
      lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
    }
  }
  lua_pop(L, 1);
}

/* Walks tables from the list until none is left. */
static void look_deeper(moons__names *names, lua_State *L, int list) {
  for (lua_Integer i = 1; lua_rawgeti(L, list, i) == LUA_TTABLE; i++) {
    luaL_checkstack(L, 8, NULL);
    look_into(names, L, list, (size_t)moons__ptrmap_get(&names->known, lua_topointer(L, -1)));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void look(moons__names *names, lua_State *L) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 16, NULL);
  moons__ptrmap_clear(&names->known);
  names->first = names->last = NULL;
  names->paths.n_bytes = 0;
  moons__check(L, moons__buffer_append(&names->paths, "", 1)); /* no path begins at 0 */
  lua_newtable(L);
  look_at_modules(names, L, top + 1);
  look_deeper(names, L, top + 1);
  lua_settop(L, top);
}

/* Looks again where other modules are loaded than last time. */
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
  look(names, L);
  names->n_modules = n_modules;
  names->fingerprint = fingerprint;
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

/* Pushes the field with the key on top, which it pops, of the table below it, which it replaces: of a
** standard library as it was before the script changed it, where that was noted. */
static void step_down(lua_State *L, const char *standard) {
  int table = lua_gettop(L) - 1;
  if (standard != NULL && moons__pristine_push_library(L, standard)) {
    lua_pushvalue(L, table + 1);
    if (lua_rawget(L, -2) != LUA_TNIL) {
      lua_replace(L, table);
      lua_settop(L, table);
      return;
    }
    lua_settop(L, table + 1);
  }
  lua_rawget(L, table);
  lua_replace(L, table);
}

/* Whether the path leads to the value at `index` still. */
static int leads_to(lua_State *L, const char *path, size_t n_bytes, int index) {
  int top = lua_gettop(L);
  steps s = {path, path + n_bytes};
  const char *standard = NULL;
  luaL_checkstack(L, 8, NULL);
  push_loaded(L);
  for (int n = 0; lua_istable(L, -1) && push_key(L, &s); n++) {
    const char *next = n == 0 ? standard_name(L, -1) : NULL;
    step_down(L, standard);
    standard = next;
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
  const char *standard = standard_name(L, -1);
  push_module(L, may_require);
  for (; s.at < s.end; standard = NULL) {
    if (!push_key(L, &s)) luaL_error(L, "malformed bytes: no path");
    if (lua_istable(L, -2)) {
      step_down(L, standard);
    } else {
      lua_pop(L, 2);
      lua_pushnil(L);
    }
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
  steps s = {path, path + n_bytes};
  const char *module = take_string(&s, n_name_bytes);
  if (module == NULL || !moons__stdlib_of_global(module, *n_name_bytes)) return NULL;
  int is_globals =
      *n_name_bytes == strlen(LUA_GNAME) && memcmp(module, LUA_GNAME, *n_name_bytes) == 0;
  return is_globals && s.at < s.end ? take_string(&s, n_name_bytes) : module;
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
