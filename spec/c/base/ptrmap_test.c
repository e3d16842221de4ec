#include "base/ptrmap.h"

#include "check.h"
#include "moons.h"

static const void *key(uint64_t n) { return (const void *)(uintptr_t)n; }

static void empty_has_nothing(void) {
  moons__ptrmap map = {0};
  CHECK(moons__ptrmap_get(&map, key(8)) == MOONS__PTRMAP_NONE);
  moons__ptrmap_clear(&map);
  moons__ptrmap_free(&map);
  CHECK(moons__ptrmap_get(&map, key(8)) == MOONS__PTRMAP_NONE);
}

/* Addresses that are alike in their low or their high bits must not be slow or lost. */
static void keeps_all(void) {
  enum { N = 20000 };
  static const uint64_t STEPS[] = {1, 8, 16, 4096, UINT64_C(1) << 32, UINT64_C(1) << 44};
  for (size_t s = 0; s < sizeof STEPS / sizeof STEPS[0]; s++) {
    moons__ptrmap map = {0};
    for (uint64_t i = 1; i <= N; i++)
      CHECK(moons__ptrmap_put(&map, key(i * STEPS[s]), i - 1) == 0);
    CHECK(map.n_entries == N);
    for (uint64_t i = 1; i <= N; i++)
      CHECK(moons__ptrmap_get(&map, key(i * STEPS[s])) == i - 1);
    CHECK(moons__ptrmap_get(&map, key((N + 1) * STEPS[s])) == MOONS__PTRMAP_NONE);
    moons__ptrmap_free(&map);
  }
}

static void replaces(void) {
  moons__ptrmap map = {0};
  for (uint64_t round = 0; round < 3; round++)
    for (uint64_t i = 1; i <= 100; i++)
      CHECK(moons__ptrmap_put(&map, key(i * 8), i + round) == 0);
  CHECK(map.n_entries == 100);
  for (uint64_t i = 1; i <= 100; i++)
    CHECK(moons__ptrmap_get(&map, key(i * 8)) == i + 2);
  moons__ptrmap_free(&map);
}

static void clears(void) {
  moons__ptrmap map = {0};
  for (uint64_t n = 1; n <= 5000; n *= 3) {
    for (uint64_t i = 1; i <= n; i++)
      CHECK(moons__ptrmap_put(&map, key(i * 8), i) == 0);
    moons__ptrmap_clear(&map);
    CHECK(map.n_entries == 0);
    for (uint64_t i = 1; i <= n; i++)
      CHECK(moons__ptrmap_get(&map, key(i * 8)) == MOONS__PTRMAP_NONE);
  }
  moons__ptrmap_free(&map);
  CHECK(map.entries == NULL && map.capacity == 0);
}

static void read_and_set_in_place(void) {
  moons__ptrmap map = {0};
  CHECK(moons__ptrmap_reserve(&map, 1000) == 0);
  const moons__ptrmap_entry *entries = map.entries;
  for (uint64_t i = 1; i <= 1000; i++) {
    uint64_t *kept = moons__ptrmap_at(&map, key(i * 16));
    CHECK(kept != NULL && *kept == MOONS__PTRMAP_NONE);
    *kept = i;
  }
  CHECK(map.entries == entries && map.n_entries == 1000);
  for (uint64_t i = 1; i <= 1000; i++) {
    CHECK(*moons__ptrmap_at(&map, key(i * 16)) == i);
    CHECK(moons__ptrmap_get(&map, key(i * 16)) == i);
  }
  CHECK(map.n_entries == 1000);
  CHECK(moons__ptrmap_reserve(&map, SIZE_MAX) == MOONS_ENOMEM);
  CHECK(map.entries == entries && moons__ptrmap_get(&map, key(16)) == 1);
  moons__ptrmap_free(&map);
}

static void large_numbers(void) {
  moons__ptrmap map = {0};
  CHECK(moons__ptrmap_put(&map, key(8), 0) == 0);
  CHECK(moons__ptrmap_put(&map, key(16), MOONS__PTRMAP_NONE - 1) == 0);
  CHECK(moons__ptrmap_put(&map, key(UINTPTR_MAX), 5) == 0);
  CHECK(moons__ptrmap_get(&map, key(8)) == 0);
  CHECK(moons__ptrmap_get(&map, key(16)) == MOONS__PTRMAP_NONE - 1);
  CHECK(moons__ptrmap_get(&map, key(UINTPTR_MAX)) == 5);
  moons__ptrmap_free(&map);
}

/* Objects that lie side by side, closer than allocators put them, and far apart. */
static void seen_are_found_again(void) {
  static const uint64_t STEPS[] = {8, 16, 48, 1024, 4096, UINT64_C(1) << 32};
  moons__seen seen = {0};
  for (uint64_t n = 1; n <= 5000; n = n * 3 / 2 + 1)
    for (size_t s = 0; s < sizeof STEPS / sizeof STEPS[0]; s++) {
      for (uint64_t i = 1; i <= n; i++) {
        uint64_t *number = moons__seen_at(&seen, key(i * STEPS[s]));
        CHECK(number != NULL && *number == MOONS__PTRMAP_NONE);
        *number = i;
        CHECK(*moons__seen_at(&seen, key((i / 2 + 1) * STEPS[s])) == i / 2 + 1);
        CHECK(*moons__seen_at(&seen, key(STEPS[s])) == 1);
      }
      for (uint64_t i = 1; i <= n; i++)
        CHECK(*moons__seen_at(&seen, key(i * STEPS[s])) == i);
      CHECK(seen.n == n);
      moons__seen_clear(&seen);
    }
  moons__seen_free(&seen);
  CHECK(seen.n == 0 && seen.all == NULL);
}

/* The few that are kept in place keep what they have been set to when they become many. */
static void seen_keep_their_numbers(void) {
  moons__seen seen = {0};
  for (uint64_t i = 1; i <= 8; i++)
    *moons__seen_at(&seen, key(i * 64)) = i;
  for (uint64_t round = 1; round <= 2; round++)
    for (uint64_t i = 1; i <= 8; i++)
      *moons__seen_at(&seen, key(i * 64)) += 100;
  for (uint64_t i = 1; i <= 8; i++)
    CHECK(*moons__seen_at(&seen, key(i * 64)) == i + 200);
  CHECK(*moons__seen_at(&seen, key(9 * 64)) == MOONS__PTRMAP_NONE);
  CHECK(*moons__seen_at(&seen, key(64)) == 201);
  moons__seen_free(&seen);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"an empty map has no entry", empty_has_nothing},
      {"every entry is found again, whatever the addresses have in common", keeps_all},
      {"a second number for an address takes the first one's place", replaces},
      {"a number is read and set where it is kept, in the room made for it", read_and_set_in_place},
      {"clear forgets all entries", clears},
      {"the least and the largest numbers and addresses are kept", large_numbers},
      {"objects met before are found again, wherever they lie", seen_are_found_again},
      {"objects met before keep their numbers when there are many", seen_keep_their_numbers},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
