/*
** The wire as a module of Lua: values to bytes and back in one state, with no map around it.
*/
#include <lauxlib.h>

#include "bench.h"
#include "wire/wire.h"

static const char BYTES_TYPE[] = "bench.bytes";

/* What a state knows between two messages, and the last of them. */
typedef struct bytes {
  moons__buffer buffer;
  moons__names names;
} bytes;

/* codec.new(): a place for bytes. */
static int new_bytes(lua_State *L) {
  bytes *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (bytes){0};
  luaL_setmetatable(L, BYTES_TYPE);
  return 1;
}

static int free_bytes(lua_State *L) {
  bytes *b = luaL_checkudata(L, 1, BYTES_TYPE);
  moons__buffer_free(&b->buffer);
  moons__names_free(&b->names);
  return 0;
}

/* bytes:encode(value): the value as bytes, in memory newly had as for each message of a map. */
static int encode(lua_State *L) {
  bytes *b = luaL_checkudata(L, 1, BYTES_TYPE);
  moons__encoder encoder = {.L = L, .out = &b->buffer, .names = &b->names};
  moons__buffer_free(&b->buffer);
  moons__encoder_begin(&encoder);
  moons__encode(&encoder, 2, 1, "argument");
  moons__encoder_end(&encoder);
  return 0;
}

/* bytes:decode(): the value again. */
static int decode(lua_State *L) {
  bytes *b = luaL_checkudata(L, 1, BYTES_TYPE);
  moons__decoder decoder = {.L = L};
  return moons__decode(&decoder, b->buffer.bytes, b->buffer.n_bytes);
}

static void push_table_copy(lua_State *L, int index, int n_fields);

/* Replaces the value on top by a copy. */
static void copy_top(lua_State *L, int type, int n_fields) {
  if (type == LUA_TTABLE) {
    push_table_copy(L, lua_gettop(L), n_fields);
    lua_replace(L, -2);
  } else if (type == LUA_TSTRING) {
    size_t n_bytes;
    const char *bytes = lua_tolstring(L, -1, &n_bytes);
    lua_pushlstring(L, bytes, n_bytes);
    lua_replace(L, -2);
  }
}

static void push_table_copy(lua_State *L, int index, int n_fields) {
  luaL_checkstack(L, 6, NULL);
  lua_Integer n_items = (lua_Integer)lua_rawlen(L, index);
  lua_createtable(L, (int)n_items, n_items > 0 ? 0 : n_fields);
  int copy = lua_gettop(L);
  for (lua_Integer i = 1; i <= n_items; i++) {
    copy_top(L, lua_rawgeti(L, index, i), n_fields);
    lua_rawseti(L, copy, i);
  }
  if (n_items > 0) return; /* a list has no fields here */
  for (lua_pushnil(L); lua_next(L, index);) {
    copy_top(L, lua_type(L, -1), n_fields);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, copy);
  }
}

/* codec.copy(value, n_fields): the value walked and made again through Lua's API, every table at its final
** size, with no bytes in between. Tables are lists, or have so many fields. */
static int copy_value(lua_State *L) {
  int n_fields = (int)luaL_checkinteger(L, 2);
  lua_settop(L, 1);
  copy_top(L, lua_type(L, 1), n_fields);
  return 1;
}

LUAMOD_API int luaopen_codec(lua_State *L) {
  static const luaL_Reg METHODS[] = {
      {"encode", encode}, {"decode", decode}, {"__gc", free_bytes}, {NULL, NULL}};
  static const luaL_Reg FUNCTIONS[] = {{"new", new_bytes}, {"copy", copy_value}, {NULL, NULL}};
  return bench_open_module(L, BYTES_TYPE, METHODS, FUNCTIONS);
}
