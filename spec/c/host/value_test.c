#include "host/value.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>

#include "base/errors.h"
#include "check.h"
#include "sizes.h"
#include "state/array_type.h"
#include "state/image.h"
#include "wire/wire.h"

/* What a script has sent home: bytes, and the blocks beside them. */
typedef struct letter {
  moons__buffer bytes;
  moons__shared_list *shared;
} letter;

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  luaL_openlibs(L);
  return L;
}

/* Arguments: an encoder, the values. */
static int encode(lua_State *L) {
  moons__encoder *e = lua_touserdata(L, 1);
  int n_values = lua_gettop(L) - 1;
  moons__encoder_begin(e);
  moons__encode(e, 2, n_values, "result");
  return 0;
}

/* What the code returns, as calls send it. */
static letter send(const char *code) {
  letter sent = {.shared = NULL};
  moons__names names = {0};
  lua_State *L = open_state();
  moons__array_open(L);
  moons__encoder e = {.L = L, .out = &sent.bytes, .names = &names};
  lua_settop(L, 0);
  lua_pushcfunction(L, encode);
  lua_pushlightuserdata(L, &e);
  if (luaL_loadstring(L, code) != LUA_OK || lua_pcall(L, 0, LUA_MULTRET, 0) != LUA_OK ||
      lua_pcall(L, lua_gettop(L) - 1, 0, 0) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the values can be sent");
  }
  sent.shared = e.shared;
  e.shared = NULL;
  moons__encoder_end(&e);
  moons__names_free(&names);
  lua_close(L);
  return sent;
}

static void burn(letter *l) {
  moons__buffer_free(&l->bytes);
  moons__shared_list_release(l->shared);
}

/* The values come from bytes that are gone by then, so none of them may point there. */
static moons__values receive(const char *code) {
  letter l = send(code);
  moons__values values;
  char *copy = copy_exactly(l.bytes.bytes, l.bytes.n_bytes);
  CHECK(moons__values_read(&values, NULL, copy, l.bytes.n_bytes, l.shared) == 0);
  memset(copy, 0x55, l.bytes.n_bytes);
  free(copy);
  burn(&l);
  return values;
}

/* Receives one value. */
static moons__values receive_one(const char *code) {
  moons__values values = receive(code);
  CHECK(values.n_values == 1);
  return values;
}

static int is_string(const moons_value *v, const char *text) {
  return v != NULL && v->type == MOONS_STRING && v->n == strlen(text) &&
         strcmp(v->as.string, text) == 0;
}

static int is_other(const moons_value *v, const char *name) {
  return v->type == MOONS_OTHER && v->n == strlen(name) && strcmp(v->as.string, name) == 0;
}

static int is_integer(const moons_value *v, int64_t n) {
  return v != NULL && v->type == MOONS_INTEGER && v->as.integer == n;
}

/* {== Building and reading ==================================================================== */

static void builds(void) {
  int64_t integers[] = {1, 2};
  double floats[] = {0.5};
  CHECK(moons_nil().type == MOONS_NIL);
  CHECK(moons_boolean(7).type == MOONS_BOOLEAN && moons_boolean(7).as.integer == 1);
  CHECK(moons_boolean(0).as.integer == 0);
  CHECK(moons_integer(INT64_MIN).as.integer == INT64_MIN);
  CHECK(moons_number(0.5).type == MOONS_FLOAT && moons_number(0.5).as.number == 0.5);
  CHECK(moons_string("ab").n == 2 && moons_string("").n == 0);
  CHECK(moons_string(NULL).type == MOONS_NIL);
  CHECK(moons_bytes("a\0b", 3).n == 3);
  CHECK(moons_integers(integers, 2).as.integers == integers);
  CHECK(moons_floats(floats, 1).as.numbers == floats);
  CHECK(moons_list(NULL, 0).type == MOONS_LIST && moons_table(NULL, 0).type == MOONS_TABLE);
  CHECK(moons_pointer(floats).as.pointer == floats);
}

static void reads_nothing(void) {
  moons_value room, nil = moons_nil(), list = moons_list(NULL, 3), odd = {.type = 99, .n = 3};
  const moons_value *const NONE[] = {NULL, &nil, &list, &odd};
  for (size_t i = 0; i < sizeof NONE / sizeof NONE[0]; i++) {
    CHECK(moons_field(NONE[i], "a") == NULL && moons_item(NONE[i], 1, &room) == NULL);
    CHECK(moons_to_integer(NONE[i], 5) == 5 && moons_to_number(NONE[i], 0.5) == 0.5);
    CHECK(strcmp(moons_to_string(NONE[i], "x"), "x") == 0);
  }
  CHECK(!moons_to_boolean(NULL) && !moons_to_boolean(&nil) && moons_to_boolean(&list));
}

static void reads_numbers(void) {
  moons_value integer = moons_integer(3), whole = moons_number(3.0), half = moons_number(3.5);
  moons_value large = moons_number(0x1p63), least = moons_number(-0x1p63), nan = moons_number(NAN);
  moons_value text = moons_string("3"), infinite = moons_number(INFINITY);
  CHECK(moons_to_integer(&integer, 0) == 3 && moons_to_integer(&whole, 0) == 3);
  CHECK(moons_to_integer(&half, 9) == 9 && moons_to_integer(&large, 9) == 9);
  CHECK(moons_to_integer(&nan, 9) == 9 && moons_to_integer(&infinite, 9) == 9);
  CHECK(moons_to_integer(&least, 9) == INT64_MIN && moons_to_integer(&text, 9) == 9);
  CHECK(moons_to_number(&integer, 0) == 3.0 && moons_to_number(&half, 0) == 3.5);
  CHECK(moons_to_number(&text, 9) == 9);
}

static void reads_fields_and_items(void) {
  double floats[] = {0.5, 1.5};
  int64_t integers[] = {7, 8};
  moons_value pairs[] = {moons_string("a"), moons_integer(1),      moons_integer(2),
                         moons_string("b"), moons_bytes("a\0", 2), moons_integer(3)};
  moons_value table = moons_table(pairs, 3), list = moons_list(pairs, 6), room;
  moons_value f = moons_floats(floats, 2), i = moons_integers(integers, 2);
  CHECK(is_integer(moons_field(&table, "a"), 1) && moons_field(&table, "b") == NULL);
  CHECK(moons_field(&table, NULL) == NULL && moons_field(&list, "a") == NULL);
  CHECK(is_string(moons_item(&table, 2, NULL), "b") && moons_item(&table, 1, NULL) == NULL);
  CHECK(moons_item(&list, 6, NULL) == &pairs[5] && moons_item(&list, 7, NULL) == NULL);
  CHECK(moons_item(&list, 0, &room) == NULL && moons_item(&list, SIZE_MAX, &room) == NULL);
  CHECK(is_integer(moons_item(&i, 2, &room), 8) && moons_item(&i, 3, &room) == NULL);
  CHECK(moons_to_number(moons_item(&f, 1, &room), 0) == 0.5);
  CHECK(moons_item(&f, 1, NULL) == NULL);
}

/* {== From scripts ============================================================================ */

static void receives_plain_values(void) {
  moons__values v = receive("return nil, true, false, 1, -129, 2^40|0, 1.5, '', 'a\\0b', nil");
  CHECK(v.n_values == 10);
  CHECK(v.values[0].type == MOONS_NIL && v.values[9].type == MOONS_NIL);
  CHECK(v.values[1].as.integer == 1 && v.values[2].as.integer == 0);
  CHECK(is_integer(&v.values[3], 1) && is_integer(&v.values[4], -129));
  CHECK(is_integer(&v.values[5], INT64_C(1) << 40));
  CHECK(v.values[6].type == MOONS_FLOAT && v.values[6].as.number == 1.5);
  CHECK(is_string(&v.values[7], ""));
  CHECK(v.values[8].n == 3 && memcmp(v.values[8].as.string, "a\0b", 4) == 0);
  moons__values_free(&v);
  CHECK(v.values == NULL);
  v = receive("return");
  CHECK(v.n_values == 0 && v.values != NULL);
  moons__values_free(&v);
}

static void receives_sequences(void) {
  moons__values v = receive("return {1, 2, 3}, {0.5}, {1, 2.5}, {}, {'a', 1}, {true}");
  CHECK(v.values[0].type == MOONS_INTEGERS && v.values[0].n == 3);
  CHECK(v.values[0].as.integers[2] == 3);
  CHECK(v.values[1].type == MOONS_FLOATS && v.values[1].n == 1);
  CHECK(v.values[1].as.numbers[0] == 0.5);
  CHECK(v.values[2].type == MOONS_LIST && v.values[2].n == 2);
  CHECK(is_integer(&v.values[2].as.values[0], 1) && v.values[2].as.values[1].as.number == 2.5);
  CHECK(v.values[3].type == MOONS_TABLE && v.values[3].n == 0);
  CHECK(v.values[4].type == MOONS_LIST && is_string(&v.values[4].as.values[0], "a"));
  CHECK(v.values[5].type == MOONS_LIST && v.values[5].as.values[0].type == MOONS_BOOLEAN);
  moons__values_free(&v);
}

static void receives_long_sequences(void) {
  moons__values v = receive("local t, u = {}, {} for i = 1, 100000 do t[i], u[i] = i, i end\n"
                            "u[50000] = 'x' return t, u");
  CHECK(v.values[0].type == MOONS_INTEGERS && v.values[0].n == 100000);
  CHECK(v.values[0].as.integers[99999] == 100000);
  CHECK(v.values[1].type == MOONS_LIST && v.values[1].n == 100000);
  CHECK(is_integer(&v.values[1].as.values[49998], 49999));
  CHECK(is_string(&v.values[1].as.values[49999], "x"));
  CHECK(is_integer(&v.values[1].as.values[99999], 100000));
  moons__values_free(&v);
}

static void receives_holes(void) {
  moons__values v = receive_one("return {'a', nil, 'c'}");
  CHECK(v.values->type == MOONS_LIST && v.values->n == 3);
  CHECK(v.values->as.values[1].type == MOONS_NIL && is_string(&v.values->as.values[2], "c"));
  moons__values_free(&v);
  v = receive_one("return {'a', nil, 'c', x = 1}");
  CHECK(v.values->type == MOONS_TABLE && v.values->n == 3);
  CHECK(is_string(moons_item(v.values, 3, NULL), "c") && moons_item(v.values, 2, NULL) == NULL);
  moons__values_free(&v);
}

static void sorts_keys(void) {
  moons__values v = receive_one("return {b = 1, [2.5] = 2, ['a\\0'] = 3, a = 4, [-1] = 5, 6, B = 7,"
                                " [''] = 8, [true] = 9, [math.maxinteger] = 10}");
  const moons_value *pair = v.values->as.values;
  CHECK(v.values->type == MOONS_TABLE && v.values->n == 10);
  static const int64_t VALUES[] = {5, 6, 2, 10, 8, 7, 4, 3, 1, 9};
  for (size_t i = 0; i < 10; i++)
    CHECK(is_integer(&pair[2 * i + 1], VALUES[i]));
  CHECK(is_integer(moons_field(v.values, "a"), 4) && is_integer(moons_item(v.values, 1, NULL), 6));
  moons__values_free(&v);
}

static void receives_records(void) {
  moons__values v = receive_one("local t = {} for i = 1, 50 do t[i] = {id = i, name = 'n' .. i,"
                                " odd = i % 2 == 1 or nil, more = i == 7 and {i} or nil} end"
                                " return t");
  CHECK(v.values->type == MOONS_LIST && v.values->n == 50);
  for (size_t i = 1; i <= 50; i++) {
    const moons_value *record = moons_item(v.values, i, NULL);
    char name[10];
    snprintf(name, sizeof name, "n%d", (int)i);
    CHECK(is_integer(moons_field(record, "id"), (int64_t)i));
    CHECK(is_string(moons_field(record, "name"), name));
    CHECK(moons_to_boolean(moons_field(record, "odd")) == (i % 2 == 1));
    CHECK((moons_field(record, "more") != NULL) == (i == 7));
  }
  moons__values_free(&v);
}

static void keeps_what_is_shared(void) {
  moons__values v = receive("local s, t = ('x'):rep(100), {{1}} return {t, t, s}, t, s");
  const moons_value *list = v.values[0].as.values;
  CHECK(list[0].as.values == list[1].as.values && list[0].as.values == v.values[1].as.values);
  CHECK(list[2].as.string == v.values[2].as.string && v.values[2].n == 100);
  moons__values_free(&v);
}

/* 2^60 tables, were they not shared. */
static void shares_what_doubles(void) {
  moons__values v = receive_one("local t = {'x'} for i = 1, 60 do t = {t, t} end return t");
  const moons_value *at = v.values;
  for (int i = 0; i < 60; i++)
    at = &at->as.values[1];
  CHECK(is_string(&at->as.values[0], "x"));
  moons__values_free(&v);
}

static void receives_deep_values(void) {
  moons__values v = receive_one("local t = {'x'} for i = 1, 200000 do t = {a = t} end return t");
  const moons_value *at = v.values;
  for (int i = 0; i < 200000; i++)
    CHECK((at = moons_field(at, "a")) != NULL);
  CHECK(is_string(moons_item(at, 1, NULL), "x"));
  moons__values_free(&v);
}

static void refuses_cycles(void) {
  static const char *const CYCLES[] = {
      "local t = {} t[1] = t return t", "local t = {} t.a = {b = {t}} return 1, t",
      "local t = {} t[t] = 1 return t",
      "local t = {} local u = t for i = 1, 1000 do u.a = {} u = u.a end u.a = t return t"};
  for (size_t i = 0; i < sizeof CYCLES / sizeof CYCLES[0]; i++) {
    letter l = send(CYCLES[i]);
    moons__values v;
    CHECK(moons__values_read(&v, NULL, l.bytes.bytes, l.bytes.n_bytes, NULL) == MOONS_EDEPTH);
    CHECK(v.values == NULL && v.n_values == 0);
    burn(&l);
  }
}

static void names_what_is_no_data(void) {
  moons__values v = receive("local x = {} local function f() return x, f end\n"
                            "return f, string.format, {1, print, 3}, _G,"
                            " setmetatable({a = 1}, {__index = {}, __gc = f}),"
                            " setmetatable({}, {__marshal = function() return f, {1} end}), 7");
  CHECK(v.n_values == 7 && is_other(&v.values[0], "function"));
  CHECK(is_other(&v.values[1], "string.format"));
  CHECK(v.values[2].type == MOONS_LIST && is_other(&v.values[2].as.values[1], "_G.print"));
  CHECK(is_other(&v.values[3], "globals"));
  CHECK(is_integer(moons_field(&v.values[4], "a"), 1));
  CHECK(is_other(&v.values[5], "value with __marshal") && is_integer(&v.values[6], 7));
  CHECK(moons_to_string(&v.values[0], NULL) == NULL && moons_to_boolean(&v.values[0]));
  moons__values_free(&v);
}

static void receives_deep_functions(void) {
  moons__values v = receive("local f = function() end for i = 1, 1000 do local g = f"
                            " f = function() return g end end return {f}, {{f}}, 5");
  CHECK(v.n_values == 3 && is_other(&v.values[0].as.values[0], "function"));
  CHECK(is_integer(&v.values[2], 5));
  moons__values_free(&v);
}

/* {== To scripts ============================================================================== */

typedef struct delivery {
  moons__buffer bytes;
  const moons_value *value; /* to be pushed; NULL: the bytes are decoded */
} delivery;

/* Argument: a delivery. Result: the value. */
static int deliver(lua_State *L) {
  delivery *d = lua_touserdata(L, 1);
  moons__decoder decoder = {.L = L};
  if (d->value != NULL)
    moons_push_value(L, d->value);
  else
    moons__decode(&decoder, d->bytes.bytes, d->bytes.n_bytes);
  return 1;
}

/* Gives what was delivered to the code, which checks it. */
static void check_delivered(delivery *d, const char *code) {
  lua_State *L = open_state();
  CHECK(luaL_loadstring(L, code) == LUA_OK);
  lua_pushcfunction(L, deliver);
  lua_pushlightuserdata(L, d);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK || lua_pcall(L, 1, 0, 0) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the value arrives as it was");
  }
  lua_close(L);
}

/* A value arrives, by wire and pushed. */
static void arrives(moons_value value, const char *code) {
  delivery wired = {.value = NULL}, pushed = {.value = &value};
  CHECK(moons__values_write(&wired.bytes, NULL, &value, 1, 0) == 0);
  check_delivered(&wired, code);
  check_delivered(&pushed, code);
  moons__buffer_free(&wired.bytes);
}

/* A value is refused, by wire and pushed. */
static void refused(moons_value value, const char *why) {
  delivery pushed = {.value = &value};
  moons__buffer out = {0};
  CHECK(moons__buffer_append(&out, "abc", 3) == 0);
  CHECK(moons__values_write(&out, NULL, &value, 1, 0) == MOONS_EINVAL);
  CHECK(out.n_bytes == 3 && memcmp(out.bytes, "abc", 3) == 0);
  moons__buffer_free(&out);
  lua_State *L = open_state();
  lua_pushcfunction(L, deliver);
  lua_pushlightuserdata(L, &pushed);
  CHECK(lua_pcall(L, 1, 1, 0) == LUA_ERRRUN);
  CHECK(strstr(lua_tostring(L, -1), why) != NULL);
  lua_close(L);
}

static void sends_plain_values(void) {
  char thousand[1000];
  memset(thousand, 'x', sizeof thousand);
  arrives(moons_nil(), "assert(... == nil)");
  arrives(moons_boolean(1), "assert(... == true)");
  arrives(moons_boolean(0), "assert(... == false)");
  arrives(moons_integer(-128), "assert(math.type(...) == 'integer' and ... == -128)");
  arrives(moons_integer(INT64_MIN), "assert(... == math.mininteger)");
  arrives(moons_number(3), "assert(math.type(...) == 'float' and ... == 3)");
  arrives(moons_number(NAN), "assert(... ~= ...)");
  arrives(moons_string(""), "assert(... == '')");
  arrives(moons_bytes(NULL, 0), "assert(... == '')");
  arrives(moons_bytes("a\0b", 3), "assert(... == 'a\\0b')");
  arrives(moons_bytes(thousand, 1000), "assert(... == ('x'):rep(1000))");
  arrives(moons_pointer(thousand), "assert(type(...) == 'userdata')");
}

static void sends_tables(void) {
  int64_t integers[] = {1, -2, 3};
  double floats[] = {0.5, 2};
  moons_value items[] = {moons_string("a"), moons_nil(), moons_integers(integers, 3),
                         moons_floats(floats, 2)};
  moons_value pairs[] = {moons_string("k"), moons_list(items, 4), moons_integer(1),
                         moons_boolean(1),  moons_number(0.5),    moons_table(NULL, 0)};
  arrives(moons_integers(integers, 3), "local t = ... assert(#t == 3 and t[2] == -2)");
  arrives(moons_floats(floats, 2), "local t = ... assert(#t == 2 and math.type(t[2]) == 'float')");
  arrives(moons_integers(NULL, 0), "assert(next(...) == nil)");
  arrives(moons_list(NULL, 0), "assert(next(...) == nil)");
  arrives(moons_list(items, 4), "local t = ... assert(t[1] == 'a' and t[2] == nil and #t[3] == 3)");
  arrives(moons_table(pairs, 3), "local t = ... assert(t.k[4][1] == 0.5 and t[1] == true and"
                                 " next(t[0.5]) == nil)");
}

static void refuses_bad_values(void) {
  moons_value pairs[] = {moons_nil(), moons_nil(), moons_number(NAN), moons_nil()};
  moons_value other = {.type = MOONS_OTHER}, odd = {.type = 1000};
  refused(moons_table(pairs, 1), "nil or NaN");
  refused(moons_table(pairs + 2, 1), "nil or NaN");
  refused(moons_list(NULL, 1), "NULL");
  refused(moons_floats(NULL, 1), "NULL");
  refused(moons_table(NULL, 1), "NULL");
  refused(moons_bytes(NULL, 1), "NULL");
  refused(moons_list(pairs, SIZE_MAX), "too many elements");
  refused(moons_floats((double *)(void *)pairs, (size_t)INT32_MAX + 1), "too many elements");
  refused(other, "type");
  refused(odd, "type");
  moons_value address = moons_pointer(&other), nothing = moons_pointer(NULL);
  moons__buffer out = {0};
  CHECK(moons__values_write(&out, NULL, &address, 1, 1) == MOONS_EINVAL && out.n_bytes == 0);
  CHECK(moons__values_write(&out, NULL, &nothing, 1, 1) == 0);
  CHECK(moons__values_write(&out, NULL, NULL, 1, 0) == MOONS_EINVAL);
  CHECK(moons__values_write(&out, NULL, NULL, 0, 0) == 0);
  moons__buffer_free(&out);
}

static void sends_as_deep_as_said(void) {
  moons_value levels[MOONS_WIRE_DEPTH + 1], itself;
  levels[0] = moons_integer(7);
  for (int i = 1; i <= MOONS_WIRE_DEPTH; i++)
    levels[i] = moons_list(&levels[i - 1], 1);
  arrives(levels[MOONS_WIRE_DEPTH], "local t = ... while type(t) == 'table' do t = t[1] end"
                                    " assert(t == 7)");
  refused(moons_list(&levels[MOONS_WIRE_DEPTH], 1), "nested deeper");
  itself = moons_list(&itself, 1);
  refused(itself, "nested deeper");
}

/* What a host has sent comes home as it was. */
static void round_trip(void) {
  double floats[] = {1, 2.5};
  char anything;
  moons_value inner[] = {moons_string("x"), moons_floats(floats, 2), moons_pointer(&anything)};
  moons_value pairs[] = {moons_string("list"), moons_list(inner, 3), moons_string("n"),
                         moons_integer(1000000)};
  moons_value sent[] = {moons_table(pairs, 2), moons_boolean(0)};
  moons__buffer out = {0};
  moons__values v;
  CHECK(moons__values_write(&out, NULL, sent, 2, 0) == 0);
  CHECK(moons__values_read(&v, NULL, out.bytes, out.n_bytes, NULL) == 0);
  CHECK(v.n_values == 2 && v.values[1].type == MOONS_BOOLEAN);
  const moons_value *list = moons_field(v.values, "list");
  CHECK(is_string(moons_item(list, 1, NULL), "x"));
  CHECK(moons_item(list, 2, NULL)->as.numbers[1] == 2.5);
  CHECK(moons_item(list, 3, NULL)->as.pointer == &anything);
  CHECK(moons_to_integer(moons_field(v.values, "n"), 0) == 1000000);
  moons__values_free(&v);
  moons__buffer_free(&out);
}

/* {== Arrays ================================================================================== */

static moons__shared *add_block(letter *l, const void *bytes, size_t n_bytes) {
  moons__shared *block = moons__shared_new(NULL, n_bytes);
  CHECK(block != NULL);
  memcpy(block->bytes, bytes, n_bytes);
  CHECK(moons__shared_list_add(&l->shared, block) == 0);
  moons__shared_release(block);
  return block;
}

/* Argument: a letter. */
static int encode_arrays(lua_State *L) {
  letter *l = lua_touserdata(L, 1);
  static const float FLOATS[] = {0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f};
  static const int32_t INTEGERS[] = {-1, 2};
  moons__shared *floats = add_block(l, FLOATS, sizeof FLOATS);
  moons__shared *integers = add_block(l, INTEGERS, sizeof INTEGERS);
  moons__extent matrix = {.type = MOONS__FLOAT32, .is_matrix = 1, .rows = 2, .columns = 3};
  moons__extent vector = {.type = MOONS__INT32, .rows = 2, .columns = 1};
  moons__names names = {0};
  moons__encoder e = {.L = L, .out = &l->bytes, .names = &names};
  moons__array_open(L);
  lua_settop(L, 1);
  moons__array_push(L, floats, &matrix, MOONS__AS_HANDLE);
  moons__array_push(L, integers, &vector, MOONS__AS_HANDLE);
  lua_pushvalue(L, 2);
  moons__encoder_begin(&e);
  moons__encode(&e, 2, 3, "result");
  moons__shared_list_release(l->shared);
  l->shared = e.shared;
  e.shared = NULL;
  moons__encoder_end(&e);
  moons__names_free(&names);
  return 0;
}

static void receives_arrays(void) {
  letter l = {.shared = NULL};
  moons__values v;
  lua_State *L = open_state();
  lua_pushcfunction(L, encode_arrays);
  lua_pushlightuserdata(L, &l);
  CHECK(lua_pcall(L, 1, 0, 0) == LUA_OK);
  lua_close(L);
  CHECK(moons__values_read(&v, NULL, l.bytes.bytes, l.bytes.n_bytes, l.shared) == 0);
  CHECK(v.n_values == 3 && v.values[0].type == MOONS_LIST && v.values[0].n == 2);
  CHECK(v.values[0].as.values[1].type == MOONS_FLOATS);
  CHECK(v.values[0].as.values[1].as.numbers[2] == 5.5);
  CHECK(v.values[1].type == MOONS_INTEGERS && v.values[1].as.integers[0] == -1);
  CHECK(v.values[2].as.values == v.values[0].as.values);
  moons__values_free(&v);
  CHECK(moons__values_read(&v, NULL, l.bytes.bytes, l.bytes.n_bytes, NULL) == MOONS__EMALFORMED);
  burn(&l);
}

/* {== Malformed bytes ========================================================================= */

/* Reads every part of the values, so that a sanitizer sees what lies outside. */
static uint64_t sum_of(const moons_value *v, int depth) {
  uint64_t sum = (uint64_t)v->type;
  if (depth > 50) return sum;
  size_t n = v->type == MOONS_TABLE ? 2 * v->n : v->n;
  for (size_t i = 0; i < n; i++) {
    switch (v->type) {
    case MOONS_STRING:
    case MOONS_OTHER: sum += (unsigned char)v->as.string[i]; break;
    case MOONS_INTEGERS:
    case MOONS_FLOATS: sum += (uint64_t)v->as.integers[i]; break;
    default: sum += sum_of(&v->as.values[i], depth + 1);
    }
  }
  return sum;
}

static void survives_any_bytes(void) {
  letter l =
      send("local t = {} for i = 1, 20 do t[i] = {a = i, b = ('x'):rep(50), c = {i, 0.5}} end"
           " local d = {} for i = 1, 150 do d = {d, t} end"
           " return t, d, function() return t end, setmetatable({}, {__marshal ="
           " function() return print, {t} end}), string.format");
  uint64_t random = 1;
  int n_read = 0;
  for (int i = 0; i < 20000; i++) {
    size_t n_bytes =
        random_below(&random, 4) ? l.bytes.n_bytes : random_below(&random, l.bytes.n_bytes);
    char *bytes = copy_exactly(l.bytes.bytes, n_bytes);
    for (size_t n = 1 + random_below(&random, 3); n > 0 && n_bytes > 0; n--)
      bytes[random_below(&random, n_bytes)] = (char)random_below(&random, 256);
    moons__values v;
    int error = moons__values_read(&v, NULL, bytes, n_bytes, NULL);
    CHECK(error == 0 || error == MOONS__EMALFORMED || error == MOONS_EDEPTH);
    free(bytes);
    for (size_t j = 0; j < v.n_values; j++)
      n_read += sum_of(&v.values[j], 0) > 0;
    moons__values_free(&v);
  }
  CHECK(n_read > 0);
  burn(&l);
}

static const test TESTS[] = {
    {"builds values", builds},
    {"reads nothing of what does not fit", reads_nothing},
    {"reads numbers as Lua does", reads_numbers},
    {"reads fields and items", reads_fields_and_items},
    {"receives plain values", receives_plain_values},
    {"receives sequences", receives_sequences},
    {"receives long sequences", receives_long_sequences},
    {"receives sequences with holes", receives_holes},
    {"sorts keys", sorts_keys},
    {"receives records", receives_records},
    {"keeps what is shared", keeps_what_is_shared},
    {"lays out once what is referred to often", shares_what_doubles},
    {"receives deep values", receives_deep_values},
    {"refuses what contains itself", refuses_cycles},
    {"names what is no data", names_what_is_no_data},
    {"receives deep functions", receives_deep_functions},
    {"sends plain values", sends_plain_values},
    {"sends tables", sends_tables},
    {"refuses bad values", refuses_bad_values},
    {"sends values as deep as said", sends_as_deep_as_said},
    {"sends values home as they were", round_trip},
    {"receives arrays", receives_arrays},
    {"survives any bytes", survives_any_bytes},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
