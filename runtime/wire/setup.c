/*
** The function and what goes with it are encoded first, for only then it is known what they need; paths are applied first,
** for modules are found by them. Bytes that are equal mean set-ups that are equal, so they are shared between maps. What
** travels is what differs from a new state: a script that has changed nothing sends its function alone.
*/
#include "wire/setup.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "state/fields.h"
#include "state/pristine.h"
#include "wire/encode.h"
#include "wire/places.h"
#include "wire/raise.h"

/* Encoding. */

/* Whether the field on top is another in the table at the stack index `before`. */
static int is_changed(lua_State *L, void *before) {
  lua_pushvalue(L, -2);
  lua_rawget(L, *(int *)before);
  int is_same = moons__pristine_is_same(L, -1, -2);
  lua_pop(L, 1);
  return !is_same;
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

/* Whether the fields of a table may travel as changes: the paths of `package` go by themselves. */
static int may_change(moons__libraries bits, moons__libraries libraries) {
  return bits != MOONS__LIBRARIES_PACKAGE && (bits & libraries) != 0;
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

static int is_in_lua(lua_State *L, void *data) {
  (void)data;
  return lua_isfunction(L, -1) && !lua_iscfunction(L, -1);
}

/* What goes along. Each adds to what is put or queued, and returns whether it did. */

/* What was dealt with, by bits of e->extras: each is asked for once. The tables of libraries have a bit each, for they come up
** one by one as values need them. */
enum {
  WANTED = 1 << 0,
  TYPES = 1 << 1,
  PRELOAD = 1 << 2,
  SEARCHERS = 1 << 3,
  FIRST_TABLE = 1 << 4
};

/* Puts the table on top, which it pops, for a place with this name, where it has any content. */
static int put_place(moons__encoder *e, enum wire_place where, const char *name, const char *what,
                     int has_content) {
  lua_State *L = e->L;
  if (!has_content) {
    lua_pop(L, 1);
    return 0;
  }
  lua_pushvalue(L, -1);
  moons__wire_anchor(e);
  lua_pushstring(L, name);
  lua_insert(L, -2);
  moons__wire_place(e, where, what);
  return 1;
}

/* Puts what the script has changed in the n-th of the tables that were noted. The quick look, which most often says that
** nothing was, comes first. */
static int put_changes(moons__encoder *e, unsigned n, const char *name) {
  lua_State *L = e->L;
  int top = lua_gettop(L), table = top + 1, before = top + 2;
  if (!moons__pristine_may_have_changed(L, n, name) || !moons__pristine_push_present(L, name))
    return 0;
  if (!moons__pristine_push_library(L, name)) lua_newtable(L);
  lua_newtable(L);
  int has_put = put_place(e, WIRE_PLACE_LIBRARY_FIELDS, name, "changed library",
                          moons__fields_set(L, table, is_changed, &before));
  lua_newtable(L);
  has_put |= put_place(e, WIRE_PLACE_LIBRARY_REMOVED, name, "changed library",
                       put_removed(L, table, before));
  lua_settop(L, top);
  return has_put;
}

/* A changed field may hold anything, so where there is one, all libraries go along, with all that was changed in
** them. */
static int put_library_changes(moons__encoder *e) {
  const char *name;
  moons__libraries bits;
  int has_put = 0;
  if ((e->needs & MOONS__LIBRARIES_ALL) == 0) return 0;
  for (unsigned n = 0; (name = moons__pristine_table(n, &bits)) != NULL; n++) {
    unsigned done = (unsigned)FIRST_TABLE << n;
    if ((e->extras & done) || !may_change(bits, e->needs)) continue;
    e->extras |= done;
    has_put |= put_changes(e, n, name);
  }
  if (!has_put) return 0;
  e->needs |= MOONS__LIBRARIES_ALL;
  e->changes_standard = 1;
  return 1;
}

/* The metatables of basic types may be asked by any operation. */
static int put_type_metatables(moons__encoder *e) {
  lua_State *L = e->L;
  int has_put = 0;
  e->extras |= TYPES;
  if (!moons__pristine_have_type_metatables(L)) return 0;
  for (int n = 0; moons__pristine_push_type_metatable(L, n) >= 0; n++) {
    if (lua_isnil(L, -1) || moons__pristine_had_type_metatable(L, n)) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushinteger(L, n);
    lua_insert(L, -2);
    moons__wire_place(e, WIRE_PLACE_TYPE_METATABLE, "metatable of a basic type");
    has_put = e->changes_standard = 1;
  }
  return has_put;
}

/* Of the functions of package.preload those in Lua. */
static int put_preload(moons__encoder *e) {
  lua_State *L = e->L;
  int has_any = 0;
  e->extras |= PRELOAD;
  if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE) == LUA_TTABLE) {
    lua_newtable(L);
    has_any = moons__fields_set(L, lua_gettop(L) - 1, is_in_lua, NULL) > 0;
    lua_remove(L, -2);
  }
  return put_place(e, WIRE_PLACE_PRELOAD, NULL, "package.preload", has_any);
}

static int put_searchers(moons__encoder *e) {
  e->extras |= SEARCHERS;
  moons__place_push_searchers(e->L);
  if (!put_place(e, WIRE_PLACE_SEARCHERS, NULL, "package.searchers", lua_istable(e->L, -1)))
    return 0;
  e->changes_standard = 1;
  return 1;
}

/* Queues the modules in the table at e->modules_index: arguments have needed them since the set-up was made last. */
static int queue_wanted(moons__encoder *e) {
  lua_State *L = e->L;
  e->extras |= WANTED;
  if (!lua_istable(L, e->modules_index)) return 0;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  for (lua_pushnil(L); lua_next(L, e->modules_index); lua_pop(L, 1))
    if (lua_type(L, -2) != LUA_TSTRING) moons__wire_queue_module(e, lua_gettop(L) - 1);
  return 1;
}

/* Where modules go by name, they are loaded while the set-up is read. */
static void put_first(moons__encoder *e) {
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  if (!moons__wire_queue_first(e)) return;
  put_preload(e);
  put_searchers(e);
  while (e->n_modules_done < e->n_modules)
    moons__wire_module(e);
}

/* Puts or queues what else is needed by what has been put; called again until nothing is, for each may need more: a changed
** library may hold a function, which names a global, which requires a module. */
static int put_more(moons__encoder *e) {
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  if (!(e->extras & WANTED) && queue_wanted(e)) return 1;
  if (e->requires_any == 1) {
    moons__wire_queue_all_modules(e);
    return 1;
  }
  if (!(e->extras & TYPES) && put_type_metatables(e)) return 1;
  if (put_library_changes(e)) return 1;
  if (e->needs & MOONS__LIBRARIES_PACKAGE) {
    if (!(e->extras & PRELOAD) && put_preload(e)) return 1;
    if (!(e->extras & SEARCHERS) && put_searchers(e)) return 1;
  }
  moons__wire_warn_of_globals(e);
  return 0;
}

/* Messages. */

/* Makes room for the length of a message; returns where that is. */
static size_t begin_message(moons__encoder *e) {
  uint64_t n_bytes = 0;
  size_t at = e->out->n_bytes;
  moons__check(e->L, moons__buffer_append(e->out, &n_bytes, sizeof n_bytes));
  return at;
}

static void end_message(moons__encoder *e, size_t at) {
  uint64_t n_bytes = e->out->n_bytes - at - sizeof n_bytes;
  memcpy(e->out->bytes + at, &n_bytes, sizeof n_bytes);
}

static void put_paths(moons__encoder *e) {
  lua_State *L = e->L;
  size_t at = begin_message(e);
  push_paths(L, (e->needs & MOONS__LIBRARIES_PACKAGE) != 0);
  moons__encode(e, lua_gettop(L) - 1, 2, "package path");
  lua_pop(L, 2);
  end_message(e, at);
}

static void put_functions(moons__encoder *e, int function, int init) {
  lua_State *L = e->L;
  size_t at = begin_message(e);
  lua_pushvalue(L, function);
  lua_pushvalue(L, init);
  moons__encode(e, lua_gettop(L) - 1, 2, NULL);
  lua_pop(L, 2);
  end_message(e, at);
}

typedef struct header {
  moons__libraries libraries;
  moons__libraries allowed;  /* all that calls may have: what the script's state has */
  uint32_t changes_standard; /* take note of what is there before it is changed */
  uint32_t is_source;        /* a name and a text follow */
} header;

void moons__setup_encode(moons__encoder *e, int function, int init, int modules) {
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  size_t start = e->out->n_bytes;
  header h = {0};
  e->changes_standard = 0;
  e->extras = 0;
  e->modules_index = modules;
  e->put_first = put_first;
  e->put_more = put_more;
  moons__check(e->L, moons__buffer_append(e->out, &h, sizeof h));
  put_functions(e, function, init);
  e->put_first = NULL;
  e->put_more = NULL;
  put_paths(e);
  h = (header){e->needs, moons__libraries_allowed(e->L), (uint32_t)e->changes_standard, 0};
  memcpy(e->out->bytes + start, &h, sizeof h);
}

/* Errs on the side of no: then the set-up is made once more. */
int moons__setup_covers(lua_State *L, moons__libraries libraries) {
  const char *name;
  moons__libraries bits;
  if (libraries & MOONS__LIBRARIES_PACKAGE) return 0;
  for (unsigned n = 0; (name = moons__pristine_table(n, &bits)) != NULL; n++)
    if (may_change(bits, libraries) && moons__pristine_may_have_changed(L, n, name)) return 0;
  return 1;
}

int moons__setup_write_source(moons__buffer *out, moons__libraries libraries,
                              moons__libraries allowed, const moons__source *source) {
  size_t start = out->n_bytes;
  header h = {.libraries = libraries, .allowed = allowed, .is_source = 1};
  int error = moons__buffer_append(out, &h, sizeof h);
  if (!error) error = moons__buffer_append(out, source->name, strlen(source->name) + 1);
  if (!error) error = moons__buffer_append(out, source->bytes, source->n_bytes);
  if (error) out->n_bytes = start;
  return error;
}

/* Applying. */

enum { N_MESSAGES = 2 };

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

moons__libraries moons__setup_allowed(const void *bytes, size_t n_bytes) {
  return header_of(bytes, n_bytes).allowed;
}

int moons__setup_is_source(const void *bytes, size_t n_bytes, moons__source *source) {
  if (!header_of(bytes, n_bytes).is_source) return 0;
  const char *name = (const char *)bytes + sizeof(header), *end = (const char *)bytes + n_bytes;
  const char *zero = memchr(name, '\0', (size_t)(end - name));
  if (zero == NULL) return 0;
  *source = (moons__source){name, zero + 1, (size_t)(end - zero - 1)};
  return 1;
}

/* Lengths are checked: a program that drives jobs by hand may give any bytes. */
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

/* What the state has is noted before it is changed: names lead to what was there before (pristine.h). */
void moons__setup_apply(moons__decoder *d, const void *bytes, size_t n_bytes) {
  message found[N_MESSAGES];
  if (header_of(bytes, n_bytes).changes_standard) moons__pristine_note(d->L, 0);
  find_messages(d->L, bytes, n_bytes, found);
  apply_paths(d, found[1]);
  moons__decode(d, found[0].bytes, found[0].n_bytes);
}
