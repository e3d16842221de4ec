#include "state/image.h"

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"
#include "sizes.h"

static const size_t MIB = (size_t)1 << 20;

/* Makes a state with the standard libraries that has run `code`. */
static void open_slot(moons__slot *slot, const char *code) {
  CHECK(moons__slot_open(slot, 256 * MIB, NULL) == 0);
  luaL_openlibs(slot->L);
  CHECK(luaL_dostring(slot->L, code) == LUA_OK);
  lua_settop(slot->L, 0);
}

static void close_both(moons__image *image, moons__slot *slot) {
  moons__image_close(image);
  moons__slot_close(slot);
}

/* Runs `code`; the value that it returns, as a number. */
static lua_Number run(const moons__slot *slot, const char *code) {
  lua_State *L = slot->L;
  if (luaL_dostring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the code runs");
  }
  lua_Number n = lua_tonumber(L, -1);
  lua_settop(L, 0);
  return n;
}

/* A table that is larger than what is copied. */
static const char LARGE[] = "t = {} for i = 1, 100000 do t[i] = {i} end n = 0";
static const char SUM[] = "local s = 0 for i = 1, #t do s = s + t[i][1] end return s";
static const lua_Number LARGE_SUM = 100000.0 * 100001.0 / 2;

static void small_comes_back(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  open_slot(&slot, "n = 1 t = {1, 2, 3} function f() n = n + 1 return n end");
  CHECK(moons__image_take(&image, &slot) == 0);
  CHECK(image.n_bytes < MOONS_COW_MIN_BYTES && image.frozen_bytes == 0);
  for (int i = 0; i < 2000; i++) {
    CHECK(run(&slot, "t[#t + 1] = 4 string.x = 1 return f()") == 2);
    moons__image_restore(&image);
    CHECK(run(&slot, "return #t + (string.x or 0) + n") == 4);
    moons__image_restore(&image);
  }
  close_both(&image, &slot);
}

static void large_comes_back(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  open_slot(&slot, LARGE);
  CHECK(moons__image_take(&image, &slot) == 0);
  CHECK(image.n_bytes > MOONS_COW_MIN_BYTES);
  CHECK(image.copied_bytes + image.frozen_bytes >= image.n_bytes);
  for (int i = 0; i < 8; i++) {
    CHECK(run(&slot, SUM) == LARGE_SUM);
    run(&slot, "for i = 1, #t do t[i][1] = -1; t[i].x = i end n = n + 1");
    CHECK(run(&slot, SUM) == -100000);
    moons__image_restore(&image);
    CHECK(run(&slot, "return n") == 0);
    run(&slot, "for i = 1, #t, 7 do t[i] = nil end t = nil collectgarbage()");
    moons__image_restore(&image);
  }
  close_both(&image, &slot);
}

static void about_the_border(void) {
  for (size_t n_bytes = MOONS_COW_MIN_BYTES - 60000; n_bytes < MOONS_COW_MIN_BYTES + 30000;
       n_bytes += 5000) {
    moons__slot slot = {0};
    moons__image image = {0};
    char code[200];
    snprintf(code, sizeof code, "s = ('x'):rep(%zu) t = {1}", n_bytes);
    open_slot(&slot, code);
    CHECK(moons__image_take(&image, &slot) == 0);
    for (int i = 0; i < 3; i++) {
      run(&slot, "t[1] = 2 s = s:rep(2) u = {}");
      moons__image_restore(&image);
      CHECK(run(&slot, "return #s + t[1] + (u and 1 or 0)") == (lua_Number)n_bytes + 1);
      moons__image_restore(&image);
    }
    close_both(&image, &slot);
  }
}

static void closed_comes_back(void) {
  static const char *const STATES[] = {"n = 5", LARGE};
  for (int i = 0; i < 2; i++) {
    moons__slot slot = {0};
    moons__image image = {0};
    open_slot(&slot, STATES[i]);
    lua_Number n = run(&slot, "return n");
    CHECK(moons__image_take(&image, &slot) == 0);
    lua_State *L = slot.L;
    for (int round = 0; round < 5; round++) {
      run(&slot, "n = 7 x = setmetatable({}, {__gc = function() y = x end})");
      lua_close(slot.L);
      moons__image_restore(&image);
      CHECK(slot.L == L && run(&slot, "return n") == n);
      moons__image_restore(&image);
    }
    close_both(&image, &slot);
  }
}

/* Nothing need be unwound before the state is put back. */
static int leave_anyhow(lua_State *L) {
  lua_State *coroutine = lua_newthread(L);
  luaL_loadstring(coroutine, "local t <close> = setmetatable({}, {__close = print}) "
                             "coroutine.yield(1)");
  int n_results;
  lua_resume(coroutine, L, 0, &n_results);
  return luaL_error(L, "left");
}

static void left_anyhow_comes_back(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  open_slot(&slot, "n = 5");
  CHECK(moons__image_take(&image, &slot) == 0);
  for (int i = 0; i < 100; i++) {
    lua_pushcfunction(slot.L, leave_anyhow);
    CHECK(lua_pcall(slot.L, 0, 0, 0) == LUA_ERRRUN);
    luaL_loadstring(slot.L, "local function f() return 1 + f() end return f()");
    if (i % 50 == 0) CHECK(lua_pcall(slot.L, 0, 0, 0) == LUA_ERRRUN); /* a stack overflow */
    lua_settop(slot.L, 50);
    moons__image_restore(&image);
    CHECK(lua_gettop(slot.L) == 0);
    CHECK(run(&slot, "return n") == 5);
    moons__image_restore(&image);
  }
  close_both(&image, &slot);
}

static void stack_is_kept(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  open_slot(&slot, "");
  lua_pushinteger(slot.L, 42);
  lua_pushstring(slot.L, "kept");
  lua_newtable(slot.L);
  CHECK(moons__image_take(&image, &slot) == 0);
  for (int i = 0; i < 3; i++) {
    lua_pushinteger(slot.L, 1);
    lua_setfield(slot.L, 3, "x");
    lua_settop(slot.L, i);
    moons__image_restore(&image);
    CHECK(lua_gettop(slot.L) == 3);
    CHECK(lua_tointeger(slot.L, 1) == 42 && strcmp(lua_tostring(slot.L, 2), "kept") == 0);
    CHECK(lua_getfield(slot.L, 3, "x") == LUA_TNIL);
  }
  close_both(&image, &slot);
}

static void taken_again(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  open_slot(&slot, "n = 1");
  CHECK(moons__image_take(&image, &slot) == 0);
  static const char *const LATER[] = {
      "n = 2",         LARGE,  "n = 3", "for i = 1, 50000 do t[#t + 1] = {0} end n = 4",
      "t = nil n = 5", "n = 6"};
  static const lua_Number EXPECTED[] = {2, 0, 3, 4, 5, 6};
  for (int i = 0; i < 6; i++) {
    run(&slot, LATER[i]);
    CHECK(moons__image_take(&image, &slot) == 0);
    for (int round = 0; round < 3; round++) {
      CHECK(run(&slot, "return n") == EXPECTED[i]);
      if (i >= 1 && i <= 3) CHECK(run(&slot, SUM) == LARGE_SUM);
      run(&slot, "n = -1 if t then for i = 1, #t do t[i] = false end end");
      moons__image_restore(&image);
    }
  }
  close_both(&image, &slot);
}

static void garbage_is_left_out(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  open_slot(&slot, "local t = {} for i = 1, 100000 do t[i] = {} end");
  size_t before = moons__arena_used_bytes(&slot.arena);
  CHECK(before > 4 * MIB);
  CHECK(moons__image_take(&image, &slot) == 0);
  CHECK(lua_gc(slot.L, LUA_GCCOUNT) < 100);
  close_both(&image, &slot);
}

/* What a call allocated far beyond the image goes back to the system, and can be had again. */
static void calls_may_be_large(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  open_slot(&slot, "n = 5");
  CHECK(moons__image_take(&image, &slot) == 0);
  for (int i = 0; i < 4; i++) {
    run(&slot, "local t = {} for i = 1, 300000 do t[i] = {i} end return #t");
    moons__image_restore(&image);
    CHECK(slot.arena.touched_bytes <= image.n_bytes + MOONS_ARENA_KEEP_BYTES + 65536);
    CHECK(run(&slot, "return n") == 5);
    moons__image_restore(&image);
  }
  close_both(&image, &slot);
}

static void limit_holds(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  CHECK(moons__slot_open(&slot, 4 * MIB, NULL) == 0);
  luaL_openlibs(slot.L);
  CHECK(moons__image_take(&image, &slot) == 0);
  for (int i = 0; i < 20; i++) {
    luaL_loadstring(slot.L, "local t = {} while true do t[#t + 1] = {} end");
    CHECK(lua_pcall(slot.L, 0, 0, 0) == LUA_ERRMEM);
    moons__image_restore(&image);
    CHECK(run(&slot, "return #('x'):rep(1000000)") == 1000000);
    moons__image_restore(&image);
  }
  close_both(&image, &slot);
}

static void too_small_is_refused(void) {
  for (size_t n = 1; n < 3000; n += 101) {
    moons__slot slot = {0};
    CHECK(moons__slot_open(&slot, n, NULL) != 0);
    CHECK(slot.L == NULL);
    moons__slot_close(&slot);
  }
}

/* The collector starts where it stood, so it must work in every state that is put back. */
static void collector_works(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  open_slot(&slot, "keep = {} for i = 1, 1000 do keep[i] = {tostring(i)} end");
  CHECK(moons__image_take(&image, &slot) == 0);
  static const char *const MODES[] = {"collectgarbage('generational')",
                                      "collectgarbage('incremental', 150, 400)",
                                      "collectgarbage('step', 10)", "collectgarbage('stop')", ""};
  for (int i = 0; i < 20; i++) {
    run(&slot, MODES[i % 5]);
    run(&slot, "for i = 1, 30000 do local t = {i, tostring(i), {}} end");
    run(&slot, "for i = 1, 1000 do assert(keep[i][1] == tostring(i)) end");
    moons__image_restore(&image);
  }
  close_both(&image, &slot);
}

/* Images of different size take turns in a slot, each made from the first of them. */
static void images_take_turns(void) {
  enum { N_IMAGES = 6 };
  moons__slot slot = {0};
  moons__image base = {0}, images[N_IMAGES] = {{0}};
  open_slot(&slot, "n = 0");
  CHECK(moons__image_take_copy(&base, &slot) == 0 && slot.holds == &base);
  for (int i = 0; i < N_IMAGES; i++) {
    char code[100];
    snprintf(code, sizeof code, "assert(n == 0) n = %d s = ('x'):rep(%d)", i + 1, i % 3 * 100000);
    moons__image_restore(&base);
    run(&slot, code);
    CHECK(moons__image_take(&images[i], &slot) == 0 && images[i].frozen_bytes == 0);
  }
  for (int i = 0; i < 200; i++) {
    int which = i * 5 % N_IMAGES;
    moons__image_restore(&images[which]);
    CHECK(slot.holds == &images[which]);
    CHECK(run(&slot, "n = n + 0.5 return n") == which + 1.5);
    CHECK(run(&slot, "return #s") == which % 3 * 100000);
    if (i % 7 == 0) lua_close(slot.L);
  }
  for (int i = 0; i < N_IMAGES; i++)
    moons__image_close(&images[i]);
  CHECK(slot.holds == NULL);
  moons__image_restore(&base);
  CHECK(run(&slot, "return n") == 0);
  close_both(&base, &slot);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"a small state comes back as it was taken", small_comes_back},
      {"a large state comes back as it was taken", large_comes_back},
      {"states of about the size from which pages are kept come back", about_the_border},
      {"a state that was closed comes back", closed_comes_back},
      {"a state comes back from within errors and coroutines", left_anyhow_comes_back},
      {"the stack comes back", stack_is_kept},
      {"an image can be taken again, larger or smaller", taken_again},
      {"garbage is not in the image", garbage_is_left_out},
      {"a call may use far more memory than the image has", calls_may_be_large},
      {"the limit of memory holds after each restore", limit_holds},
      {"a limit in which no state fits is refused", too_small_is_refused},
      {"the collector works in a state that came back", collector_works},
      {"images take turns in a slot", images_take_turns},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
