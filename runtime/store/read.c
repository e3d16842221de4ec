/*
** Tables are made when they are mentioned and filled when they are described, in the same order. The bytes come out of a file: nothing
** in them is trusted.
*/
#include "store/read.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "store/format.h"
#include "store/sqlite.h"

typedef struct reader {
  lua_State *L;
  const unsigned char *at, *end;
  int make_array, met; /* stack indices: a function, and the list of what has a number */
  lua_Integer n_met;
} reader;

static void refuse(reader *r) {
  moons__sqlite_blame(r->L, "it holds a value that this version of Moons cannot read");
}

static const unsigned char *take(reader *r, uint64_t n_bytes) {
  const unsigned char *at = r->at;
  if (n_bytes > (uint64_t)(r->end - at)) refuse(r);
  r->at += n_bytes;
  return at;
}

static uint64_t take_count(reader *r) {
  uint64_t n = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    unsigned char byte = *take(r, 1);
    n |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) return n;
  }
  refuse(r);
  return 0;
}

static uint64_t take_word(reader *r) {
  const unsigned char *at = take(r, 8);
  uint64_t word = 0;
  for (int i = 0; i < 8; i++)
    word = word << 8 | at[i];
  return word;
}

/* Gives what is on top the next number, and leaves it there. */
static void note(reader *r) {
  lua_pushvalue(r->L, -1);
  lua_rawseti(r->L, r->met, ++r->n_met);
}

static void push_value(reader *r);

static void push_array(reader *r) {
  uint64_t n_parts = take_count(r);
  if (n_parts > 8) refuse(r);
  lua_pushvalue(r->L, r->make_array);
  for (uint64_t i = 0; i < n_parts; i++)
    push_value(r);
  lua_call(r->L, (int)n_parts, 1);
}

static void push_string(reader *r) {
  uint64_t n_bytes = take_count(r);
  const unsigned char *bytes = take(r, n_bytes);
  lua_pushlstring(r->L, (const char *)bytes, (size_t)n_bytes);
}

static void push_float(reader *r) {
  uint64_t word = take_word(r);
  lua_Number number;
  memcpy(&number, &word, sizeof number);
  lua_pushnumber(r->L, number);
}

static void push_value(reader *r) {
  lua_State *L = r->L;
  switch (*take(r, 1)) {
  case MOONS__STORED_NIL: lua_pushnil(L); return;
  case MOONS__STORED_FALSE: lua_pushboolean(L, 0); return;
  case MOONS__STORED_TRUE: lua_pushboolean(L, 1); return;
  case MOONS__STORED_INTEGER: lua_pushinteger(L, (lua_Integer)take_word(r)); return;
  case MOONS__STORED_FLOAT: push_float(r); return;
  case MOONS__STORED_STRING: push_string(r); return;
  case MOONS__STORED_OBJECT:
    lua_newtable(L);
    note(r);
    return;
  case MOONS__STORED_MET:
    if (lua_rawgeti(L, r->met, (lua_Integer)take_count(r)) == LUA_TNIL) refuse(r);
    return;
  case MOONS__STORED_ARRAY:
    push_array(r);
    note(r);
    return;
  default: refuse(r);
  }
}

/* Fills the table on top. */
static void fill(reader *r) {
  lua_State *L = r->L;
  if (*take(r, 1) != MOONS__STORED_CONTENT) refuse(r);
  uint64_t n = take_count(r);
  for (uint64_t i = 1; i <= n; i++) {
    push_value(r);
    lua_rawseti(L, -2, (lua_Integer)i);
  }
  for (n = take_count(r); n > 0; n--) {
    push_value(r);
    int is_key = !lua_isnil(L, -1) && lua_compare(L, -1, -1, LUA_OPEQ); /* nan is none */
    if (!is_key) refuse(r);
    push_value(r);
    lua_rawset(L, -3);
  }
}

/* Arrays are there as soon as they are mentioned. */
static void fill_all(reader *r) {
  for (lua_Integer i = 1; i <= r->n_met; i++) {
    if (lua_rawgeti(r->L, r->met, i) == LUA_TTABLE) fill(r);
    lua_pop(r->L, 1);
  }
}

void moons__store_push_value(lua_State *L, const char *bytes, size_t n_bytes, int make_array) {
  const unsigned char *at = (const unsigned char *)bytes;
  reader r = {.L = L, .at = at, .end = at + n_bytes, .make_array = make_array};
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_newtable(L);
  r.met = lua_gettop(L);
  push_value(&r);
  fill_all(&r);
  if (r.at != r.end) refuse(&r);
  lua_remove(L, r.met);
}

int moons__store_read(lua_State *L) {
  size_t n_bytes;
  const char *bytes = luaL_checklstring(L, 1, &n_bytes);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  moons__store_push_value(L, bytes, n_bytes, 2);
  return 1;
}
