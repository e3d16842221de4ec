/*
** Pushes elements without popping them and reads them in place: a call of the API for each, and one type check.
*/
#include "wire/numbers.h"

#include <string.h>

/* Whether a number that Lua gives as this float may be an integer: those near 2^63 are rounded. */
static int may_be_integer(lua_Number n) {
  if (n >= 0x1p62) return n <= 0x1p63;
  return n >= -0x1p63 && (lua_Number)(lua_Integer)n == n;
}

/* Whether the number at stack index `at` is a float, which it then gives. Most tell by their value, and Lua
** need not be asked. */
static int to_float(lua_State *L, int at, lua_Number *number) {
  *number = lua_tonumber(L, at);
  return !may_be_integer(*number) || !lua_isinteger(L, at);
}

size_t moons__fetch_floats(lua_State *L, moons__get_element *get, int table, lua_Integer i,
                           char *to, size_t n_most) {
  int at = lua_gettop(L);
  for (size_t n = 0; n < n_most; n++) {
    lua_Number number;
    if (get(L, table, i++) != LUA_TNUMBER || !to_float(L, ++at, &number)) return n;
    memcpy(to + n * sizeof number, &number, sizeof number);
  }
  return n_most;
}

size_t moons__fetch_integers(lua_State *L, moons__get_element *get, int table, lua_Integer i,
                             char *to, size_t n_most) {
  int at = lua_gettop(L);
  for (size_t n = 0; n < n_most; n++) {
    if (get(L, table, i++) != LUA_TNUMBER || !lua_isinteger(L, ++at)) return n;
    lua_Integer number = lua_tointeger(L, at);
    memcpy(to + n * sizeof number, &number, sizeof number);
  }
  return n_most;
}
