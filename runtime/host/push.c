/*
** Plain C values into a Lua state of the caller's. What a host may have got wrong in them is an error here as it is on the wire.
*/
#include <lauxlib.h>

#include "host/value.h"
#include "sizes.h"

static void push_value(lua_State *L, const moons_value *value, int depth);

static void check_items(lua_State *L, const moons_value *value) {
  if (value->n > INT32_MAX) luaL_error(L, "a value has too many elements");
  if (value->n > 0 && value->as.values == NULL) luaL_error(L, "a value has elements at NULL");
}

/* A hint for the size of a table. */
static int size_of(const moons_value *value) { return (int)value->n; }

static void push_integers(lua_State *L, const moons_value *value) {
  lua_createtable(L, size_of(value), 0);
  for (size_t i = 0; i < value->n; i++) {
    lua_pushinteger(L, value->as.integers[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_floats(lua_State *L, const moons_value *value) {
  lua_createtable(L, size_of(value), 0);
  for (size_t i = 0; i < value->n; i++) {
    lua_pushnumber(L, value->as.numbers[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_list(lua_State *L, const moons_value *value, int depth) {
  lua_createtable(L, size_of(value), 0);
  for (size_t i = 0; i < value->n; i++) {
    push_value(L, &value->as.values[i], depth);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_table(lua_State *L, const moons_value *value, int depth) {
  lua_createtable(L, 0, size_of(value));
  for (size_t i = 0; i < value->n; i++) {
    const moons_value *key = &value->as.values[2 * i];
    if (!moons__value_is_key(key)) luaL_error(L, "a value has a key that is nil or NaN");
    push_value(L, key, depth);
    push_value(L, key + 1, depth);
    lua_rawset(L, -3);
  }
}

static void push_compound(lua_State *L, const moons_value *value, int depth) {
  if (depth >= MOONS_WIRE_DEPTH)
    luaL_error(L, "a value is nested deeper than %d", MOONS_WIRE_DEPTH);
  luaL_checkstack(L, LUA_MINSTACK, "a value is nested too deeply");
  check_items(L, value);
  switch (value->type) {
  case MOONS_INTEGERS: push_integers(L, value); break;
  case MOONS_FLOATS: push_floats(L, value); break;
  case MOONS_LIST: push_list(L, value, depth + 1); break;
  case MOONS_TABLE: push_table(L, value, depth + 1); break;
  default: luaL_error(L, "a value of a type that Lua cannot be given (%d)", (int)value->type);
  }
}

static void push_string(lua_State *L, const moons_value *value) {
  if (value->n > 0 && value->as.string == NULL) luaL_error(L, "a value has a string at NULL");
  lua_pushlstring(L, value->as.string, value->n);
}

static void push_value(lua_State *L, const moons_value *value, int depth) {
  switch (value->type) {
  case MOONS_NIL: lua_pushnil(L); break;
  case MOONS_BOOLEAN: lua_pushboolean(L, value->as.integer != 0); break;
  case MOONS_INTEGER: lua_pushinteger(L, value->as.integer); break;
  case MOONS_FLOAT: lua_pushnumber(L, value->as.number); break;
  case MOONS_STRING: push_string(L, value); break;
  case MOONS_POINTER: lua_pushlightuserdata(L, value->as.pointer); break;
  default: push_compound(L, value, depth);
  }
}

void moons_push_value(lua_State *L, const moons_value *value) {
  luaL_checkstack(L, LUA_MINSTACK, "no room for a value");
  if (value == NULL)
    lua_pushnil(L);
  else
    push_value(L, value, 0);
}
