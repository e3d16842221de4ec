/*
** Methods check what they are given and raise errors at the line that has called them. An index counts from 1 over all numbers, row
** by row; one that is out of range is an error and not nil, for that is a mistake in a program of numbers.
**
** Lua does not know how large the blocks are that its handles hold, so these are counted here: where they have doubled, garbage
** is collected.
*/
#include "state/array_type.h"

#include <lauxlib.h>

#include "sizes.h"
#include "state/arena.h"
#include "state/array_math.h"
#include "state/view.h"
#include "system/machine.h"

typedef moons__array array;

/* Keys in the registry. */
static const char HANDLE, VIEW, ROWS; /* metatables */
static const char KNOWN;              /* id of a block -> array; weak */
static const char LEDGER;

/* What the handles of a state hold. */
typedef struct ledger {
  size_t held_bytes;
  size_t limit_bytes; /* beyond that garbage is collected */
} ledger;

/* {== Arguments =============================================================================== */

static array *check_array(lua_State *L) {
  int how;
  array *a = moons__array_at(L, 1, &how);
  if (how != MOONS__IS_ARRAY) luaL_typeerror(L, 1, "array");
  return a;
}

static array *check_readable(lua_State *L) {
  array *a = check_array(L);
  moons__array_check_reading(L, a);
  return a;
}

static array *check_writable(lua_State *L) {
  array *a = check_array(L);
  moons__array_check_writing(L, a);
  return a;
}

/* Raises the error of an index, a row or a column of which there are only `n`. */
static void refuse_place(lua_State *L, const char *what, lua_Integer i, size_t n) {
  const char *numbers = *what == 'i' ? "number" : what;
  const char *hint = *what == 'i' && i == (lua_Integer)n + 1
                         ? " ('ipairs' does not find the end of an array: count to #a)"
                         : "";
  luaL_error(L, "%s %I is out of range: the array has %I %s%s%s", what, (LUAI_UACINT)i,
             (LUAI_UACINT)n, numbers, n == 1 ? "" : "s", hint);
}

/* A place among `n`, from 0. */
static size_t check_place(lua_State *L, int argument, const char *what, size_t n) {
  lua_Integer i = luaL_checkinteger(L, argument);
  if (i < 1 || (lua_Unsigned)i > n) refuse_place(L, what, i, n);
  return (size_t)i - 1;
}

/* Where a number lies of which the index, or row and column, stand from `argument` on; that of what comes after them. */
static char *check_number_at(lua_State *L, const array *a, int argument, int *after) {
  size_t i, columns = (size_t)a->extent.columns;
  if (a->extent.is_matrix) {
    i = check_place(L, argument, "row", (size_t)a->extent.rows) * columns;
    i += check_place(L, argument + 1, "column", columns);
  } else {
    i = check_place(L, argument, "index", a->n);
  }
  *after = argument + 1 + a->extent.is_matrix;
  return a->data + i * moons__element_bytes(a->extent.type);
}

/* The places from argument 2 to 3, by default all of `n`: the first, from 0, and how many. */
static size_t check_range(lua_State *L, const char *what, size_t n, size_t *first) {
  lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, (lua_Integer)n);
  *first = 0;
  if (from > to) return 0;
  if (from < 1 || (lua_Unsigned)from > n) refuse_place(L, what, from, n);
  if ((lua_Unsigned)to > n) refuse_place(L, what, to, n);
  *first = (size_t)from - 1;
  return (size_t)(to - from) + 1;
}

/* Writes the argument to a place. */
static void put_argument(lua_State *L, const array *a, int argument, char *at) {
  const char *why = moons__array_put(L, argument, a->extent.type, at);
  if (why == NULL) return;
  const char *text = moons__array_describe(L, argument);
  luaL_error(L, "cannot put %s into an array of %s: it %s", text,
             moons__element_name(a->extent.type), why);
}

/* {== Numbers ================================================================================= */

static int push_field(lua_State *L, const array *a) {
  const char *name = lua_tostring(L, 2);
  if (strcmp(name, "type") == 0) {
    lua_pushstring(L, moons__element_name(a->extent.type));
  } else if (strcmp(name, "shape") == 0) {
    lua_createtable(L, 2, 0);
    lua_pushinteger(L, (lua_Integer)a->extent.rows);
    lua_rawseti(L, -2, 1);
    if (!a->extent.is_matrix) return 1;
    lua_pushinteger(L, (lua_Integer)a->extent.columns);
    lua_rawseti(L, -2, 2);
  } else {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
  }
  return 1;
}

/* a[i], a.type, a.shape, a.method */
static int array_index(lua_State *L) {
  array *a = check_array(L);
  if (lua_type(L, 2) == LUA_TSTRING) return push_field(L, a);
  moons__array_check_reading(L, a);
  size_t i = check_place(L, 2, "index", a->n);
  moons__array_push_number(L, a->extent.type, a->data + i * moons__element_bytes(a->extent.type));
  return 1;
}

/* a[i] = v */
static int array_newindex(lua_State *L) {
  array *a = check_array(L);
  if (lua_type(L, 2) == LUA_TSTRING)
    luaL_error(L, "an array has no field '%s' to be set", lua_tostring(L, 2));
  moons__array_check_writing(L, a);
  size_t i = check_place(L, 2, "index", a->n);
  put_argument(L, a, 3, a->data + i * moons__element_bytes(a->extent.type));
  return 0;
}

static int array_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_array(L)->n);
  return 1;
}

/* a:get(i, j); of a list a:get(i) */
static int array_get(lua_State *L) {
  const array *a = check_readable(L);
  int after;
  const char *at = check_number_at(L, a, 2, &after);
  moons__array_push_number(L, a->extent.type, at);
  return 1;
}

/* a:set(i, j, value); of a list a:set(i, value) */
static int array_set(lua_State *L) {
  const array *a = check_writable(L);
  int value;
  char *at = check_number_at(L, a, 2, &value);
  put_argument(L, a, value, at);
  return 0;
}

/* a:row(i) */
static int array_row(lua_State *L) {
  const array *a = check_readable(L);
  size_t i = check_place(L, 2, "row", (size_t)a->extent.rows);
  moons__array_push_row(L, a->extent.type, a->data + i * moons__array_row_bytes(a),
                        (size_t)a->extent.columns);
  return 1;
}

/* a:column(j) */
static int array_column(lua_State *L) {
  const array *a = check_readable(L);
  size_t i = check_place(L, 2, "column", (size_t)a->extent.columns), rows = (size_t)a->extent.rows;
  const char *at = a->data + i * moons__element_bytes(a->extent.type);
  lua_createtable(L, rows < INT32_MAX ? (int)rows : INT32_MAX, 0);
  for (size_t row = 1; row <= rows; row++, at += moons__array_row_bytes(a)) {
    moons__array_push_number(L, a->extent.type, at);
    lua_rawseti(L, -2, (lua_Integer)row);
  }
  return 1;
}

/* a:unpack([i [, j]]) */
static int array_unpack(lua_State *L) {
  const array *a = check_readable(L);
  size_t first, n = check_range(L, "index", a->n, &first);
  if (n >= INT32_MAX || !lua_checkstack(L, (int)n)) luaL_error(L, "too many numbers to unpack");
  moons__array_push_numbers(L, a->extent.type,
                            a->data + first * moons__element_bytes(a->extent.type), n);
  return (int)n;
}

/* Of a matrix rows. */
static int array_totable(lua_State *L) {
  const array *a = check_readable(L);
  int is_matrix = a->extent.is_matrix;
  size_t first, n = check_range(L, is_matrix ? "row" : "index", (size_t)a->extent.rows, &first);
  const char *at = a->data + first * moons__array_row_bytes(a);
  if (!is_matrix) {
    moons__array_push_row(L, a->extent.type, at, n);
    return 1;
  }
  lua_createtable(L, n < INT32_MAX ? (int)n : INT32_MAX, 0);
  for (size_t i = 1; i <= n; i++, at += moons__array_row_bytes(a)) {
    moons__array_push_row(L, a->extent.type, at, (size_t)a->extent.columns);
    lua_rawseti(L, -2, (lua_Integer)i);
  }
  return 1;
}

/* {== All at once ============================================================================= */

/* Pushes a result: of integers one, where any was a float a float. */
static int push_number(lua_State *L, const moons__number *n) {
  if (n->is_float)
    lua_pushnumber(L, n->number);
  else
    lua_pushinteger(L, n->integer);
  return 1;
}

/* a:sum() */
static int array_sum(lua_State *L) {
  moons__number sum;
  if (!moons__array_sum(check_readable(L), &sum))
    luaL_error(L, "the sum is beyond what an integer can hold; add up a:copy('float64')");
  return push_number(L, &sum);
}

/* a:dot(b) */
static int array_dot(lua_State *L) {
  const array *a = check_readable(L);
  int how;
  array *b = moons__array_at(L, 2, &how);
  if (how != MOONS__IS_ARRAY) luaL_typeerror(L, 2, "array");
  moons__array_check_reading(L, b);
  if (a->n != b->n)
    luaL_error(L, "the arrays have %I and %I numbers: 'dot' needs as many in both",
               (LUAI_UACINT)a->n, (LUAI_UACINT)b->n);
  moons__number sum;
  if (!moons__array_dot(a, b, &sum))
    luaL_error(L, "the sum is beyond what an integer can hold; take a:copy('float64')");
  return push_number(L, &sum);
}

static const array *check_not_empty(lua_State *L, const char *what) {
  const array *a = check_readable(L);
  if (a->n == 0) luaL_error(L, "an empty array has no %s", what);
  return a;
}

static int array_mean(lua_State *L) {
  lua_pushnumber(L, moons__array_mean(check_not_empty(L, "mean")));
  return 1;
}

static int array_min(lua_State *L) {
  moons__number least = moons__array_extreme(check_not_empty(L, "least number"), 0);
  return push_number(L, &least);
}

static int array_max(lua_State *L) {
  moons__number greatest = moons__array_extreme(check_not_empty(L, "greatest number"), 1);
  return push_number(L, &greatest);
}

/* Returns the array. */
static int array_fill(lua_State *L) {
  array *a = check_writable(L);
  char element[8];
  put_argument(L, a, 2, element);
  moons__array_fill(a, element);
  lua_settop(L, 1);
  return 1;
}

/* a:copy([type]): the copy is this state's own, also in a call. */
static int array_copy(lua_State *L) {
  const array *a = check_readable(L);
  moons__extent extent = a->extent;
  const char *why, *name = luaL_optstring(L, 2, moons__element_name(extent.type));
  extent.type = moons__element_find(name);
  if (extent.type == MOONS__N_ELEMENTS) luaL_error(L, "there is no type '%s' of arrays", name);
  array *copy = moons__array_push_new(L, &extent);
  if (copy == NULL) luaL_error(L, "%s", lua_tostring(L, -1));
  size_t refused = moons__array_convert(a, copy, &why);
  if (refused > 0)
    luaL_error(L, "number %I cannot be of type %s: it %s", (LUAI_UACINT)refused, name, why);
  return 1;
}

static int array_rows(lua_State *L) {
  check_array(L);
  moons__array_push_rows(L, 1);
  return 1;
}

static void push_text(lua_State *L, const array *a) {
  const char *type = moons__element_name(a->extent.type);
  if (a->extent.is_matrix)
    lua_pushfstring(L, "array of %I x %I %s", (LUAI_UACINT)a->extent.rows,
                    (LUAI_UACINT)a->extent.columns, type);
  else
    lua_pushfstring(L, "array of %I %s", (LUAI_UACINT)a->n, type);
}

static int array_tostring(lua_State *L) {
  push_text(L, check_array(L));
  return 1;
}

/* {== Rows ==================================================================================== */

static array *check_rows(lua_State *L) {
  int how;
  array *a = moons__array_at(L, 1, &how);
  if (how != MOONS__IS_ROWS) luaL_typeerror(L, 1, "rows of an array");
  return a;
}

static int rows_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_rows(L)->extent.rows);
  return 1;
}

/* rows[i], as a table; nothing else is there to index. */
static int rows_index(lua_State *L) {
  array *a = check_rows(L);
  moons__array_check_reading(L, a);
  size_t i = check_place(L, 2, "row", (size_t)a->extent.rows);
  moons__array_push_row(L, a->extent.type, a->data + i * moons__array_row_bytes(a),
                        (size_t)a->extent.columns);
  return 1;
}

static int rows_newindex(lua_State *L) {
  return luaL_error(L, "the rows of an array cannot be set; use a:set(row, column, value)");
}

static int rows_tostring(lua_State *L) {
  const array *a = check_rows(L);
  lua_pushliteral(L, "rows of an ");
  push_text(L, a);
  lua_concat(L, 2);
  return 1;
}

/* {== Metatables ============================================================================== */

static ledger *push_ledger(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &LEDGER);
  return lua_touserdata(L, -1);
}

/* Of handles, and of views of kept states: others hold nothing. */
static int array_gc(lua_State *L) {
  array *a = lua_touserdata(L, 1);
  ledger *l = push_ledger(L);
  if (l != NULL && a->holds && a->may_write) l->held_bytes -= a->block->n_bytes;
  moons__array_drop(a);
  return 0;
}

/* Makes a metatable with these functions, and keeps it under the key. */
static void make_metatable(lua_State *L, const char *key, const char *name, int how,
                           const luaL_Reg *functions) {
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  lua_pushinteger(L, how);
  lua_rawsetp(L, -2, &moons__array_mark);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0); /* for getmetatable: nobody calls its functions with anything else */
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* The same for arrays: the methods are on top. */
static void make_array_metatable(lua_State *L, const char *key, int has_finalizer) {
  static const luaL_Reg FUNCTIONS[] = {
      {"__newindex", array_newindex},
      {"__len", array_len},
      {"__tostring", array_tostring},
      {NULL, NULL},
  };
  make_metatable(L, key, "array", MOONS__IS_ARRAY, FUNCTIONS);
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, array_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, array_gc);
  if (has_finalizer)
    lua_setfield(L, -2, "__gc");
  else
    lua_pop(L, 1);
  lua_pop(L, 1);
}

static const luaL_Reg METHODS[] = {
    {"get", array_get},       {"set", array_set},       {"row", array_row},
    {"column", array_column}, {"unpack", array_unpack}, {"totable", array_totable},
    {"sum", array_sum},       {"mean", array_mean},     {"min", array_min},
    {"max", array_max},       {"dot", array_dot},       {"fill", array_fill},
    {"copy", array_copy},     {"rows", array_rows},     {NULL, NULL},
};

lua_CFunction moons__array_function(const char *name) {
  if (strcmp(name, "__index") == 0) return array_index;
  if (strcmp(name, "__len") == 0) return array_len;
  for (const luaL_Reg *method = METHODS; method->name != NULL; method++)
    if (strcmp(method->name, name) == 0) return method->func;
  return NULL;
}

/* Pushes the metatable of this key; makes all of them where there is none yet. */
static void push_metatable(lua_State *L, const char *key) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) != LUA_TNIL) return;
  lua_pop(L, 1);
  moons__array_open(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
}

/* A weak table: an array that comes to a state again is the one that is there. */
static void make_known(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &KNOWN);
}

void moons__array_open(lua_State *L) {
  static const luaL_Reg ROWS_FUNCTIONS[] = {
      {"__len", rows_len},
      {"__index", rows_index},
      {"__newindex", rows_newindex},
      {"__tostring", rows_tostring},
      {NULL, NULL},
  };
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  make_known(L);
  make_metatable(L, &ROWS, "rows of an array", MOONS__IS_ROWS, ROWS_FUNCTIONS);
  luaL_newlib(L, METHODS);
  make_array_metatable(L, &VIEW, 0);
  make_array_metatable(L, &HANDLE, 1);
  lua_pop(L, 2);
}

/* {== Making them ============================================================================= */

/* Has the state know the array on top by its block. */
static void note_known(lua_State *L, const moons__shared *block) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &KNOWN);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (lua_Integer)block->id);
  lua_pop(L, 1);
}

/* Pushes the array of this block that the state has; returns 0 where it has none. */
static int push_known(lua_State *L, const moons__shared *block) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &KNOWN) == LUA_TTABLE) {
    int is_known = lua_rawgeti(L, -1, (lua_Integer)block->id) != LUA_TNIL;
    lua_remove(L, -2);
    if (is_known) return 1;
  }
  lua_pop(L, 1);
  return 0;
}

/* The state's ledger, made when it is needed first. Collects garbage where handles hold twice what was left after the last
** time. */
static ledger *prepare_ledger(lua_State *L, size_t n_bytes) {
  ledger *l = push_ledger(L);
  if (l == NULL) {
    l = lua_newuserdatauv(L, sizeof *l, 0);
    *l = (ledger){.limit_bytes = MOONS_ARRAYS_BYTES};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &LEDGER);
  }
  lua_pop(L, 1);
  if (l->held_bytes + n_bytes <= l->limit_bytes) return l;
  lua_gc(L, LUA_GCCOLLECT);
  size_t doubled = 2 * (l->held_bytes + n_bytes);
  l->limit_bytes = doubled > MOONS_ARRAYS_BYTES ? doubled : MOONS_ARRAYS_BYTES;
  return l;
}

/* Pushes an array without numbers. */
static array *push_empty(lua_State *L, moons__arrival arrival) {
  int is_view = arrival == MOONS__AS_VIEW;
  push_metatable(L, is_view ? &VIEW : &HANDLE);
  array *a = is_view ? moons__view_new(L, sizeof *a, 0) : lua_newuserdatauv(L, sizeof *a, 1);
  *a = (array){.holds = 0};
  moons__array_drop(a);
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  return a;
}

/* Argument: a size. */
static int make_userdata(lua_State *L) {
  lua_newuserdatauv(L, (size_t)lua_tointeger(L, 1), 0);
  return 1;
}

/* Pushes a userdata. Where there is no memory for it, handles that nobody has are collected first: what Lua does of itself then
** runs no finalizers. */
static void push_userdata(lua_State *L, size_t n_bytes) {
  lua_pushcfunction(L, make_userdata);
  lua_pushinteger(L, (lua_Integer)n_bytes);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_gc(L, LUA_GCCOLLECT); /* the first runs finalizers, the second frees */
  lua_gc(L, LUA_GCCOLLECT);
  lua_newuserdatauv(L, n_bytes, 0);
}

/* In the state of a call, has what the handle on top holds count as memory of the call: a userdata as large, of which no byte is
** ever touched, lives as long. So `memory` and all other limits hold for it, and Lua knows how large it is. */
static void count_for_call(lua_State *L, size_t n_bytes) {
  void *arena;
  if (lua_getallocf(L, &arena) != moons__arena_alloc) return;
  push_userdata(L, n_bytes);
  lua_setiuservalue(L, -2, 1);
}

/* Gives an empty array its block. */
static void attach(array *a, moons__shared *block, const moons__extent *extent,
                   moons__arrival arrival) {
  size_t n_bytes;
  a->block = block;
  a->data = block->bytes;
  a->extent = *extent;
  moons__extent_measure(extent, &a->n, &n_bytes);
  a->holds = arrival != MOONS__AS_VIEW;
  a->may_write = arrival == MOONS__AS_HANDLE;
  if (a->holds) moons__shared_share(block);
}

array *moons__array_push(lua_State *L, moons__shared *block, const moons__extent *extent,
                         moons__arrival arrival) {
  int how;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (push_known(L, block)) return moons__array_at(L, -1, &how);
  ledger *l = arrival == MOONS__AS_HANDLE ? prepare_ledger(L, block->n_bytes) : NULL;
  array *a = push_empty(L, arrival);
  if (arrival == MOONS__AS_HANDLE) count_for_call(L, block->n_bytes);
  attach(a, block, extent, arrival);
  if (l != NULL) l->held_bytes += block->n_bytes;
  note_known(L, block);
  return a;
}

static array *refuse_size(lua_State *L, const moons__extent *extent, const char *why) {
  const char *type = moons__element_name(extent->type);
  if (extent->is_matrix)
    lua_pushfstring(L, "no memory for an array of %I x %I %s: %s", (LUAI_UACINT)extent->rows,
                    (LUAI_UACINT)extent->columns, type, why);
  else
    lua_pushfstring(L, "no memory for an array of %I %s: %s", (LUAI_UACINT)extent->rows, type, why);
  return NULL;
}

/* The garbage that is collected for want of memory may hold other arrays. */
static moons__shared *new_block(lua_State *L, size_t n_bytes) {
  lua_getfield(L, LUA_REGISTRYINDEX, MOONS__KEY_BESIDE);
  const void *beside = lua_touserdata(L, -1);
  lua_pop(L, 1);
  moons__shared *block = moons__shared_new(beside, n_bytes);
  if (block != NULL) return block;
  lua_gc(L, LUA_GCCOLLECT);
  return moons__shared_new(beside, n_bytes);
}

/* The userdata comes first: it frees the block, whatever error comes next. */
array *moons__array_push_new(lua_State *L, const moons__extent *extent) {
  size_t n, n_bytes;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (!moons__extent_measure(extent, &n, &n_bytes) || n_bytes > moons__machine_memory())
    return refuse_size(L, extent, "that is more than this machine has");
  ledger *l = prepare_ledger(L, n_bytes);
  array *a = push_empty(L, MOONS__AS_HANDLE);
  count_for_call(L, n_bytes);
  moons__shared *block = new_block(L, n_bytes);
  if (block == NULL) return refuse_size(L, extent, "the system has no more to give");
  attach(a, block, extent, MOONS__AS_HANDLE);
  moons__shared_release(block); /* the array is its user from now on */
  l->held_bytes += n_bytes;
  note_known(L, block);
  return a;
}

void moons__array_push_rows(lua_State *L, int index) {
  int how;
  index = lua_absindex(L, index);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  array *a = moons__array_at(L, index, &how);
  push_metatable(L, &ROWS);
  array **rows =
      a->holds ? lua_newuserdatauv(L, sizeof *rows, 1) : moons__view_new(L, sizeof *rows, 1);
  *rows = a;
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
}
