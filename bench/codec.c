/*
** The wire as a module of Lua: values to bytes and back in one state, with no map around it.
*/
#include <lauxlib.h>

#include "wire.h"

static const char BYTES_TYPE[] = "bench.bytes";

/* codec.new(): a place for bytes. */
static int new_bytes(lua_State *L) {
  moons__buffer *bytes = lua_newuserdatauv(L, sizeof *bytes, 0);
  *bytes = (moons__buffer){0};
  luaL_setmetatable(L, BYTES_TYPE);
  return 1;
}

static int free_bytes(lua_State *L) {
  moons__buffer_free(luaL_checkudata(L, 1, BYTES_TYPE));
  return 0;
}

/* bytes:encode(value): the value as bytes, in memory newly had as for each message of a map. */
static int encode(lua_State *L) {
  moons__buffer *bytes = luaL_checkudata(L, 1, BYTES_TYPE);
  moons__names names = {0};
  moons__encoder encoder = {.L = L, .out = bytes, .names = &names};
  moons__buffer_free(bytes);
  moons__encoder_begin(&encoder);
  moons__encode(&encoder, 2, 1, "argument");
  moons__encoder_end(&encoder);
  moons__names_free(&names);
  return 0;
}

/* bytes:decode(): the value again. */
static int decode(lua_State *L) {
  moons__buffer *bytes = luaL_checkudata(L, 1, BYTES_TYPE);
  moons__decoder decoder = {.L = L};
  return moons__decode(&decoder, bytes->bytes, bytes->n_bytes);
}

__attribute__((visibility("default"))) int luaopen_codec(lua_State *L) {
  static const luaL_Reg METHODS[] = {
      {"encode", encode}, {"decode", decode}, {"__gc", free_bytes}, {NULL, NULL}};
  static const luaL_Reg FUNCTIONS[] = {{"new", new_bytes}, {NULL, NULL}};
  luaL_newmetatable(L, BYTES_TYPE);
  luaL_setfuncs(L, METHODS, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
