#include "wire.h"

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"
#include "image.h"

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
  make(&t, "return 1, 'x', {}");
  CHECK(t.encoder.needs == 0);
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
  make(&t, "package.preload.odd = function() return {f = 1} end return require 'odd'");
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

/* Decoding takes memory in proportion to the bytes, whatever counts stand in them. */
static void counts_are_not_believed(void) {
  static const unsigned char CLAIMS[][12] = {
      {1, 11, 0, 0xFF, 0xFF, 0xFF, 0xFF, 7},       /* elements of a table */
      {1, 11, 0x1F, 0, 0, 0},                      /* 2^30 pairs */
      {0xFF, 0xFF, 0xFF, 0x7F},                    /* values */
      {1, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F},        /* bytes of a string */
      {1, 11, 0, 2, 9, 0xFF, 0xFF, 0xFF, 0xFF, 0}, /* a run of integers */
      {1, 19, 0xFF, 0xFF, 0xFF, 0x7F},             /* bytes of a path */
  };
  for (size_t i = 0; i < sizeof CLAIMS / sizeof CLAIMS[0]; i++) {
    moons__image image = {0};
    CHECK(moons__image_open(&image, (size_t)1 << 20) == 0);
    trip t = {0};
    CHECK(moons__buffer_append(&t.bytes, CLAIMS[i], sizeof CLAIMS[i]) == 0);
    CHECK(try_to_decode(image.L, &t) == LUA_ERRRUN);
    CHECK(strstr(lua_tostring(image.L, -1), "malformed bytes") != NULL);
    moons__buffer_free(&t.bytes);
    moons__image_close(&image);
  }
}

static void no_memory(void) {
  trip t = {0};
  make(&t, "local t = {} for i = 1, 2000 do t[i] = {i, tostring(i)} end return t");
  int n_failed = 0, n_arrived = 0;
  for (size_t limit = 20000; limit < 1000000; limit += limit / 20) {
    moons__image image = {0};
    CHECK(moons__image_open(&image, limit) == 0);
    int status = try_to_decode(image.L, &t);
    CHECK(status == LUA_OK || status == LUA_ERRMEM);
    if (status == LUA_OK)
      n_arrived++;
    else
      n_failed++;
    lua_close(image.L);
    moons__image_close(&image);
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
      {"what is shared is shared again", sharing},
      {"depth is limited by memory alone", depth},
      {"values of modules arrive as those of the other side", names},
      {"a message tells which libraries it needs", needs},
      {"a message may lie anywhere in a buffer", anywhere_in_a_buffer},
      {"bytes from elsewhere bring no functions, calls or modules", untrusted},
      {"a message that ends early or late is refused", truncated},
      {"counts that cannot be are refused before memory is taken for them",
       counts_are_not_believed},
      {"without memory decoding ends with a clean error", no_memory},
      {"an encoder can be used after an error", after_an_error},
      {"a class comes home as itself", classes},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
