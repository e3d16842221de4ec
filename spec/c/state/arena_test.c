#include "state/arena.h"

#include <lauxlib.h>
#include <lualib.h>
#include <sys/resource.h>

#include "check.h"
#include "sizes.h"
#include "system/pages.h"

enum { N_SLOTS = 400, MAX_SMALL = 512 };

static const size_t MIB = (size_t)1 << 20;

/* A block and what must stand in it. */
typedef struct slot {
  unsigned char *block;
  size_t n_bytes;
  unsigned char first; /* of the pattern */
} slot;

typedef struct shadow {
  moons__arena *arena;
  uint64_t random;
  slot slots[N_SLOTS];
} shadow;

static void *new_block(moons__arena *arena, size_t n_bytes) {
  return moons__arena_alloc(arena, NULL, LUA_TTABLE, n_bytes);
}

static void free_block(moons__arena *arena, void *block, size_t n_bytes) {
  CHECK(moons__arena_alloc(arena, block, n_bytes, 0) == NULL);
}

static void fill(slot *s, size_t from) {
  for (size_t i = from; i < s->n_bytes; i++)
    s->block[i] = (unsigned char)(s->first + i * 7);
}

static void check_filled(const slot *s, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i++)
    CHECK(s->block[i] == (unsigned char)(s->first + i * 7));
}

/* Mostly small sizes, some around the border to large ones, few very large. */
static size_t random_size(shadow *x) {
  switch (random_below(&x->random, 10)) {
  case 0: return 1 + random_below(&x->random, 100000);
  case 1: return MAX_SMALL - 20 + random_below(&x->random, 40);
  case 2:
  case 3: return 1 + random_below(&x->random, 3000);
  default: return 1 + random_below(&x->random, 160);
  }
}

static void slot_free(shadow *x, slot *s) {
  if (s->block == NULL) return;
  check_filled(s, s->n_bytes);
  free_block(x->arena, s->block, s->n_bytes);
  *s = (slot){0};
}

static void slot_new(shadow *x, slot *s) {
  s->n_bytes = random_size(x);
  s->block = new_block(x->arena, s->n_bytes);
  s->first = (unsigned char)random_next(&x->random);
  CHECK(s->block != NULL);
  CHECK((uintptr_t)s->block % 8 == 0);
  fill(s, 0);
}

static void slot_resize(shadow *x, slot *s) {
  size_t n_bytes = random_size(x), n_kept = n_bytes < s->n_bytes ? n_bytes : s->n_bytes;
  s->block = moons__arena_alloc(x->arena, s->block, s->n_bytes, n_bytes);
  CHECK(s->block != NULL);
  CHECK((uintptr_t)s->block % 8 == 0);
  s->n_bytes = n_bytes;
  check_filled(s, n_kept);
  fill(s, n_kept);
}

static void churn(shadow *x, int n_steps) {
  for (int i = 0; i < n_steps; i++) {
    slot *s = &x->slots[random_below(&x->random, N_SLOTS)];
    if (s->block == NULL)
      slot_new(x, s);
    else if (random_below(&x->random, 3) == 0)
      slot_resize(x, s);
    else
      slot_free(x, s);
  }
}

static void free_all(shadow *x) {
  for (int i = 0; i < N_SLOTS; i++)
    slot_free(x, &x->slots[i]);
}

static void check_all(const shadow *x) {
  for (int i = 0; i < N_SLOTS; i++)
    check_filled(&x->slots[i], x->slots[i].n_bytes);
}

static shadow *shadow_open(moons__arena *arena, uint64_t seed) {
  shadow *x = calloc(1, sizeof *x);
  CHECK(x != NULL);
  x->arena = arena;
  x->random = seed;
  return x;
}

static void every_size(void) {
  moons__arena arena = {0};
  enum { MOST = 1500 };
  static slot slots[MOST + 1];
  CHECK(moons__arena_open(&arena, 64 * MIB, NULL) == 0);
  for (size_t n = 1; n <= MOST; n++) {
    slots[n] = (slot){new_block(&arena, n), n, (unsigned char)n};
    CHECK(slots[n].block != NULL);
    CHECK((uintptr_t)slots[n].block % 8 == 0);
    fill(&slots[n], 0);
  }
  for (size_t n = 1; n <= MOST; n++) {
    check_filled(&slots[n], n);
    free_block(&arena, slots[n].block, n);
  }
  moons__arena_close(&arena);
}

static void resize_every_way(void) {
  static const size_t SIZES[] = {1,   8,   9,   127,  128,  129,  160,  161,   511,
                                 512, 513, 544, 1024, 4000, 4096, 9999, 70000, 1000000};
  enum { N_SIZES = sizeof SIZES / sizeof SIZES[0] };
  moons__arena arena = {0};
  CHECK(moons__arena_open(&arena, 64 * MIB, NULL) == 0);
  for (int neighbours = 0; neighbours < 2; neighbours++)
    for (int from = 0; from < N_SIZES; from++)
      for (int to = 0; to < N_SIZES; to++) {
        slot s = {new_block(&arena, SIZES[from]), SIZES[from], (unsigned char)(from * 16 + to)};
        size_t n_kept = SIZES[from] < SIZES[to] ? SIZES[from] : SIZES[to];
        fill(&s, 0);
        void *above = neighbours ? new_block(&arena, 600) : NULL;
        s.block = moons__arena_alloc(&arena, s.block, SIZES[from], SIZES[to]);
        CHECK(s.block != NULL);
        check_filled(&s, n_kept);
        free_block(&arena, s.block, SIZES[to]);
        if (above != NULL) free_block(&arena, above, 600);
      }
  moons__arena_close(&arena);
}

static void random_use(void) {
  moons__arena arena = {0};
  CHECK(moons__arena_open(&arena, 256 * MIB, NULL) == 0);
  shadow *x = shadow_open(&arena, 1);
  for (int round = 0; round < 8; round++) {
    churn(x, 12000);
    check_all(x);
    if (round % 3 == 2) free_all(x);
  }
  free_all(x);
  free(x);
  moons__arena_close(&arena);
}

/* Large blocks freed in any order leave nothing behind. */
static void free_ones_join(void) {
  enum { N = 500 };
  moons__arena arena = {0};
  void *blocks[N];
  size_t sizes[N];
  uint64_t random = 2;
  CHECK(moons__arena_open(&arena, 256 * MIB, NULL) == 0);
  size_t empty = moons__arena_used_bytes(&arena);
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < N; i++) {
      sizes[i] = MAX_SMALL + 1 + random_below(&random, 20000);
      blocks[i] = new_block(&arena, sizes[i]);
      CHECK(blocks[i] != NULL);
    }
    for (size_t n = N; n > 0; n--) {
      size_t i = random_below(&random, n);
      free_block(&arena, blocks[i], sizes[i]);
      blocks[i] = blocks[n - 1];
      sizes[i] = sizes[n - 1];
    }
    CHECK(moons__arena_used_bytes(&arena) == empty);
  }
  moons__arena_close(&arena);
}

/* The same work again and again needs no more room than the first times. */
static void room_is_used_again(void) {
  moons__arena arena = {0};
  size_t most = 0;
  CHECK(moons__arena_open(&arena, 256 * MIB, NULL) == 0);
  shadow *x = shadow_open(&arena, 3);
  for (int round = 0; round < 40; round++) {
    churn(x, 2000);
    if (round < 10 && moons__arena_used_bytes(&arena) > most)
      most = moons__arena_used_bytes(&arena);
  }
  CHECK(moons__arena_used_bytes(&arena) < 2 * most);
  free_all(x);
  free(x);
  moons__arena_close(&arena);
}

static void limit_refuses(void) {
  moons__arena arena = {0};
  slot s = {NULL, 1000, 7};
  CHECK(moons__arena_open(&arena, 4 * MIB, NULL) == 0);
  s.block = new_block(&arena, s.n_bytes);
  fill(&s, 0);
  CHECK(new_block(&arena, 4 * MIB) == NULL);
  CHECK(new_block(&arena, SIZE_MAX) == NULL);
  CHECK(new_block(&arena, SIZE_MAX - 8) == NULL);
  CHECK(new_block(&arena, SIZE_MAX / 2 + 1) == NULL);
  CHECK(moons__arena_alloc(&arena, s.block, s.n_bytes, SIZE_MAX) == NULL);
  CHECK(moons__arena_alloc(&arena, s.block, s.n_bytes, 5 * MIB) == NULL);
  check_filled(&s, s.n_bytes);
  size_t n_blocks = 0;
  while (new_block(&arena, 100) != NULL)
    n_blocks++;
  CHECK(n_blocks > 4 * MIB / 128 * 9 / 10);
  CHECK(moons__arena_used_bytes(&arena) <= 4 * MIB);
  check_filled(&s, s.n_bytes);
  moons__arena_close(&arena);
}

static void limit_moves(void) {
  moons__arena arena = {0};
  CHECK(moons__arena_open(&arena, 16 * MIB, NULL) == 0);
  moons__arena_limit(&arena, 1 * MIB);
  CHECK(new_block(&arena, 2 * MIB) == NULL);
  CHECK(new_block(&arena, MIB / 2) != NULL);
  moons__arena_limit(&arena, 8 * MIB);
  CHECK(new_block(&arena, 2 * MIB) != NULL);
  CHECK(new_block(&arena, 8 * MIB) == NULL);
  moons__arena_limit(&arena, 0);
  CHECK(new_block(&arena, 8 * MIB) != NULL);
  moons__arena_limit(&arena, 1 * MIB); /* below what is in use */
  CHECK(new_block(&arena, 1000) == NULL);
  moons__arena_close(&arena);
}

static void shrinks_at_the_limit(void) {
  moons__arena arena = {0};
  CHECK(moons__arena_open(&arena, 2 * MIB, NULL) == 0);
  slot s = {new_block(&arena, MIB), MIB, 5};
  fill(&s, 0);
  while (new_block(&arena, 600) != NULL) {
  }
  for (size_t n = MIB / 2; n > MAX_SMALL; n /= 2) {
    CHECK(moons__arena_alloc(&arena, s.block, s.n_bytes, n) == s.block);
    s.n_bytes = n;
    check_filled(&s, n);
  }
  CHECK(new_block(&arena, MIB / 2) != NULL); /* what was cut off can be had again */
  moons__arena_close(&arena);
}

/* Fills the arena with blocks of one small size and frees all but each `keep_every`th. */
static void small_then_large(size_t n_bytes, size_t keep_every, size_t wanted) {
  moons__arena arena = {0};
  void *first = NULL; /* the blocks that are freed, each of which holds the address of the next */
  size_t n_blocks = 0;
  CHECK(moons__arena_open(&arena, 4 * MIB, NULL) == 0);
  for (;;) {
    void **block = new_block(&arena, n_bytes);
    if (block == NULL) break;
    if (keep_every > 0 && n_blocks++ % keep_every == 0) {
      memset(block, 0x5A, n_bytes);
      continue;
    }
    *block = first;
    first = block;
  }
  CHECK(new_block(&arena, wanted) == NULL);
  while (first != NULL) {
    void *next = *(void **)first;
    free_block(&arena, first, n_bytes);
    first = next;
  }
  slot large = {new_block(&arena, wanted), wanted, 1};
  CHECK(large.block != NULL);
  fill(&large, 0);
  CHECK(new_block(&arena, n_bytes) != NULL);
  check_filled(&large, wanted);
  moons__arena_close(&arena);
}

static void small_ones_make_room(void) {
  for (size_t n_bytes = 8; n_bytes <= MAX_SMALL; n_bytes += n_bytes / 2) {
    small_then_large(n_bytes, 0, 3 * MIB);
    small_then_large(n_bytes, 50000, MIB / 32); /* few are kept, so much between them is free */
  }
}

static void tiny_arenas(void) {
  for (size_t n = 1; n <= 4096; n += 97) {
    moons__arena arena = {0};
    if (moons__arena_open(&arena, n, NULL) != 0) continue;
    void *block = new_block(&arena, 5000);
    CHECK(block == NULL);
    for (int i = 0; i < 1000; i++)
      new_block(&arena, 40);
    moons__arena_close(&arena);
  }
}

static void any_size(void) {
  static const size_t SIZES[] = {0, SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX};
  for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
    moons__arena arena = {0};
    CHECK(moons__arena_open(&arena, SIZES[i], NULL) == 0);
    CHECK(new_block(&arena, MIB) != NULL);
    CHECK(new_block(&arena, 64 * MIB) != NULL);
    moons__arena_close(&arena);
    CHECK(arena.heap == NULL);
    moons__arena_close(&arena); /* does nothing */
  }
}

/* A limit of address space, be it a high one, has arenas take what they need only. */
static void with_address_limit(void run(void)) {
  struct rlimit before, limit;
  CHECK(getrlimit(RLIMIT_AS, &before) == 0);
  limit = before;
  limit.rlim_cur = (rlim_t)1 << 47;
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK(moons__pages_limit() == (size_t)limit.rlim_cur);
  run();
  CHECK(setrlimit(RLIMIT_AS, &before) == 0);
}

static void grow_and_trim(void) {
  moons__arena arenas[3] = {{0}};
  for (size_t i = 0; i < 3; i++) {
    CHECK(moons__arena_open(&arenas[i], (size_t)16 << 30, NULL) == 0);
    CHECK(arenas[i].reserved_bytes < MIB);
  }
  for (size_t n_bytes = MIB; n_bytes <= 64 * MIB; n_bytes *= 2) {
    moons__heap *heap = arenas[0].heap;
    slot s = {new_block(&arenas[0], n_bytes), n_bytes, 5};
    CHECK(s.block != NULL);
    fill(&s, 0);
    shadow *x = shadow_open(&arenas[1], n_bytes);
    churn(x, 2000);
    free(x);
    CHECK(new_block(&arenas[2], n_bytes) != NULL);
    check_filled(&s, n_bytes);
    CHECK(arenas[0].heap == heap);
    CHECK(arenas[0].reserved_bytes < n_bytes * 3 / 2 + MIB);
    for (size_t i = 0; i < 3; i++) {
      moons__arena_reset(&arenas[i]);
      moons__arena_trim(&arenas[i], moons__arena_used_bytes(&arenas[i]));
      CHECK(arenas[i].reserved_bytes < MIB);
    }
  }
  for (size_t i = 0; i < 3; i++)
    moons__arena_close(&arenas[i]);
}

static void grows_where_it_must(void) { with_address_limit(grow_and_trim); }

static void reset_empties(void) {
  moons__arena arena = {0};
  CHECK(moons__arena_open(&arena, 64 * MIB, NULL) == 0);
  size_t empty = moons__arena_used_bytes(&arena);
  for (int round = 0; round < 5; round++) {
    shadow *x = shadow_open(&arena, (uint64_t)round);
    churn(x, 2000);
    free(x);
    moons__arena_reset(&arena);
    CHECK(moons__arena_used_bytes(&arena) == empty);
  }
  moons__arena_close(&arena);
}

/* A copy of the bytes in use is a copy of everything. */
static void bytes_are_all(void) {
  moons__arena arena = {0};
  CHECK(moons__arena_open(&arena, 256 * MIB, NULL) == 0);
  shadow *x = shadow_open(&arena, 4);
  for (int round = 0; round < 5; round++) {
    churn(x, 2000);
    size_t n_bytes = moons__arena_used_bytes(&arena);
    void *copy = copy_exactly(arena.heap, n_bytes);
    shadow *then = copy_exactly(x, sizeof *x);
    for (int again = 0; again < 4; again++) {
      churn(x, 2000 * again);
      if (again == 2) free_all(x);
      if (again == 3) moons__arena_trim(&arena, n_bytes);
      memcpy(arena.heap, copy, n_bytes);
      memcpy(x, then, sizeof *x);
      CHECK(moons__arena_used_bytes(&arena) == n_bytes);
      check_all(x);
    }
    free(then);
    free(copy);
  }
  churn(x, 8000);
  free_all(x);
  free(x);
  moons__arena_close(&arena);
}

static void trim_keeps(void) {
  moons__arena arena = {0};
  CHECK(moons__arena_open(&arena, 64 * MIB, NULL) == 0);
  slot low = {new_block(&arena, 10000), 10000, 3};
  fill(&low, 0);
  for (int round = 0; round < 3; round++) {
    slot high = {new_block(&arena, 8 * MIB), 8 * MIB, 9};
    CHECK(high.block != NULL);
    fill(&high, 0);
    check_filled(&high, high.n_bytes);
    free_block(&arena, high.block, high.n_bytes);
    moons__arena_trim(&arena, moons__arena_used_bytes(&arena));
    CHECK(arena.touched_bytes <= moons__arena_used_bytes(&arena) + moons__pages_size());
    check_filled(&low, low.n_bytes);
  }
  moons__arena_close(&arena);
}

/* One block that lives on above 8 MB that were freed, seen by the budget of all. */
enum { N_FREED = 80 };

static slot one_above_many(moons__arena *arena, moons__budget *all) {
  CHECK(moons__arena_open(arena, 64 * MIB, all) == 0);
  void *freed[N_FREED];
  for (int i = 0; i < N_FREED; i++)
    CHECK((freed[i] = new_block(arena, 100000)) != NULL);
  slot above = {new_block(arena, 4000), 4000, 5};
  fill(&above, 0);
  for (int i = 0; i < N_FREED; i++)
    free_block(arena, freed[i], 100000);
  CHECK(all->used_bytes > 7 * MIB);
  moons__arena_shrink(arena);
  CHECK(all->used_bytes < MIB && moons__arena_held_bytes(arena) < MIB);
  check_filled(&above, above.n_bytes);
  return above;
}

static void shrink_gives_the_midst(void) {
  moons__budget all = {.max_bytes = 16 * MIB};
  moons__arena arena = {0};
  slot above = one_above_many(&arena, &all);
  size_t reached = moons__arena_used_bytes(&arena);
  slot below = {new_block(&arena, 3 * MIB), 3 * MIB, 7};
  fill(&below, 0);
  CHECK(below.block < above.block && moons__arena_used_bytes(&arena) == reached);
  CHECK(all.used_bytes > 3 * MIB && all.used_bytes < 4 * MIB);
  CHECK(moons__budget_take(&all, 11 * MIB, 0) == 0); /* somebody else needs what was given back */
  CHECK(new_block(&arena, 3 * MIB) == NULL);
  CHECK(new_block(&arena, 100) != NULL);
  moons__budget_give(&all, 11 * MIB);
  CHECK(new_block(&arena, 3 * MIB) != NULL);
  check_filled(&below, below.n_bytes);
  check_filled(&above, above.n_bytes);
  moons__arena_close(&arena);
  CHECK(all.used_bytes == 0);
}

/* What a call that runs in it is charged for. */
static void shrink_spares_the_call(void) {
  moons__budget all = {.max_bytes = 16 * MIB}, call = {.max_bytes = 2 * MIB};
  moons__arena arena = {0};
  one_above_many(&arena, &all);
  CHECK(moons__arena_charge(&arena, &call) == 0 && call.used_bytes < MIB);
  CHECK(new_block(&arena, MIB) != NULL && call.used_bytes > MIB);
  CHECK(new_block(&arena, MIB) == NULL);
  CHECK(moons__arena_charge(&arena, NULL) == 0 && call.used_bytes == 0);
  moons__arena_reset(&arena);
  moons__arena_close(&arena);
  CHECK(all.used_bytes == 0);
}

static void shrink_between(void) {
  for (uint64_t seed = 1; seed <= 4; seed++) {
    moons__budget all = {.max_bytes = 256 * MIB};
    moons__arena arena = {0};
    CHECK(moons__arena_open(&arena, 128 * MIB, &all) == 0);
    shadow *x = shadow_open(&arena, seed);
    for (int round = 0; round < 200; round++) {
      churn(x, 300);
      moons__arena_shrink(&arena);
      check_all(x);
    }
    free_all(x);
    moons__arena_shrink(&arena);
    CHECK(arena.hole_bytes == 0 && all.used_bytes <= MOONS_COMMIT_BYTES);
    free(x);
    moons__arena_close(&arena);
    CHECK(all.used_bytes == 0);
  }
}

static void userdata_counted(void) {
  moons__arena arena = {0};
  CHECK(moons__arena_open(&arena, 16 * MIB, NULL) == 0);
  CHECK(!moons__arena_made_userdata(&arena));
  new_block(&arena, 40);
  CHECK(!moons__arena_made_userdata(&arena));
  void *before = moons__arena_alloc(&arena, NULL, LUA_TUSERDATA, 64);
  CHECK(moons__arena_made_userdata(&arena));
  moons__arena_clear_mark(&arena);
  CHECK(!moons__arena_made_userdata(&arena));
  moons__arena_count_userdata(&arena, 1);
  CHECK(arena.n_userdata == 0);
  void *first = moons__arena_alloc(&arena, NULL, LUA_TUSERDATA, 64);
  void *second = moons__arena_alloc(&arena, NULL, LUA_TUSERDATA, 5000);
  CHECK(arena.n_userdata == 2);
  free_block(&arena, before, 64); /* older than the counting */
  CHECK(arena.n_userdata == 2);
  free_block(&arena, first, 64);
  CHECK(arena.n_userdata == 1);
  void *table = new_block(&arena, 64); /* at the address of one that died */
  free_block(&arena, table, 64);
  CHECK(arena.n_userdata == 1);
  free_block(&arena, second, 5000);
  CHECK(arena.n_userdata == 0);
  moons__arena_count_userdata(&arena, 0);
  moons__arena_alloc(&arena, NULL, LUA_TUSERDATA, 64);
  CHECK(arena.n_userdata == 0);
  CHECK(moons__arena_made_userdata(&arena));
  moons__arena_close(&arena);
}

static const char WORK[] =
    "local t = {}\n"
    "for i = 1, 3000 do t[i] = {i, tostring(i), function() return i end} end\n"
    "for i = 1, 3000, 2 do t[i] = nil end\n"
    "collectgarbage()\n"
    "local s = 0\n"
    "for i = 2, 3000, 2 do s = s + t[i][3]() + #t[i][2] end\n"
    "local co = coroutine.wrap(function() for i = 1, 100 do coroutine.yield(i) end end)\n"
    "for i = 1, 50 do s = s + co() end\n"
    "return s + #string.rep('x', 100000) + #table.concat({string.rep('ab', 300, ',')})";

static int work(lua_State *L) {
  luaL_openlibs(L);
  if (luaL_loadstring(L, WORK) != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

static void state_lives(void) {
  moons__arena arena = {0};
  CHECK(moons__arena_open(&arena, 64 * MIB, NULL) == 0);
  lua_Number expected = 0;
  for (int round = 0; round < 10; round++) {
    lua_State *L = lua_newstate(moons__arena_alloc, &arena);
    CHECK(L != NULL);
    lua_pushcfunction(L, work);
    CHECK(lua_pcall(L, 0, 1, 0) == LUA_OK);
    if (round == 0) expected = lua_tonumber(L, -1);
    CHECK(lua_tonumber(L, -1) == expected && expected > 0);
    lua_close(L);
  }
  moons__arena_close(&arena);
}

/* However little there is, a state is refused or its code ends with an error; it can be closed. */
static void state_short_of_memory(void) {
  int n_refused = 0, n_failed = 0, n_succeeded = 0;
  for (size_t limit = 2000; limit < 1200000; limit += limit / 37 + 8) {
    moons__arena arena = {0};
    CHECK(moons__arena_open(&arena, limit, NULL) == 0);
    lua_State *L = lua_newstate(moons__arena_alloc, &arena);
    if (L == NULL) {
      n_refused++;
    } else {
      lua_pushcfunction(L, work);
      int status = lua_pcall(L, 0, 1, 0);
      CHECK(status == LUA_OK || status == LUA_ERRMEM);
      if (status == LUA_OK)
        n_succeeded++;
      else
        n_failed++;
      lua_close(L);
    }
    moons__arena_close(&arena);
  }
  CHECK(n_refused > 0 && n_failed > 0 && n_succeeded > 0);
}

static void peaks(void) {
  moons__arena arena;
  CHECK(moons__arena_open(&arena, 0, NULL) == 0);
  for (size_t n_bytes = 1 << 22; n_bytes >= 1 << 14; n_bytes /= 4) {
    size_t used = moons__arena_used_bytes(&arena), before = moons__arena_begin_peak(&arena);
    void *block = moons__arena_alloc(&arena, NULL, 0, n_bytes);
    CHECK(block != NULL);
    moons__arena_alloc(&arena, block, n_bytes, 0);
    size_t peak = moons__arena_end_peak(&arena, before);
    CHECK(peak >= used + n_bytes && peak < used + n_bytes + 1024);
    CHECK(arena.touched_bytes >= 1 << 22);
  }
  moons__arena_close(&arena);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"blocks of every size are aligned and hold what is written", every_size},
      {"a block of any size keeps its bytes when it is given any other", resize_every_way},
      {"no block touches another under random use", random_use},
      {"large blocks that are free join, in whatever order they were freed", free_ones_join},
      {"the same work again needs no more room", room_is_used_again},
      {"what goes beyond the limit is refused and changes nothing", limit_refuses},
      {"the limit can be lowered and raised", limit_moves},
      {"a large block can shrink when no memory is left", shrinks_at_the_limit},
      {"small blocks that are free make room for a large one", small_ones_make_room},
      {"an arena too small for anything refuses everything", tiny_arenas},
      {"may be of any size", any_size},
      {"takes address space as it grows where it is scarce", grows_where_it_must},
      {"reset forgets all blocks", reset_empties},
      {"copying the used bytes back puts everything back", bytes_are_all},
      {"trim leaves what is in use as it is", trim_keeps},
      {"shrink gives back what is free below a block, which is taken again",
       shrink_gives_the_midst},
      {"what is free below a block counts for no call", shrink_spares_the_call},
      {"shrink between any uses leaves what is in use as it is", shrink_between},
      {"how far blocks reach is noted, less after more too", peaks},
      {"userdata are followed from birth to death", userdata_counted},
      {"a Lua state lives in it", state_lives},
      {"a Lua state survives every shortage of memory", state_short_of_memory},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
