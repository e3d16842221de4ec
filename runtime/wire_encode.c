#include <lauxlib.h>
#include <string.h>

#include "capture.h"
#include "limits.h"
#include "moons.h"
#include "wire.h"
#include "wire_format.h"

/* Stack slots from encoder->base on. Each is nil until it is needed. */
enum {
  SLOT_DEFERRED, /* list of objects whose content comes later */
  SLOT_GLOBALS,  /* list and set of names of globals to send */
  SLOT_ANCHORS,  /* list of what __marshal returned: must live while the message is made */
  N_SLOTS
};

enum {
  RUN_MIN_ELEMENTS = 4,                  /* shorter arrays are not looked through for runs */
  MARSHAL_DEPTH = MOONS_WIRE_DEPTH + 32, /* nesting through __marshal needs the C stack */
  PATH_PARTS = 12                        /* of longer paths only the last parts are shown */
};

#define IN_PROGRESS (UINT64_C(1) << 63) /* in place of a place: within its own __marshal */

/* One step on the way from the message's root to the value at hand. */
typedef struct wire_frame {
  struct wire_frame *up;
  enum { AT_INDEX, AT_KEY, AT_METATABLE, AT_UPVALUE, AT_GLOBAL, AT_MARSHAL, AT_DEFERRED } kind;
  lua_Integer index; /* AT_INDEX; otherwise a stack index of the key */
  const char *name;  /* AT_UPVALUE, AT_GLOBAL */
} wire_frame;

typedef moons__encoder encoder;

static void encode_value(encoder *e, int index, int depth);
static void encode_later(encoder *e, int depth);

/* Errors. */

static int is_identifier(const char *s, size_t n_bytes) {
  if (n_bytes == 0 || (s[0] >= '0' && s[0] <= '9')) return 0;
  for (size_t i = 0; i < n_bytes; i++) {
    char c = s[i];
    if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
      return 0;
  }
  return 1;
}

static void add_key(lua_State *L, luaL_Buffer *text, int key) {
  size_t n_bytes;
  switch (lua_type(L, key)) {
  case LUA_TSTRING: {
    const char *s = lua_tolstring(L, key, &n_bytes);
    int plain = is_identifier(s, n_bytes);
    luaL_addstring(text, plain ? "." : "[\"");
    luaL_addlstring(text, s, n_bytes < 40 ? n_bytes : 40);
    if (!plain) luaL_addstring(text, "\"]");
    break;
  }
  case LUA_TNUMBER:
    luaL_addstring(text, "[");
    lua_pushvalue(L, key);
    luaL_addvalue(text);
    luaL_addstring(text, "]");
    break;
  default:
    luaL_addstring(text, "[a ");
    luaL_addstring(text, luaL_typename(L, key));
    luaL_addstring(text, "]");
  }
}

static void add_frame(lua_State *L, luaL_Buffer *text, const wire_frame *frame) {
  switch (frame->kind) {
  case AT_INDEX:
    luaL_addstring(text, "[");
    lua_pushinteger(L, frame->index);
    luaL_addvalue(text);
    luaL_addstring(text, "]");
    break;
  case AT_KEY: add_key(L, text, (int)frame->index); break;
  case AT_METATABLE: luaL_addstring(text, " its metatable"); break;
  case AT_UPVALUE:
  case AT_GLOBAL:
    luaL_addstring(text, frame->kind == AT_UPVALUE ? " upvalue '" : " global '");
    luaL_addstring(text, frame->name);
    luaL_addstring(text, "'");
    break;
  case AT_MARSHAL: luaL_addstring(text, " what its __marshal returned"); break;
  case AT_DEFERRED: luaL_addstring(text, " ..."); break;
  }
}

static void add_path(lua_State *L, luaL_Buffer *text, const wire_frame *frame, int n_left) {
  if (frame == NULL) return;
  if (n_left == 0) {
    luaL_addstring(text, " ...");
    return;
  }
  add_path(L, text, frame->up, n_left - 1);
  if (frame->up == NULL && (frame->kind == AT_INDEX || frame->kind == AT_KEY))
    luaL_addstring(text, " ");
  add_frame(L, text, frame);
}

static void add_root(const encoder *e, luaL_Buffer *text) {
  const wire_frame *root = e->frame;
  while (root != NULL && root->up != NULL)
    root = root->up;
  if (root != NULL && root->kind == AT_GLOBAL) return; /* the global is the root */
  if (e->what == NULL) {
    luaL_addstring(text, e->number == 1 ? "the function:" : "init:");
    return;
  }
  luaL_addstring(text, e->what);
  luaL_addstring(text, " ");
  lua_pushinteger(e->L, e->number);
  luaL_addvalue(text);
  luaL_addstring(text, ":");
}

/* Raises the error that the value at hand cannot be sent, and why. */
static void refuse(encoder *e, const char *why) {
  lua_State *L = e->L;
  luaL_Buffer text;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  luaL_buffinit(L, &text);
  add_root(e, &text);
  add_path(L, &text, e->frame, PATH_PARTS);
  if (e->frame != NULL) luaL_addstring(&text, ":");
  luaL_addstring(&text, " ");
  luaL_addstring(&text, why);
  luaL_pushresult(&text);
  const char *message = lua_tostring(L, -1);
  if (*message == ' ') lua_pushstring(L, message + 1);
  lua_error(L);
}

static void enter(encoder *e, wire_frame *frame) {
  frame->up = e->frame;
  e->frame = frame;
}

static void leave(encoder *e) { e->frame = e->frame->up; }

/* Bytes. */

static char *room(encoder *e, size_t n_bytes) {
  int error = moons__buffer_reserve(e->out, n_bytes);
  if (error) luaL_error(e->L, "%s", moons_error_text(error));
  return e->out->bytes + e->out->n_bytes;
}

static void put_byte(encoder *e, unsigned byte) {
  *room(e, 1) = (char)byte;
  e->out->n_bytes++;
}

static void put_bytes(encoder *e, const void *bytes, size_t n_bytes) {
  memcpy(room(e, n_bytes), bytes, n_bytes);
  e->out->n_bytes += n_bytes;
}

static void put_varint(encoder *e, uint64_t n) {
  char *at = room(e, 10);
  size_t length = 0;
  for (; n >= 0x80; n >>= 7)
    at[length++] = (char)(n | 0x80);
  at[length++] = (char)n;
  e->out->n_bytes += length;
}

/* A tag and its bytes at once. */
static void put_tagged(encoder *e, enum wire_tag tag, const void *bytes, size_t n_bytes) {
  char *at = room(e, 1 + n_bytes);
  at[0] = (char)tag;
  memcpy(at + 1, bytes, n_bytes);
  e->out->n_bytes += 1 + n_bytes;
}

static uint64_t place(const encoder *e) { return e->out->n_bytes - e->start; }

static char *byte_at(encoder *e, uint64_t at) { return e->out->bytes + e->start + at; }

/* Objects met before. */

static void remember(encoder *e, const void *object, uint64_t at) {
  int error = moons__ptrmap_put(&e->seen, object, at);
  if (error) luaL_error(e->L, "%s", moons_error_text(error));
}

/* Puts a reference to an object that has been sent; returns 0 where it has not. */
static int put_reference(encoder *e, const void *object) {
  uint64_t at = moons__ptrmap_get(&e->seen, object);
  if (at == MOONS__PTRMAP_NONE) return 0;
  if (at & IN_PROGRESS) refuse(e, "cannot send a value whose __marshal returns itself");
  *byte_at(e, at) |= (char)WIRE_SHARED;
  put_byte(e, WIRE_REF);
  put_varint(e, at);
  return 1;
}

static int slot(const encoder *e, int which) { return e->base + which; }

/* Appends the value on top, which it pops, to the list in a slot; returns its number. */
static lua_Integer list_add(encoder *e, int which, lua_Integer n) {
  lua_State *L = e->L;
  if (lua_isnil(L, slot(e, which))) {
    lua_newtable(L);
    lua_replace(L, slot(e, which));
  }
  lua_rawseti(L, slot(e, which), n + 1);
  return n + 1;
}

static void defer(encoder *e, int index) {
  lua_pushvalue(e->L, index);
  e->n_deferred = list_add(e, SLOT_DEFERRED, e->n_deferred);
}

/* Plain values. */

static void encode_integer(encoder *e, lua_Integer n) {
  if (n >= INT8_MIN && n <= INT8_MAX) {
    int8_t small = (int8_t)n;
    put_tagged(e, WIRE_INT8, &small, sizeof small);
  } else if (n >= INT32_MIN && n <= INT32_MAX) {
    int32_t medium = (int32_t)n;
    put_tagged(e, WIRE_INT32, &medium, sizeof medium);
  } else {
    put_tagged(e, WIRE_INT64, &n, sizeof n);
  }
}

static void encode_number(encoder *e, int index) {
  if (lua_isinteger(e->L, index)) {
    encode_integer(e, lua_tointeger(e->L, index));
  } else {
    lua_Number n = lua_tonumber(e->L, index);
    put_tagged(e, WIRE_FLOAT, &n, sizeof n);
  }
}

static void encode_string(encoder *e, int index) {
  size_t n_bytes;
  const char *bytes = lua_tolstring(e->L, index, &n_bytes);
  if (n_bytes >= MOONS_WIRE_SHARED_STRING_BYTES) {
    if (put_reference(e, bytes)) return;
    remember(e, bytes, place(e));
  }
  if (n_bytes <= UINT8_MAX) {
    char *at = room(e, 2 + n_bytes);
    at[0] = WIRE_STRING8;
    at[1] = (char)n_bytes;
    memcpy(at + 2, bytes, n_bytes);
    e->out->n_bytes += 2 + n_bytes;
  } else {
    put_byte(e, WIRE_STRING);
    put_varint(e, n_bytes);
    put_bytes(e, bytes, n_bytes);
  }
}

/* Values that have a name on both sides. */

static void note_library(encoder *e, const char *name, size_t n_bytes) {
  e->needs |= moons__stdlib_of_global(name, n_bytes);
  if (!e->dynamic && moons__stdlib_reaches_globals(name, n_bytes)) e->dynamic = 1;
}

static int encode_named(encoder *e, int index) {
  if (e->names == NULL) return 0;
  if (e->own_start != NULL && !lua_iscfunction(e->L, index)) {
    const char *object = lua_topointer(e->L, index);
    if (object < (const char *)e->own_start || object >= (const char *)e->own_end) return 0;
  }
  if (!e->names_refreshed) moons__names_refresh(e->names, e->L);
  e->names_refreshed = 1;
  size_t n_bytes, n_name_bytes;
  const char *path = moons__names_find(e->names, e->L, index, &n_bytes);
  if (path == NULL) return 0;
  const char *global = moons__names_global(path, n_bytes, &n_name_bytes);
  if (global != NULL)
    note_library(e, global, n_name_bytes);
  else
    e->needs |= MOONS__LIBRARIES_ALL;
  if (moons__names_is_parallel(path, n_bytes)) e->needs |= MOONS__LIBRARIES_PARALLEL;
  put_byte(e, WIRE_NAMED);
  put_varint(e, n_bytes);
  put_bytes(e, path, n_bytes);
  return 1;
}

/* Values that rebuild themselves. */

/* Pushes the metamethod; returns 0, and pushes nothing, where there is none. */
static int push_marshal(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return 0;
  lua_pushliteral(L, "__marshal");
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 2);
    return 0;
  }
  lua_remove(L, -2);
  return 1;
}

/* Keeps values alive until the message is made: addresses in `seen` must not be used again. */
static void anchor(encoder *e, int first, int last) {
  lua_State *L = e->L;
  lua_createtable(L, last - first + 1, 0);
  for (int i = first; i <= last; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i - first + 1);
  }
  lua_Integer n =
      lua_istable(L, slot(e, SLOT_ANCHORS)) ? (lua_Integer)lua_rawlen(L, slot(e, SLOT_ANCHORS)) : 0;
  list_add(e, SLOT_ANCHORS, n);
}

/* The metamethod is on top; it is popped. */
static void encode_marshalled(encoder *e, int index, int depth) {
  lua_State *L = e->L;
  if (depth >= MARSHAL_DEPTH) refuse(e, "cannot send values nested so deeply through __marshal");
  uint64_t at = place(e);
  const void *object = lua_topointer(L, index);
  remember(e, object, at | IN_PROGRESS);
  wire_frame frame = {.kind = AT_MARSHAL};
  enter(e, &frame);
  int first = lua_gettop(L);
  lua_pushvalue(L, index);
  lua_call(L, 1, LUA_MULTRET);
  int last = lua_gettop(L);
  if (last < first || !lua_isfunction(L, first)) {
    leave(e);
    refuse(e, "its __marshal must return a function and that function's arguments");
  }
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  anchor(e, first, last);
  put_byte(e, WIRE_MARSHAL);
  put_varint(e, (uint64_t)(last - first + 1));
  for (int i = first; i <= last; i++)
    encode_value(e, i, depth + 1);
  encode_later(e, depth + 1);
  leave(e);
  remember(e, object, at);
  lua_settop(L, first - 1);
}

/* Tables. */

/* The elements of an array, of which numbers of one kind that stand side by side make a run. */
typedef struct array {
  lua_Unsigned n;     /* how many there are */
  lua_Unsigned n_put; /* how many have been put */
  enum wire_tag run;  /* kind of the open run; WIRE_END: none */
  uint64_t run_at;    /* place of its count */
  uint32_t n_run;
} array;

static void run_close(encoder *e, array *a) {
  if (a->run == WIRE_END) return;
  memcpy(byte_at(e, a->run_at), &a->n_run, sizeof a->n_run);
  a->run = WIRE_END;
}

static void run_put(encoder *e, array *a, enum wire_tag kind, const void *number) {
  if (a->run != kind || a->n_run == UINT32_MAX) {
    run_close(e, a);
    a->run = kind;
    a->n_run = 0;
    put_byte(e, kind);
    a->run_at = place(e);
    put_bytes(e, &a->n_run, sizeof a->n_run);
  }
  memcpy(room(e, 8), number, 8);
  e->out->n_bytes += 8;
  a->n_run++;
}

/* Puts the element on top of the stack. */
static void element_put(encoder *e, array *a, int depth) {
  lua_State *L = e->L;
  a->n_put++;
  if (lua_type(L, -1) == LUA_TNUMBER && a->n >= RUN_MIN_ELEMENTS) {
    if (lua_isinteger(L, -1)) {
      lua_Integer n = lua_tointeger(L, -1);
      run_put(e, a, WIRE_INTEGERS, &n);
    } else {
      lua_Number n = lua_tonumber(L, -1);
      run_put(e, a, WIRE_FLOATS, &n);
    }
    return;
  }
  run_close(e, a);
  wire_frame frame = {.kind = AT_INDEX, .index = (lua_Integer)a->n_put};
  enter(e, &frame);
  encode_value(e, lua_gettop(L), depth);
  leave(e);
}

/* Puts the elements that are still missing. */
static void elements_finish(encoder *e, array *a, int table, int depth) {
  while (a->n_put < a->n) {
    lua_rawgeti(e->L, table, (lua_Integer)a->n_put + 1);
    element_put(e, a, depth);
    lua_pop(e->L, 1);
  }
  run_close(e, a);
}

/* The size of the hash part as flags say it: 0 for none, n for at most 2^(n-1) pairs. */
static unsigned hash_flags(size_t n_pairs) {
  unsigned n = 0;
  while (n_pairs > 0 && (size_t)1 << n < n_pairs)
    n++;
  return n_pairs > 0 ? (n < WIRE_HASH_MASK ? n + 1 : WIRE_HASH_MASK) : 0;
}

/* Puts the pair on top of the stack; returns whether its key is that of a metamethod. */
static int pair_put(encoder *e, int depth) {
  lua_State *L = e->L;
  int value = lua_gettop(L), key = value - 1, is_metamethod = 0;
  wire_frame frame = {.kind = AT_KEY, .index = key};
  enter(e, &frame);
  if (lua_type(L, key) == LUA_TSTRING) {
    const char *name = lua_tostring(L, key);
    is_metamethod = name[0] == '_' && name[1] == '_';
    encode_string(e, key);
  } else {
    encode_value(e, key, depth);
  }
  encode_value(e, value, depth);
  leave(e);
  return is_metamethod;
}

static int is_element(lua_State *L, int key, const array *a) {
  if (!lua_isinteger(L, key)) return 0;
  lua_Integer n = lua_tointeger(L, key);
  return n >= 1 && (lua_Unsigned)n <= a->n;
}

/* Walks a table once: Lua gives the elements of an array first and in order. Where it does not,
** for some lie in the hash part, the rest of them is fetched by index and passed over later. */
static int pairs_and_elements(encoder *e, int table, array *a, size_t *n_pairs, int depth) {
  lua_State *L = e->L;
  int is_class = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    int key = lua_gettop(L) - 1;
    if (is_element(L, key, a)) {
      if (a->n_put == a->n || (lua_Unsigned)lua_tointeger(L, key) <= a->n_put) continue;
      if ((lua_Unsigned)lua_tointeger(L, key) == a->n_put + 1) {
        element_put(e, a, depth);
        continue;
      }
    }
    elements_finish(e, a, table, depth);
    if (is_element(L, key, a)) continue;
    is_class |= pair_put(e, depth);
    ++*n_pairs;
  }
  elements_finish(e, a, table, depth);
  return is_class;
}

static void encode_table(encoder *e, int index, int depth, int as_metatable);

static unsigned encode_metatable(encoder *e, int table, int depth) {
  lua_State *L = e->L;
  if (!lua_getmetatable(L, table)) return 0;
  int metatable = lua_gettop(L);
  wire_frame frame = {.kind = AT_METATABLE};
  enter(e, &frame);
  encode_table(e, metatable, depth, 1);
  leave(e);
  lua_pushliteral(L, "__gc");
  int has_finalizer = lua_rawget(L, metatable) != LUA_TNIL;
  lua_settop(L, metatable - 1);
  return has_finalizer ? WIRE_HAS_METATABLE | WIRE_LATE_METATABLE : WIRE_HAS_METATABLE;
}

/* The number of a class, or MOONS__PTRMAP_NONE. */
static uint64_t class_number(const moons__classes *classes, const void *table) {
  uint64_t number = MOONS__PTRMAP_NONE;
  for (; classes != NULL && number == MOONS__PTRMAP_NONE; classes = classes->outer)
    number = moons__ptrmap_get(&classes->numbers, table);
  return number;
}

/* Sends the number of a class with its content, a new one where it has none. */
static unsigned encode_class(encoder *e, int table) {
  if (e->class_index == 0) return 0;
  const void *class = lua_topointer(e->L, table);
  uint64_t number = class_number(e->classes, class);
  if (number == MOONS__PTRMAP_NONE) {
    number = e->classes->n_numbers;
    lua_pushvalue(e->L, table);
    lua_rawseti(e->L, e->class_index, (lua_Integer)number);
    int error = moons__ptrmap_put(&e->classes->numbers, class, number);
    if (error) luaL_error(e->L, "%s", moons_error_text(error));
    e->classes->n_numbers++;
  }
  put_varint(e, number);
  return WIRE_HAS_CLASS;
}

static void encode_table_content(encoder *e, int table, int depth, int as_metatable) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  uint64_t flags_at = place(e);
  put_byte(e, 0);
  array a = {.n = lua_rawlen(L, table), .run = WIRE_END};
  put_varint(e, a.n);
  size_t n_pairs = 0;
  int is_class = pairs_and_elements(e, table, &a, &n_pairs, depth) || as_metatable;
  if (n_pairs > 0) put_byte(e, WIRE_END);
  unsigned flags = hash_flags(n_pairs) | encode_metatable(e, table, depth);
  if (is_class) flags |= encode_class(e, table);
  *byte_at(e, flags_at) = (char)flags;
}

static int encode_known_class(encoder *e, const void *table) {
  uint64_t number = class_number(e->classes, table);
  if (number == MOONS__PTRMAP_NONE || number >= e->classes->n_known) return 0;
  put_byte(e, WIRE_CLASS);
  put_varint(e, number);
  return 1;
}

/* Whoever has the table can reach every global. */
static void encode_globals(encoder *e) {
  put_byte(e, WIRE_GLOBALS);
  e->needs |= MOONS__LIBRARIES_ALL;
  if (!e->dynamic) e->dynamic = 1;
}

static void encode_table(encoder *e, int index, int depth, int as_metatable) {
  const void *table = lua_topointer(e->L, index);
  if (put_reference(e, table)) return;
  if (table == e->globals) {
    encode_globals(e);
    return;
  }
  if (e->classes != NULL && encode_known_class(e, table)) return;
  if (encode_named(e, index)) return;
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  if (push_marshal(e->L, index)) {
    encode_marshalled(e, index, depth);
    return;
  }
  remember(e, table, place(e));
  if (depth >= MOONS_WIRE_DEPTH) {
    put_byte(e, WIRE_DEFERRED);
    defer(e, index);
    return;
  }
  put_byte(e, WIRE_TABLE);
  encode_table_content(e, index, depth + 1, as_metatable);
}

/* Functions. */

static int write_dump(lua_State *L, const void *bytes, size_t n_bytes, void *data) {
  (void)L;
  encoder *e = data;
  return moons__buffer_append(e->out, bytes, n_bytes);
}

/* A bit for each upvalue that is an environment. */
static uint64_t environments_of(encoder *e, int function) {
  uint64_t environments = 0;
  for (int i = 1; i <= 64; i++) {
    const char *name = lua_getupvalue(e->L, function, i);
    if (name == NULL) break;
    if (lua_topointer(e->L, -1) == e->globals || strcmp(name, "_ENV") == 0)
      environments |= UINT64_C(1) << (i - 1);
    lua_pop(e->L, 1);
  }
  return environments;
}

/* Whether the other side lacks the global whose name is on top: it is not one that every state has
** as it is here, nor sent before. */
static int is_to_be_sent(encoder *e) {
  lua_State *L = e->L;
  int name = lua_gettop(L);
  lua_pushvalue(L, name);
  int sent = lua_rawget(L, e->sent_index) != LUA_TNIL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushvalue(L, name);
  lua_rawget(L, -2);
  lua_pushvalue(L, name);
  lua_rawget(L, e->pristine_index);
  int same = lua_rawequal(L, -1, -2);
  lua_settop(L, name);
  return !sent && !same;
}

/* Queues the global whose name is on top, which it pops, where the other side lacks it. */
static void queue_global(encoder *e) {
  lua_State *L = e->L;
  if (is_to_be_sent(e)) {
    int name = lua_gettop(L), known = 0;
    if (lua_istable(L, slot(e, SLOT_GLOBALS))) {
      lua_pushvalue(L, name);
      known = lua_rawget(L, slot(e, SLOT_GLOBALS)) != LUA_TNIL;
      lua_pop(L, 1);
    }
    if (!known) {
      size_t n_bytes;
      const char *text = lua_tolstring(L, name, &n_bytes);
      if (moons__stdlib_of_global(text, n_bytes)) e->changes_standard = 1;
      lua_pushvalue(L, name);
      e->n_globals = list_add(e, SLOT_GLOBALS, e->n_globals);
      lua_pushvalue(L, name);
      lua_pushboolean(L, 1);
      lua_rawset(L, slot(e, SLOT_GLOBALS));
    }
  }
  lua_pop(L, 1);
}

static void note_global(void *data, const char *name, size_t n_bytes) {
  encoder *e = data;
  note_library(e, name, n_bytes);
  lua_pushlstring(e->L, name, n_bytes);
  queue_global(e);
}

static void note_globals(encoder *e, int function, size_t dump_at) {
  if (e->sent_index == 0) return;
  uint64_t environments = environments_of(e, function);
  moons__capture_result result = moons__capture(e->out->bytes + dump_at, e->out->n_bytes - dump_at,
                                                environments, note_global, e);
  if (result == MOONS__CAPTURE_EXACT) return;
  e->needs |= MOONS__LIBRARIES_ALL;
  if (!e->dynamic) e->dynamic = 1;
}

static void encode_function_content(encoder *e, int function, int depth) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  const char *name;
  for (int i = 1; (name = lua_getupvalue(L, function, i)) != NULL; i++) {
    const void *upvalue = lua_upvalueid(L, function, i);
    uint64_t at = moons__ptrmap_get(&e->seen, upvalue);
    if (at != MOONS__PTRMAP_NONE) {
      put_byte(e, WIRE_JOIN);
      put_varint(e, at);
    } else {
      remember(e, upvalue, place(e));
      put_byte(e, WIRE_UPVALUE);
      if (lua_topointer(L, -1) == e->globals) { /* which it names, capture has told */
        put_byte(e, WIRE_GLOBALS);
        lua_pop(L, 1);
        continue;
      }
      wire_frame frame = {.kind = AT_UPVALUE, .name = name};
      enter(e, &frame);
      encode_value(e, lua_gettop(L), depth);
      leave(e);
    }
    lua_pop(L, 1);
  }
}

static void encode_function(encoder *e, int index, int depth) {
  lua_State *L = e->L;
  const void *function = lua_topointer(L, index);
  if (put_reference(e, function)) return;
  if (encode_named(e, index)) return;
  if (lua_iscfunction(L, index)) refuse(e, "cannot send a C function of no loaded module");
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_Debug info;
  lua_pushvalue(L, index);
  lua_getinfo(L, ">u", &info);
  remember(e, function, place(e));
  int deferred = depth >= MOONS_WIRE_DEPTH;
  put_byte(e, deferred ? WIRE_DEFERRED_FUNCTION : WIRE_FUNCTION);
  put_byte(e, info.nups);
  uint64_t length_at = place(e), n_bytes = 0;
  put_bytes(e, &n_bytes, sizeof n_bytes);
  size_t dump_at = e->out->n_bytes;
  lua_pushvalue(L, index);
  int error = lua_dump(L, write_dump, e, 0);
  lua_pop(L, 1);
  if (error) luaL_error(L, "%s", moons_error_text(error));
  n_bytes = e->out->n_bytes - dump_at;
  memcpy(byte_at(e, length_at), &n_bytes, sizeof n_bytes);
  note_globals(e, index, dump_at);
  if (deferred)
    defer(e, index);
  else
    encode_function_content(e, index, depth + 1);
}

/* Others. */

static void refuse_userdata(encoder *e, int index) {
  lua_State *L = e->L;
  const char *name = NULL;
  if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) name = lua_tostring(L, -1);
  if (name != NULL)
    lua_pushfstring(L, "cannot send a userdata (%s)", name);
  else
    lua_pushliteral(L, "cannot send a userdata");
  refuse(e, lua_tostring(L, -1));
}

static void encode_userdata(encoder *e, int index, int depth) {
  if (put_reference(e, lua_topointer(e->L, index))) return;
  if (encode_named(e, index)) return;
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  if (push_marshal(e->L, index))
    encode_marshalled(e, index, depth);
  else
    refuse_userdata(e, index);
}

static void encode_value(encoder *e, int index, int depth) {
  switch (lua_type(e->L, index)) {
  case LUA_TNIL: put_byte(e, WIRE_NIL); break;
  case LUA_TBOOLEAN: put_byte(e, lua_toboolean(e->L, index) ? WIRE_TRUE : WIRE_FALSE); break;
  case LUA_TNUMBER: encode_number(e, index); break;
  case LUA_TSTRING: encode_string(e, index); break;
  case LUA_TTABLE: encode_table(e, index, depth, 0); break;
  case LUA_TFUNCTION: encode_function(e, index, depth); break;
  case LUA_TUSERDATA: encode_userdata(e, index, depth); break;
  case LUA_TLIGHTUSERDATA:
    if (!encode_named(e, index)) refuse(e, "cannot send a light userdata");
    break;
  default: refuse(e, "cannot send a coroutine");
  }
}

/* What comes after the values. */

static void encode_deferred(encoder *e, int depth) {
  lua_State *L = e->L;
  wire_frame frame = {.kind = AT_DEFERRED}, *outer = e->frame;
  lua_rawgeti(L, slot(e, SLOT_DEFERRED), ++e->n_done);
  e->frame = NULL;
  enter(e, &frame);
  put_byte(e, WIRE_CONTENT);
  int object = lua_gettop(L);
  if (lua_istable(L, object))
    encode_table_content(e, object, depth, 0);
  else
    encode_function_content(e, object, depth);
  e->frame = outer;
  lua_pop(L, 1);
}

static void encode_global(encoder *e, int depth) {
  lua_State *L = e->L;
  lua_rawgeti(L, slot(e, SLOT_GLOBALS), ++e->n_globals_done);
  put_byte(e, WIRE_GLOBAL);
  encode_string(e, lua_gettop(L));
  wire_frame frame = {.kind = AT_GLOBAL, .name = lua_tostring(L, -1)}, *outer = e->frame;
  e->frame = NULL;
  enter(e, &frame);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushvalue(L, -2);
  lua_rawget(L, -2);
  encode_value(e, lua_gettop(L), depth);
  e->frame = outer;
  lua_pop(L, 2);
  if (e->marks_sent) {
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, e->sent_index);
  }
  lua_pop(L, 1);
}

/* Encodes a value for trial. Arguments: an encoder to take after, the value. */
static int trial(lua_State *L) {
  encoder *e = lua_touserdata(L, 1);
  lua_settop(L, 2 + N_SLOTS);
  encode_value(e, 2, 1);
  encode_later(e, 1);
  return 0;
}

/* Whether the value on top can be sent. */
static int can_be_sent(encoder *e) {
  lua_State *L = e->L;
  moons__buffer scratch = {0};
  encoder inner = {.L = L, .out = &scratch, .names = e->names, .globals = e->globals, .base = 3};
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushcfunction(L, trial);
  lua_pushlightuserdata(L, &inner);
  lua_pushvalue(L, -3);
  int status = lua_pcall(L, 2, 0, 0);
  if (status != LUA_OK) lua_pop(L, 1);
  moons__ptrmap_free(&inner.seen);
  moons__buffer_free(&scratch);
  return status == LUA_OK;
}

/* Queues all globals of the script that can be sent: a function may ask for any of them. */
static void queue_all_globals(encoder *e) {
  lua_State *L = e->L;
  e->dynamic = 2;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  int globals = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, globals); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || !can_be_sent(e)) continue;
    lua_pushvalue(L, -2);
    queue_global(e);
  }
  lua_pop(L, 1);
}

static void encode_later(encoder *e, int depth) {
  for (;;) {
    if (e->n_done < e->n_deferred)
      encode_deferred(e, depth);
    else if (e->n_globals_done < e->n_globals)
      encode_global(e, depth);
    else if (e->dynamic == 1 && e->sent_index != 0)
      queue_all_globals(e);
    else
      break;
  }
  put_byte(e, WIRE_END);
}

/* Messages. */

void moons__encoder_begin(moons__encoder *e) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  e->globals = lua_topointer(L, -1);
  lua_pop(L, 1);
  e->base = lua_gettop(L) + 1;
  for (int i = 0; i < N_SLOTS; i++)
    lua_pushnil(L);
}

void moons__encoder_end(moons__encoder *e) { moons__ptrmap_free(&e->seen); }

static void start_message(encoder *e) {
  moons__ptrmap_clear(&e->seen);
  if (e->n_deferred > 0 || e->n_globals > 0 || !lua_isnil(e->L, slot(e, SLOT_ANCHORS)))
    for (int i = 0; i < N_SLOTS; i++) {
      lua_pushnil(e->L);
      lua_replace(e->L, slot(e, i));
    }
  e->n_deferred = e->n_done = e->n_globals = e->n_globals_done = 0;
  e->dynamic = 0;
  e->frame = NULL;
  e->start = e->out->n_bytes;
}

void moons__encode(moons__encoder *e, int first, int n_values, const char *what) {
  start_message(e);
  e->what = what;
  put_varint(e, (uint64_t)n_values);
  for (int i = 0; i < n_values; i++) {
    e->number = i + 1;
    encode_value(e, first + i, 0);
  }
  encode_later(e, 1);
}

void moons__classes_free(moons__classes *classes) { moons__ptrmap_free(&classes->numbers); }
