#include "numbers.h"

#include <string.h>

size_t moons__fetch_floats(lua_State *L, moons__get_element *get, int table, lua_Integer i,
                           char *to, size_t n_most) {
  int at = lua_gettop(L);
  for (size_t n = 0; n < n_most; n++) {
    lua_Number number;
    if (get(L, table, i++) != LUA_TNUMBER || !moons__to_float(L, ++at, &number)) return n;
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
