#include "state/fields.h"

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"

static lua_State *L;

static void open_state(void) {
  L = luaL_newstate();
  CHECK(L != NULL);
  luaL_openlibs(L);
}

/* Runs code that returns a table, and pushes that. */
static void push(const char *code) {
  CHECK(luaL_dostring(L, code) == LUA_OK);
  CHECK(lua_istable(L, -1));
}

static lua_Integer sum_of(const char *code) {
  push(code);
  int top = lua_gettop(L);
  lua_Integer sum = moons__fields_sum(L);
  CHECK(lua_gettop(L) == top);
  lua_pop(L, 1);
  return sum;
}

static void same_fields(void) {
  static const char *const PAIRS[][2] = {
      {"return {}", "return {}"},
      {"return {a = 1, b = 2.5, c = print}", "return {c = print, b = 2.5, a = 1}"},
      {"return {1, 2, 3}", "return {[3] = 3, [2] = 2, [1] = 1}"},
      {"return {a = true, [false] = 'x'}", "return {[false] = 'x', a = true}"},
      {"local t = {a = 1, b = 2, c = 3} t.b = nil return t", "return {a = 1, c = 3}"},
  };
  open_state();
  for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++)
    CHECK(sum_of(PAIRS[i][0]) == sum_of(PAIRS[i][1]));
  lua_close(L);
}

static void other_fields(void) {
  static const char *const PAIRS[][2] = {
      {"return {a = print, b = type}", "return {a = type, b = print}"},
      {"return {a = 1, b = 2}", "return {a = 2, b = 1}"},
      {"return {a = 1}", "return {a = 1.0}"},
      {"return {a = 1 << 63}", "return {a = -2.0 ^ 63}"},
      {"return {a = 1}", "return {a = true}"},
      {"return {a = 0}", "return {a = false}"},
      {"return {a = true}", "return {a = false}"},
      {"return {[1] = 'x'}", "return {[2] = 'x'}"},
      {"return {[1] = 'x'}", "return {[true] = 'x'}"},
      {"return {a = 1}", "return {b = 1}"},
      {"return {}", "return {a = 0}"},
      {"return {a = {}}", "return {a = {{}}}"},
  };
  open_state();
  lua_gc(L, LUA_GCSTOP);
  for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++)
    CHECK(sum_of(PAIRS[i][0]) != sum_of(PAIRS[i][1]));
  lua_close(L);
}

/* Each order of the values of a table's fields has a sum of its own. */
static void changed_places(void) {
  enum { N = 60 };
  open_state();
  push("local t = {} for i = 1, 60 do t[i] = function() return t end end return t");
  lua_Integer sum = moons__fields_sum(L);
  for (int i = 1; i <= N; i++)
    for (int j = i + 1; j <= N; j++) {
      for (int k = 0; k < 2; k++) {
        lua_rawgeti(L, 1, i);
        lua_rawgeti(L, 1, j);
        lua_rawseti(L, 1, i);
        lua_rawseti(L, 1, j);
        CHECK((moons__fields_sum(L) == sum) == (k == 1));
      }
    }
  lua_close(L);
}

static void copies(void) {
  open_state();
  push("return setmetatable({a = 1, [2.5] = 'x', [true] = {}},"
       " {__index = error, __newindex = error, __pairs = error})");
  lua_Integer sum = moons__fields_sum(L);
  lua_pushvalue(L, -1);
  moons__fields_copy(L);
  CHECK(lua_gettop(L) == 2 && !lua_rawequal(L, 1, 2));
  CHECK(moons__fields_sum(L) == sum);
  CHECK(!lua_getmetatable(L, 2));
  lua_close(L);
}

static int is_text(lua_State *state, void *data) {
  return lua_type(state, -1) == LUA_TSTRING && data == NULL;
}

static void some_fields(void) {
  open_state();
  push("return {a = 'x', b = 2, c = 'y'}");
  push("return {a = 1, d = 1}");
  CHECK(moons__fields_set(L, 1, is_text, NULL) == 2);
  CHECK(lua_gettop(L) == 2);
  CHECK(moons__fields_sum(L) == sum_of("return {a = 'x', c = 'y', d = 1}"));
  CHECK(moons__fields_set(L, 1, is_text, L) == 0);
  lua_close(L);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"the same fields have the same sum, in any order", same_fields},
      {"other fields have another", other_fields},
      {"so have values that change places", changed_places},
      {"a copy has the fields, and asks no metatable", copies},
      {"fields are set where a test wants them", some_fields},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
