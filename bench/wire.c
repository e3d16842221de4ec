/*
** What it costs to turn Lua values into bytes and bytes into values.
*/
#include <lauxlib.h>
#include <lualib.h>

#include "bench.h"
#include "wire.h"

enum { ROUNDS = 9, MESSAGES = 100000 };

typedef struct value {
  const char *encode_key, *decode_key;
  const char *source;
  int n_items;
  int are_messages; /* each item is the value in a message of its own */
  moons__buffer bytes;
} value;

static value VALUES[] = {
    {.encode_key = "encode_floats",
     .decode_key = "decode_floats",
     .source = "local t = {} for i = 1, 1000000 do t[i] = i * 0.1 end return t",
     .n_items = 1000000},
    {.encode_key = "encode_records",
     .decode_key = "decode_records",
     .source = "local t = {} for i = 1, 100000 do\n"
               "  t[i] = {id = i, name = 'record ' .. i, score = i * 0.5, ok = i % 3 == 0}\n"
               "end return t",
     .n_items = 100000},
    {.encode_key = "encode_tree",
     .decode_key = "decode_tree",
     .source = "local function tree(depth)\n"
               "  if depth == 0 then return {} end\n"
               "  return {left = tree(depth - 1), right = tree(depth - 1)}\n"
               "end return tree(15)",
     .n_items = 65535},
    {.encode_key = "encode_string",
     .decode_key = "decode_string",
     .source = "return ('0123456789'):rep(1000000)",
     .n_items = 10000000},
    {.encode_key = "encode_rows",
     .decode_key = "decode_rows",
     .source = "local t = {} for i = 1, 100000 do\n"
               "  local row = {} for k = 1, 10 do row[k] = i * k * 0.1 end t[i] = row\n"
               "end return t",
     .n_items = 100000},
    {.encode_key = "encode_row_message",
     .decode_key = "decode_row_message",
     .source = "local row = {} for k = 1, 10 do row[k] = k * 0.1 end return row",
     .n_items = MESSAGES,
     .are_messages = 1},
    {.encode_key = "encode_short_row_message",
     .decode_key = "decode_short_row_message",
     .source = "return {1.5, 2.5, 3.5}",
     .n_items = MESSAGES,
     .are_messages = 1},
    {.encode_key = "encode_record_message",
     .decode_key = "decode_record_message",
     .source = "return {x = 1, y = 2}",
     .n_items = MESSAGES,
     .are_messages = 1},
    {.encode_key = "encode_string_message",
     .decode_key = "decode_string_message",
     .source = "return 'a short string'",
     .n_items = MESSAGES,
     .are_messages = 1},
};

/* Stack: the value to encode. As often as there are messages, as for the results of calls. */
static int encode(lua_State *L) {
  value *v = lua_touserdata(L, lua_upvalueindex(1));
  moons__names names = {0};
  moons__encoder encoder = {.L = L, .out = &v->bytes, .names = &names};
  for (int i = v->are_messages ? v->n_items : 1; i > 0; i--) {
    v->bytes.n_bytes = 0;
    moons__encoder_begin(&encoder);
    moons__encode(&encoder, 1, 1, "argument");
    lua_settop(L, 1);
  }
  moons__encoder_end(&encoder);
  moons__names_free(&names);
  return 0;
}

static int decode(lua_State *L) {
  value *v = lua_touserdata(L, lua_upvalueindex(1));
  for (int i = v->are_messages ? v->n_items : 1; i > 0; i--) {
    lua_settop(L, 0);
    moons__decoder decoder = {.L = L, .trusted = 1};
    moons__decode(&decoder, v->bytes.bytes, v->bytes.n_bytes);
  }
  return 1;
}

/* Calls the function, which is about `v`, with the value on top. Leaves one result. */
static void call(lua_State *L, lua_CFunction function, value *v, const char *key) {
  lua_pushlightuserdata(L, v);
  lua_pushcclosure(L, function, 1);
  lua_pushvalue(L, -2);
  double start_ns = bench_now_ns();
  int status = lua_pcall(L, 1, 1, 0);
  bench_sample(key, (bench_now_ns() - start_ns) / v->n_items);
  bench_require(status == LUA_OK, key);
}

static void measure(lua_State *L, value *v) {
  bench_require(luaL_dostring(L, v->source) == LUA_OK, v->source);
  for (int round = 0; round < ROUNDS; round++) {
    lua_gc(L, LUA_GCCOLLECT);
    call(L, encode, v, v->encode_key);
    lua_pop(L, 1);
    call(L, decode, v, v->decode_key);
    lua_pop(L, 1);
  }
  lua_settop(L, 0);
  moons__buffer_free(&v->bytes);
}

int main(void) {
  lua_State *L = luaL_newstate();
  bench_require(L != NULL, "no memory for a state");
  luaL_openlibs(L);
  for (unsigned i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++)
    measure(L, &VALUES[i]);
  lua_close(L);
  return 0;
}
