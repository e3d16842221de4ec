#include "wire/wire.h"

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"
#include "state/image.h"
#include "wire/format.h"

/* A message on its way. */
typedef struct trip {
  moons__buffer bytes;
  size_t start; /* of the message in bytes */
  int trusted;
  int n_values; /* to encode; decoded */
  moons__encoder encoder;
} trip;

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  luaL_openlibs(L);
  return L;
}

/* Arguments: a trip, the values. */
static int encode(lua_State *L) {
  trip *t = lua_touserdata(L, 1);
  t->n_values = lua_gettop(L) - 1;
  t->start = t->bytes.n_bytes;
  t->encoder.L = L;
  t->encoder.out = &t->bytes;
  t->encoder.needs = 0;
  t->encoder.names_refreshed = 0;
  moons__encoder_begin(&t->encoder);
  moons__encode(&t->encoder, 2, t->n_values, "value");
  return 0;
}

/* Encodes the values that `code` returns. */
static void make(trip *t, const char *code) {
  moons__names names = {0};
  lua_State *L = open_state();
  lua_pushcfunction(L, encode);
  lua_pushlightuserdata(L, t);
  if (luaL_loadstring(L, code) != LUA_OK || lua_pcall(L, 0, LUA_MULTRET, 0) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the value is made");
  }
  t->encoder.names = &names;
  if (lua_pcall(L, lua_gettop(L) - 1, 0, 0) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the value can be sent");
  }
  moons__encoder_end(&t->encoder);
  moons__names_free(&names);
  lua_close(L);
}

/* Argument: a trip. Results: the values. */
static int decode(lua_State *L) {
  trip *t = lua_touserdata(L, 1);
  moons__decoder d = {.L = L, .trusted = t->trusted};
  size_t n_bytes = t->bytes.n_bytes - t->start;
  char *copy = lua_newuserdatauv(L, n_bytes, 0);
  memcpy(copy, t->bytes.bytes + t->start, n_bytes);
  int top = lua_gettop(L);
  t->n_values = moons__decode(&d, copy, n_bytes);
  CHECK(lua_gettop(L) == top + t->n_values);
  return t->n_values;
}

static int try_to_decode(lua_State *L, trip *t) {
  lua_settop(L, 0);
  lua_pushcfunction(L, decode);
  lua_pushlightuserdata(L, t);
  return lua_pcall(L, 1, LUA_MULTRET, 0);
}

/* Decodes the message in another state and gives the values to `code`, which checks them. */
static void arrives(trip *t, const char *code) {
  lua_State *L = open_state();
  if (try_to_decode(L, t) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the value arrives");
  }
  CHECK(luaL_loadstring(L, code) == LUA_OK);
  lua_insert(L, 1);
  if (lua_pcall(L, t->n_values, 0, 0) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the value is as it was");
  }
  lua_close(L);
}

static void refused(trip *t, const char *why) {
  lua_State *L = open_state();
  CHECK(try_to_decode(L, t) == LUA_ERRRUN);
  if (strstr(lua_tostring(L, -1), why) == NULL) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("it is refused for the right reason");
  }
  lua_close(L);
}

static void travels(const char *value, const char *checks) {
  trip t = {.trusted = 1};
  make(&t, value);
  arrives(&t, checks);
  moons__buffer_free(&t.bytes);
}

static void plain_values(void) {
  travels("return", "assert(select('#', ...) == 0)");
  travels("return nil, nil", "assert(select('#', ...) == 2 and ... == nil)");
  travels("return true, false, nil, 1, 1.0, 'x'",
          "local a, b, c, d, e, f = ... assert(a == true and b == false and c == nil and"
          " math.type(d) == 'integer' and math.type(e) == 'float' and f == 'x')");
  travels("return 127, 128, -128, -129, 2^31|0, -2^31|0, 2^31-1|0, math.mininteger",
          "local t = {...} for i, n in ipairs{127, 128, -128, -129, 2^31|0, -2^31|0, 2^31-1|0,"
          " math.mininteger} do assert(t[i] == n and math.type(t[i]) == 'integer') end");
  travels("return ('x'):rep(40), ('x'):rep(41), ('x'):rep(255), ('x'):rep(256), ''",
          "local t = {...} for i, n in ipairs{40, 41, 255, 256, 0} do assert(#t[i] == n) end");
}

static void arrays(void) {
  for (int n = 0; n < 20; n++) {
    char value[200];
    snprintf(value, sizeof value,
             "local t = {} for i = 1, %d do t[i] = i %% 3 == 0 and i + 0.5 or i %% 5 == 0 and {i} "
             "or i end return t, %d",
             n, n);
    travels(value,
            "local t, n = ... assert(#t == n) for i = 1, n do local v = t[i]"
            " assert(i % 3 == 0 and v == i + 0.5 or i % 5 == 0 and v[1] == i or v == i) end");
  }
}

/* Tables with the same keys travel as records; those that are a little different too. */
static void records(void) {
  travels(
      "local t = {} for i = 1, 100 do t[i] = {id = i, name = 'n' .. i, ok = i % 2 == 0} end"
      " return t",
      "for i, r in ipairs(...) do assert(r.id == i and r.name == 'n' .. i and"
      " r.ok == (i % 2 == 0)) local n = 0 for _ in pairs(r) do n = n + 1 end assert(n == 3) end");
  travels(
      "local t = {} for i = 1, 300 do local r = {a = i, b = i / 2, c = 'c'}"
      " if i % 3 == 0 then r.a = nil end if i % 5 == 0 then r.b = nil end"
      " if i % 7 == 0 then r.d = i end if i % 11 == 0 then r[1.5] = i end"
      " if i % 13 == 0 then r[1] = i end if i % 17 == 0 then r.c = nil end t[i] = r end return t",
      "for i, r in ipairs(...) do assert(r.a == (i % 3 ~= 0 and i or nil) and"
      " r.b == (i % 5 ~= 0 and i / 2 or nil) and r.c == (i % 17 ~= 0 and 'c' or nil) and"
      " r.d == (i % 7 == 0 and i or nil) and r[1.5] == (i % 11 == 0 and i or nil) and"
      " r[1] == (i % 13 == 0 and i or nil)) end");
  travels("local function tree(n) if n == 0 then return {} end"
          " return {left = tree(n - 1), right = tree(n - 1)} end return tree(8)",
          "local function count(t) if next(t) == nil then return 1 end"
          " return 1 + count(t.left) + count(t.right) end assert(count(...) == 511)");
  travels(
      "local t = {} for i = 1, 9 do t[i] = {x = i, up = t[i - 1]} t[i].self = t[i] end return t",
      "local t = ... for i, r in ipairs(t) do assert(r.x == i and r.up == t[i - 1] and"
      " r.self == r) end");
}

/* Fields that take a byte each, just above a power of two: tables ask for twice as many entries. */
static void narrow_records(void) {
  for (int n = 1; n <= 33; n++) {
    char value[200];
    snprintf(value, sizeof value,
             "local t = {} for i = 1, 200 do t[i] = {} for k = 1, %d do t[i]['k' .. k] = true end"
             " end return t, %d",
             n, n);
    travels(value, "local t, n = ... for i = 1, 200 do for k = 1, n do assert(t[i]['k' .. k]) end"
                   " assert(t[i]['k' .. n + 1] == nil) end");
  }
}

/* Many shapes, long ones, and keys that are in none. */
static void odd_records(void) {
  travels("local t = {} for i = 1, 400 do for _ = 1, 3 do"
          " t[#t + 1] = {['first' .. i] = i, second = 2} end end return t",
          "local t = ... for i = 1, 400 do for j = 1, 3 do local r = t[3 * i - 3 + j]"
          " assert(r['first' .. i] == i and r.second == 2) end end");
  travels("local t = {} for i = 1, 5 do t[i] = {} for k = 1, 60 do t[i]['k' .. k] = k * i end end"
          " return t",
          "for i, r in ipairs(...) do for k = 1, 60 do assert(r['k' .. k] == k * i) end end");
  travels("local t = {} for i = 1, 50 do t[i] = {__name = 'x', v = i, [('long'):rep(20)] = i} end"
          " return t",
          "for i, r in ipairs(...) do assert(r.__name == 'x' and r.v == i and"
          " r[('long'):rep(20)] == i) end");
  travels(
      "local m = {} m.__index = m local t = {}"
      " for i = 1, 50 do t[i] = setmetatable({v = i, w = {v = -i}}, i % 2 == 0 and m or nil) end"
      " return t, m",
      "local t, m = ... for i, r in ipairs(t) do assert(r.v == i and r.w.v == -i and"
      " getmetatable(r) == (i % 2 == 0 and m or nil)) end");
}

/* A key that a __marshal takes away may leave its address to another string. */
static void keys_that_die(void) {
  travels(
      "local n, t = 0, {} local function boom(self) n = n + 1"
      " for i = self.i + 2, #t do t[i] = {['k' .. n .. 'a'] = i, z = t[i].z} end"
      " collectgarbage() return function(i) return {i = i} end, self.i end"
      " local m = {__marshal = boom}"
      " for i = 1, 60 do t[i] = i % 10 == 0 and setmetatable({i = i}, m) or {a = i, z = i} end"
      " return t",
      "local t = ... for i = 1, 60 do assert(i % 10 == 0 and t[i].i == i or next(t[i]) ~= nil) end"
      " for i = 12, 19 do assert(t[i].k1a == i and t[i].z == i and t[i].a == nil) end");
}

static void sharing(void) {
  travels("local t = {} t.t = t; t[t] = t; return t, {t, t}",
          "local t, u = ... assert(t.t == t and t[t] == t and u[1] == t and u[2] == t)");
  travels("local s = ('x'):rep(100) return s, {s, s}", "local s, t = ... assert(t[2] == s)");
  travels("local n = 0 local t = {get = function() return n end, add = function() n = n + 1 end}"
          " return t, t.add",
          "local t, add = ... add() t.add() assert(t.get() == 2 and add == t.add)");
}

static void depth(void) {
  travels("local t = {} for i = 1, 100000 do t = {t} end return t",
          "local t, n = ..., 0 while t[1] do t = t[1] n = n + 1 end assert(n == 100000)");
  travels("local f = function() return 0 end for i = 1, 20000 do local g = f"
          " f = function(x) if x then return g end return i end end return f",
          "local f, n = ..., 0 while f() ~= 0 do f = f(true) n = n + 1 end assert(n == 20000)");
}

static void names(void) {
  travels("return math.floor, string, print, io.stdout, package.loaded",
          "local a, b, c, d, e = ... assert(a == math.floor and b == string and c == print and"
          " d == io.stdout and e == package.loaded)");
}

static void needs(void) {
  trip t = {0};
  make(&t, "return 1, 2.5, true, nil, {{}}");
  CHECK(t.encoder.needs == 0);
  make(&t, "return {1, {'x'}}");
  CHECK(t.encoder.needs == MOONS__LIBRARIES_LEAST);
  make(&t, "return math.floor");
  CHECK(t.encoder.needs & MOONS__LIBRARIES_MATH);
  make(&t, "return load");
  CHECK((t.encoder.needs & MOONS__LIBRARIES_ALL) == MOONS__LIBRARIES_ALL);
  moons__buffer_free(&t.bytes);
}

static void anywhere_in_a_buffer(void) {
  trip t = {0};
  for (int i = 0; i < 300; i++) {
    make(&t, "local t = {1, 2, 3, {4}} t.t = t return t, t[4]");
    if (i % 50 == 0) arrives(&t, "local t, u = ... assert(t.t == t and t[4] == u and u[1] == 4)");
    CHECK(moons__buffer_append(&t.bytes, "between", 7) == 0);
  }
  moons__buffer_free(&t.bytes);
}

static void untrusted(void) {
  trip t = {0};
  make(&t, "return {1, {2.5}, 'x', math.floor, t = {true}}");
  arrives(&t, "local t = ... assert(t[2][1] == 2.5 and t[4] == math.floor and t.t[1])");
  make(&t, "return {function() end}");
  refused(&t, "a function from elsewhere");
  make(&t, "return setmetatable({}, {__marshal = function() return math.abs, -1 end})");
  refused(&t, "a call from elsewhere");
  make(&t, "package.preload.odd = function() return {} end return setmetatable({}, require 'odd')");
  refused(&t, "module 'odd' is not loaded");
  moons__buffer_free(&t.bytes);
}

static const char RICH[] = "local t = {1, 2, 3, 4.5, 5.5, 6, 'x', ('y'):rep(300), {}, nil, true}"
                           " t.t = t t[t] = {t} t[2.5] = 'k' t.deep = {{{{{{}}}}}} t.f = math.floor"
                           " return t, t.deep, setmetatable({1}, {__name = 'x'}), ('y'):rep(300)";

static void truncated(void) {
  trip whole = {0};
  make(&whole, RICH);
  for (size_t n = 0; n < whole.bytes.n_bytes; n++) {
    trip t = {.bytes = whole.bytes};
    t.bytes.n_bytes = n;
    lua_State *L = luaL_newstate();
    CHECK(try_to_decode(L, &t) == LUA_ERRRUN);
    lua_close(L);
  }
  CHECK(moons__buffer_append(&whole.bytes, "x", 1) == 0);
  refused(&whole, "more bytes than the message has");
  moons__buffer_free(&whole.bytes);
}

/* Decodes bytes where memory is scarce: they must be refused for what they say. */
static void refused_bytes(const unsigned char *bytes, size_t n_bytes, const char *why) {
  moons__slot slot = {0};
  CHECK(moons__slot_open(&slot, (size_t)1 << 20, NULL) == 0);
  trip t = {0};
  CHECK(moons__buffer_append(&t.bytes, bytes, n_bytes) == 0);
  CHECK(try_to_decode(slot.L, &t) == LUA_ERRRUN);
  if (strstr(lua_tostring(slot.L, -1), why) == NULL) {
    fprintf(stderr, "%s\n", lua_tostring(slot.L, -1));
    FAIL("it is refused for the right reason");
  }
  moons__buffer_free(&t.bytes);
  moons__slot_close(&slot);
}

typedef struct claim {
  const char *why;
  unsigned char bytes[20];
} claim;

static void refused_claims(const claim *claims, size_t n_claims) {
  for (size_t i = 0; i < n_claims; i++)
    refused_bytes(claims[i].bytes, sizeof claims[i].bytes, claims[i].why);
}

/* Decoding takes memory in proportion to the bytes, whatever counts stand in them. */
static void counts_are_not_believed(void) {
  static const claim CLAIMS[] = {
      {"too many elements", {0, 1, WIRE_ARRAY, 0, 0xFF, 0xFF, 0xFF, 0x07}},
      {"too many elements", {0, 1, WIRE_ARRAY, 0, 0xFF, 0xFF, 0xFF, 0xFF}},
      {"too many elements", {0, 1, WIRE_TABLE, WIRE_HASH_MASK}},
      {"too many elements",
       {0, 1, WIRE_ARRAY, 0, 2, 0, 0, 0, WIRE_INTEGERS, 0xFF, 0xFF, 0xFF, 0xFF}},
      {"a count is too large", {0, 0xFF, 0xFF, 0xFF, 0x7F}},
      {"a count is too large", {0, 1, WIRE_STRING, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F}},
      {"a count is too large", {0, 1, WIRE_NAMED, 0xFF, 0xFF, 0xFF, 0x7F}},
      {"too many shapes", {255, 1, WIRE_NIL, WIRE_END}},
  };
  refused_claims(CLAIMS, sizeof CLAIMS / sizeof CLAIMS[0]);
}

/* Tables within each other, and side by side, cannot each ask for room for all bytes that
** follow. */
static void room_is_given_once(void) {
  moons__buffer bytes = {0};
  static const unsigned char START[] = {0, 1};
  CHECK(moons__buffer_append(&bytes, START, sizeof START) == 0);
  for (int i = 0; i < 100; i++) {
    const unsigned char array[] = {WIRE_ARRAY, 0, 0x00, 0x20, 0, 0}; /* 8192 elements */
    CHECK(moons__buffer_append(&bytes, array, sizeof array) == 0);
  }
  for (int i = 0; i < 9000; i++)
    CHECK(moons__buffer_append(&bytes, "\0", 1) == 0);
  refused_bytes((unsigned char *)bytes.bytes, bytes.n_bytes, "too many elements");
  bytes.n_bytes = 0;
  const unsigned char list[] = {0, 1, WIRE_ARRAY, 0, 0, 4, 0, 0}; /* 1024 elements */
  CHECK(moons__buffer_append(&bytes, list, sizeof list) == 0);
  for (int i = 0; i < 1024; i++) {
    const unsigned char table[] = {WIRE_TABLE, 12, WIRE_END}; /* 2048 pairs */
    CHECK(moons__buffer_append(&bytes, table, sizeof table) == 0);
  }
  refused_bytes((unsigned char *)bytes.bytes, bytes.n_bytes, "too many elements");
  moons__buffer_free(&bytes);
}

static void shapes_are_checked(void) {
  static const claim CLAIMS[] = {
      {"no such shape", {2, 1, WIRE_RECORD, 0, 1}},
      {"a shape that was not announced", {0, 1, WIRE_SHAPE, 1, WIRE_STRING8, 1, 'x'}},
      {"a shape that was not announced", {2, 1, WIRE_SHAPE, 2, WIRE_STRING8, 1, 'x'}},
      {"a shape that was not announced", {2, 1, WIRE_SHAPE, 0, 1}},
      {"a key of a shape is no string", {2, 1, WIRE_SHAPE, 1, WIRE_INT8, 1}},
      {"a key of a shape is no string", {2, 1, WIRE_SHAPE, 1, WIRE_NIL}},
      {"too many elements", {2, 1, WIRE_SHAPE, 1, WIRE_STRING8, 1, 'x', WIRE_HASH_MASK}},
      {"a reference to nothing", {0, 1, WIRE_REF, 2}},
      {"a list that was not announced", {0, 1, WIRE_TABLE | WIRE_SHARED, 0}},
      {"a list that was not announced", {0, 1, WIRE_DEFERRED}},
  };
  refused_claims(CLAIMS, sizeof CLAIMS / sizeof CLAIMS[0]);
}

/* A key that a shape has twice is one field. */
static void twice_in_a_shape(void) {
  static const unsigned char BYTES[] = {
      3,   1, WIRE_SHAPE, 2, WIRE_STRING8, 1, 'x',      WIRE_STRING8, 1,
      'x', 2, WIRE_INT8,  7, WIRE_INT8,    8, WIRE_END, WIRE_END};
  trip t = {0};
  CHECK(moons__buffer_append(&t.bytes, BYTES, sizeof BYTES) == 0);
  arrives(&t, "local t = ... assert(t.x == 8 and next(t, 'x') == nil)");
  moons__buffer_free(&t.bytes);
}

static void no_memory(void) {
  trip t = {0};
  make(&t, "local t = {} for i = 1, 2000 do t[i] = {i, tostring(i)} end return t");
  int n_failed = 0, n_arrived = 0;
  for (size_t limit = 20000; limit < 1000000; limit += limit / 20) {
    moons__slot slot = {0};
    CHECK(moons__slot_open(&slot, limit, NULL) == 0);
    int status = try_to_decode(slot.L, &t);
    CHECK(status == LUA_OK || status == LUA_ERRMEM);
    if (status == LUA_OK)
      n_arrived++;
    else
      n_failed++;
    lua_close(slot.L);
    moons__slot_close(&slot);
  }
  CHECK(n_failed > 0 && n_arrived > 0);
  moons__buffer_free(&t.bytes);
}

/* Encodes the value that `code` returns, and leaves an error's message on the stack. */
static int try_to_encode(lua_State *L, trip *t, const char *code) {
  lua_settop(L, 0);
  t->bytes.n_bytes = 0;
  lua_pushcfunction(L, encode);
  lua_pushlightuserdata(L, t);
  CHECK(luaL_dostring(L, code) == LUA_OK);
  return lua_pcall(L, 2, 0, 0);
}

static void after_an_error(void) {
  trip t = {0};
  lua_State *L = open_state();
  for (int i = 0; i < 100; i++) {
    CHECK(try_to_encode(L, &t, "return {1, {coroutine.create(print)}, {}}") == LUA_ERRRUN);
    CHECK(strcmp(lua_tostring(L, -1), "value 1: [2][1]: cannot send a coroutine") == 0);
    CHECK(try_to_encode(L, &t, "local t = {} return {t, t, 99}") == LUA_OK);
  }
  moons__encoder_end(&t.encoder);
  lua_close(L);
  arrives(&t, "local t = ... assert(t[1] == t[2] and t[3] == 99)");
  moons__buffer_free(&t.bytes);
}

/* Classes that one side noted are known by number to the other. */
typedef struct sides {
  moons__buffer bytes;
  moons__classes sent, received;
} sides;

static int send_object(lua_State *L) {
  sides *s = lua_touserdata(L, 1);
  lua_newtable(L);
  moons__encoder e = {.L = L, .out = &s->bytes, .classes = &s->sent, .class_index = 2};
  moons__encoder_begin(&e);
  CHECK(luaL_dostring(L, "C = {} C.__index = C function C.f() return 7 end"
                         " return setmetatable({n = 1}, C)") == LUA_OK);
  moons__encode(&e, lua_gettop(L), 1, "value");
  moons__encoder_end(&e);
  lua_rawgeti(L, 2, 0);
  lua_getglobal(L, "C");
  CHECK(lua_rawequal(L, -1, -2) && s->sent.n_numbers == 1);
  return 0;
}

/* Receives the object and sends it back. */
static int send_back(lua_State *L) {
  sides *s = lua_touserdata(L, 1);
  lua_newtable(L);
  moons__decoder d = {.L = L, .trusted = 1, .classes = &s->received, .class_index = 2};
  CHECK(moons__decode(&d, s->bytes.bytes, s->bytes.n_bytes) == 1);
  int object = lua_gettop(L);
  CHECK(luaL_getmetafield(L, object, "f") == LUA_TFUNCTION);
  lua_pop(L, 1);
  s->bytes.n_bytes = 0;
  s->received.n_known = 1;
  moons__encoder e = {.L = L, .out = &s->bytes, .classes = &s->received};
  moons__encoder_begin(&e);
  moons__encode(&e, object, 1, "value");
  moons__encoder_end(&e);
  CHECK(s->bytes.n_bytes < 40); /* the class went as its number */
  return 0;
}

/* Arguments: the sides, the table number -> class. */
static int receive_back(lua_State *L) {
  sides *s = lua_touserdata(L, 1);
  moons__decoder d = {.L = L, .trusted = 1, .class_index = 2};
  CHECK(moons__decode(&d, s->bytes.bytes, s->bytes.n_bytes) == 1);
  CHECK(lua_getmetatable(L, -1));
  lua_getglobal(L, "C");
  CHECK(lua_rawequal(L, -1, -2));
  return 0;
}

static void classes(void) {
  sides s = {0};
  lua_State *here = open_state(), *there = open_state();
  lua_pushcfunction(here, send_object);
  lua_pushlightuserdata(here, &s);
  lua_call(here, 1, 0);
  lua_pushcfunction(there, send_back);
  lua_pushlightuserdata(there, &s);
  lua_call(there, 1, 0);
  lua_pushcfunction(here, receive_back);
  lua_pushlightuserdata(here, &s);
  lua_newtable(here);
  lua_getglobal(here, "C");
  lua_rawseti(here, -2, 0);
  lua_call(here, 2, 0);
  lua_close(here);
  lua_close(there);
  moons__buffer_free(&s.bytes);
  moons__classes_free(&s.sent);
  moons__classes_free(&s.received);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"values of every simple kind arrive as they were", plain_values},
      {"arrays of every small length and mixture arrive", arrays},
      {"tables with the same keys arrive", records},
      {"tables whose fields take a byte each arrive", narrow_records},
      {"keys of many shapes and of none arrive", odd_records},
      {"keys that die under way are not taken for others", keys_that_die},
      {"what is shared is shared again", sharing},
      {"depth is limited by memory alone", depth},
      {"values of modules arrive as those of the other side", names},
      {"a message tells which libraries it needs", needs},
      {"a message may lie anywhere in a buffer", anywhere_in_a_buffer},
      {"bytes from elsewhere bring no functions, calls or modules", untrusted},
      {"a message that ends early or late is refused", truncated},
      {"counts that cannot be are refused before memory is taken for them",
       counts_are_not_believed},
      {"room for tables is given once for each byte", room_is_given_once},
      {"shapes and lists that were not announced are refused", shapes_are_checked},
      {"a shape with the same key twice does no harm", twice_in_a_shape},
      {"without memory decoding ends with a clean error", no_memory},
      {"an encoder can be used after an error", after_an_error},
      {"a class comes home as itself", classes},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
