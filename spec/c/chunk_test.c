#include "chunk.h"

#include "check.h"
#include "limits.h"

static const double MS = 1e6;

static uint32_t least(uint64_t a, uint64_t b) { return (uint32_t)(a < b ? a : b); }

/* Runs a map of `n` calls of `call_ns` each; returns how many chunks it took. */
static uint64_t run(moons__chunker *c, uint64_t n, double call_ns) {
  uint64_t n_chunks = 0;
  for (uint64_t n_left = n; n_left > 0; n_chunks++) {
    uint32_t size = moons__chunker_next(c, n_left);
    CHECK(size >= 1 && size <= n_left && size <= MOONS_CHUNK_MAX_CALLS);
    moons__chunker_measured(c, size, (uint64_t)(call_ns * size));
    n_left -= size;
  }
  return n_chunks;
}

/* Makes chunks of an endless map until their size has settled; returns it. */
static uint32_t settle(moons__chunker *c, double call_ns) {
  uint32_t size = 0;
  for (int i = 0; i < 60; i++) {
    size = moons__chunker_next(c, UINT64_MAX);
    moons__chunker_measured(c, size, (uint64_t)(call_ns * size));
  }
  return size;
}

static void starts_small(void) {
  moons__chunker c;
  moons__chunker_init(&c, 4, 0, 0);
  for (int i = 0; i < 20; i++) /* nothing has been measured yet */
    CHECK(moons__chunker_next(&c, UINT64_MAX) == 1);
}

static void grows_by_twice(void) {
  static const double CALLS_NS[] = {1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e9};
  for (size_t i = 0; i < sizeof CALLS_NS / sizeof CALLS_NS[0]; i++) {
    moons__chunker c;
    moons__chunker_init(&c, 2, 0, 0);
    uint32_t before = moons__chunker_next(&c, UINT64_MAX);
    for (int j = 0; j < 60; j++) {
      moons__chunker_measured(&c, before, (uint64_t)(CALLS_NS[i] * before));
      uint32_t size = moons__chunker_next(&c, UINT64_MAX);
      CHECK(size >= 1 && size <= 2 * before && size <= MOONS_CHUNK_MAX_CALLS);
      before = size;
    }
  }
}

static void aims_at_a_duration(void) {
  static const double CALLS_NS[] = {200, 1000, 1e4, 1e5};
  for (size_t i = 0; i < sizeof CALLS_NS / sizeof CALLS_NS[0]; i++) {
    moons__chunker c;
    moons__chunker_init(&c, 2, 0, 0);
    double chunk_ns = CALLS_NS[i] * settle(&c, CALLS_NS[i]);
    CHECK(chunk_ns > MOONS_CHUNK_TARGET_NS / 3 && chunk_ns < MOONS_CHUNK_TARGET_NS * 3);
  }
}

static void shrinks_at_once(void) {
  moons__chunker c;
  moons__chunker_init(&c, 2, 0, 0);
  CHECK(settle(&c, 100) > 1000);
  moons__chunker_measured(&c, 10, (uint64_t)(10 * 20 * MS));
  CHECK(moons__chunker_next(&c, UINT64_MAX) == 1);
}

static void smaller_towards_the_end(void) {
  for (unsigned n_workers = 1; n_workers <= 64; n_workers *= 4) {
    moons__chunker c;
    moons__chunker_init(&c, n_workers, 0, 0);
    uint32_t full = settle(&c, 10000); /* 10 us a call: some 100 make a chunk */
    uint32_t before = full;
    for (uint64_t n_left = 4 * (uint64_t)full * n_workers; n_left > 0; n_left -= before) {
      uint32_t size = moons__chunker_next(&c, n_left);
      CHECK(size <= before && size >= 1);
      CHECK(size <= least(full, n_left / ((uint64_t)2 * n_workers) +
                                    2)); /* 2: what is worth handing over */
      before = size;
    }
    CHECK(before <= 2);
  }
}

static void fixed_stays(void) {
  static const uint32_t SIZES[] = {1, 2, 7, 1000, MOONS_CHUNK_MAX_CALLS};
  for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
    moons__chunker c;
    moons__chunker_init(&c, 3, SIZES[i], 0);
    for (int j = 0; j < 5; j++) {
      CHECK(moons__chunker_next(&c, UINT64_MAX) == SIZES[i]);
      CHECK(moons__chunker_next(&c, SIZES[i]) == SIZES[i]);
      CHECK(moons__chunker_next(&c, 1) == 1);
      moons__chunker_measured(&c, SIZES[i], (uint64_t)(j * 1000 * MS));
    }
  }
}

static void knows_from_before(void) {
  moons__chunker c;
  moons__chunker_init(&c, 2, 0, 1000);
  uint32_t size = moons__chunker_next(&c, UINT64_MAX);
  CHECK(size > 300 && size < 3000); /* at once */
  moons__chunker_init(&c, 2, 0, 1000 * MS);
  CHECK(moons__chunker_next(&c, UINT64_MAX) == 1);
}

static void odd_numbers(void) {
  moons__chunker c;
  moons__chunker_init(&c, 0, 0, 0); /* no workers: taken as one */
  CHECK(moons__chunker_next(&c, 10) == 1);
  moons__chunker_measured(&c, 0, 0);
  moons__chunker_measured(&c, 0, UINT64_MAX);
  CHECK(moons__chunker_next(&c, 10) == 1);
  moons__chunker_measured(&c, 1, 0);
  CHECK(moons__chunker_next(&c, 10) >= 1);
  moons__chunker_measured(&c, 1, UINT64_MAX);
  CHECK(moons__chunker_next(&c, UINT64_MAX) == 1);
  moons__chunker_init(&c, UINT32_MAX, 0, 0);
  run(&c, 100000, 5);
}

static void all_calls_are_made(void) {
  uint64_t random = 1;
  for (int i = 0; i < 300; i++) {
    moons__chunker c;
    moons__chunker_init(&c, (unsigned)random_below(&random, 70), 0, 0);
    run(&c, random_below(&random, 200000), 1 + (double)random_below(&random, 100000));
  }
}

/* Handing over must not cost more than the calls: cheap ones make few chunks. */
static void few_chunks(void) {
  moons__chunker c;
  moons__chunker_init(&c, 2, 0, 0);
  CHECK(run(&c, 1000000, 100) < 300);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"chunks of one call until something is measured", starts_small},
      {"a chunk is at most twice the one before", grows_by_twice},
      {"chunks come to take about the time aimed at", aims_at_a_duration},
      {"slow calls make the next chunk small at once", shrinks_at_once},
      {"chunks get smaller towards the end", smaller_towards_the_end},
      {"a size that was asked for stays", fixed_stays},
      {"a duration that is known counts from the first chunk", knows_from_before},
      {"no numbers make a chunk of nothing", odd_numbers},
      {"every call is in a chunk", all_calls_are_made},
      {"a million cheap calls travel in a few hundred chunks", few_chunks},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
