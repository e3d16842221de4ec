/*
** Numbers in a row go as a block, records that have the same keys by their shape, all else pair by pair. What a table
** looks like is found out while it is walked, never before.
*/
#include <stdlib.h>

#include "base/allocate.h"
#include "sizes.h"
#include "wire/encode.h"
#include "wire/numbers.h"

typedef moons__encoder encoder;

/* A table on its way. While it is walked, the pair at hand lies at `key` and above. */
typedef struct walk {
  encoder *e;
  int table; /* stack index */
  int key;   /* stack index; the value is above */
  int depth;
  int has_pair; /* one is at hand */
  int has_metatable;
  int is_class;        /* a key is that of a metamethod */
  lua_Unsigned n;      /* elements that have been put */
  lua_Unsigned n_nils; /* how many of them are nil */
  size_t n_pairs;      /* put besides */
  size_t n_passed;     /* keys that the walk has left behind */
  moons__wire_frame frame;
} walk;

static void walk_start(walk *w) {
  lua_pushnil(w->e->L);
  w->has_pair = lua_next(w->e->L, w->table);
}

static void walk_begin(walk *w, encoder *e, int table, int depth) {
  *w = (walk){.e = e, .table = table, .depth = depth, .key = lua_gettop(e->L) + 1};
  walk_start(w);
  enter(e, &w->frame);
}

/* Goes on to the next pair. */
static void walk_next(walk *w) {
  lua_pop(w->e->L, 1);
  w->has_pair = lua_next(w->e->L, w->table);
  w->n_passed++;
}

/* Passes over `n_pairs` pairs, as far as there are any, without a look at them. */
static void walk_skip(walk *w, size_t n_pairs) {
  lua_State *L = w->e->L;
  int table = w->table, more = w->has_pair;
  size_t n = 0;
  for (; n < n_pairs && more; n++) {
    lua_pop(L, 1);
    more = lua_next(L, table);
  }
  w->has_pair = more;
  w->n_passed += n;
}

static void walk_end(walk *w) {
  lua_settop(w->e->L, w->key - 1);
  leave(w->e);
}

/* Whether the key at hand is that of the next element. */
static int is_next_element(const walk *w) {
  lua_State *L = w->e->L;
  return lua_isinteger(L, w->key) && (lua_Unsigned)lua_tointeger(L, w->key) == w->n + 1;
}

/* {== Runs: numbers of one kind that stand side by side ======================================= */

/* Numbers are fetched by index, and the walk then only counts as many keys: that takes fewer calls
** for each than a look at its key. Where the count of all keys does not come to what has been put,
** others have been passed over unseen. */

/* A __marshal that was called meanwhile may have given the table a metatable. */
static moons__get_element *getter(const walk *w) {
  if (w->n == 0 && !w->has_metatable) return lua_geti; /* none was called */
  if (!lua_getmetatable(w->e->L, w->table)) return lua_geti;
  lua_pop(w->e->L, 1);
  return lua_rawgeti;
}

/* Puts the run that begins with the element at hand. */
static void run_put(walk *w) {
  encoder *e = w->e;
  lua_State *L = e->L;
  int is_integer = lua_isinteger(L, w->key + 1);
  moons__get_element *get = getter(w);
  uint32_t count = 0;
  size_t n, n_most = (size_t)(e->stack_limit - w->key - 1);
  put_tagged(e, is_integer ? WIRE_INTEGERS : WIRE_FLOATS, &count, sizeof count);
  uint64_t count_at = offset(e) - sizeof count;
  do {
    char *to = room(e, n_most * 8);
    lua_Integer i = (lua_Integer)w->n + 1;
    n = is_integer ? moons__fetch_integers(L, get, w->table, i, to, n_most)
                   : moons__fetch_floats(L, get, w->table, i, to, n_most);
    lua_settop(L, w->key + 1);
    e->out->n_bytes += n * 8;
    w->n += n;
    count += (uint32_t)n;
    walk_skip(w, n);
  } while (n == n_most && w->has_pair && count < UINT32_MAX - n_most);
  memcpy(byte_at(e, count_at), &count, sizeof count);
}

/* {== Elements and pairs ====================================================================== */

/* Puts the value at a stack index. */
static void value_put(walk *w, int value, int type) {
  if (type == LUA_TTABLE)
    moons__wire_table(w->e, value, w->depth, 0);
  else if (!put_plain(w->e, value, type))
    moons__wire_value(w->e, value, w->depth);
}

static void element_put(walk *w, int value, int type) {
  w->frame.index = (lua_Integer)++w->n;
  value_put(w, value, type);
}

static void element_at_hand_put(walk *w) {
  int value = w->key + 1, type = lua_type(w->e->L, value);
  if (type == LUA_TNUMBER) {
    run_put(w);
  } else {
    element_put(w, value, type);
    walk_next(w);
  }
}

/* Puts elements by index as far as `last`. Above the pair at hand there is room. */
static void elements_fetch(walk *w, lua_Unsigned last) {
  lua_State *L = w->e->L;
  while (w->n < last) {
    lua_settop(L, w->key + 1);
    int type = lua_rawgeti(L, w->table, (lua_Integer)w->n + 1);
    w->n_nils += type == LUA_TNIL;
    element_put(w, w->key + 2, type);
  }
  if (w->has_pair) lua_settop(L, w->key + 1);
}

static int is_element(const walk *w, lua_Unsigned n) {
  if (n == 0 || !lua_isinteger(w->e->L, w->key)) return 0;
  return (lua_Unsigned)lua_tointeger(w->e->L, w->key) - 1 < n;
}

/* Puts the elements of a table with holes, or with elements in its hash part: what the walk does
** not come to in order is fetched by index, and passed over when the walk comes to it. */
static void elements_put_rest(walk *w, lua_Unsigned n) {
  while (w->has_pair && is_element(w, n)) {
    lua_Unsigned index = (lua_Unsigned)lua_tointeger(w->e->L, w->key);
    if (index > w->n) {
      elements_fetch(w, index - 1);
      element_at_hand_put(w);
    } else {
      walk_next(w);
    }
  }
  elements_fetch(w, n);
}

/* Whether all keys that have been met are accounted for. */
static int is_complete(const walk *w) { return w->n_passed == w->n - w->n_nils + w->n_pairs; }

/* Puts the elements. Lua gives those of an array first and in order; `has_first`: the first one is
** known to be at hand. */
static void elements_put(walk *w, int has_first) {
  w->frame.kind = AT_INDEX;
  while (w->has_pair && (has_first || is_next_element(w))) {
    element_at_hand_put(w);
    has_first = 0;
  }
  if (!w->has_pair && is_complete(w)) return; /* there is nothing else */
  lua_Unsigned n = lua_rawlen(w->e->L, w->table);
  if (n > w->n) elements_put_rest(w, n);
}

static void pair_put(walk *w) {
  encoder *e = w->e;
  int key = w->key, type = lua_type(e->L, key);
  if (type == LUA_TSTRING) {
    const char *name = put_string(e, key);
    w->is_class |= name[0] == '_' && name[1] == '_';
  } else {
    value_put(w, key, type);
  }
  value_put(w, key + 1, lua_type(e->L, key + 1));
  w->n_pairs++;
}

/* Puts those of the next pairs that are no elements, at most `n_most`. */
static void pairs_put_some(walk *w, size_t n_most) {
  for (; n_most > 0 && w->has_pair; n_most--, walk_next(w))
    if (!is_element(w, w->n)) pair_put(w);
}

/* Puts what is left of the pairs, and those that the walk has passed over unseen. */
static void pairs_put(walk *w) {
  size_t n_before = w->n_passed;
  w->frame.kind = AT_KEY;
  w->frame.index = w->key;
  pairs_put_some(w, SIZE_MAX);
  if (!is_complete(w)) {
    lua_settop(w->e->L, w->key - 1);
    walk_start(w);
    pairs_put_some(w, n_before);
  }
  if (w->n_pairs > 0) put_byte(w->e, WIRE_END);
}

/* {== Records: tables with the keys of a shape ================================================ */

/* What `first_keys` keeps for a string. */
enum { SHAPE_SIGHTED, SHAPE_UNFIT, SHAPE_FIRST };

/* How far a score can rise, and what a table with other keys takes from it. */
enum { SCORE_MOST = 32, SCORE_MISS = 4 };

static moons__shapes *need_shapes(encoder *e) {
  if (e->shapes == NULL) e->shapes = moons__allocate_zeros(e->out->beside, sizeof *e->shapes);
  moons__check(e->L, e->shapes == NULL ? MOONS_ENOMEM : 0);
  return e->shapes;
}

/* Puts the string at the top of the stack as a key of a shape, where it can be one. */
static int shape_key_put(encoder *e) {
  lua_State *L = e->L;
  size_t n_bytes;
  if (lua_type(L, -1) != LUA_TSTRING) return 0;
  const char *bytes = lua_tolstring(L, -1, &n_bytes);
  if (n_bytes >= MOONS_WIRE_SHARED_STRING_BYTES) return 0;
  if (bytes[0] == '_' && bytes[1] == '_') return 0; /* it may be a class */
  put_string(e, -1);
  return 1;
}

/* Puts all keys of a table and leaves them on the stack; returns how many, or 0 where they make
** no shape. */
static unsigned shape_keys_put(walk *w, unsigned n_most) {
  lua_State *L = w->e->L;
  unsigned n = 0;
  luaL_checkstack(L, (int)n_most + LUA_MINSTACK, NULL);
  for (lua_pushnil(L); lua_next(L, w->table); n++) {
    lua_pop(L, 1);
    if (n == n_most || !shape_key_put(w->e)) return 0;
    lua_pushvalue(L, -1);
  }
  return n;
}

/* Notes the `n` keys on top of the stack as those of the next shape. */
static void shape_note(encoder *e, unsigned n) {
  moons__shapes *shapes = e->shapes;
  shapes->all[shapes->n_shapes++] = (moons__shape){shapes->n_keys, n, SCORE_MOST};
  for (unsigned i = 0; i < n; i++)
    shapes->keys[shapes->n_keys + i] = lua_topointer(e->L, (int)i - (int)n);
  shapes->n_keys += n;
  for (unsigned i = 0; i < n; i++)
    moons__wire_anchor(e);
}

/* Makes a shape of a table's keys and puts it; returns its number as `first_keys` keeps it. */
static uint64_t shape_put(walk *w) {
  encoder *e = w->e;
  moons__shapes *shapes = need_shapes(e);
  unsigned n_left = MOONS_WIRE_ALL_SHAPE_KEYS - shapes->n_keys;
  unsigned n_most = n_left < MOONS_WIRE_SHAPE_KEYS ? n_left : MOONS_WIRE_SHAPE_KEYS;
  uint64_t at = offset(e);
  put_byte(e, WIRE_SHAPE);
  put_byte(e, 0);
  unsigned n = shape_keys_put(w, n_most);
  *byte_at(e, at + 1) = (char)n;
  if (n > 0)
    shape_note(e, n);
  else
    e->out->n_bytes = e->start + at;
  lua_settop(e->L, w->key + 1);
  return n > 0 ? SHAPE_FIRST + shapes->n_shapes - 1 : SHAPE_UNFIT;
}

/* Puts the tag of a record, if the table at hand is to be one: that is so where another one
** began with the same key. Returns its shape, or NULL. */
static moons__shape *record_begin(walk *w) {
  encoder *e = w->e;
  uint64_t *kept = moons__ptrmap_at(&e->first_keys, lua_topointer(e->L, w->key));
  moons__check(e->L, kept == NULL ? MOONS_ENOMEM : 0);
  if (*kept == MOONS__PTRMAP_NONE) {
    *kept = SHAPE_SIGHTED;
    return NULL;
  }
  if (*kept == SHAPE_SIGHTED) {
    *kept = shape_put(w);
    return *kept == SHAPE_UNFIT ? NULL : &e->shapes->all[*kept - SHAPE_FIRST];
  }
  if (*kept == SHAPE_UNFIT) return NULL;
  moons__shape *shape = &e->shapes->all[*kept - SHAPE_FIRST];
  if (shape->score < 0) {
    *kept = SHAPE_UNFIT;
    return NULL;
  }
  put_byte(e, WIRE_RECORD);
  put_byte(e, (unsigned)(*kept - SHAPE_FIRST));
  return shape;
}

/* Where in the shape the key at hand is, from `i` on; n_keys where it is not. */
static unsigned record_find(const walk *w, const moons__shape *shape, unsigned i) {
  const void *const *keys = w->e->shapes->keys + shape->first;
  const void *key = lua_topointer(w->e->L, w->key);
  while (i < shape->n_keys && keys[i] != key)
    i++;
  return i;
}

static void put_nils(encoder *e, unsigned n) {
  if (n == 0) return;
  memset(room(e, n), WIRE_NIL, n);
  e->out->n_bytes += n;
}

/* Puts the values for the keys of a shape; then the pairs with other keys. */
static void record_put(walk *w, moons__shape *shape) {
  encoder *e = w->e;
  unsigned i = 0;
  w->frame.kind = AT_KEY;
  w->frame.index = w->key;
  while (w->has_pair) {
    unsigned found = record_find(w, shape, i);
    if (found == shape->n_keys) break;
    put_nils(e, found - i);
    value_put(w, w->key + 1, lua_type(e->L, w->key + 1));
    w->n_pairs++;
    i = found + 1;
    walk_next(w);
  }
  put_nils(e, shape->n_keys - i);
  if (w->has_pair) shape->score -= SCORE_MISS;
  if (shape->score < SCORE_MOST) shape->score++;
  pairs_put(w);
}

/* {== Tables =================================================================================== */

/* The size of the hash part as flags say it: 0 for none, n for at most 2^(n-1) pairs. */
static unsigned hash_flags(size_t n_pairs) {
  unsigned n = 0;
  while (n_pairs > 0 && (size_t)1 << n < n_pairs)
    n++;
  return n_pairs > 0 ? (n < WIRE_HASH_MASK ? n + 1 : WIRE_HASH_MASK) : 0;
}

static unsigned encode_metatable(encoder *e, int table, int depth) {
  lua_State *L = e->L;
  if (!lua_getmetatable(L, table)) return 0;
  int metatable = lua_gettop(L);
  moons__wire_frame frame = {.kind = AT_METATABLE};
  enter(e, &frame);
  moons__wire_table(e, metatable, depth, 1);
  leave(e);
  lua_pushliteral(L, "__gc");
  int has_finalizer = lua_rawget(L, metatable) != LUA_TNIL;
  lua_settop(L, metatable - 1);
  if (has_finalizer) e->needs_lists = 1;
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
    moons__check(e->L, moons__ptrmap_put(&e->classes->numbers, class, number));
    e->classes->n_numbers++;
  }
  put_varint(e, number);
  return WIRE_HAS_CLASS;
}

/* Puts what follows the pairs, and the flags of all. */
static void finish(walk *w, uint64_t flags_at, int as_metatable) {
  encoder *e = w->e;
  walk_end(w);
  unsigned flags = hash_flags(w->n_pairs);
  if (w->has_metatable) flags |= encode_metatable(e, w->table, w->depth);
  if (w->is_class || as_metatable) flags |= encode_class(e, w->table);
  *byte_at(e, flags_at) = (char)flags;
}

static void array_put(walk *w, int has_first, int as_metatable) {
  encoder *e = w->e;
  uint64_t flags_at = offset(e);
  uint32_t n = 0;
  put_byte(e, 0);
  put_bytes(e, &n, sizeof n);
  elements_put(w, has_first);
  if (w->n > INT32_MAX) moons__wire_refuse(e, "cannot send an array of so many elements");
  n = (uint32_t)w->n;
  memcpy(byte_at(e, flags_at + 1), &n, sizeof n);
  pairs_put(w);
  finish(w, flags_at, as_metatable);
}

void moons__wire_table_content(encoder *e, int table, int depth) {
  walk w;
  need_stack(e, table);
  walk_begin(&w, e, table, depth);
  w.has_metatable = 1;
  array_put(&w, 0, 0);
}

/* Puts a table without elements. `key_type`: of its first key. */
static void fields_put(walk *w, int key_type, int as_metatable) {
  encoder *e = w->e;
  moons__shape *shape = NULL;
  if (w->depth > 1 && !as_metatable && key_type == LUA_TSTRING) shape = record_begin(w);
  if (shape == NULL) put_byte(e, WIRE_TABLE);
  uint64_t flags_at = offset(e);
  put_byte(e, 0);
  if (shape != NULL)
    record_put(w, shape);
  else
    pairs_put(w);
  finish(w, flags_at, as_metatable);
}

/* Puts a table, its tag first. A string is the first key where the array part is empty: elements lie
** in the hash part then and are best put back there. */
static void table_put(encoder *e, int table, int depth, int has_metatable, int as_metatable) {
  walk w;
  walk_begin(&w, e, table, depth);
  w.has_metatable = has_metatable;
  int key_type = w.has_pair ? lua_type(e->L, w.key) : LUA_TNIL;
  int has_first = key_type == LUA_TNUMBER && is_next_element(&w);
  if (has_first || (w.has_pair && key_type != LUA_TSTRING && lua_rawlen(e->L, table) > 0)) {
    put_byte(e, WIRE_ARRAY);
    array_put(&w, has_first, as_metatable);
  } else {
    fields_put(&w, key_type, as_metatable);
  }
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
  moons__wire_note_dynamic(e);
}

/* Puts a table that is known by another way than its content; returns 0 where it is not. */
static int encode_known_table(encoder *e, int index, const void *table, int as_metatable) {
  if (table == globals_of(e)) {
    encode_globals(e);
    return 1;
  }
  if (e->classes != NULL && encode_known_class(e, table)) return 1;
  return may_be_named(e, table) && moons__wire_named(e, index, as_metatable);
}

/* Puts a table by its content, or by its __marshal. */
static void unknown_table_put(encoder *e, int index, int depth, int as_metatable) {
  int has_metatable = lua_getmetatable(e->L, index);
  if (has_metatable) {
    lua_pop(e->L, 1);
    if (moons__wire_marshalled(e, index, depth)) return;
  }
  if (depth >= MOONS_WIRE_DEPTH) {
    put_byte(e, WIRE_DEFERRED);
    moons__wire_defer(e, index);
    return;
  }
  table_put(e, index, depth + 1, has_metatable, as_metatable);
}

void moons__wire_table(encoder *e, int index, int depth, int as_metatable) {
  const void *table = lua_topointer(e->L, index);
  need_stack(e, index);
  if (put_reference(e, table)) return;
  size_t outer = e->owner;
  if (encode_known_table(e, index, table, as_metatable)) return;
  unknown_table_put(e, index, depth, as_metatable);
  e->owner = outer;
}
