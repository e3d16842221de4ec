/*
** Runs the fuzz target without libFuzzer, the same at each run: messages and dumps that are right, and
** what chance makes of them.
**
** wire_driver [N [SEED]]   tries N inputs
** wire_driver -w FOLDER    writes the right ones into files, to start libFuzzer from
*/
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/batch.h"
#include "wire/failure.h"
#include "wire/format.h"
#include "wire/wire.h"
#include "wire_fuzz.h"

enum { MOST_CHANGES = 4, SEEDS_CAPACITY = 64 };

/* Values whose messages have something of everything in them. Kept small: chance has to hit. */
static const char *const VALUES[] = {
    "nil, true, false, 1, -1000, 1 << 40, 2.5, 'text'",
    "{1, 2, 3, 4.5, 5.5, 6, 'x', {}, false}",
    "{1.5, 2.5, 3.5, 4.5, 5.5}, {1, 2, 3, 4, 5, 6}",
    "(function() local t = {} t.t = t t[t] = {t, t} return t end)()",
    "{[2.5] = 'k', [true] = {}, [-1] = 1, x = {y = {z = {}}}}",
    "setmetatable({1, 2}, {__index = {a = 1}, __name = 'n'})",
    "(function() local m = {} m.__index = m return setmetatable({}, m), m, {m} end)()",
    "setmetatable({}, {__gc = 5, __mode = 'k'})",
    "math.floor, string, {math.pi, string.rep}",
    "('long '):rep(20), {('long '):rep(20), ('x'):rep(300)}",
    "(function() local t for i = 1, 130 do t = {t} end return t end)()",
    "(function() local t = {} for i = 1, 40 do t['k' .. i] = i end return t end)()",
    "(function() local n = 0 return function() n = n + 1 end, function() return n end end)()",
    "setmetatable({}, {__marshal = function() return math.abs, -1 end})",
    "function(x) for i = 1, x do a[i] = b.c(i) end return a end",
    "_G, {_G}, string, {string}",
    "{{x = 1, y = 2}, {x = 3, y = 4}, {x = 5, y = 6}, {x = 7}, {x = 8, y = 9, z = 10}}",
    "(function() local t = {} for i = 1, 4 do t[i] = {a = t, b = {a = i}} end return t end)()",
};

typedef struct seeds {
  moons__buffer all[SEEDS_CAPACITY];
  size_t n;
} seeds;

static uint64_t random_state;

/* splitmix64 */
static uint64_t random_next(void) {
  uint64_t n = random_state += UINT64_C(0x9E3779B97F4A7C15);
  n = (n ^ n >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  n = (n ^ n >> 27) * UINT64_C(0x94D049BB133111EB);
  return n ^ n >> 31;
}

static size_t random_below(size_t n) { return (size_t)(random_next() % n); }

static _Noreturn void fail(const char *why) {
  fprintf(stderr, "wire_driver: %s\n", why);
  exit(EXIT_FAILURE);
}

/* Seeds. */

static moons__buffer *add_seed(seeds *s) {
  if (s->n == SEEDS_CAPACITY) fail("too many seeds");
  return &s->all[s->n++];
}

/* Argument: a buffer, then the values. */
static int encode(lua_State *L) {
  moons__names names = {0};
  moons__encoder encoder = {.L = L, .out = lua_touserdata(L, 1), .names = &names};
  int n_values = lua_gettop(L) - 1;
  moons__encoder_begin(&encoder);
  moons__encode(&encoder, 2, n_values, "value");
  moons__encoder_end(&encoder);
  moons__names_free(&names);
  return 0;
}

static int write_dump(lua_State *L, const void *bytes, size_t n_bytes, void *out) {
  (void)L;
  return moons__buffer_append(out, bytes, n_bytes);
}

static void add_messages(seeds *s) {
  for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
    lua_State *L = luaL_newstate();
    if (L == NULL) fail("no memory");
    luaL_openlibs(L);
    lua_pushcfunction(L, encode);
    lua_pushlightuserdata(L, add_seed(s));
    lua_pushfstring(L, "return %s", VALUES[i]);
    if (luaL_loadstring(L, lua_tostring(L, -1)) != LUA_OK) fail(lua_tostring(L, -1));
    lua_remove(L, -2);
    if (i % 4 == 0) lua_dump(L, write_dump, add_seed(s), 0);
    if (lua_pcall(L, 0, LUA_MULTRET, 0) != LUA_OK) fail(lua_tostring(L, -1));
    if (lua_pcall(L, lua_gettop(L) - 1, 0, 0) != LUA_OK) fail(lua_tostring(L, -1));
    lua_close(L);
  }
}

static void add_batch(seeds *s) {
  moons__buffer *out = add_seed(s);
  moons__batch_writer w;
  int error = moons__batch_begin(&w, out);
  for (int i = 0; i < 3 && !error; i++) {
    error = moons__batch_integer(&w, i);
    if (!error) error = moons__batch_float(&w, i / 2.0);
    if (!error) error = moons__batch_integer_range(&w, 1, 2, 10);
    if (!error) error = moons__batch_float_range(&w, 1, 0.5, 0, 10);
    if (!error) error = moons__batch_item_begin(&w, MOONS__ITEM_MESSAGE);
    if (!error) error = moons__buffer_append(out, "message", 7);
    if (!error) moons__batch_item_end(&w);
  }
  if (error) fail("no memory");
}

static void add_failure(seeds *s) {
  moons__failure failure = {.kind = MOONS__FAILURE_ERROR, .message = "message"};
  failure.message_bytes = 7;
  failure.traceback = "traceback";
  failure.traceback_bytes = 9;
  if (moons__failure_write(add_seed(s), &failure)) fail("no memory");
}

static void write_seeds(const seeds *s, const char *folder) {
  for (size_t i = 0; i < s->n; i++) {
    char name[4096];
    snprintf(name, sizeof name, "%s/seed-%02zu", folder, i);
    FILE *file = fopen(name, "wb");
    if (file == NULL) fail("the folder cannot be written to");
    fwrite(s->all[i].bytes, 1, s->all[i].n_bytes, file);
    fclose(file);
  }
}

/* Inputs. */

/* Makes one change; the bytes have room for one more. */
static void change(char *bytes, size_t *n_bytes) {
  if (*n_bytes == 0) return;
  size_t at = random_below(*n_bytes), from = random_below(*n_bytes);
  size_t n = 1 + random_below(*n_bytes - (at > from ? at : from));
  switch (random_below(8)) {
  case 0: bytes[at] = (char)random_next(); break;
  case 1: bytes[at] = (char)(bytes[at] ^ 1 << random_below(8)); break;
  case 2: bytes[at] = (char)random_below(WIRE_END + 1); break; /* as good as a tag */
  case 3: bytes[at] = (char)(random_below(2) ? 0xFF : 0x7F); break;
  case 4: *n_bytes = at; break;
  case 5: memmove(bytes + at, bytes + from, n); break;
  case 6: /* one byte goes */
    memmove(bytes + at, bytes + at + 1, *n_bytes - at - 1);
    --*n_bytes;
    break;
  default: /* one byte more */ memmove(bytes + at + 1, bytes + at, *n_bytes - at); ++*n_bytes;
  }
}

/* The input lies in a block of its own size, so that a sanitizer sees the first byte read beyond it. */
static void try_exactly(const char *bytes, size_t n_bytes) {
  char *copy = malloc(n_bytes > 0 ? n_bytes : 1);
  if (copy == NULL) fail("no memory");
  memcpy(copy, bytes, n_bytes);
  LLVMFuzzerTestOneInput((const uint8_t *)copy, n_bytes);
  free(copy);
}

static void try_one(const seeds *s) {
  const moons__buffer *seed = &s->all[random_below(s->n)];
  size_t n_bytes = seed->n_bytes;
  char *bytes = malloc(n_bytes + MOST_CHANGES);
  if (bytes == NULL) fail("no memory");
  memcpy(bytes, seed->bytes, n_bytes);
  for (size_t n = random_below(MOST_CHANGES + 1); n > 0; n--)
    change(bytes, &n_bytes);
  try_exactly(bytes, n_bytes);
  free(bytes);
}

int main(int argc, char **argv) {
  seeds s = {0};
  add_messages(&s);
  add_batch(&s);
  add_failure(&s);
  if (argc == 3 && strcmp(argv[1], "-w") == 0) {
    write_seeds(&s, argv[2]);
  } else {
    long n = argc > 1 ? atol(argv[1]) : 100000;
    random_state = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    for (size_t i = 0; i < s.n; i++)
      for (size_t n_bytes = 0; n_bytes <= s.all[i].n_bytes; n_bytes++)
        try_exactly(s.all[i].bytes, n_bytes);
    for (long i = 0; i < n; i++)
      try_one(&s);
    printf("%ld inputs\n", n);
  }
  for (size_t i = 0; i < s.n; i++)
    moons__buffer_free(&s.all[i]);
  return 0;
}
