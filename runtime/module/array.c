/*
** Arrays as the script makes them: of a size, of lists, of other arrays. What a list holds must fit its type; the error says which
** number does not. A table of two integers is a size and no list, for both are written alike.
*/
#include <lauxlib.h>

#include "module/state.h"
#include "state/array_math.h"
#include "wire/traceback.h"

enum { SOURCE = 1, TYPE, ARRAY };

/* The second argument of parallel.array. */
static moons__element check_type(lua_State *L) {
  if (lua_isnil(L, TYPE)) return MOONS__FLOAT64;
  moons__element type = MOONS__N_ELEMENTS;
  if (lua_type(L, TYPE) == LUA_TSTRING) type = moons__element_find(lua_tostring(L, TYPE));
  if (type == MOONS__N_ELEMENTS)
    moons__blame(
        L,
        "bad argument #2 to 'array' (\"float64\", \"float32\", \"int64\", \"int32\" or \"uint8\" "
        "expected, got %s)",
        lua_type(L, TYPE) == LUA_TSTRING ? lua_tostring(L, TYPE) : luaL_typename(L, TYPE));
  return type;
}

/* Leaves the array at ARRAY. */
static moons__array *make(lua_State *L, const moons__extent *extent) {
  moons__array *a = moons__array_push_new(L, extent);
  if (a == NULL) moons__blame(L, "%s", lua_tostring(L, -1));
  lua_replace(L, ARRAY);
  return a;
}

/* {== Of a size =============================================================================== */

/* A size: an integer, 0 or more. */
static uint64_t check_count(lua_State *L, int index, const char *what) {
  int is_integer;
  lua_Integer n = lua_tointegerx(L, index, &is_integer);
  if (lua_type(L, index) != LUA_TNUMBER || !is_integer || n < 0) {
    const char *text = moons__array_describe(L, index);
    moons__blame(L, "bad argument #1 to 'array' (%s must be an integer, 0 or more, not %s)", what,
                 text);
  }
  return (uint64_t)n;
}

/* Pushes element i of the table where it is an integer; returns 0 where it is not. */
static int push_integer(lua_State *L, lua_Integer i) {
  return lua_rawgeti(L, SOURCE, i) == LUA_TNUMBER && lua_isinteger(L, -1);
}

/* Whether the table is {rows, columns}, which it pushes then. Results of a map, which have a field `n`, are none. */
static int is_size(lua_State *L) {
  int is_plain = !lua_getmetatable(L, SOURCE) && lua_rawlen(L, SOURCE) == 2;
  lua_settop(L, ARRAY);
  lua_pushliteral(L, "n");
  if (is_plain && lua_rawget(L, SOURCE) == LUA_TNIL) {
    lua_settop(L, ARRAY);
    if (push_integer(L, 1) && push_integer(L, 2)) return 1;
  }
  lua_settop(L, ARRAY);
  return 0;
}

/* {== Of lists ================================================================================ */

/* Raises the error of a value that the type cannot hold. `row` 0: there are no rows. */
static void refuse_value(lua_State *L, const moons__array *a, lua_Integer row, lua_Integer i) {
  char number[8];
  moons__element type = a->extent.type;
  const char *why = moons__array_put(L, -1, type, number), *text = moons__array_describe(L, -1);
  const char *place =
      row > 0 ? lua_pushfstring(L, "row %I, number %I", (LUAI_UACINT)row, (LUAI_UACINT)i)
              : lua_pushfstring(L, "number %I", (LUAI_UACINT)i);
  moons__blame(L, "bad argument #1 to 'array' (%s: %s cannot be of type %s: it %s)", place, text,
               moons__element_name(type), why);
}

/* Fills a row of the array with the list at a stack index. */
static void fill_row(lua_State *L, const moons__array *a, int list, lua_Integer row) {
  size_t size = moons__element_bytes(a->extent.type);
  lua_Integer n = row > 0 ? (lua_Integer)a->extent.columns : (lua_Integer)a->n;
  char *at = a->data + (row > 0 ? (size_t)(row - 1) * moons__array_row_bytes(a) : 0);
  for (lua_Integer i = 1; i <= n; i++, at += size) {
    lua_geti(L, list, i);
    if (moons__array_put(L, -1, a->extent.type, at) != NULL) refuse_value(L, a, row, i);
    lua_pop(L, 1);
  }
}

/* The length of the list at a stack index: its field `n` where it may have holes. */
static lua_Integer length_of(lua_State *L, int list) {
  int is_integer = 0;
  lua_Integer n = 0;
  if (lua_istable(L, list)) {
    lua_pushliteral(L, "n");
    if (lua_rawget(L, list) == LUA_TNUMBER) n = lua_tointegerx(L, -1, &is_integer);
    lua_pop(L, 1);
  }
  return is_integer && n >= 0 ? n : luaL_len(L, list);
}

/* Pushes row i of the list, which must be one of `columns` numbers. */
static void push_row(lua_State *L, lua_Integer i, lua_Integer columns) {
  lua_geti(L, SOURCE, i);
  if (!lua_istable(L, -1)) {
    const char *text = moons__array_describe(L, -1);
    moons__blame(L,
                 "bad argument #1 to 'array' (row %I must be a list as the first one is, not %s)",
                 (LUAI_UACINT)i, text);
  }
  lua_Integer n = length_of(L, lua_gettop(L));
  if (n != columns)
    moons__blame(L, "bad argument #1 to 'array' (row %I has %I numbers, and the first has %I)",
                 (LUAI_UACINT)i, (LUAI_UACINT)n, (LUAI_UACINT)columns);
}

/* All rows must be as long as the first. */
static void make_of_rows(lua_State *L, moons__extent *extent) {
  lua_geti(L, SOURCE, 1);
  lua_Integer columns = length_of(L, lua_gettop(L));
  extent->is_matrix = 1;
  extent->columns = (uint64_t)columns;
  const moons__array *a = make(L, extent);
  for (lua_Integer i = 1; i <= (lua_Integer)extent->rows; i++) {
    push_row(L, i, columns);
    fill_row(L, a, lua_gettop(L), i);
    lua_settop(L, ARRAY);
  }
}

static void refuse_empty(lua_State *L) {
  lua_pushnil(L);
  if (lua_next(L, SOURCE) == 0) return;
  moons__blame(
      L, "bad argument #1 to 'array' (a size, a list of numbers or of rows expected, got a table "
         "without a list)");
}

static void make_of_list(lua_State *L, moons__extent *extent) {
  extent->rows = (uint64_t)length_of(L, SOURCE);
  extent->columns = 1;
  if (extent->rows == 0 && lua_istable(L, SOURCE) && !lua_getmetatable(L, SOURCE)) refuse_empty(L);
  int has_rows = extent->rows > 0 && lua_geti(L, SOURCE, 1) == LUA_TTABLE;
  lua_settop(L, ARRAY);
  if (has_rows)
    make_of_rows(L, extent);
  else
    fill_row(L, make(L, extent), SOURCE, 0);
}

/* {== Of arrays =============================================================================== */

/* Number by number where the types differ, and refused where one does not fit. */
static void make_of_array(lua_State *L, moons__array *from, moons__extent *extent) {
  const char *why = moons__array_why_not_read(L, from);
  if (why != NULL) moons__blame(L, "%s", why);
  if (lua_isnil(L, TYPE)) extent->type = from->extent.type;
  extent->is_matrix = from->extent.is_matrix;
  extent->rows = from->extent.rows;
  extent->columns = from->extent.columns;
  size_t refused = moons__array_convert(from, make(L, extent), &why);
  if (refused > 0)
    moons__blame(L, "bad argument #1 to 'array' (number %I cannot be of type %s: it %s)",
                 (LUAI_UACINT)refused, moons__element_name(extent->type), why);
}

/* core.array(source [, type]): a new array. */
int moons__core_array(lua_State *L) {
  int how;
  lua_settop(L, ARRAY);
  moons__extent extent = {.type = check_type(L), .columns = 1};
  moons__array *from = moons__array_at(L, SOURCE, &how);
  if (from != NULL) {
    make_of_array(L, from, &extent);
  } else if (lua_istable(L, SOURCE) && !is_size(L)) {
    make_of_list(L, &extent);
  } else if (lua_istable(L, SOURCE)) {
    extent.is_matrix = 1;
    extent.rows = check_count(L, ARRAY + 1, "the number of rows");
    extent.columns = check_count(L, ARRAY + 2, "the number of columns");
    make(L, &extent);
  } else {
    extent.rows = check_count(L, SOURCE, "a size, a list or an array expected; a size");
    make(L, &extent);
  }
  lua_settop(L, ARRAY);
  return 1;
}

/* core.array_kind(value): "array", or "rows" for the rows of one; then how many items it has as a sequence, how many rows, and how
** many numbers a row has. Nothing for all else. */
int moons__core_array_kind(lua_State *L) {
  int how;
  luaL_checkany(L, 1);
  const moons__array *a = moons__array_at(L, 1, &how);
  if (how == MOONS__NO_ARRAY) return 0;
  lua_pushstring(L, how == MOONS__IS_ROWS ? "rows" : "array");
  lua_pushinteger(L, how == MOONS__IS_ROWS ? (lua_Integer)a->extent.rows : (lua_Integer)a->n);
  lua_pushinteger(L, (lua_Integer)a->extent.rows);
  lua_pushinteger(L, (lua_Integer)a->extent.columns);
  return 4;
}
