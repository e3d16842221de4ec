/*
** Keys are compared by kind first, then by value; strings byte by byte. Objects have no order of their own: a string made of their
** content stands for them.
*/
#include "store/keys.h"

#include <stdlib.h>

#include "wire/raise.h"

lua_Integer moons__keys_length(lua_State *L, int table) {
  lua_Integer n = 0;
  while (lua_rawgeti(L, table, n + 1) != LUA_TNIL) {
    lua_pop(L, 1);
    n++;
  }
  lua_pop(L, 1);
  return n;
}

/* {== Order =================================================================================== */

static int compare_bytes(const moons__key *a, const moons__key *b) {
  size_t n_bytes = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes;
  int order = n_bytes > 0 ? memcmp(a->bytes, b->bytes, n_bytes) : 0;
  return order != 0 ? order : (a->n_bytes > b->n_bytes) - (a->n_bytes < b->n_bytes);
}

static int compare(const void *first, const void *second) {
  const moons__key *a = first, *b = second;
  if (a->kind != b->kind) return (a->kind > b->kind) - (a->kind < b->kind);
  switch (a->kind) {
  case MOONS__KEY_FLOAT: return (a->is.number > b->is.number) - (a->is.number < b->is.number);
  case MOONS__KEY_STRING:
  case MOONS__KEY_OBJECT: return compare_bytes(a, b);
  default: return (a->is.integer > b->is.integer) - (a->is.integer < b->is.integer);
  }
}

/* {== Collecting ============================================================================== */

/* Fills in an object: the key at -2, with its value at -1. It stands in the table of objects, and after it what it is
** ordered by. */
static void take_object(lua_State *L, int objects, moons__key *key, moons__key_order *order,
                        void *data) {
  if (lua_isnil(L, objects)) {
    lua_newtable(L);
    lua_replace(L, objects);
  }
  lua_Integer place = (lua_Integer)lua_rawlen(L, objects) + 1;
  lua_pushvalue(L, -2);
  lua_rawseti(L, objects, place);
  order(L, data);
  *key = (moons__key){.kind = MOONS__KEY_OBJECT, .is.integer = place};
  key->bytes = lua_tolstring(L, -1, &key->n_bytes);
  lua_rawseti(L, objects, place + 1);
}

/* Fills in the key at -2, with its value at -1. */
static void take(lua_State *L, int objects, moons__key *key, moons__key_order *order, void *data) {
  *key = (moons__key){.kind = MOONS__KEY_STRING};
  switch (lua_type(L, -2)) {
  case LUA_TSTRING: key->bytes = lua_tolstring(L, -2, &key->n_bytes); break;
  case LUA_TBOOLEAN:
    key->kind = MOONS__KEY_BOOLEAN;
    key->is.integer = lua_toboolean(L, -2);
    break;
  case LUA_TNUMBER:
    key->kind = lua_isinteger(L, -2) ? MOONS__KEY_INTEGER : MOONS__KEY_FLOAT;
    if (key->kind == MOONS__KEY_INTEGER)
      key->is.integer = lua_tointeger(L, -2);
    else
      key->is.number = lua_tonumber(L, -2);
    break;
  default: take_object(L, objects, key, order, data);
  }
}

/* Whether the key at -2 is one of those from 1 to n. */
static int is_in_list(lua_State *L, lua_Integer n) {
  if (!lua_isinteger(L, -2)) return 0;
  lua_Integer i = lua_tointeger(L, -2);
  return i >= 1 && i <= n;
}

size_t moons__keys_collect(lua_State *L, int table, lua_Integer n, moons__buffer *keys,
                           moons__key_order *order, void *data) {
  size_t start = keys->n_bytes, n_keys = 0;
  moons__key key;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  table = lua_absindex(L, table);
  lua_pushnil(L); /* most tables have no such keys */
  int objects = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (is_in_list(L, n)) continue;
    take(L, objects, &key, order, data);
    moons__check(L, moons__buffer_append(keys, &key, sizeof key));
    n_keys++;
  }
  if (n_keys > 1) qsort(keys->bytes + start, n_keys, sizeof key, compare);
  return n_keys;
}

void moons__key_push(lua_State *L, const moons__key *key, int objects) {
  switch (key->kind) {
  case MOONS__KEY_INTEGER: lua_pushinteger(L, key->is.integer); break;
  case MOONS__KEY_FLOAT: lua_pushnumber(L, key->is.number); break;
  case MOONS__KEY_STRING: lua_pushlstring(L, key->bytes, key->n_bytes); break;
  case MOONS__KEY_BOOLEAN: lua_pushboolean(L, (int)key->is.integer); break;
  default: lua_rawgeti(L, objects, key->is.integer);
  }
}
