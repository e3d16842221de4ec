/*
** A path is a string: the module's name and then a key for each step down, with a zero byte between. First come
** the standard libraries, then those in C, so that what others hold of them too keeps their names; then modules are
** walked breadth first, so that the shortest path wins. Lists are not walked: they hold data, which travels by
** value. Looking takes time in proportion to what the modules hold, so it is done again only where others are loaded; a module
** may change meanwhile, so each path is followed before it is used.
*/
#include "wire/names.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <string.h>

#include "state/fields.h"
#include "state/libraries.h"
#include "state/pristine.h"
#include "wire/raise.h"

/* Keys in the registry: tables of modules, by name. */
static const char HOST[] = "moons.modules of the host";
static const char RECEIVED[] = "moons.modules received";
static const char BY_NAME[] = "moons.modules by name";

void moons__names_use(moons__names *names, const void *beside) {
  names->known.beside = names->paths.beside = names->modules.beside = beside;
}

void moons__names_free(moons__names *names) {
  moons__ptrmap_free(&names->known);
  moons__buffer_free(&names->paths);
  moons__buffer_free(&names->modules);
  const void *beside = names->paths.beside;
  *names = (moons__names){0};
  moons__names_use(names, beside);
}

size_t moons__names_bytes(const moons__names *names) {
  return names->known.capacity * sizeof names->known.entries[0] + names->paths.capacity +
         names->modules.capacity;
}

/* Paths lie one after the other in `paths`: this, the path, a zero byte. They are known by their offset, for the bytes move as
** they grow. */
typedef struct path_head {
  size_t n_bytes;
  size_t module; /* its number */
} path_head;

static path_head head_of(const moons__names *names, size_t at) {
  path_head head;
  memcpy(&head, names->paths.bytes + at, sizeof head);
  return head;
}

static const char *path_at(const moons__names *names, size_t at) {
  return names->paths.bytes + at + sizeof(path_head);
}

/* Adds the path of `parent` (its place, or 0 for none) and the key at `index`. Returns its place; 0 for keys that paths cannot
** hold: those that are no strings, or have a zero byte. */
static size_t add_path(moons__names *names, lua_State *L, size_t parent, size_t module, int index) {
  moons__buffer *paths = &names->paths;
  size_t at = paths->n_bytes, n_key, n_parent = 0;
  const char *key = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &n_key) : NULL;
  if (key == NULL || strlen(key) != n_key) return 0;
  if (parent > 0) n_parent = head_of(names, parent).n_bytes + 1;
  path_head head = {n_parent + n_key, module};
  size_t n_bytes = sizeof head + head.n_bytes + 1;
  moons__check(L, moons__buffer_reserve(paths, n_bytes));
  memcpy(paths->bytes + at, &head, sizeof head);
  if (parent > 0) memcpy(paths->bytes + at + sizeof head, path_at(names, parent), n_parent);
  memcpy(paths->bytes + at + sizeof head + n_parent, key, n_key + 1);
  paths->n_bytes += n_bytes;
  return at;
}

moons__module *moons__names_module(const moons__names *names, size_t n) {
  moons__module *modules = (void *)names->modules.bytes;
  return n < names->modules.n_bytes / sizeof modules[0] ? &modules[n] : NULL;
}

static size_t n_modules(const moons__names *names) {
  return names->modules.n_bytes / sizeof(moons__module);
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

/* The range of all known addresses makes moons__names_may_know two comparisons. C functions and light userdata lie
** elsewhere, and would make it too wide. */
static void widen(moons__names *names, const char *object) {
  if (names->first == NULL || object < names->first) names->first = object;
  if (object > names->last) names->last = object;
}

/* Notes the value on top as that of a path. */
static void know(moons__names *names, lua_State *L, size_t path) {
  const void *object = address_of(L, -1);
  moons__check(L, moons__ptrmap_put(&names->known, object, path));
  if (!lua_iscfunction(L, -1) && !lua_islightuserdata(L, -1)) widen(names, object);
}

/* Notes the value on top under a key of a path, where it is not known yet; returns its path, or 0. */
static size_t note(moons__names *names, lua_State *L, size_t path, int key) {
  if (!is_object(L, -1) || is_known(names, address_of(L, -1))) return 0;
  size_t child = add_path(names, L, path, head_of(names, path).module, key);
  if (child != 0) know(names, L, child);
  return child;
}

/* Appends the value on top to the list. */
static void list_add(lua_State *L, int list) {
  lua_pushvalue(L, -1);
  lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

/* Notes what the table on top holds, and puts tables in it at the end of the list. */
static void look_into(moons__names *names, lua_State *L, int list, size_t path) {
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    if (note(names, L, path, table + 1) != 0 && lua_istable(L, -1)) list_add(L, list);
}

/* The metatable that a standard library has made for its values counts as a field of it, under a name that no field has;
** NULL where it has none. */
static const char *metatable_key(const char *library) {
  if (strcmp(library, LUA_IOLIBNAME) == 0) return MOONS__FILE_METATABLE;
  return strcmp(library, LUA_STRLIBNAME) == 0 ? MOONS__STRING_METATABLE : NULL;
}

/* Notes it; what that of files holds is walked. */
static void look_at_metatable(moons__names *names, lua_State *L, const char *library, size_t path,
                              int list) {
  int top = lua_gettop(L);
  const char *key = lua_pushstring(L, metatable_key(library));
  if (key != NULL && moons__pristine_push_present(L, key) && note(names, L, path, top + 1) != 0 &&
      strcmp(key, MOONS__FILE_METATABLE) == 0)
    list_add(L, list);
  lua_settop(L, top);
}

/* The name of the standard library whose key in package.loaded is at `index`, or NULL. */
static const char *standard_name(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TSTRING) return NULL;
  return moons__libraries_find(lua_tostring(L, index));
}

/* Notes what a standard library, or the table of globals, had before the script changed it: what is in C there, and the tables
** of `package`. Tables that the host has given its states as globals are walked. All else in it is the script's. */
static void look_into_standard(moons__names *names, lua_State *L, const char *name, size_t path,
                               int list) {
  int is_package = strcmp(name, LUA_LOADLIBNAME) == 0;
  int has_note = moons__pristine_push_library(L, name);
  int may_be_hosts = has_note && strcmp(name, LUA_GNAME) == 0;
  if (!has_note && !moons__pristine_push_present(L, name)) return;
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    int is_own =
        lua_iscfunction(L, -1) || lua_isuserdata(L, -1) || (is_package && lua_istable(L, -1));
    int is_hosts = may_be_hosts && lua_istable(L, -1) && standard_name(L, table + 1) == NULL;
    if ((is_own || is_hosts) && note(names, L, path, table + 1) != 0 && is_hosts) list_add(L, list);
  }
  lua_pop(L, 1);
}

/* Pushes package.loaded; a new table where there is none. */
static void push_loaded(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
}

/* Whether the module whose name is at `key`, and which is on top, is noted in this table of the registry. */
static int is_noted(lua_State *L, const char *which, int key) {
  int top = lua_gettop(L), is_same = 0;
  if (lua_getfield(L, LUA_REGISTRYINDEX, which) == LUA_TTABLE) {
    lua_pushvalue(L, key);
    lua_rawget(L, -2);
    is_same = lua_rawequal(L, -1, top);
  }
  lua_settop(L, top);
  return is_same;
}

/* Whether a module counts as written in C: more of its fields are functions in C that nobody else holds than functions in Lua.
** A module in Lua may pass on some of another library's. */
static int is_library(const moons__names *names, lua_State *L) {
  int table = lua_gettop(L), surplus = 0;
  if (!lua_istable(L, table)) return lua_iscfunction(L, table);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (!lua_isfunction(L, -1)) continue;
    int is_own = lua_iscfunction(L, -1) && !is_known(names, lua_topointer(L, -1));
    surplus += is_own ? 1 : lua_iscfunction(L, -1) ? 0 : -1;
  }
  return surplus > 0;
}

int moons__names_is_parallel(const char *name) {
  static const char NAME[] = "parallel";
  size_t n = sizeof NAME - 1;
  return strncmp(name, NAME, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

static moons__module_kind kind_of(const moons__names *names, lua_State *L, int key) {
  if (standard_name(L, key) != NULL) return MOONS__MODULE_STANDARD;
  if (moons__names_is_parallel(lua_tostring(L, key)) || is_noted(L, HOST, key))
    return MOONS__MODULE_SHARED;
  return is_library(names, L) ? MOONS__MODULE_LIBRARY : MOONS__MODULE_LUA;
}

/* Notes the module on top, whose name is at `key`; tables that must be walked go to the list. */
static void note_module(moons__names *names, lua_State *L, int key, moons__module_kind kind,
                        int list) {
  moons__module module = {.kind = kind};
  module.path = add_path(names, L, 0, n_modules(names), key);
  module.came_by_value = is_noted(L, RECEIVED, key);
  module.goes_by_name = is_noted(L, BY_NAME, key);
  if (module.path == 0) return;
  moons__check(L, moons__buffer_append(&names->modules, &module, sizeof module));
  if (!is_object(L, -1) || is_known(names, address_of(L, -1))) return;
  know(names, L, module.path);
  if (kind == MOONS__MODULE_STANDARD) {
    look_into_standard(names, L, standard_name(L, key), module.path, list);
    look_at_metatable(names, L, standard_name(L, key), module.path, list);
  } else if (lua_istable(L, -1))
    list_add(L, list);
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

/* Notes the modules of a kind among those in the table on top, takes them out of it, and notes what they hold. */
static void look_at_kind(moons__names *names, lua_State *L, moons__module_kind kind) {
  int left = lua_gettop(L), list = left + 1, key = list + 1;
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, left); lua_settop(L, key)) {
    if (lua_type(L, key) != LUA_TSTRING || kind_of(names, L, key) != kind) continue;
    note_module(names, L, key, kind, list);
    lua_pushvalue(L, key);
    lua_pushnil(L);
    lua_rawset(L, left);
  }
  look_deeper(names, L, list);
  lua_settop(L, left);
}

static void look(moons__names *names, lua_State *L) {
  luaL_checkstack(L, 20, NULL);
  moons__ptrmap_clear(&names->known);
  names->first = names->last = NULL;
  names->paths.n_bytes = names->modules.n_bytes = 0;
  moons__check(L, moons__buffer_append(&names->paths, "", 1)); /* no path begins at 0 */
  push_loaded(L);
  moons__fields_copy(L);
  for (int kind = MOONS__MODULE_STANDARD; kind <= MOONS__MODULE_LUA; kind++)
    look_at_kind(names, L, (moons__module_kind)kind);
  lua_pop(L, 1);
}

/* A module at the address of one that is gone misleads nobody: paths are followed. */
void moons__names_refresh(moons__names *names, lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  push_loaded(L);
  lua_Integer sum = moons__fields_sum(L);
  lua_pop(L, 1);
  if (names->has_looked && sum == names->sum) return;
  names->has_looked = 0; /* after an error in its midst it looks again */
  look(names, L);
  names->has_looked = 1;
  names->sum = sum;
}

/* Notes. */

void moons__names_note_host(lua_State *L) {
  luaL_checkstack(L, 6, NULL);
  push_loaded(L);
  moons__fields_copy(L);
  lua_setfield(L, LUA_REGISTRYINDEX, HOST);
}

/* Notes the module on top under the name below it in a table of the registry, and pops both. */
static void note_in(lua_State *L, const char *which) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, which);
  lua_insert(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

void moons__names_note_received(lua_State *L) { note_in(L, RECEIVED); }

void moons__names_note_by_name(moons__names *names, lua_State *L, moons__module *module) {
  module->goes_by_name = 1;
  names->n_by_name++;
  const char *name = lua_pushstring(L, moons__names_of_module(names, module));
  moons__libraries_push_loaded(L, name);
  note_in(L, BY_NAME);
}

void moons__names_forget_by_name(moons__names *names, lua_State *L) {
  moons__module *module;
  if (names->n_by_name == 0) return;
  names->n_by_name = 0;
  for (size_t n = 0; (module = moons__names_module(names, n)) != NULL; n++)
    module->goes_by_name = 0;
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, BY_NAME);
}

/* Following paths. */

/* Pushes the field with the key on top, which it pops, of a standard library as it was before the script changed it. Returns
** 0, and leaves the key, where there is none, or that was not noted. */
static int push_noted(lua_State *L, const char *library) {
  int key = lua_gettop(L);
  const char *metatable = metatable_key(library);
  int is_found = metatable != NULL && strcmp(lua_tostring(L, key), metatable) == 0;
  if (is_found) is_found = moons__pristine_push_present(L, metatable);
  if (!is_found && moons__pristine_push_library(L, library)) {
    lua_pushvalue(L, key);
    is_found = lua_rawget(L, -2) != LUA_TNIL;
  }
  if (is_found) lua_replace(L, key);
  lua_settop(L, key);
  return is_found;
}

/* Replaces the module on top, or its standard library, by what the rest of its path leads to: after `at`, at a zero byte, up to
** `end`. That is nil where it leads nowhere. */
static void go_down(lua_State *L, const char *standard, const char *at, const char *end) {
  for (; at < end && lua_istable(L, -1); standard = NULL) {
    const char *key = at + 1;
    at = key + strnlen(key, (size_t)(end - key));
    lua_pushlstring(L, key, (size_t)(at - key));
    if (standard == NULL || !push_noted(L, standard)) lua_rawget(L, -2);
    lua_remove(L, -2);
  }
  if (at == end) return;
  lua_pop(L, 1);
  lua_pushnil(L);
}

/* Whether the path leads to the value at `index` still: the script may have put another there since the last look. */
static int leads_to(lua_State *L, const moons__name *name, moons__module_kind kind, int index) {
  const char *module = name->path;
  luaL_checkstack(L, 8, NULL);
  moons__libraries_push_loaded(L, module);
  go_down(L, kind == MOONS__MODULE_STANDARD ? moons__libraries_find(module) : NULL,
          module + strlen(module), module + name->n_bytes);
  int same = lua_rawequal(L, -1, index);
  lua_pop(L, 1);
  return same;
}

static int find_known(moons__names *names, lua_State *L, int index, moons__name *name) {
  uint64_t at = moons__ptrmap_get(&names->known, address_of(L, index));
  if (at == MOONS__PTRMAP_NONE) return 0;
  path_head head = head_of(names, (size_t)at);
  const moons__module *module = moons__names_module(names, head.module);
  *name = (moons__name){path_at(names, (size_t)at), head.n_bytes, head.module,
                        .is_module = module->path == (size_t)at};
  return leads_to(L, name, module->kind, index);
}

int moons__names_find(moons__names *names, lua_State *L, int index, moons__name *name) {
  if (!is_object(L, index)) return 0;
  index = lua_absindex(L, index);
  if (find_known(names, L, index, name)) return 1;
  if (!lua_iscfunction(L, index)) return 0;
  look(names, L); /* a module may have gained it since */
  return find_known(names, L, index, name);
}

const char *moons__names_of_module(const moons__names *names, const moons__module *module) {
  return path_at(names, module->path);
}

size_t moons__names_number(const moons__names *names, const char *name, size_t n_bytes) {
  for (size_t n = 1; n <= n_modules(names); n++) {
    const char *of_module = moons__names_of_module(names, moons__names_module(names, n - 1));
    if (strlen(of_module) == n_bytes && memcmp(of_module, name, n_bytes) == 0) return n;
  }
  return 0;
}

/* Pushes package.loaded[name], requiring the module where it is not there. */
static void push_module(lua_State *L, const char *name, int may_require) {
  if (strcmp(name, LUA_GNAME) == 0) { /* also where no library is open */
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    return;
  }
  if (moons__libraries_push_loaded(L, name) != LUA_TNIL) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushliteral(L, "require");
  if (lua_rawget(L, -2) != LUA_TFUNCTION || !may_require)
    luaL_error(L, "module '%s' is not loaded and cannot be required", name);
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* What a path leads to is not there. It is told as a person writes it: json.encode. Globals on such a path are the host's. */
static void raise_missing(lua_State *L, const char *path, size_t n_bytes) {
  luaL_Buffer buffer;
  char *at = luaL_buffinitsize(L, &buffer, n_bytes);
  for (size_t i = 0; i < n_bytes; i++)
    at[i] = path[i] != '\0' ? path[i] : '.';
  luaL_pushresultsize(&buffer, n_bytes);
  const char *text = lua_tostring(L, -1);
  size_t n = strlen(LUA_GNAME);
  if (strncmp(text, LUA_GNAME ".", n + 1) == 0)
    luaL_error(L, "the host's '%s' is not there in calls: add it in 'open' of the terms",
               text + n + 1);
  luaL_error(L, "'%s' is not there on this side", text);
}

void moons__names_push(lua_State *L, const char *path, size_t n_bytes, int may_require) {
  size_t n_name = strnlen(path, n_bytes);
  luaL_checkstack(L, 12, NULL);
  const char *name = lua_pushlstring(L, path, n_name);
  push_module(L, name, may_require);
  go_down(L, moons__libraries_find(name), path + n_name, path + n_bytes);
  if (n_name < n_bytes && lua_isnil(L, -1)) raise_missing(L, path, n_bytes);
  lua_remove(L, -2);
}

const char *moons__names_global(const moons__name *name) {
  size_t n_bytes = strlen(name->path);
  if (moons__libraries_find(name->path) == NULL) return NULL;
  int is_of_globals = strcmp(name->path, LUA_GNAME) == 0 && n_bytes < name->n_bytes;
  return is_of_globals ? name->path + n_bytes + 1 : name->path;
}
