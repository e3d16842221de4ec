/*
** What is plain is written here, all else by `describe` in Lua, which knows what a function depends on. Objects that were met wait
** in a list to be described: however deep a value is, nothing here is.
**
** Objects as keys of a table are put in order by a sketch of their content, which ends after some bytes. Two with the same sketch
** come in any order, so a table with such keys may have other bytes another time: its calls are made again, never taken for others.
*/
#include "store/canonical.h"

#include "store/format.h"
#include "store/json.h"
#include "store/keys.h"
#include "store/scratch.h"
#include "wire/raise.h"

static const char WRITER[] = "parallel.store.writer";

enum { SKETCH_BYTES = 1000 };

typedef struct writer {
  moons__scratch scratch;
  moons__seen met; /* objects and upvalues -> their numbers */
  uint64_t n_met;
  lua_Integer n_objects; /* in the list of those to be described */
  size_t most_bytes;     /* where it may stop; 0: nowhere, it is no sketch */
  int is_plain, must_be_plain;
} writer;

/* What a writer has in Lua. */
enum { NAMES = 1, DESCRIBE, ARRAY_PARTS, OBJECTS, NOTES };

/* A writer at stack index `self`, with two of its tables. */
typedef struct frame {
  lua_State *L;
  writer *w;
  int self, names, objects;
} frame;

static frame enter(lua_State *L, int self) {
  frame f = {.L = L, .w = luaL_checkudata(L, self, WRITER), .self = self};
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_getiuservalue(L, self, NAMES);
  lua_getiuservalue(L, self, OBJECTS);
  f.objects = lua_gettop(L);
  f.names = f.objects - 1;
  return f;
}

/* {== Bytes =================================================================================== */

static void put(frame *f, const void *bytes, size_t n_bytes) {
  moons__check(f->L, moons__buffer_append(&f->w->scratch.out, bytes, n_bytes));
}

static void put_tag(frame *f, char tag) { put(f, &tag, 1); }

static void put_count(frame *f, uint64_t n) {
  unsigned char bytes[10];
  size_t n_bytes = 0;
  for (; n >= 0x80; n >>= 7)
    bytes[n_bytes++] = (unsigned char)(n | 0x80);
  bytes[n_bytes++] = (unsigned char)n;
  put(f, bytes, n_bytes);
}

static void put_word(frame *f, char tag, uint64_t word) {
  unsigned char bytes[9] = {(unsigned char)tag};
  for (int i = 0; i < 8; i++)
    bytes[1 + i] = (unsigned char)(word >> (56 - 8 * i));
  put(f, bytes, sizeof bytes);
}

static void put_float(frame *f, lua_Number number) {
  uint64_t word;
  memcpy(&word, &number, sizeof word);
  put_word(f, MOONS__STORED_FLOAT, word);
}

static void put_string(frame *f, char tag, int index) {
  size_t n_bytes;
  const char *bytes = lua_tolstring(f->L, index, &n_bytes);
  put_tag(f, tag);
  put_count(f, n_bytes);
  put(f, bytes, n_bytes);
}

/* {== Values ================================================================================== */

/* Puts a mark where this was met before; returns whether it was. Otherwise it has the next number now. */
static int is_met(frame *f, const void *address) {
  uint64_t *number = moons__seen_at(&f->w->met, address);
  if (number == NULL) return luaL_error(f->L, "%s", moons_error_text(MOONS_ENOMEM));
  if (*number == MOONS__PTRMAP_NONE) {
    *number = ++f->w->n_met;
    return 0;
  }
  put_tag(f, MOONS__STORED_MET);
  put_count(f, *number);
  return 1;
}

static void put_value(frame *f, int index);

/* Puts an array, where the userdata is one. */
static int is_array(frame *f, int index) {
  lua_State *L = f->L;
  int top = lua_gettop(L);
  lua_getiuservalue(L, f->self, ARRAY_PARTS);
  lua_pushvalue(L, index);
  lua_call(L, 1, LUA_MULTRET);
  if (lua_gettop(L) == top) return 0;
  put_tag(f, MOONS__STORED_ARRAY);
  put_count(f, (uint64_t)(lua_gettop(L) - top));
  for (int i = top + 1; i <= lua_gettop(L); i++)
    put_value(f, i);
  lua_settop(L, top);
  return 1;
}

/* Notes an object that is to be described. */
static void put_object(frame *f, int index) {
  put_tag(f, MOONS__STORED_OBJECT);
  lua_pushvalue(f->L, index);
  lua_rawseti(f->L, f->objects, ++f->w->n_objects);
}

/* A value that may have a name. */
static void put_reference(frame *f, int index) {
  lua_pushvalue(f->L, index);
  if (lua_rawget(f->L, f->names) == LUA_TSTRING) {
    f->w->is_plain = 0;
    put_string(f, MOONS__STORED_NAME, -1);
  } else if (!is_met(f, lua_topointer(f->L, index)) &&
             !(lua_type(f->L, index) == LUA_TUSERDATA && is_array(f, index))) {
    put_object(f, index);
  }
  lua_pop(f->L, 1);
}

static void put_value(frame *f, int index) {
  lua_State *L = f->L;
  switch (lua_type(L, index)) {
  case LUA_TNIL: put_tag(f, MOONS__STORED_NIL); return;
  case LUA_TBOOLEAN:
    put_tag(f, lua_toboolean(L, index) ? MOONS__STORED_TRUE : MOONS__STORED_FALSE);
    return;
  case LUA_TNUMBER:
    if (lua_isinteger(L, index))
      put_word(f, MOONS__STORED_INTEGER, (uint64_t)lua_tointeger(L, index));
    else
      put_float(f, lua_tonumber(L, index));
    return;
  case LUA_TSTRING: put_string(f, MOONS__STORED_STRING, index); return;
  default: put_reference(f, lua_absindex(L, index));
  }
}

/* {== Tables ================================================================================== */

static void sketch(lua_State *L, void *data);

static void put_list(frame *f, int table, lua_Integer n) {
  put_count(f, (uint64_t)n);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(f->L, table, i);
    put_value(f, -1);
    lua_pop(f->L, 1);
  }
}

/* In a sketch, objects as keys have no order, and are only counted. */
static void put_field(frame *f, int table, const moons__key *key, int objects) {
  if (key->kind == MOONS__KEY_OBJECT && f->w->most_bytes > 0) return;
  moons__key_push(f->L, key, objects);
  put_value(f, -1);
  lua_rawget(f->L, table);
  put_value(f, -1);
  lua_pop(f->L, 1);
}

static void put_content(frame *f, int table) {
  lua_Integer n = moons__keys_length(f->L, table);
  put_tag(f, MOONS__STORED_CONTENT);
  put_list(f, table, n);
  moons__buffer *keys = &f->w->scratch.keys;
  keys->n_bytes = 0;
  size_t n_keys = moons__keys_collect(f->L, table, n, keys, sketch, f);
  put_count(f, n_keys);
  for (size_t i = 0; i < n_keys; i++)
    put_field(f, table, (moons__key *)(void *)keys->bytes + i, lua_gettop(f->L));
  lua_pop(f->L, 1);
}

/* {== Descriptions ============================================================================ */

/* Whether the object on top is a table without metatable that no one wants to describe. */
static int is_plain_table(frame *f) {
  if (!lua_istable(f->L, -1)) return 0;
  if (lua_getmetatable(f->L, -1)) {
    lua_pop(f->L, 1);
    return 0;
  }
  lua_pushvalue(f->L, -1);
  int has_name = lua_rawget(f->L, f->names) != LUA_TNIL;
  lua_pop(f->L, 1);
  return !has_name;
}

static void push_notes(frame *f) {
  if (lua_getiuservalue(f->L, f->self, NOTES) != LUA_TNIL) return;
  lua_pop(f->L, 1);
  lua_newtable(f->L);
  lua_pushvalue(f->L, -1);
  lua_setiuservalue(f->L, f->self, NOTES);
}

/* Describes the object on top. */
static void describe(frame *f) {
  lua_State *L = f->L;
  if (is_plain_table(f)) {
    put_content(f, lua_gettop(L));
    return;
  }
  f->w->is_plain = 0;
  if (f->w->must_be_plain) return;
  int object = lua_gettop(L);
  lua_getiuservalue(L, f->self, DESCRIBE);
  lua_pushvalue(L, f->self);
  lua_pushvalue(L, object);
  push_notes(f);
  lua_call(L, 3, 0);
}

static void describe_all(frame *f) {
  const writer *w = f->w;
  for (lua_Integer i = 1; i <= w->n_objects; i++) {
    if (w->most_bytes > 0 && w->scratch.out.n_bytes > w->most_bytes) return;
    lua_rawgeti(f->L, f->objects, i);
    describe(f);
    lua_pop(f->L, 1);
  }
}

/* {== Writing ================================================================================= */

/* Makes a writer with the first three of its Lua values on top. */
static writer *new_writer(lua_State *L) {
  writer *w = lua_newuserdatauv(L, sizeof *w, NOTES);
  *w = (writer){.is_plain = 1};
  luaL_setmetatable(L, WRITER);
  for (int i = NAMES; i <= ARRAY_PARTS; i++) {
    lua_pushvalue(L, i - ARRAY_PARTS - 2);
    lua_setiuservalue(L, -2, i);
  }
  lua_newtable(L);
  lua_setiuservalue(L, -2, OBJECTS);
  return w;
}

/* Leaves nothing of the last writing, which an error may have ended. */
static void clear(lua_State *L, int self) {
  writer *w = luaL_checkudata(L, self, WRITER);
  if (w->n_objects > 1) { /* the next writing takes the place of the first one */
    lua_newtable(L);
    lua_setiuservalue(L, self, OBJECTS);
  }
  if (!w->is_plain) {
    lua_pushnil(L);
    lua_setiuservalue(L, self, NOTES);
  }
  moons__seen_clear(&w->met);
  w->scratch.out.n_bytes = 0;
  w->n_met = 0;
  w->n_objects = 0;
  w->is_plain = 1;
}

moons__scratch *moons__canonical_scratch(lua_State *L, int self) {
  writer *w = luaL_checkudata(L, self, WRITER);
  return &w->scratch;
}

int moons__canonical_write(lua_State *L, int self, int index, int must_be_plain) {
  int top = lua_gettop(L);
  clear(L, self);
  frame f = enter(L, self);
  f.w->must_be_plain = must_be_plain;
  put_value(&f, index);
  describe_all(&f);
  lua_settop(L, top);
  return f.w->is_plain;
}

void moons__canonical_push_bytes(lua_State *L, int self) {
  const moons__buffer *out = &moons__canonical_scratch(L, self)->out;
  lua_pushlstring(L, out->bytes != NULL ? out->bytes : "", out->n_bytes);
}

/* writer:write(v): the bytes of a value, whether they can be read back, and the notes of `describe`, if it was called. */
static int writer_write(lua_State *L) {
  lua_settop(L, 2);
  int is_plain = moons__canonical_write(L, 1, 2, 0);
  moons__canonical_push_bytes(L, 1);
  lua_pushboolean(L, is_plain);
  lua_getiuservalue(L, 1, NOTES);
  return 3;
}

/* writer:notes(): those of the last writing. */
static int writer_notes(lua_State *L) {
  luaL_checkudata(L, 1, WRITER);
  lua_getiuservalue(L, 1, NOTES);
  return 1;
}

/* A moons__key_order; data: the frame of the writer. */
static void sketch(lua_State *L, void *data) {
  const frame *outer = data;
  if (outer->w->most_bytes > 0) {
    lua_pushliteral(L, "");
    return;
  }
  int value = lua_gettop(L), key = value - 1;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  for (int i = NAMES; i <= ARRAY_PARTS; i++)
    lua_getiuservalue(L, outer->self, i);
  new_writer(L)->most_bytes = SKETCH_BYTES;
  frame f = enter(L, lua_gettop(L));
  put_value(&f, key);
  put_value(&f, value);
  describe_all(&f);
  moons__canonical_push_bytes(L, f.self);
  lua_replace(L, value + 1);
  lua_settop(L, value + 1);
}

/* {== For descriptions ======================================================================== */

/* writer:value(v): writes it, or mentions it. */
static int writer_value(lua_State *L) {
  lua_settop(L, 2);
  frame f = enter(L, 1);
  put_value(&f, 2);
  return 0;
}

/* writer:put(bytes): as they are. */
static int writer_put(lua_State *L) {
  frame f = {.L = L, .w = luaL_checkudata(L, 1, WRITER)};
  size_t n_bytes;
  const char *bytes = luaL_checklstring(L, 2, &n_bytes);
  put(&f, bytes, n_bytes);
  return 0;
}

/* writer:content(t): the fields of a table, whatever its metatable is. */
static int writer_content(lua_State *L) {
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  frame f = enter(L, 1);
  put_content(&f, 2);
  return 0;
}

/* writer:variable(f, i): upvalue i of a function. Functions that share it mention it once. */
static int writer_variable(lua_State *L) {
  int i = (int)luaL_checkinteger(L, 3);
  lua_settop(L, 3);
  frame f = enter(L, 1);
  if (is_met(&f, lua_upvalueid(L, 2, i))) return 0;
  put_tag(&f, MOONS__STORED_VARIABLE);
  lua_getupvalue(L, 2, i);
  put_value(&f, -1);
  return 0;
}

/* {== The type ================================================================================ */

/* writer:json(v): a value as JSON (json.h). */
static int writer_json(lua_State *L) {
  moons__scratch *scratch = moons__canonical_scratch(L, 1);
  lua_settop(L, 2);
  scratch->out.n_bytes = 0;
  moons__json_append(L, 2, scratch);
  moons__canonical_push_bytes(L, 1);
  return 1;
}

static int writer_free(lua_State *L) {
  writer *w = luaL_checkudata(L, 1, WRITER);
  moons__buffer_free(&w->scratch.out);
  moons__buffer_free(&w->scratch.keys);
  moons__seen_free(&w->scratch.tables);
  moons__seen_free(&w->met);
  return 0;
}

void moons__canonical_open(lua_State *L) {
  static const luaL_Reg METHODS[] = {{"write", writer_write},     {"notes", writer_notes},
                                     {"value", writer_value},     {"put", writer_put},
                                     {"content", writer_content}, {"variable", writer_variable},
                                     {"json", writer_json},       {NULL, NULL}};
  luaL_newmetatable(L, WRITER);
  luaL_newlib(L, METHODS);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, writer_free);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

int moons__canonical_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  new_writer(L);
  return 1;
}
