#include "state/array.h"

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"
#include "state/array_type.h"
#include "state/image.h"

static const moons__extent EXTENT = {.type = MOONS__INT32, .rows = 100, .columns = 1};

static moons__shared *new_block(void) {
  moons__shared *block = moons__shared_new(NULL, 400);
  for (int i = 0; i < 100; i++)
    CHECK(moons__element_put_integer(MOONS__INT32, block->bytes + (size_t)i * 4, i + 1) == NULL);
  return block;
}

static unsigned users(moons__shared *block) { return atomic_load(&block->n_users); }

static lua_Integer run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FAIL("the code runs");
  }
  lua_Integer n = lua_tointeger(L, -1);
  lua_settop(L, 0);
  return n;
}

/* A state as those of calls: it counts userdata, and has a view as a global. */
static void open_slot(moons__slot *slot, moons__shared *block) {
  CHECK(moons__slot_open(slot, (size_t)64 << 20, NULL) == 0);
  luaL_openlibs(slot->L);
  lua_gc(slot->L, LUA_GCCOLLECT);
  moons__arena_count_userdata(&slot->arena, 1);
  moons__arena_clear_mark(&slot->arena);
  moons__array_push(slot->L, block, &EXTENT, MOONS__AS_VIEW);
  lua_setglobal(slot->L, "a");
}

static void view_leaves_no_mark(void) {
  moons__slot slot = {0};
  moons__shared *block = new_block();
  open_slot(&slot, block);
  CHECK(users(block) == 1);
  CHECK(!moons__arena_made_userdata(&slot.arena) && slot.arena.n_userdata == 0);
  moons__shared_list *list = NULL;
  CHECK(moons__shared_list_add(&list, block) == 0);
  moons__shared_list_begin_reading(list);
  CHECK(run(slot.L, "rows = a:rows() return a:sum() + rows[3][1] + #a") == 5050 + 3 + 100);
  CHECK(!moons__arena_made_userdata(&slot.arena));
  CHECK(run(slot.L, "f = io.tmpfile() return 1") == 1);
  CHECK(moons__arena_made_userdata(&slot.arena) && slot.arena.n_userdata > 0);
  run(slot.L, "f:close() f = nil a = nil rows = nil collectgarbage() collectgarbage()");
  CHECK(slot.arena.n_userdata == 0);
  moons__shared_list_end_reading(list);
  moons__shared_list_release(list);
  CHECK(users(block) == 1);
  moons__slot_close(&slot);
  moons__shared_release(block);
}

static void view_lies_in_an_image(void) {
  moons__slot slot = {0};
  moons__image image = {0};
  moons__shared *block = new_block();
  open_slot(&slot, block);
  CHECK(moons__image_take(&image, &slot) == 0);
  atomic_fetch_add(&block->n_readers, 1);
  for (int i = 0; i < 500; i++) {
    CHECK(run(slot.L, "a, b = a:rows()[2][1] + a[5], a collectgarbage() return a") == 7);
    moons__image_restore(&image);
    CHECK(run(slot.L, "return a:max()") == 100);
    moons__image_restore(&image);
  }
  CHECK(users(block) == 1);
  moons__image_close(&image);
  moons__slot_close(&slot);
  moons__shared_release(block);
}

static void handles_hold(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  moons__shared *block = new_block();
  moons__array *a = moons__array_push(L, block, &EXTENT, MOONS__AS_HANDLE);
  CHECK(users(block) == 2 && a->may_write && a->n == 100);
  CHECK(moons__array_push(L, block, &EXTENT, MOONS__AS_HELD_VIEW) == a && lua_rawequal(L, -1, -2));
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT);
  CHECK(users(block) == 1);
  a = moons__array_push(L, block, &EXTENT, MOONS__AS_HELD_VIEW);
  CHECK(users(block) == 2 && !a->may_write);
  lua_setglobal(L, "a");
  CHECK(luaL_dostring(L, "return a[1]") != LUA_OK); /* no map reads it */
  lua_close(L);
  CHECK(users(block) == 1);
  moons__shared_release(block);
}

static void sizes_are_measured(void) {
  size_t n, n_bytes;
  moons__extent extent = {.type = MOONS__FLOAT64, .rows = 3, .columns = 5};
  CHECK(moons__extent_measure(&extent, &n, &n_bytes) && n == 15 && n_bytes == 120);
  extent.rows = UINT64_MAX / 5 + 1;
  CHECK(!moons__extent_measure(&extent, &n, &n_bytes));
  extent = (moons__extent){.type = MOONS__FLOAT64, .rows = UINT64_C(1) << 61, .columns = 1};
  CHECK(!moons__extent_measure(&extent, &n, &n_bytes));
  extent.type = MOONS__UINT8;
  extent.rows = UINT64_MAX;
  CHECK(!moons__extent_measure(&extent, &n, &n_bytes));
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"a view leaves no mark, and others leave theirs", view_leaves_no_mark},
      {"a view lies in an image, and holds nothing", view_lies_in_an_image},
      {"a handle holds the block until it is collected", handles_hold},
      {"sizes that no memory has are refused", sizes_are_measured},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
