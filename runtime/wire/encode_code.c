/*
** The code of a function: its dump, and what the dump says that it needs. A function's code never changes. So both are kept, of
** functions of modules, which are sent again and again, the dump; of the one that was mapped last, which is often mapped
** again, all.
*/
#include "state/weak.h"
#include "wire/capture.h"
#include "wire/encode.h"

typedef moons__encoder encoder;

/* Keys in the registry: function of a module -> its dump; the function that was mapped last -> what is kept of it. */
static const char DUMPS[] = "moons.dumps";
static const char LAST[] = "moons.last function";

/* What a dump says, where these upvalues are environments. Its names are those in e->captured. */
typedef struct reading {
  uint64_t environments;
  moons__capture_result result;
  moons__capture_uses uses;
} reading;

/* The beginning of what is kept: the names follow, each as where it is in the dump, and then the dump. */
typedef struct kept {
  reading is;
  size_t n_names, n_dump;
} kept;

typedef struct kept_name {
  size_t at, n_bytes;
  int is_module;
} kept_name;

/* A bit for each upvalue that is an environment. */
static uint64_t environments_of(encoder *e, int function) {
  uint64_t environments = 0;
  for (int i = 1; i <= 64; i++) {
    const char *name = lua_getupvalue(e->L, function, i);
    if (name == NULL) break;
    if (lua_topointer(e->L, -1) == globals_of(e) || strcmp(name, "_ENV") == 0)
      environments |= UINT64_C(1) << (i - 1);
    lua_pop(e->L, 1);
  }
  return environments;
}

/* {== Dumps =================================================================================== */

static int write_dump(lua_State *L, const void *bytes, size_t n_bytes, void *data) {
  (void)L;
  encoder *e = data;
  return moons__buffer_append(e->out, bytes, n_bytes);
}

/* With what is for debugging: tracebacks of calls shall have lines and names. */
static void put_new_dump(encoder *e, int function) {
  lua_pushvalue(e->L, function);
  int error = lua_dump(e->L, write_dump, e, 0);
  lua_pop(e->L, 1);
  moons__check(e->L, error);
}

/* The same for a function of a module: dumping it takes ten times as long as copying the dump. */
static void put_kept_dump(encoder *e, int function) {
  lua_State *L = e->L;
  size_t start = e->out->n_bytes, n_bytes;
  moons__push_weak(L, DUMPS, "k");
  lua_pushvalue(L, function);
  if (lua_rawget(L, -2) == LUA_TSTRING) {
    const char *dump = lua_tolstring(L, -1, &n_bytes);
    put_bytes(e, dump, n_bytes);
  } else {
    put_new_dump(e, function);
    lua_pushvalue(L, function);
    lua_pushlstring(L, e->out->bytes + start, e->out->n_bytes - start);
    lua_rawset(L, -4);
  }
  lua_pop(L, 2);
}

/* {== What they say =========================================================================== */

/* Reads the dump at `dump_at` of `out`, into which the names point. */
static void read_dump(encoder *e, size_t dump_at, reading *r) {
  e->captured.n_bytes = 0;
  r->uses = (moons__capture_uses){0};
  r->result = moons__capture(e->out->bytes + dump_at, e->out->n_bytes - dump_at, r->environments,
                             &e->captured, &r->uses);
}

/* Notes what was read. As names may point into what has been put, nothing may be put meanwhile. */
static void note(encoder *e, const reading *r) {
  const moons__capture_name *names = (const void *)e->captured.bytes;
  for (size_t i = 0; i < e->captured.n_bytes / sizeof names[0]; i++)
    moons__wire_note_name(e, names[i].bytes, names[i].n_bytes, names[i].is_module);
  if (r->uses.has_strings) e->needs |= MOONS__LIBRARIES_LEAST;
  if (r->uses.has_clock) e->needs |= MOONS__LIBRARIES_CLOCK;
  if (r->uses.has_random) e->needs |= MOONS__LIBRARIES_RANDOM;
  if (r->uses.requires && !e->requires_any) e->requires_any = 1;
  if (r->result == MOONS__CAPTURE_EXACT) return;
  e->needs |= MOONS__LIBRARIES_ALL;
  moons__wire_note_dynamic(e);
}

/* {== The function that was mapped last ======================================================= */

/* Pushes what is kept of a function, a string or nil, on the table that it is in; returns its bytes, or NULL. */
static const char *push_kept(lua_State *L, int function) {
  moons__push_weak(L, LAST, "k");
  lua_pushvalue(L, function);
  return lua_rawget(L, -2) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

/* Puts the dump that is kept, and takes what was read of it; the names point to what is kept. Returns 0 where other upvalues
** were environments then. */
static int put_kept(encoder *e, const char *bytes, reading *r) {
  kept head;
  memcpy(&head, bytes, sizeof head);
  if (head.is.environments != r->environments) return 0;
  const char *names = bytes + sizeof head, *dump = names + head.n_names * sizeof(kept_name);
  *r = head.is;
  e->captured.n_bytes = 0;
  for (size_t i = 0; i < head.n_names; i++) {
    kept_name from;
    memcpy(&from, names + i * sizeof from, sizeof from);
    moons__capture_name name = {dump + from.at, from.n_bytes, from.is_module};
    moons__check(e->L, moons__buffer_append(&e->captured, &name, sizeof name));
  }
  put_bytes(e, dump, head.n_dump);
  return 1;
}

/* Pushes what is to be kept of the dump at `dump_at` of `out`, which was read. */
static void push_to_keep(encoder *e, size_t dump_at, const reading *r) {
  const char *dump = e->out->bytes + dump_at;
  const moons__capture_name *names = (const void *)e->captured.bytes;
  size_t n_names = e->captured.n_bytes / sizeof names[0];
  kept head = {*r, n_names, e->out->n_bytes - dump_at};
  luaL_Buffer text;
  char *to =
      luaL_buffinitsize(e->L, &text, sizeof head + n_names * sizeof(kept_name) + head.n_dump);
  memcpy(to, &head, sizeof head);
  to += sizeof head;
  for (size_t i = 0; i < n_names; i++, to += sizeof(kept_name)) {
    kept_name name = {(size_t)(names[i].bytes - dump), names[i].n_bytes, names[i].is_module};
    memcpy(to, &name, sizeof name);
  }
  memcpy(to, dump, head.n_dump);
  luaL_pushresultsize(&text, sizeof head + n_names * sizeof(kept_name) + head.n_dump);
}

/* Takes the function before, if any, out of the table on top. */
static void forget_last(lua_State *L) {
  lua_pushnil(L);
  if (!lua_next(L, -2)) return;
  lua_pushnil(L);
  lua_replace(L, -2);
  lua_rawset(L, -3);
}

static void put_mapped(encoder *e, int function, reading *r) {
  lua_State *L = e->L;
  int top = lua_gettop(L);
  size_t dump_at = e->out->n_bytes;
  const char *bytes = push_kept(L, function);
  if (bytes == NULL || !put_kept(e, bytes, r)) {
    put_new_dump(e, function);
    read_dump(e, dump_at, r);
    lua_settop(L, top + 1);
    forget_last(L);
    lua_pushvalue(L, function);
    push_to_keep(e, dump_at, r);
    lua_rawset(L, top + 1);
  }
  note(e, r);
  lua_settop(L, top);
}

/* {== Any function ============================================================================ */

void moons__wire_code(encoder *e, int function, int is_mapped) {
  size_t dump_at = e->out->n_bytes;
  reading r = {.environments = e->sent_index != 0 ? environments_of(e, function) : 0};
  if (is_mapped) {
    put_mapped(e, function, &r);
    return;
  }
  if (e->owner != 0)
    put_kept_dump(e, function);
  else
    put_new_dump(e, function);
  if (e->sent_index == 0) return;
  read_dump(e, dump_at, &r);
  note(e, &r);
}
