/*
** A path is the module's name and then a key for each step down, each a string: its length and its bytes. First come
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

#include "state/libraries.h"
#include "state/pristine.h"
#include "wire/raise.h"

/* Keys in the registry: tables of modules, by name. */
static const char HOST[] = "moons.modules of the host";
static const char RECEIVED[] = "moons.modules received";
static const char BY_NAME[] = "moons.modules by name";

void moons__names_free(moons__names *names) {
  moons__ptrmap_free(&names->known);
  moons__buffer_free(&names->paths);
  moons__buffer_free(&names->modules);
  *names = (moons__names){0};
}

/* Paths lie one after the other in `paths`: this, and then the steps. They are known by their offset, for the bytes move as
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

/* Appends the key at `index` to the path being built; returns 0 for keys that paths cannot hold. */
static int append_key(moons__names *names, lua_State *L, int index) {
  moons__buffer *paths = &names->paths;
  if (lua_type(L, index) != LUA_TSTRING) return 0;
  size_t n_bytes;
  const char *bytes = lua_tolstring(L, index, &n_bytes);
  moons__check(L, moons__buffer_append(paths, &n_bytes, sizeof n_bytes));
  moons__check(L, moons__buffer_append(paths, bytes, n_bytes));
  return 1;
}

/* Builds the path of `parent` (its place, or 0 for none) and the key at `index`; 0: no such path. */
static size_t add_path(moons__names *names, lua_State *L, size_t parent, size_t module, int index) {
  moons__buffer *paths = &names->paths;
  size_t at = paths->n_bytes;
  path_head head = {0, module};
  moons__check(L, moons__buffer_append(paths, &head, sizeof head));
  if (parent > 0) {
    size_t n_parent = head_of(names, parent).n_bytes;
    moons__check(L, moons__buffer_reserve(paths, n_parent));
    memcpy(paths->bytes + paths->n_bytes, paths->bytes + parent + sizeof head, n_parent);
    paths->n_bytes += n_parent;
  }
  if (!append_key(names, L, index)) {
    paths->n_bytes = at;
    return 0;
  }
  head.n_bytes = paths->n_bytes - at - sizeof head;
  memcpy(paths->bytes + at, &head, sizeof head);
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
  if (strcmp(library, LUA_IOLIBNAME) == 0) return LUA_FILEHANDLE;
  return strcmp(library, LUA_STRLIBNAME) == 0 ? MOONS__STRING_METATABLE : NULL;
}

/* Pushes the metatable that has this key in the library; returns 0, and pushes nothing, where there is none. */
static int push_metatable(lua_State *L, const char *library, const char *key) {
  const char *own = metatable_key(library);
  if (own == NULL || key == NULL || strcmp(own, key) != 0) return 0;
  if (strcmp(library, LUA_STRLIBNAME) == 0) return moons__pristine_push_present(L, key);
  if (luaL_getmetatable(L, key) == LUA_TTABLE) return 1;
  lua_pop(L, 1);
  return 0;
}

/* Notes it; tables in it that must be walked go to the list. */
static void look_at_metatable(moons__names *names, lua_State *L, const char *library, size_t path,
                              int list) {
  const char *key = metatable_key(library);
  if (key == NULL) return;
  lua_pushstring(L, key);
  if (push_metatable(L, library, key)) {
    if (note(names, L, path, lua_gettop(L) - 1) != 0 && strcmp(library, LUA_IOLIBNAME) == 0)
      list_add(L, list);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
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

/* Puts tables that the host has given its states as globals into the list, to be walked. */
static void look_at_host(moons__names *names, lua_State *L, const char *name, size_t path,
                         int list) {
  if (strcmp(name, LUA_GNAME) != 0 || !moons__pristine_push_library(L, name)) return;
  int globals = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, globals); lua_pop(L, 1)) {
    if (lua_type(L, globals + 1) != LUA_TSTRING || !lua_istable(L, -1)) continue;
    if (moons__libraries_find(lua_tostring(L, globals + 1)) != NULL) continue;
    if (note(names, L, path, globals + 1) != 0) list_add(L, list);
  }
  lua_pop(L, 1);
}

/* The name of the standard library whose key in package.loaded is at `index`, or NULL. */
static const char *standard_name(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TSTRING) return NULL;
  return moons__libraries_find(lua_tostring(L, index));
}

void moons__names_push_loaded(lua_State *L) {
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

/* Whether a name is that of the module `parallel` or one of its parts. */
static int is_parallel(const char *name, size_t n_bytes) {
  static const char NAME[] = "parallel";
  size_t n = sizeof NAME - 1;
  return n_bytes >= n && memcmp(name, NAME, n) == 0 && (n_bytes == n || name[n] == '.');
}

static moons__module_kind kind_of(const moons__names *names, lua_State *L, int key) {
  size_t n_bytes;
  const char *name = lua_tolstring(L, key, &n_bytes);
  if (standard_name(L, key) != NULL) return MOONS__MODULE_STANDARD;
  if (is_parallel(name, n_bytes) || is_noted(L, HOST, key)) return MOONS__MODULE_SHARED;
  return is_library(names, L) ? MOONS__MODULE_LIBRARY : MOONS__MODULE_LUA;
}

/* Notes the module on top, whose name is at `key`; tables that must be walked go to the list. */
static void note_module(moons__names *names, lua_State *L, int key, moons__module_kind kind,
                        int list) {
  moons__module module = {.kind = kind};
  module.path = add_path(names, L, 0, n_modules(names), key);
  module.came_by_value = is_noted(L, RECEIVED, key);
  module.goes_by_name = is_noted(L, BY_NAME, key);
  moons__check(L, moons__buffer_append(&names->modules, &module, sizeof module));
  if (!is_object(L, -1) || is_known(names, address_of(L, -1))) return;
  know(names, L, module.path);
  if (kind == MOONS__MODULE_STANDARD) {
    look_into_standard(names, L, standard_name(L, key), module.path);
    look_at_metatable(names, L, standard_name(L, key), module.path, list);
    look_at_host(names, L, standard_name(L, key), module.path, list);
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

/* Whether the module whose name is at `key` is in the set at `done`; from then on it is. */
static int is_done(lua_State *L, int done, int key) {
  lua_pushvalue(L, key);
  int found = lua_rawget(L, done) != LUA_TNIL;
  lua_pop(L, 1);
  if (found) return 1;
  lua_pushvalue(L, key);
  lua_pushboolean(L, 1);
  lua_rawset(L, done);
  return 0;
}

/* Notes the loaded modules of a kind, and what they hold, but those that are done. */
static void look_at_kind(moons__names *names, lua_State *L, moons__module_kind kind, int done) {
  int list = lua_gettop(L) + 1, loaded = list + 1, key = loaded + 1;
  lua_newtable(L);
  moons__names_push_loaded(L);
  for (lua_pushnil(L); lua_next(L, loaded); lua_pop(L, 1)) {
    if (lua_type(L, key) != LUA_TSTRING || kind_of(names, L, key) != kind) continue;
    if (!is_done(L, done, key)) note_module(names, L, key, kind, list);
  }
  look_deeper(names, L, list);
  lua_settop(L, list - 1);
}

static void look(moons__names *names, lua_State *L) {
  luaL_checkstack(L, 20, NULL);
  moons__ptrmap_clear(&names->known);
  names->first = names->last = NULL;
  names->paths.n_bytes = names->modules.n_bytes = 0;
  moons__check(L, moons__buffer_append(&names->paths, "", 1)); /* no path begins at 0 */
  lua_newtable(L);
  for (int kind = MOONS__MODULE_STANDARD; kind <= MOONS__MODULE_LUA; kind++)
    look_at_kind(names, L, (moons__module_kind)kind, lua_gettop(L));
  lua_pop(L, 1);
}

/* The sum does not depend on the order in which lua_next gives modules. */
void moons__names_refresh(moons__names *names, lua_State *L) {
  size_t n_loaded = 0, fingerprint = 0;
  luaL_checkstack(L, 4, NULL);
  moons__names_push_loaded(L);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    n_loaded++;
    fingerprint += (size_t)lua_topointer(L, -1) * 31 + (size_t)lua_topointer(L, -2);
  }
  lua_pop(L, 1);
  if (n_loaded == names->n_loaded && fingerprint == names->fingerprint) return;
  names->n_loaded = 0; /* after an error in its midst it looks again */
  look(names, L);
  names->n_loaded = n_loaded;
  names->fingerprint = fingerprint;
}

/* Notes. */

void moons__names_note_host(lua_State *L) {
  luaL_checkstack(L, 6, NULL);
  moons__names_push_loaded(L);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, -3);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, HOST);
  lua_pop(L, 1);
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
  size_t n_bytes = 0;
  const char *name = moons__names_of_module(names, module, &n_bytes);
  module->goes_by_name = 1;
  names->n_by_name++;
  lua_pushlstring(L, name, n_bytes);
  moons__names_push_loaded(L);
  lua_pushvalue(L, -2);
  lua_rawget(L, -2);
  lua_remove(L, -2);
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

typedef struct steps {
  const char *at, *end;
} steps;

/* The next key, or NULL: at the end, and at bytes that are no path. */
static const char *take_key(steps *s, size_t *n_bytes) {
  size_t left = (size_t)(s->end - s->at);
  if (left < sizeof *n_bytes) return NULL;
  memcpy(n_bytes, s->at, sizeof *n_bytes);
  if (*n_bytes > left - sizeof *n_bytes) return NULL;
  const char *key = s->at + sizeof *n_bytes;
  s->at = key + *n_bytes;
  return key;
}

/* Pushes the next key; returns 0 where there is none. */
static int push_key(lua_State *L, steps *s) {
  size_t n_bytes;
  const char *key = take_key(s, &n_bytes);
  if (key != NULL) lua_pushlstring(L, key, n_bytes);
  return key != NULL;
}

/* Pushes the field with the key on top, which it pops, of the table below it, which it replaces: of a
** standard library as it was before the script changed it, where that was noted. */
static void step_down(lua_State *L, const char *standard) {
  int table = lua_gettop(L) - 1;
  if (standard != NULL && push_metatable(L, standard, lua_tostring(L, table + 1))) {
    lua_replace(L, table);
    lua_settop(L, table);
    return;
  }
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

/* Whether the path leads to the value at `index` still: the script may have put another there since the last look. */
static int leads_to(lua_State *L, const moons__name *name, moons__module_kind kind, int index) {
  int top = lua_gettop(L);
  steps s = {name->path, name->path + name->n_bytes};
  const char *standard = NULL;
  luaL_checkstack(L, 8, NULL);
  moons__names_push_loaded(L);
  for (int n = 0; lua_istable(L, -1) && push_key(L, &s); n++) {
    const char *next = n == 0 && kind == MOONS__MODULE_STANDARD ? standard_name(L, -1) : NULL;
    step_down(L, standard);
    standard = next;
  }
  int same = s.at == s.end && lua_rawequal(L, -1, index);
  lua_settop(L, top);
  return same;
}

static int find_known(moons__names *names, lua_State *L, int index, moons__name *name) {
  uint64_t at = moons__ptrmap_get(&names->known, address_of(L, index));
  if (at == MOONS__PTRMAP_NONE) return 0;
  path_head head = head_of(names, (size_t)at);
  name->path = names->paths.bytes + at + sizeof head;
  name->n_bytes = head.n_bytes;
  const moons__module *module = moons__names_module(names, head.module);
  name->module = head.module;
  name->is_module = module->path == (size_t)at;
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

const char *moons__names_of_module(const moons__names *names, const moons__module *module,
                                   size_t *n_bytes) {
  const char *at = names->paths.bytes + module->path + sizeof(path_head);
  steps s = {at, at + head_of(names, module->path).n_bytes};
  return take_key(&s, n_bytes);
}

/* `path` as a person writes it: json.encode. */
static void push_text(lua_State *L, const char *path, size_t n_bytes) {
  steps s = {path, path + n_bytes};
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  const char *key;
  for (int n = 0; (key = take_key(&s, &n_bytes)) != NULL; n++) {
    if (n > 0) luaL_addchar(&text, '.');
    luaL_addlstring(&text, key, n_bytes);
  }
  luaL_pushresult(&text);
}

/* Pushes package.loaded[name], requiring the module where it is not there. The name is on top. */
static void push_module(lua_State *L, int may_require) {
  int name = lua_gettop(L);
  if (strcmp(lua_tostring(L, name), LUA_GNAME) == 0) { /* also where no library is open */
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_replace(L, name);
    return;
  }
  moons__names_push_loaded(L);
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

/* What a path leads to is not there. Globals on such a path are the host's. */
static void raise_missing(lua_State *L, const char *path, size_t n_bytes) {
  push_text(L, path, n_bytes);
  const char *text = lua_tostring(L, -1);
  size_t n = strlen(LUA_GNAME);
  if (strncmp(text, LUA_GNAME ".", n + 1) == 0)
    luaL_error(L,
               "the host's '%s' is not there in calls: add it in 'open' of the runtime's options",
               text + n + 1);
  luaL_error(L, "'%s' is not there on this side", text);
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
    raise_missing(L, path, n_bytes);
  }
}

const char *moons__names_global(const char *path, size_t n_bytes, size_t *n_name_bytes) {
  steps s = {path, path + n_bytes};
  const char *module = take_key(&s, n_name_bytes);
  if (module == NULL || !moons__libraries_of_global(module, *n_name_bytes)) return NULL;
  int is_globals =
      *n_name_bytes == strlen(LUA_GNAME) && memcmp(module, LUA_GNAME, *n_name_bytes) == 0;
  return is_globals && s.at < s.end ? take_key(&s, n_name_bytes) : module;
}

int moons__names_is_parallel(const char *path, size_t n_bytes) {
  steps s = {path, path + n_bytes};
  const char *module = take_key(&s, &n_bytes);
  return module != NULL && is_parallel(module, n_bytes);
}
