#include "state/budget.h"

#include <pthread.h>

#include "check.h"
#include "sizes.h"
#include "state/arena.h"

enum { N_THREADS = 4, N_ROUNDS = 20000 };

static size_t used(moons__budget *b) { return atomic_load(&b->used_bytes); }

static void takes_and_gives(void) {
  moons__budget b = {.max_bytes = 1000};
  CHECK(moons__budget_take(&b, 600, 0) == 0 && used(&b) == 600);
  CHECK(moons__budget_take(&b, 401, 0) != 0 && used(&b) == 600);
  CHECK(moons__budget_take(&b, SIZE_MAX, 0) != 0 && used(&b) == 600);
  CHECK(moons__budget_take(&b, 400, 0) == 0 && used(&b) == 1000);
  CHECK(moons__budget_take(&b, 1, 0) != 0);
  CHECK(moons__budget_take(&b, 0, 0) == 0);
  moons__budget_give(&b, 1000);
  CHECK(used(&b) == 0);
  CHECK(moons__budget_take(NULL, SIZE_MAX, SIZE_MAX) == 0);
  moons__budget_give(NULL, 1);
  moons__budget_force(NULL, 1);
}

static void outer_counts(void) {
  moons__budget outer = {.max_bytes = 1000}, middle = {.max_bytes = 800, .outer = &outer};
  moons__budget inner = {.max_bytes = 5000, .outer = &middle};
  CHECK(moons__budget_take(&inner, 700, 0) == 0);
  CHECK(used(&inner) == 700 && used(&middle) == 700 && used(&outer) == 700);
  CHECK(moons__budget_take(&inner, 101, 0) != 0);
  CHECK(used(&inner) == 700 && used(&middle) == 700 && used(&outer) == 700);
  CHECK(moons__budget_take(&outer, 250, 0) == 0);
  CHECK(moons__budget_take(&middle, 60, 0) != 0);
  CHECK(used(&inner) == 700 && used(&middle) == 700 && used(&outer) == 950);
  moons__budget_give(&inner, 700);
  CHECK(used(&inner) == 0 && used(&middle) == 0 && used(&outer) == 250);
}

static void small_ones_have_the_last(void) {
  moons__budget b = {.max_bytes = 16000, .last_bytes = 2000};
  CHECK(moons__budget_take(&b, 14001, 0) != 0);
  CHECK(moons__budget_take(&b, 14000, 0) == 0);
  CHECK(moons__budget_take(&b, 1, 14000) != 0);
  CHECK(moons__budget_take(&b, 600, 500) != 0);
  CHECK(moons__budget_take(&b, 500, 500) == 0);
  CHECK(moons__budget_take(&b, 1000, 0) == 0);
  CHECK(moons__budget_take(&b, 501, 0) != 0 && used(&b) == 15500);
  moons__budget_force(&b, 1000);
  CHECK(used(&b) == 16500 && moons__budget_take(&b, 1, 0) != 0);
}

static moons__budget shared = {.max_bytes = 5000};
static moons__budget within = {.max_bytes = 5000, .outer = &shared};

static void *take_and_give(void *random) {
  for (int i = 0; i < N_ROUNDS; i++) {
    size_t n_bytes = random_below(random, 3000);
    if (moons__budget_take(&within, n_bytes, 0)) continue;
    CHECK(used(&shared) <= 5000);
    moons__budget_give(&within, n_bytes);
  }
  return NULL;
}

static void threads_share(void) {
  pthread_t threads[N_THREADS];
  uint64_t random[N_THREADS];
  for (int i = 0; i < N_THREADS; i++) {
    random[i] = (uint64_t)i;
    CHECK(pthread_create(&threads[i], NULL, take_and_give, &random[i]) == 0);
  }
  for (int i = 0; i < N_THREADS; i++)
    CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(used(&shared) == 0 && used(&within) == 0);
}

static void *new_block(moons__arena *arena, size_t n_bytes) {
  return moons__arena_alloc(arena, NULL, 0, n_bytes);
}

static const size_t MIB = (size_t)1 << 20;

static void arenas_take(void) {
  moons__budget all = {.max_bytes = 16 * MIB, .last_bytes = 2 * MIB};
  moons__arena a = {0}, b = {0}, c = {0};
  CHECK(moons__arena_open(&a, 64 * MIB, &all) == 0 && moons__arena_open(&b, 64 * MIB, &all) == 0);
  CHECK(used(&all) == 2 * MOONS_COMMIT_BYTES);
  CHECK(new_block(&a, 8 * MIB) != NULL && new_block(&b, 5 * MIB) != NULL);
  CHECK(used(&all) > 13 * MIB && used(&all) < 14 * MIB);
  CHECK(new_block(&a, 2 * MIB) == NULL && new_block(&b, 2 * MIB) == NULL);
  CHECK(moons__arena_open(&c, 64 * MIB, &all) == 0);
  CHECK(new_block(&c, MIB / 2) != NULL); /* it is small */
  CHECK(new_block(&c, 2 * MIB) == NULL);
  moons__arena_reset(&a);
  CHECK(used(&all) > 13 * MIB); /* it may be needed again soon */
  moons__arena_trim(&a, MIB);
  CHECK(used(&all) < 8 * MIB);
  CHECK(new_block(&b, 6 * MIB) != NULL);
  moons__arena_close(&b);
  CHECK(used(&all) < 3 * MIB);
  moons__arena_close(&a);
  moons__arena_close(&c);
  CHECK(used(&all) == 0);
}

static void small_arenas_always_work(void) {
  moons__budget all = {.max_bytes = 1000};
  moons__arena arenas[8] = {{0}};
  for (int i = 0; i < 8; i++) {
    CHECK(moons__arena_open(&arenas[i], 64 * MIB, &all) == 0);
    CHECK(new_block(&arenas[i], MOONS_COMMIT_BYTES / 2) != NULL);
    CHECK(new_block(&arenas[i], MOONS_COMMIT_BYTES) == NULL);
  }
  for (int i = 0; i < 8; i++)
    moons__arena_close(&arenas[i]);
  CHECK(used(&all) == 0);
}

/* A call, and one within it in another state. */
static void calls_count(void) {
  moons__budget outer = {.max_bytes = 4 * MIB}, inner = {.max_bytes = 64 * MIB, .outer = &outer};
  moons__arena a = {0}, b = {0};
  CHECK(moons__arena_open(&a, 64 * MIB, NULL) == 0 && moons__arena_open(&b, 64 * MIB, NULL) == 0);
  void *first = new_block(&a, MIB);
  CHECK(moons__arena_charge(&a, &outer) == 0 && used(&outer) > MIB);
  moons__arena_charge_inner(&a, &inner);
  CHECK(used(&inner) == used(&outer));
  CHECK(moons__arena_charge(&b, &inner) == 0);
  CHECK(new_block(&b, 2 * MIB) != NULL && new_block(&b, MIB) == NULL && new_block(&a, MIB) == NULL);
  CHECK(moons__arena_alloc(&a, first, MIB, 0) == NULL);
  CHECK(new_block(&b, MIB) == NULL); /* nobody knows yet */
  moons__arena_settle(&a);
  CHECK(new_block(&b, MIB) != NULL);
  CHECK(moons__arena_charge(&b, NULL) == 0 && new_block(&b, 8 * MIB) != NULL);
  CHECK(moons__arena_charge(&b, &inner) != 0 && new_block(&b, 8 * MIB) != NULL);
  CHECK(moons__arena_charge(&a, NULL) == 0);
  CHECK(used(&outer) == 0 && used(&inner) == 0);
  CHECK(moons__arena_charge(&a, &inner) == 0 && new_block(&a, MIB) != NULL && used(&outer) > MIB);
  moons__arena_close(&a);
  moons__arena_close(&b);
  CHECK(used(&outer) == 0 && used(&inner) == 0);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"gives no more than there is", takes_and_gives},
      {"within another takes from that too, or from none", outer_counts},
      {"leaves the last to those who have little", small_ones_have_the_last},
      {"is right whatever several threads do at once", threads_share},
      {"counts what arenas touch, until they are trimmed", arenas_take},
      {"does not refuse the first of an arena", small_arenas_always_work},
      {"of a call counts what its states hold", calls_count},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
