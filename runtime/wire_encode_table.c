#include "limits.h"
#include "wire_encode.h"

enum { RUN_MIN_ELEMENTS = 4 }; /* shorter arrays are not looked through for runs */

typedef moons__encoder encoder;

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
  moons__wire_frame frame = {.kind = AT_INDEX, .index = (lua_Integer)a->n_put};
  enter(e, &frame);
  moons__wire_value(e, lua_gettop(L), depth);
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
  moons__wire_frame frame = {.kind = AT_KEY, .index = key};
  enter(e, &frame);
  if (lua_type(L, key) == LUA_TSTRING) {
    const char *name = lua_tostring(L, key);
    is_metamethod = name[0] == '_' && name[1] == '_';
    moons__wire_string(e, key);
  } else {
    moons__wire_value(e, key, depth);
  }
  moons__wire_value(e, value, depth);
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

void moons__wire_table_content(encoder *e, int table, int depth, int as_metatable) {
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

void moons__wire_table(encoder *e, int index, int depth, int as_metatable) {
  const void *table = lua_topointer(e->L, index);
  if (put_reference(e, table)) return;
  if (table == e->globals) {
    encode_globals(e);
    return;
  }
  if (e->classes != NULL && encode_known_class(e, table)) return;
  if (moons__wire_named(e, index)) return;
  if (moons__wire_marshalled(e, index, depth)) return;
  remember(e, table, place(e));
  if (depth >= MOONS_WIRE_DEPTH) {
    put_byte(e, WIRE_DEFERRED);
    moons__wire_defer(e, index);
    return;
  }
  put_byte(e, WIRE_TABLE);
  moons__wire_table_content(e, index, depth + 1, as_metatable);
}
