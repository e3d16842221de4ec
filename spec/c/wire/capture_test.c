#include "wire/capture.h"

#include <lauxlib.h>

#include "base/buffer.h"
#include "check.h"

/* The names that were told, each once, as " a b c "; those of modules as " =a =b ". */
typedef struct names {
  char text[4000];
  size_t n_told;
} names;

static void note(names *n, const moons__capture_name *name) {
  char padded[200], *end = n->text + strlen(n->text);
  n->n_told++;
  if (name->n_bytes > 100) return;
  snprintf(padded, sizeof padded, " %s%.*s ", name->is_module ? "=" : "", (int)name->n_bytes,
           name->bytes);
  if (strstr(n->text, padded) != NULL) return;
  CHECK((size_t)(end - n->text) + name->n_bytes + 3 < sizeof n->text);
  snprintf(end, sizeof n->text - (size_t)(end - n->text), "%s", padded + (n->text[0] != '\0'));
}

/* Captures, and notes the names. */
static moons__capture_result capture(const void *dump, size_t n_bytes, uint64_t environments,
                                     names *found, moons__capture_uses *uses) {
  moons__buffer told = {0};
  moons__capture_result result = moons__capture(dump, n_bytes, environments, &told, uses);
  for (size_t at = 0; at < told.n_bytes; at += sizeof(moons__capture_name)) {
    moons__capture_name name;
    memcpy(&name, told.bytes + at, sizeof name);
    note(found, &name);
  }
  moons__buffer_free(&told);
  return result;
}

static int write_dump(lua_State *L, const void *bytes, size_t n_bytes, void *out) {
  (void)L;
  return moons__buffer_append(out, bytes, n_bytes);
}

/* The dump of `code`, or with `returned` of the function that it returns. */
static moons__buffer make_dump(const char *code, int strip, int returned) {
  moons__buffer out = {0};
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  if (luaL_loadstring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the code compiles");
  }
  if (returned) lua_call(L, 0, 1);
  CHECK(lua_dump(L, write_dump, &out, strip) == 0);
  lua_close(L);
  return out;
}

static moons__buffer dump_of(const char *code, int strip) { return make_dump(code, strip, 0); }

/* Checks the outcome for code whose upvalue 0 is its environment. */
static void expect(const char *code, moons__capture_result result, const char *text) {
  for (int strip = 0; strip < 2; strip++) {
    names found = {0};
    moons__buffer dump = dump_of(code, strip);
    moons__capture_result got = capture(dump.bytes, dump.n_bytes, 1, &found, NULL);
    if (got != result || strcmp(found.text, text) != 0) {
      fprintf(stderr, "%s\n  gives %d \"%s\", not %d \"%s\"\n", code, (int)got, found.text,
              (int)result, text);
      FAIL("the names are right");
    }
    moons__buffer_free(&dump);
  }
}

static void expect_exact(const char *code, const char *text) {
  expect(code, MOONS__CAPTURE_EXACT, text);
}

static int is_dynamic(const char *code) {
  names found = {0};
  moons__buffer dump = dump_of(code, 0);
  moons__capture_result result = capture(dump.bytes, dump.n_bytes, 1, &found, NULL);
  moons__buffer_free(&dump);
  return result == MOONS__CAPTURE_DYNAMIC;
}

static void reads_and_writes(void) {
  expect_exact("return 1", "");
  expect_exact("return a", " a ");
  expect_exact("a = 1", " a ");
  expect_exact("a = b; c.d = e", " b a c e ");
  expect_exact("local a = 1; return a", "");
  expect_exact("return a.b.c", " a ");
  expect_exact("return a:b(c)", " a c ");
  expect_exact("return ('x'):rep(n)", " n ");
  expect_exact("f(); g(h())", " f g h ");
  expect_exact("return 'name', {name = 1}", "");
  expect_exact("for i = first, last do use(i) end", " first last use ");
  expect_exact("for k, v in pairs(t) do t[k] = nil end", " pairs t ");
  expect_exact("if a then return b elseif c then return d end", " a b c d ");
  expect_exact("goto done; a = 1; ::done::", " a ");
  expect_exact("function a.b.c() return d end", " a d ");
  expect_exact("local t <close> = make()", " make ");
  expect_exact("return _ENV.a", " a ");
  expect_exact("_ENV.a = 1", " a ");
  expect_exact("return a_name_that_is_longer_than_forty_characters_is_a_long_string",
               " a_name_that_is_longer_than_forty_characters_is_a_long_string ");
}

static void nested(void) {
  expect_exact("return function() return function() return function() return a end end end", " a ");
  expect_exact("local f = function() return a end; return {g = function() b = f() end}", " a b ");
  expect_exact("local x; local function f() return x, f, y end", " y ");
  expect_exact("return function() local print = 1; return function() return print end end", "");
}

static void upvalues_that_are_none(void) {
  expect_exact("local t = {}; return function() return t.a, t.b end", "");
  moons__buffer dump = dump_of("return a", 0);
  names found = {0};
  CHECK(capture(dump.bytes, dump.n_bytes, 0, &found, NULL) == MOONS__CAPTURE_EXACT);
  CHECK(found.n_told == 0); /* not an environment, so not globals */
  moons__buffer_free(&dump);
}

/* Upvalue 1 of the function is the environment, upvalue 0 is t. */
static void any_upvalue(void) {
  moons__buffer dump = make_dump("local t = {}; return function() t.x = a; t.y = b end", 0, 1);
  names found = {0}, other = {0};
  CHECK(capture(dump.bytes, dump.n_bytes, 2, &found, NULL) == MOONS__CAPTURE_EXACT);
  CHECK(strcmp(found.text, " a b ") == 0);
  capture(dump.bytes, dump.n_bytes, 1, &other, NULL);
  CHECK(strcmp(other.text, " x y ") == 0);
  moons__buffer_free(&dump);
}

static void own_environments(void) {
  expect_exact("local _ENV = {}; a = 1; return b", "");
  expect_exact("return function(_ENV) return a end", "");
  expect_exact("local x = a; local _ENV = {}; return function() return b end", " a ");
  expect_exact("local function f(_ENV) return function() c = 1 end end; d = f", " d ");
}

static void environment_as_value(void) {
  CHECK(is_dynamic("return _ENV"));
  CHECK(is_dynamic("local e = _ENV; return e.a"));
  CHECK(is_dynamic("return _ENV[k]"));
  CHECK(is_dynamic("local k = 'a'; _ENV[k] = 1"));
  CHECK(is_dynamic("for k in pairs(_ENV) do end"));
  CHECK(is_dynamic("return function() return function() f(_ENV) end end"));
  CHECK(is_dynamic("local _ENV = setmetatable({}, {__index = _ENV}); return a"));
  CHECK(is_dynamic("return #_ENV"));
  CHECK(is_dynamic("return {_ENV}"));
  CHECK(is_dynamic("return _ENV == t"));
}

/* Code with so many constants that globals are read in several steps. */
static char *wide_code(const char *begin, int n_constants, const char *end) {
  size_t size = (size_t)n_constants * 12 + strlen(begin) + strlen(end) + 1;
  char *code = malloc(size);
  CHECK(code != NULL);
  size_t at = (size_t)snprintf(code, size, "%s", begin);
  for (int i = 0; i < n_constants; i++)
    at += (size_t)snprintf(code + at, size - at, "x='s%d';", i);
  snprintf(code + at, size - at, "%s", end);
  return code;
}

static void many_constants(void) {
  for (int n = 200; n < 300; n += 3) {
    char *code = wide_code("local x;", n, "return late, later(latest), a.b");
    expect_exact(code, " late later latest a ");
    free(code);
  }
}

static void many_constants_and_writes(void) {
  static const int COUNTS[] = {240, 260, 300, 3000};
  for (int i = 0; i < 4; i++) {
    char *code = wide_code("local x;", COUNTS[i], "late = 1");
    names found = {0};
    moons__buffer dump = dump_of(code, 0);
    moons__capture_result result = capture(dump.bytes, dump.n_bytes, 1, &found, NULL);
    /* Where the name cannot be known, all may be meant. */
    CHECK(result == MOONS__CAPTURE_DYNAMIC || strcmp(found.text, " late ") == 0);
    moons__buffer_free(&dump);
    free(code);
  }
}

static void very_many_constants(void) {
  char *code = wide_code("local x;", 140000, "return late");
  names found = {0};
  moons__buffer dump = dump_of(code, 1);
  moons__capture_result result = capture(dump.bytes, dump.n_bytes, 1, &found, NULL);
  CHECK(result == MOONS__CAPTURE_DYNAMIC || strcmp(found.text, " late ") == 0);
  moons__buffer_free(&dump);
  free(code);
}

static void deep_nesting(void) {
  enum { DEPTH = 60 };
  static const char BEGIN[] = "return function() ", END[] = "end ";
  char code[DEPTH * (sizeof BEGIN + sizeof END) + 100];
  size_t at = 0;
  for (int i = 0; i < DEPTH; i++)
    at += (size_t)snprintf(code + at, sizeof code - at, "%s", BEGIN);
  at += (size_t)snprintf(code + at, sizeof code - at, "return deep ");
  for (int i = 0; i < DEPTH; i++)
    at += (size_t)snprintf(code + at, sizeof code - at, "%s", END);
  expect_exact(code, " deep ");
}

static const char RICH[] =
    "local a, b = 1.5, 'text'\n"
    "local function f(x, ...) t[x] = a; return function(y, ...) b = y; return g(b), ... end end\n"
    "for i = 1, 10 do if i > 5 then print(f(i)) end end\n"
    "return {f, f(3), name = 'a string that is longer than forty characters, so a long one'}";

static void capture_copy(const char *bytes, size_t n_bytes) {
  names found = {0};
  char *copy = copy_exactly(bytes, n_bytes);
  capture(copy, n_bytes, UINT64_MAX, &found, NULL);
  free(copy);
}

static void truncated(void) {
  moons__buffer dump = dump_of(RICH, 0);
  for (size_t n = 0; n < dump.n_bytes; n++) {
    names found = {0};
    char *copy = copy_exactly(dump.bytes, n);
    CHECK(capture(copy, n, 1, &found, NULL) == MOONS__CAPTURE_FOREIGN);
    free(copy);
  }
  moons__buffer_free(&dump);
}

/* The sum of what the names hold, so that all of it is read. */
static size_t sum_of(const moons__buffer *told) {
  size_t sum = 0;
  for (size_t at = 0; at < told->n_bytes; at += sizeof(moons__capture_name)) {
    moons__capture_name name;
    memcpy(&name, told->bytes + at, sizeof name);
    for (size_t i = 0; i < name.n_bytes; i++)
      sum += (unsigned char)name.bytes[i];
  }
  return sum;
}

static void garbage(void) {
  uint64_t random = 1;
  size_t sum = 0;
  moons__buffer dump = dump_of(RICH, 0), told = {0};
  for (int i = 0; i < 100000; i++) {
    char *copy = copy_exactly(dump.bytes, dump.n_bytes);
    for (size_t n = 1 + random_below(&random, 3); n > 0; n--) {
      size_t at = random_below(&random, dump.n_bytes);
      if (random_below(&random, 2) == 0)
        copy[at] = (char)(copy[at] ^ 1 << random_below(&random, 8));
      else
        copy[at] = (char)random_next(&random);
    }
    told.n_bytes = 0;
    moons__capture(copy, dump.n_bytes, random_next(&random), &told, NULL);
    sum += sum_of(&told);
    free(copy);
  }
  CHECK(sum > 0);
  moons__buffer_free(&told);
  moons__buffer_free(&dump);
}

static void no_dumps(void) {
  names found = {0};
  static const char *const TEXTS[] = {"", "\033", "\033Lua", "return 1", "\033LuaS"};
  for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
    CHECK(capture(TEXTS[i], strlen(TEXTS[i]), 1, &found, NULL) == MOONS__CAPTURE_FOREIGN);
  capture_copy("\033Lua\x54\0\x19\x93\r\n\x1a\n\4\x8\x8", 15);
}

/* Checks whether strings can turn up in a function that captures the global environment. */
static void expect_strings(const char *code, int expected) {
  for (int strip = 0; strip < 2; strip++) {
    moons__buffer dump = dump_of(code, strip);
    names found = {0};
    moons__capture_uses uses = {.has_strings = -1};
    capture(dump.bytes, dump.n_bytes, 1, &found, &uses);
    if (uses.has_strings != expected) {
      fprintf(stderr, "%s\n  has strings: %d\n", code, uses.has_strings);
      FAIL("it is known whether strings turn up");
    }
    moons__buffer_free(&dump);
  }
}

/* Checks the names, and whether others may be required. */
static void expect_requires(const char *code, const char *text, int requires_any) {
  moons__buffer dump = dump_of(code, 0);
  names found = {0};
  moons__capture_uses uses = {0};
  capture(dump.bytes, dump.n_bytes, 1, &found, &uses);
  if (uses.requires != requires_any || strcmp(found.text, text) != 0) {
    fprintf(stderr, "%s\n  gives \"%s\", others: %d\n", code, found.text, uses.requires);
    FAIL("the modules are right");
  }
  moons__buffer_free(&dump);
}

static void required_modules(void) {
  expect_requires("local m = require 'a.b' return m", " require =a.b ", 0);
  expect_requires("return require('a'), require 'b'.f", " require =a =b ", 0);
  expect_requires("return (require 'a')", " require =a ", 0);
  expect_requires("return function() return require 'deep' end", " require =deep ", 0);
  expect_requires("local ok, m = pcall(require, 'a')", " pcall require =a ", 0);
  expect_requires("return require(...)", " require ", 1);
  expect_requires("return require('a' .. ...)", " require ", 1);
  expect_requires("local r = require return r 'a'", " require ", 1);
  expect_requires("return require('a', 1)", " require ", 1);
  expect_requires("return f(require, 'a')", " f require =a ", 0); /* one too many does no harm */
  expect_requires("return require(5)", " require ", 1);
  expect_requires("require = 5", " require ", 0);
  expect_requires("return x.require 'a'", " x ", 0);
}

static void strings_are_seen(void) {
  static const char *const WITHOUT[] = {
      "local x = ... return x ^ 2 + 1.5 // 3",
      "local function f(n) return n < 2 and n or f(n - 1) + f(n - 2) end return f(...)",
      "local t = {} for i = 1, 10 do t[i] = {i, -i} end return #t",
      "return square(...) + offset",
      "count = count + 1",
      "local a, b = ... return function() return a + b end",
  };
  static const char *const WITH[] = {
      "return 'x'",
      "return ... .. ...",
      "local t = ... return t.field",
      "local t = ... t.field = 1",
      "local t = ... t[1] = 'x'",
      "local t = ... return t:method()",
      "return print, 'print'",
      "return print == 'print'",
      "print = 'print'",
      "local t = ... t[print] = 'print'",
      "return function() return function() return 'deep' end end",
  };
  for (size_t i = 0; i < sizeof WITHOUT / sizeof *WITHOUT; i++)
    expect_strings(WITHOUT[i], 0);
  for (size_t i = 0; i < sizeof WITH / sizeof *WITH; i++)
    expect_strings(WITH[i], 1);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"globals that are read or set are told", reads_and_writes},
      {"globals of nested functions are told", nested},
      {"fields of other upvalues are not told", upvalues_that_are_none},
      {"any upvalue may be the environment", any_upvalue},
      {"an environment of its own is none of the globals", own_environments},
      {"an environment used as a value may reach anything", environment_as_value},
      {"functions with more than 256 constants tell the globals they read", many_constants},
      {"functions with many constants tell the globals they set", many_constants_and_writes},
      {"functions with very many constants tell their globals", very_many_constants},
      {"functions nested 60 deep tell their globals", deep_nesting},
      {"a dump that ends early is foreign", truncated},
      {"what is no dump is foreign", no_dumps},
      {"any bytes give an answer", garbage},
      {"strings that can turn up are seen", strings_are_seen},
      {"modules that are required by a constant name are told", required_modules},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
