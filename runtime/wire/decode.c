/*
** Trusts nothing that it reads: every count is checked against the bytes that are left, and depth against the stack;
** what is malformed is an error, and what may call code or change the state is for trusted bytes alone. Deep values are
** put aside in a list and filled in later, so no depth overflows the C stack. A Lua error may leave at any point: nothing here
** owns memory outside the state.
*/
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "sizes.h"
#include "wire/format.h"
#include "wire/places.h"
#include "wire/raise.h"
#include "wire/wire.h"

/* Stack slots from decoder->base on. The lists are nil until they are needed. */
enum {
  SLOT_OBJECTS,  /* offset -> object, for those that are referred to; of upvalues the function at
                    their offset and which of its upvalues at minus their offset */
  SLOT_DEFERRED, /* list of objects whose content comes later */
  SLOT_LATE,     /* list of tables and metatables that must be set again at the end */
  SLOT_PLACES, /* list of places, names and values for them, put there at the end: until then the message
                    may mean what is there */
  N_SLOTS
};

/* What an encoder makes is less deep; bytes that go deeper are not an encoder's. */
enum { MAX_DEPTH = MOONS_WIRE_DEPTH + 64 };

/* An element takes a byte at least, and so does a field of a record; the number of pairs is rounded
** up to at most its double. */
enum { ENTRIES_PER_BYTE = 2 };

/* Free stack slots that a value needs, without the values in it. */
enum { STACK_NEED = 8 };

typedef moons__decoder decoder;

static void decode_value(decoder *d, int top);
static void decode_later(decoder *d, int top);

static void malformed(decoder *d, const char *what) {
  luaL_error(d->L, "malformed bytes: %s at byte %d", what, (int)(d->at - d->start));
}

/* Refuses what is more than data, where that is all that is wanted. */
static void check_data(decoder *d) {
  if (d->is_data) luaL_error(d->L, "more than data");
}

/* Bytes. */

static size_t left(const decoder *d) { return (size_t)(d->end - d->at); }

/* All bytes are read through this, or after a look at what is left. */
static const char *take(decoder *d, size_t n_bytes) {
  if (n_bytes > left(d)) malformed(d, "the end comes early");
  const char *taken = d->at;
  d->at += n_bytes;
  return taken;
}

static unsigned take_byte(decoder *d) { return (unsigned char)*take(d, 1); }

/* Seven bits a byte, the lowest first; more than ten bytes are no number. */
static uint64_t take_varint(decoder *d) {
  uint64_t n = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    unsigned byte = take_byte(d);
    n |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) return n;
  }
  malformed(d, "a number is too long");
  return 0;
}

/* A count of things of which each takes at least `item_bytes`. */
static size_t take_count(decoder *d, size_t item_bytes) {
  uint64_t n = take_varint(d);
  if (n > left(d) / item_bytes) malformed(d, "a count is too large");
  return (size_t)n;
}

/* Lists. */

static int slot(const decoder *d, int which) { return d->base + which; }

static void need_list(decoder *d, int which) {
  if (d->base == 0) malformed(d, "a list that was not announced");
  if (!lua_isnil(d->L, slot(d, which))) return;
  lua_newtable(d->L);
  lua_replace(d->L, slot(d, which));
}

/* Keeps the value on top, which stays there, under an offset. Only what is referred to later is kept: the encoder has marked
** it (WIRE_SHARED), so that most values cost no entry. */
static void keep(decoder *d, lua_Integer offset) {
  need_list(d, SLOT_OBJECTS);
  lua_pushvalue(d->L, -1);
  lua_rawseti(d->L, slot(d, SLOT_OBJECTS), offset);
}

static void push_kept(decoder *d, lua_Integer offset) {
  if (d->base == 0 || !lua_istable(d->L, slot(d, SLOT_OBJECTS)) ||
      lua_rawgeti(d->L, slot(d, SLOT_OBJECTS), offset) == LUA_TNIL)
    malformed(d, "a reference to nothing");
}

static void keep_shared(decoder *d, unsigned tag, const char *at) {
  if (tag & WIRE_SHARED) keep(d, (lua_Integer)(at - d->start));
}

/* Contents come in the order in which objects were put aside, so none has to say which one it is of. */
static void defer(decoder *d) {
  need_list(d, SLOT_DEFERRED);
  lua_pushvalue(d->L, -1);
  lua_rawseti(d->L, slot(d, SLOT_DEFERRED), ++d->n_deferred);
}

/* Makes sure of a few free slots above `top`. */
static void need_stack(decoder *d, int top) {
  if (top + STACK_NEED <= d->stack_limit) return;
  luaL_checkstack(d->L, LUA_MINSTACK, NULL);
  d->stack_limit = lua_gettop(d->L) + LUA_MINSTACK;
}

/* Tables. */

/* Each sets `n` numbers from element `next` on. Apart, so that the inner loop asks nothing. */

static void set_floats(lua_State *L, int table, lua_Integer next, const char *bytes, size_t n) {
  for (const char *end = bytes + n * 8; bytes < end; bytes += 8) {
    lua_Number number;
    memcpy(&number, bytes, sizeof number);
    lua_pushnumber(L, number);
    lua_rawseti(L, table, next++);
  }
}

static void set_integers(lua_State *L, int table, lua_Integer next, const char *bytes, size_t n) {
  for (const char *end = bytes + n * 8; bytes < end; bytes += 8) {
    lua_Integer number;
    memcpy(&number, bytes, sizeof number);
    lua_pushinteger(L, number);
    lua_rawseti(L, table, next++);
  }
}

/* Sets a run of numbers of one kind from element `next` on; returns the number of the next one. */
static lua_Integer decode_run(decoder *d, unsigned kind, int table, lua_Integer next,
                              lua_Integer n) {
  uint32_t count;
  memcpy(&count, take(d, sizeof count), sizeof count);
  if ((lua_Integer)count > n - next + 1) malformed(d, "too many elements");
  const char *bytes = take(d, (size_t)count * 8);
  if (kind == WIRE_FLOATS)
    set_floats(d->L, table, next, bytes, count);
  else
    set_integers(d->L, table, next, bytes, count);
  return next + count;
}

static void decode_elements(decoder *d, int table, lua_Integer n) {
  lua_Integer next = 1;
  while (next <= n) {
    if (left(d) == 0) malformed(d, "the end comes early");
    unsigned tag = (unsigned char)*d->at;
    if (tag == WIRE_INTEGERS || tag == WIRE_FLOATS) {
      d->at++;
      next = decode_run(d, tag, table, next, n);
      continue;
    }
    decode_value(d, table);
    lua_rawseti(d->L, table, next++);
  }
}

static void check_key(decoder *d) {
  int type = lua_type(d->L, -1);
  if (type == LUA_TSTRING) return;
  if (type > LUA_TSTRING) check_data(d);
  lua_Number key = type == LUA_TNUMBER ? lua_tonumber(d->L, -1) : 0;
  if (type == LUA_TNIL || key != key) malformed(d, "a key is nil or not a number");
}

static void decode_pairs(decoder *d, int table) {
  for (;;) {
    if (left(d) == 0) malformed(d, "the end comes early");
    if ((unsigned char)*d->at == WIRE_END) break;
    decode_value(d, table);
    check_key(d);
    decode_value(d, table + 1);
    lua_rawset(d->L, table);
  }
  d->at++;
}

/* Lua looks for __gc when a metatable is given to a table, but this one may not be filled yet: so it is given once more at the
** end. */
static void decode_metatable(decoder *d, int table, unsigned flags) {
  lua_State *L = d->L;
  check_data(d);
  decode_value(d, table);
  if (!lua_istable(L, -1)) malformed(d, "a metatable is no table");
  if (flags & WIRE_LATE_METATABLE) {
    need_list(d, SLOT_LATE);
    lua_pushvalue(L, table);
    lua_rawseti(L, slot(d, SLOT_LATE), ++d->n_late);
    lua_pushvalue(L, -1);
    lua_rawseti(L, slot(d, SLOT_LATE), ++d->n_late);
    d->made_finalizer = 1;
  }
  lua_setmetatable(L, table);
}

/* Noted on this side under the number that the other side has for it, and by address, so that results can name it. */
static void decode_class(decoder *d, int table) {
  lua_State *L = d->L;
  uint64_t number = take_varint(d);
  check_data(d);
  if (number > INT_MAX) malformed(d, "no such class");
  if (d->class_index == 0 || d->classes == NULL) return;
  lua_pushvalue(L, table);
  lua_rawseti(L, d->class_index, (lua_Integer)number);
  moons__check(L, moons__ptrmap_put(&d->classes->numbers, lua_topointer(L, table), number));
}

/* Reads what follows the elements of the table at the top of the stack. */
static void decode_rest(decoder *d, int table, unsigned flags) {
  if (flags & WIRE_HASH_MASK) decode_pairs(d, table);
  if (flags & WIRE_HAS_METATABLE) decode_metatable(d, table, flags);
  if (flags & WIRE_HAS_CLASS) decode_class(d, table);
}

/* Takes from the entries that tables may have in all. Without this, tables could each ask for as
** many as there are bytes left. */
static int take_room(decoder *d, size_t n_entries) {
  if (n_entries > d->n_room || n_entries > INT_MAX) malformed(d, "too many elements");
  d->n_room -= n_entries;
  return (int)n_entries;
}

static int take_elements(decoder *d) {
  uint32_t n;
  memcpy(&n, take(d, sizeof n), sizeof n);
  return take_room(d, n);
}

static int take_pairs(decoder *d, unsigned flags) {
  unsigned log2 = flags & WIRE_HASH_MASK;
  return log2 == 0 ? 0 : take_room(d, (size_t)1 << (log2 - 1));
}

/* Makes a table at the top of the stack and reads it. */
static void decode_table(decoder *d, unsigned tag, const char *at, int top) {
  unsigned flags = take_byte(d);
  int is_array = (tag & ~(unsigned)WIRE_SHARED) == WIRE_ARRAY;
  int n = is_array ? take_elements(d) : 0, table = top + 1;
  lua_createtable(d->L, n, take_pairs(d, flags));
  keep_shared(d, tag, at);
  if (n > 0) decode_elements(d, table, n);
  if (flags != 0) decode_rest(d, table, flags);
}

/* Records. */

static int key_slot(const decoder *d, unsigned key) { return d->base + N_SLOTS + (int)key; }

/* Number of the first key of a shape. */
static unsigned shape_first(const decoder *d, unsigned shape) {
  return shape > 0 ? d->shape_ends[shape - 1] : 0;
}

/* Reads the keys of the next shape. They stay in stack slots, of which `lists` has told how many: a record then pushes its
** keys, and Lua hashes no string anew. */
static void decode_shape(decoder *d, int top) {
  unsigned n = take_byte(d), first = shape_first(d, d->n_shapes);
  if (n == 0 || n > d->n_keys - first) malformed(d, "a shape that was not announced");
  for (unsigned key = first; key < first + n; key++) {
    decode_value(d, top);
    if (lua_type(d->L, -1) != LUA_TSTRING) malformed(d, "a key of a shape is no string");
    lua_replace(d->L, key_slot(d, key));
  }
  d->shape_ends[d->n_shapes++] = (unsigned char)(first + n);
}

static void decode_record(decoder *d, unsigned tag, const char *at, int top) {
  lua_State *L = d->L;
  int is_new = (tag & ~(unsigned)WIRE_SHARED) == WIRE_SHAPE, table = top + 1;
  if (is_new) decode_shape(d, top);
  unsigned shape = is_new ? d->n_shapes - 1 : take_byte(d);
  if (shape >= d->n_shapes) malformed(d, "no such shape");
  unsigned flags = take_byte(d), end = d->shape_ends[shape];
  lua_createtable(L, 0, take_pairs(d, flags));
  keep_shared(d, tag, at);
  for (unsigned key = shape_first(d, shape); key < end; key++) {
    if (left(d) > 0 && *d->at == WIRE_NIL) {
      d->at++;
      continue;
    }
    lua_pushvalue(L, key_slot(d, key));
    decode_value(d, table + 1);
    lua_rawset(L, table);
  }
  decode_pairs(d, table);
  if (flags != 0) decode_rest(d, table, flags & ~(unsigned)WIRE_HASH_MASK);
}

/* Functions. */

static int n_upvalues(lua_State *L, int function) {
  lua_Debug info;
  lua_pushvalue(L, function);
  lua_getinfo(L, ">u", &info);
  return info.nups;
}

/* An upvalue is kept as a function, at its offset, and which one of that function's it is, at minus the offset: Lua has no
** value for an upvalue. */
static void decode_join(decoder *d, int function, int which) {
  lua_State *L = d->L;
  lua_Integer offset = (lua_Integer)(take_varint(d) & INT64_MAX);
  push_kept(d, offset);
  push_kept(d, -offset);
  lua_Integer other = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
  lua_pop(L, 1);
  if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1) || other < 1 || other > n_upvalues(L, -1))
    malformed(d, "an upvalue of nothing");
  lua_upvaluejoin(L, function, which, lua_gettop(L), (int)other);
  lua_pop(L, 1);
}

static void decode_upvalue(decoder *d, int function, int which, lua_Integer offset) {
  lua_State *L = d->L;
  lua_pushvalue(L, function);
  keep(d, offset);
  lua_pop(L, 1);
  lua_pushinteger(L, which);
  keep(d, -offset);
  lua_pop(L, 1);
  decode_value(d, function);
  lua_setupvalue(L, function, which);
}

/* Reads the upvalues of the function on top. */
static void fill_function(decoder *d, int function) {
  int n = n_upvalues(d->L, function);
  for (int i = 1; i <= n; i++) {
    lua_Integer offset = (lua_Integer)(d->at - d->start);
    unsigned tag = take_byte(d);
    if (tag == WIRE_JOIN)
      decode_join(d, function, i);
    else if (tag == WIRE_UPVALUE)
      decode_upvalue(d, function, i, offset);
    else
      malformed(d, "no upvalue");
  }
}

/* Lua does not check bytecode, so only bytes of this process may hold any. A length beyond what is left, or beyond size_t, is
** turned into one that take() refuses. */
static void decode_function(decoder *d, unsigned tag, const char *at, int top) {
  lua_State *L = d->L;
  check_data(d);
  if (!d->trusted) malformed(d, "a function from elsewhere");
  take_byte(d);
  uint64_t n_bytes;
  memcpy(&n_bytes, take(d, sizeof n_bytes), sizeof n_bytes);
  const char *dump = take(d, n_bytes <= left(d) ? (size_t)n_bytes : left(d) + 1);
  if (luaL_loadbufferx(L, dump, (size_t)n_bytes, "=?", "b") != LUA_OK) lua_error(L);
  keep_shared(d, tag, at);
  if ((tag & ~(unsigned)WIRE_SHARED) == WIRE_DEFERRED_FUNCTION)
    defer(d);
  else
    fill_function(d, top + 1);
}

/* Others. */

static void decode_class_number(decoder *d) {
  uint64_t number = take_varint(d);
  if (d->class_index == 0 || number > INT_MAX ||
      lua_rawgeti(d->L, d->class_index, (lua_Integer)number) != LUA_TTABLE)
    malformed(d, "no such class");
}

static void decode_named(decoder *d) {
  size_t n_bytes = take_count(d, 1);
  moons__names_push(d->L, take(d, n_bytes), n_bytes, d->trusted);
}

/* Puts what has come for places there; there is a list where anything has. */
static void fill_places(decoder *d) {
  lua_State *L = d->L;
  for (; d->n_placed < d->n_places; d->n_placed += 3) {
    for (int i = 1; i <= 3; i++)
      lua_rawgeti(L, slot(d, SLOT_PLACES), d->n_placed + i);
    enum wire_place where = (enum wire_place)lua_tointeger(L, -3);
    if (!moons__place_set(L, where, d->places_index)) malformed(d, "what does not fit its place");
    lua_pop(L, 1);
  }
}

/* The value exists only when the function has been called, so nothing in its arguments can refer to it. */
static void decode_marshalled(decoder *d, unsigned tag, const char *at, int top) {
  lua_State *L = d->L;
  check_data(d);
  if (!d->trusted) malformed(d, "a call from elsewhere");
  size_t n_values = take_count(d, 1);
  if (n_values == 0 || n_values > INT_MAX) malformed(d, "nothing to call");
  luaL_checkstack(L, (int)(n_values < INT_MAX - LUA_MINSTACK ? n_values : INT_MAX) + LUA_MINSTACK,
                  "too many values");
  for (int i = 0; i < (int)n_values; i++)
    decode_value(d, top + i);
  decode_later(d, top + (int)n_values);
  if (!lua_isfunction(L, top + 1)) malformed(d, "nothing to call");
  if (d->n_placed < d->n_places) fill_places(d); /* it may name them */
  lua_call(L, (int)n_values - 1, 1);
  keep_shared(d, tag, at);
}

/* What the list beside the message has in this place, checked to be that; or NULL. */
static moons__shared *take_block(decoder *d) {
  uint64_t place = take_varint(d), id;
  memcpy(&id, take(d, sizeof id), sizeof id);
  if (d->shared == NULL || place >= d->shared->n) return NULL;
  moons__shared *block = d->shared->blocks[place];
  return block->id == id ? block : NULL;
}

static void decode_array(decoder *d, unsigned tag, const char *at) {
  check_data(d);
  moons__shared *block = take_block(d);
  if (block == NULL) {
    malformed(d, "an array of nothing");
    return;
  }
  unsigned type = take_byte(d), flags = take_byte(d);
  moons__extent extent = {.is_matrix = (flags & WIRE_IS_MATRIX) != 0};
  if (type >= MOONS__N_ELEMENTS) malformed(d, "an array of an unknown type");
  extent.type = (moons__element)type;
  extent.rows = take_varint(d);
  extent.columns = take_varint(d);
  size_t n, n_bytes;
  if (!moons__extent_measure(&extent, &n, &n_bytes) || n_bytes != block->n_bytes)
    malformed(d, "an array of another size");
  moons__array_push(d->L, block, &extent, flags & WIRE_IS_OWN ? MOONS__AS_HANDLE : d->arrival);
  keep_shared(d, tag, at);
}

static void decode_rows(decoder *d, unsigned tag, const char *at, int top) {
  int how;
  check_data(d);
  decode_value(d, top);
  moons__array_at(d->L, -1, &how);
  if (how != MOONS__IS_ARRAY) malformed(d, "rows of nothing");
  moons__array_push_rows(d->L, -1);
  lua_remove(d->L, -2);
  keep_shared(d, tag, at);
}

static void decode_string(decoder *d, unsigned tag, const char *at, size_t n_bytes) {
  lua_pushlstring(d->L, take(d, n_bytes), n_bytes);
  keep_shared(d, tag, at);
}

static void decode_number(decoder *d, unsigned tag) {
  lua_State *L = d->L;
  int8_t small;
  int32_t medium;
  lua_Integer integer;
  lua_Number number;
  switch (tag) {
  case WIRE_INT8:
    memcpy(&small, take(d, sizeof small), sizeof small);
    lua_pushinteger(L, small);
    break;
  case WIRE_INT32:
    memcpy(&medium, take(d, sizeof medium), sizeof medium);
    lua_pushinteger(L, medium);
    break;
  case WIRE_INT64:
    memcpy(&integer, take(d, sizeof integer), sizeof integer);
    lua_pushinteger(L, integer);
    break;
  default: memcpy(&number, take(d, sizeof number), sizeof number); lua_pushnumber(L, number);
  }
}

static void decode_pointer(decoder *d) {
  void *pointer;
  check_data(d);
  memcpy(&pointer, take(d, sizeof pointer), sizeof pointer);
  lua_pushlightuserdata(d->L, pointer);
}

/* Reads a value that may hold others. */
static void decode_compound(decoder *d, unsigned tag, const char *at, int top) {
  if (d->has_no_tables) check_data(d);
  if (++d->depth > MAX_DEPTH) malformed(d, "nested too deeply");
  need_stack(d, top);
  switch (tag & ~(unsigned)WIRE_SHARED) {
  case WIRE_TABLE:
  case WIRE_ARRAY: decode_table(d, tag, at, top); break;
  case WIRE_RECORD:
  case WIRE_SHAPE: decode_record(d, tag, at, top); break;
  case WIRE_DEFERRED:
    lua_newtable(d->L);
    keep_shared(d, tag, at);
    defer(d);
    break;
  case WIRE_FUNCTION:
  case WIRE_DEFERRED_FUNCTION: decode_function(d, tag, at, top); break;
  case WIRE_MARSHAL: decode_marshalled(d, tag, at, top); break;
  case WIRE_NUMBERS: decode_array(d, tag, at); break;
  case WIRE_ROWS: decode_rows(d, tag, at, top); break;
  default: malformed(d, "an unknown tag");
  }
  d->depth--;
}

/* Reads a value that has a name on both sides. */
static void decode_known(decoder *d, unsigned tag, const char *at) {
  check_data(d);
  switch (tag & ~(unsigned)WIRE_SHARED) {
  case WIRE_GLOBALS: lua_rawgeti(d->L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS); break;
  case WIRE_NAMED: decode_named(d); break;
  default: decode_class_number(d);
  }
  keep_shared(d, tag, at);
}

/* Pushes one value, where the stack has `top` values. Values that hold no others come first: for them no depth is counted, and
** no stack made sure of. */
static void decode_value(decoder *d, int top) {
  const char *at = d->at;
  unsigned tag = take_byte(d);
  switch (tag & ~(unsigned)WIRE_SHARED) {
  case WIRE_NIL: lua_pushnil(d->L); break;
  case WIRE_FALSE: lua_pushboolean(d->L, 0); break;
  case WIRE_TRUE: lua_pushboolean(d->L, 1); break;
  case WIRE_INT8:
  case WIRE_INT32:
  case WIRE_INT64:
  case WIRE_FLOAT: decode_number(d, tag & ~(unsigned)WIRE_SHARED); break;
  case WIRE_STRING8: decode_string(d, tag, at, take_byte(d)); break;
  case WIRE_STRING: decode_string(d, tag, at, take_count(d, 1)); break;
  case WIRE_REF: push_kept(d, (lua_Integer)take_varint(d)); break;
  case WIRE_POINTER: decode_pointer(d); break;
  case WIRE_GLOBALS:
  case WIRE_NAMED:
  case WIRE_CLASS: decode_known(d, tag, at); break;
  default: decode_compound(d, tag, at, top);
  }
}

/* What comes after the values. */

/* The object was made and kept under its offset when its tag was read, so what refers to it in the meantime has found it. */
static void decode_content(decoder *d, int top) {
  lua_State *L = d->L;
  if (d->n_done >= d->n_deferred) malformed(d, "content of nothing");
  lua_rawgeti(L, slot(d, SLOT_DEFERRED), ++d->n_done);
  if (lua_istable(L, -1)) {
    unsigned flags = take_byte(d);
    decode_elements(d, top + 1, take_elements(d));
    decode_rest(d, top + 1, flags);
  } else {
    fill_function(d, top + 1);
  }
  lua_pop(L, 1);
}

/* Appends the value on top, which it pops, to the list of what is for places. */
static void add_to_places(decoder *d, lua_Integer n) {
  lua_rawseti(d->L, slot(d, SLOT_PLACES), d->n_places + n);
}

/* Notes a value for a place, to be put there when all is whole. Others may come within it. */
/* What changes more than globals is for trusted bytes alone. */
static void decode_place(decoder *d, int top) {
  check_data(d);
  need_list(d, SLOT_PLACES);
  unsigned where = take_byte(d);
  if (where >= WIRE_N_PLACES) malformed(d, "no such place");
  if (where > WIRE_PLACE_GLOBALS_METATABLE && !d->trusted) malformed(d, "a change from elsewhere");
  decode_value(d, top);
  need_stack(d, top + 1);
  decode_value(d, top + 1);
  add_to_places(d, 3);
  add_to_places(d, 2);
  lua_pushinteger(d->L, (lua_Integer)where);
  add_to_places(d, 1);
  d->n_places += 3;
}

/* What must be there before the values. */
static void decode_first(decoder *d, int top) {
  while (left(d) > 0 && (unsigned char)*d->at == WIRE_PLACE) {
    d->at++;
    need_stack(d, top);
    decode_place(d, top);
    fill_places(d);
  }
}

static void decode_later(decoder *d, int top) {
  need_stack(d, top);
  for (;;) {
    switch (take_byte(d)) {
    case WIRE_CONTENT: decode_content(d, top); break;
    case WIRE_PLACE: decode_place(d, top); break;
    case WIRE_END: return;
    default: malformed(d, "an unknown tag");
    }
  }
}

/* Gives tables their metatables with __gc again, now that the metatables are whole. */
static void set_late_metatables(decoder *d) {
  lua_State *L = d->L;
  for (lua_Integer i = 1; i < d->n_late; i += 2) {
    lua_rawgeti(L, slot(d, SLOT_LATE), i);
    lua_rawgeti(L, slot(d, SLOT_LATE), i + 1);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
  }
}

/* Does what had to wait until all values are there, and removes the slots, which lie below them: the values are turned below
** them first. */
static void finish(decoder *d, int n_values) {
  if (d->n_late > 0) set_late_metatables(d);
  if (d->n_placed < d->n_places) fill_places(d);
  lua_rotate(d->L, d->base, n_values);
  lua_settop(d->L, d->base + n_values - 1);
}

int moons__decode(moons__decoder *d, const void *bytes, size_t n_bytes) {
  lua_State *L = d->L;
  d->start = d->at = bytes;
  d->end = d->start + n_bytes;
  d->n_room = n_bytes > SIZE_MAX / ENTRIES_PER_BYTE ? SIZE_MAX : n_bytes * ENTRIES_PER_BYTE;
  d->depth = 0;
  d->n_deferred = d->n_done = d->n_late = d->n_places = d->n_placed = 0;
  unsigned char shape_ends[MOONS_WIRE_ALL_SHAPE_KEYS];
  unsigned lists = take_byte(d);
  d->shape_ends = shape_ends;
  d->n_shapes = 0;
  d->n_keys = lists > 0 ? lists - 1 : 0;
  size_t n_values = take_count(d, 1);
  if (n_values > LUAI_MAXSTACK) malformed(d, "too many values");
  if (d->n_keys > MOONS_WIRE_ALL_SHAPE_KEYS || d->n_keys > n_bytes) malformed(d, "too many shapes");
  luaL_checkstack(L, (int)n_values + (int)d->n_keys + LUA_MINSTACK, "too many values");
  int top = lua_gettop(L);
  d->stack_limit = top + LUA_MINSTACK;
  d->base = lists != 0 ? top + 1 : 0;
  if (lists != 0) lua_settop(L, top += N_SLOTS + (int)d->n_keys);
  decode_first(d, top);
  for (size_t i = 0; i < n_values; i++)
    decode_value(d, top++);
  decode_later(d, top);
  if (d->at != d->end) malformed(d, "more bytes than the message has");
  if (lists != 0) finish(d, (int)n_values);
  return (int)n_values;
}

int moons__wire_is_true(const char *bytes, size_t n_bytes) {
  size_t at = 1;                               /* behind `lists` */
  if (n_bytes < 2 || bytes[at] == 0) return 0; /* no values */
  while (at < n_bytes && (bytes[at] & 0x80) != 0)
    at++;
  return ++at < n_bytes && bytes[at] != WIRE_NIL && bytes[at] != WIRE_FALSE;
}
