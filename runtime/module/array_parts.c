/*
** Arrays in parts, for the store, which keeps them in files: numbers with the lowest byte first.
*/
#include <lauxlib.h>
#include <string.h>

#include "module/state.h"
#include "state/array_type.h"

enum { KIND = 1, TYPE, IS_MATRIX, ROWS, COLUMNS, NUMBERS, N_PARTS = NUMBERS };

static int is_little_endian(void) {
  const uint16_t one = 1;
  unsigned char byte;
  memcpy(&byte, &one, 1);
  return byte == 1;
}

/* Turns the bytes of each number round where this machine has the highest first. */
static void put_in_order(char *bytes, size_t n_bytes, size_t n_each) {
  if (is_little_endian()) return;
  for (char *at = bytes; at < bytes + n_bytes; at += n_each)
    for (size_t i = 0; i < n_each / 2; i++) {
      char byte = at[i];
      at[i] = at[n_each - 1 - i];
      at[n_each - 1 - i] = byte;
    }
}

/* core.array_parts(value): "array", or "rows" for the rows of one; the type; whether it is a matrix, its rows and columns; the
** numbers as a string. Nothing for all else. An array that a map writes to now is an error. */
int moons__core_array_parts(lua_State *L) {
  int how;
  moons__array *a = moons__array_at(L, 1, &how);
  if (how == MOONS__NO_ARRAY) return 0;
  moons__array_check_reading(L, a);
  size_t n_each = moons__element_bytes(a->extent.type), n_bytes = a->n * n_each;
  luaL_Buffer numbers;
  luaL_checkstack(L, N_PARTS, NULL);
  lua_pushstring(L, how == MOONS__IS_ROWS ? "rows" : "array");
  lua_pushstring(L, moons__element_name(a->extent.type));
  lua_pushboolean(L, a->extent.is_matrix);
  lua_pushinteger(L, (lua_Integer)a->extent.rows);
  lua_pushinteger(L, (lua_Integer)a->extent.columns);
  char *bytes = luaL_buffinitsize(L, &numbers, n_bytes);
  if (n_bytes > 0) memcpy(bytes, a->data, n_bytes);
  put_in_order(bytes, n_bytes, n_each);
  luaL_pushresultsize(&numbers, n_bytes);
  return N_PARTS;
}

/* Fills in what the arguments say of an array; returns whether that is one. */
static int read_extent(lua_State *L, moons__extent *extent) {
  lua_Integer rows = luaL_checkinteger(L, ROWS), columns = luaL_checkinteger(L, COLUMNS);
  *extent = (moons__extent){.type = moons__element_find(luaL_checkstring(L, TYPE)),
                            .is_matrix = lua_toboolean(L, IS_MATRIX),
                            .rows = (uint64_t)rows,
                            .columns = (uint64_t)columns};
  return rows >= 0 && columns >= 0 && extent->type != MOONS__N_ELEMENTS;
}

/* core.array_of_parts(...): the array that has these parts, or its rows. */
int moons__core_array_of_parts(lua_State *L) {
  size_t n_bytes, n, n_wanted;
  const char *bytes = luaL_checklstring(L, NUMBERS, &n_bytes);
  moons__extent extent;
  int is_extent = read_extent(L, &extent) && moons__extent_measure(&extent, &n, &n_wanted);
  if (!is_extent || n_wanted != n_bytes) return luaL_error(L, "these are no parts of an array");
  moons__array *a = moons__array_push_new(L, &extent);
  if (a == NULL) return lua_error(L);
  if (n_bytes > 0) memcpy(a->data, bytes, n_bytes);
  put_in_order(a->data, n_bytes, moons__element_bytes(extent.type));
  if (strcmp(luaL_checkstring(L, KIND), "rows") == 0) moons__array_push_rows(L, -1);
  return 1;
}
