/*
** Whether a library has changed is asked for each map, and lua_next alone tells a field in a third of the time that looking
** it up takes. So a table is reduced to a number, and most tables are compared by their numbers alone. The copy that was
** made when the number was keeps its objects alive.
*/
#include "state/fields.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"

int moons__fields_set(lua_State *L, int from, moons__field_test *is_wanted, void *data) {
  int to = lua_gettop(L), n = 0;
  for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) {
    if (is_wanted != NULL && !is_wanted(L, data)) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, to);
    n++;
  }
  return n;
}

/* How many fields the table on top has, but never more than fit an int. */
static int count(lua_State *L) {
  int table = lua_gettop(L), n = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    n += n < INT_MAX;
  return n;
}

/* A table that grows field by field is made anew at each power of two, which takes longer than to count first. */
void moons__fields_copy(lua_State *L) {
  lua_createtable(L, 0, count(L));
  moons__fields_set(L, lua_gettop(L) - 1, NULL, NULL);
  lua_remove(L, -2);
}

/* A word for the key or value at `index`: its address, or else its bits, and then `kind` tells of what type it is. */
static uint64_t word_of(lua_State *L, int index, uint64_t *kind) {
  uint64_t word = (uintptr_t)lua_topointer(L, index);
  if (word != 0) return word;
  lua_Number number = lua_tonumber(L, index);
  *kind = *kind * 64 + (uint64_t)lua_type(L, index) * 2 + (uint64_t)lua_isinteger(L, index) + 1;
  if (lua_isinteger(L, index)) return (uint64_t)lua_tointeger(L, index);
  if (lua_type(L, index) != LUA_TNUMBER) return (uint64_t)lua_toboolean(L, index);
  memcpy(&word, &number, sizeof word);
  return word;
}

/* Terms are well mixed: otherwise two values that change places might leave the sum as it was. The kind takes bits that
** addresses do not have. */
static uint64_t term(lua_State *L) {
  uint64_t kind = 0, key = word_of(L, -2, &kind), value = word_of(L, -1, &kind);
  return moons__hash_mix((key ^ kind << 52) * UINT64_C(0x9E3779B97F4A7C15) + value);
}

lua_Integer moons__fields_sum(lua_State *L) {
  int table = lua_gettop(L);
  uint64_t sum = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    sum += term(L);
  return (lua_Integer)sum;
}
