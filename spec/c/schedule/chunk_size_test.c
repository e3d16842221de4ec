#include "schedule/chunk_size.h"

#include "check.h"
#include "sizes.h"

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
  moons__chunker_init(&c, 4, 0, NULL);
  for (int i = 0; i < 20; i++) /* nothing has been measured yet */
    CHECK(moons__chunker_next(&c, UINT64_MAX) == 1);
}

/* Handing over takes half a percent of a chunk at most, as far as there are calls. */
static void is_long_against_its_handover(void) {
  moons__chunker c;
  moons__chunker_init(&c, 2, 0, NULL);
  uint32_t usual = settle(&c, 1e4);
  moons__chunker_init(&c, 2, 0, NULL);
  moons__chunker_aim(&c, 1e5);
  uint32_t longer = settle(&c, 1e4);
  CHECK(longer * 1e4 >= 0.9 * MOONS_HANDOVERS_PER_CHUNK * 1e5);
  CHECK(usual * 1e4 <= 1.1 * MOONS_CHUNK_TARGET_NS);
  moons__chunker_init(&c, 2, 0, NULL);
  moons__chunker_aim(&c, 1); /* a quick one changes nothing */
  CHECK(settle(&c, 1e4) == usual);
}

static void grows_by_twice(void) {
  static const double CALLS_NS[] = {1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e9};
  for (size_t i = 0; i < sizeof CALLS_NS / sizeof CALLS_NS[0]; i++) {
    moons__chunker c;
    moons__chunker_init(&c, 2, 0, NULL);
    uint32_t before = moons__chunker_next(&c, UINT64_MAX);
    for (int j = 0; j < 60; j++) {
      CHECK(moons__chunker_next(&c, UINT64_MAX) <= before); /* nothing more has been measured */
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
    moons__chunker_init(&c, 2, 0, NULL);
    double chunk_ns = CALLS_NS[i] * settle(&c, CALLS_NS[i]);
    CHECK(chunk_ns > MOONS_CHUNK_TARGET_NS / 3 && chunk_ns < MOONS_CHUNK_TARGET_NS * 3);
  }
}

static void shrinks_at_once(void) {
  moons__chunker c;
  moons__chunker_init(&c, 2, 0, NULL);
  CHECK(settle(&c, 100) > 1000);
  moons__chunker_measured(&c, 10, (uint64_t)(10 * 20 * MS));
  CHECK(moons__chunker_next(&c, UINT64_MAX) == 1);
}

static void smaller_towards_the_end(void) {
  for (unsigned n_workers = 1; n_workers <= 64; n_workers *= 4) {
    moons__chunker c;
    moons__chunker_init(&c, n_workers, 0, NULL);
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
    moons__chunker_init(&c, 3, SIZES[i], NULL);
    for (int j = 0; j < 5; j++) {
      CHECK(moons__chunker_next(&c, UINT64_MAX) == SIZES[i]);
      CHECK(moons__chunker_next(&c, SIZES[i]) == SIZES[i]);
      CHECK(moons__chunker_next(&c, 1) == 1);
      moons__chunker_measured(&c, SIZES[i], (uint64_t)(j * 1000 * MS));
    }
  }
}

/* What is known after `n_maps` maps of `n` calls of `call_ns` each. */
static moons__cost known(unsigned n_maps, uint64_t n, double call_ns) {
  moons__cost cost = {.function = 1};
  for (; n_maps > 0; n_maps--) {
    moons__chunker c;
    moons__chunker_init(&c, 2, 0, &cost);
    run(&c, n, call_ns);
    moons__chunker_tell(&c, &cost);
  }
  return cost;
}

static void knows_from_before(void) {
  moons__chunker c;
  moons__cost cost = known(3, 100000, 1000);
  moons__chunker_init(&c, 2, 0, &cost);
  uint32_t size = moons__chunker_next(&c, UINT64_MAX);
  CHECK(size > 300 && size < 3000); /* at once */
  cost = known(3, 100, 1000 * MS);
  moons__chunker_init(&c, 2, 0, &cost);
  CHECK(moons__chunker_next(&c, UINT64_MAX) == 1);
}

static void few_cheap_calls_in_one(void) {
  moons__chunker c;
  moons__cost cost = known(3, 10, 500);
  moons__chunker_init(&c, 8, 0, &cost);
  CHECK(moons__chunker_next(&c, 10) == 10);
}

/* Calls of the same function may take another time with other arguments. */
static void trusts_slowly(void) {
  for (unsigned n_maps = 1; n_maps <= 2; n_maps++) {
    moons__chunker c;
    moons__cost cost = known(n_maps, 10, 500);
    moons__chunker_init(&c, 8, 0, &cost);
    CHECK(moons__chunker_next(&c, 15) == 1); /* an even share */
    moons__chunker_init(&c, 2, 0, &cost);
    CHECK(moons__chunker_next(&c, 10) == 5);
    moons__chunker_init(&c, 2, 0, &cost);
    CHECK(moons__chunker_next(&c, UINT64_MAX) == 1);
  }
}

static void surprises_are_remembered(void) {
  moons__cost cost = known(10, 1000, 500);
  moons__chunker c;
  moons__chunker_init(&c, 2, 0, &cost);
  run(&c, 15, 100 * MS);
  moons__chunker_tell(&c, &cost);
  CHECK(cost.n_maps == 0 && cost.call_ns > 50 * MS);
  moons__chunker_init(&c, 2, 0, &cost);
  for (int i = 0; i < 4; i++)
    CHECK(moons__chunker_next(&c, 15) == 1);
}

static void nothing_measured_tells_nothing(void) {
  moons__cost cost = known(5, 1000, 500), before = cost;
  moons__chunker c;
  moons__chunker_init(&c, 2, 0, &cost);
  moons__chunker_next(&c, 10);
  moons__chunker_tell(&c, &cost);
  CHECK(cost.n_maps == before.n_maps && cost.call_ns <= before.call_ns);
}

static void costs_are_found_again(void) {
  moons__costs costs = {0};
  for (uint64_t i = 1; i <= MOONS_COSTS; i++)
    moons__costs_find(&costs, i)->call_ns = (double)i;
  CHECK(moons__costs_find(&costs, 1)->call_ns == 1);
  for (uint64_t i = 0; i < 3; i++) /* take the places of 2, 3 and 4 */
    CHECK(moons__costs_find(&costs, 1000 + i)->call_ns == 0);
  CHECK(moons__costs_find(&costs, 1)->call_ns == 1);
  for (uint64_t i = 5; i <= MOONS_COSTS; i++)
    CHECK(moons__costs_find(&costs, i)->call_ns == (double)i);
  CHECK(moons__costs_find(&costs, 2)->call_ns == 0);
}

static void numbers_differ(void) {
  uint64_t number = moons__costs_number("script.lua", 10, 7);
  CHECK(number != 0 && number == moons__costs_number("script.lua", 10, 7));
  CHECK(number != moons__costs_number("script.lua", 10, 8));
  CHECK(number != moons__costs_number("script.lub", 10, 7));
  CHECK(number != moons__costs_number("script.lu", 9, 7));
  CHECK(moons__costs_number(NULL, 0, 0) != 0);
}

static void short_chunks_wait_in_line(void) {
  moons__chunker c;
  moons__chunker_init(&c, 4, 0, NULL);
  CHECK(moons__chunker_ahead(&c) == 4 * MOONS_CHUNKS_PER_WORKER);
  moons__chunker_next(&c, UINT64_MAX);
  moons__chunker_measured(&c, 1, 10); /* now they grow: what waits would be small */
  moons__chunker_next(&c, UINT64_MAX);
  CHECK(moons__chunker_ahead(&c) == 4 * MOONS_CHUNKS_PER_WORKER);
  settle(&c, 10); /* as many calls as may be, which take a sixth of a millisecond */
  CHECK(moons__chunker_ahead(&c) == 4 * MOONS_MOST_CHUNKS_PER_WORKER);
  moons__chunker_next(&c, 20); /* the end */
  CHECK(moons__chunker_ahead(&c) == 4 * MOONS_CHUNKS_PER_WORKER);
}

static void long_chunks_do_not(void) {
  static const double CALLS_NS[] = {MOONS_AHEAD_NS, 100 * MOONS_AHEAD_NS};
  for (size_t i = 0; i < sizeof CALLS_NS / sizeof CALLS_NS[0]; i++) {
    moons__chunker c;
    moons__chunker_init(&c, 2, 0, NULL);
    settle(&c, CALLS_NS[i]);
    CHECK(moons__chunker_ahead(&c) == 2 * MOONS_CHUNKS_PER_WORKER);
  }
}

static void odd_numbers(void) {
  moons__chunker c;
  moons__chunker_init(&c, 0, 0, NULL); /* no workers: taken as one */
  CHECK(moons__chunker_next(&c, 10) == 1);
  moons__chunker_measured(&c, 0, 0);
  moons__chunker_measured(&c, 0, UINT64_MAX);
  CHECK(moons__chunker_next(&c, 10) == 1);
  moons__chunker_measured(&c, 1, 0);
  CHECK(moons__chunker_next(&c, 10) >= 1);
  moons__chunker_measured(&c, 1, UINT64_MAX);
  CHECK(moons__chunker_next(&c, UINT64_MAX) == 1);
  moons__chunker_init(&c, UINT32_MAX, 0, NULL);
  run(&c, 100000, 5);
}

static void all_calls_are_made(void) {
  uint64_t random = 1;
  for (int i = 0; i < 300; i++) {
    moons__chunker c;
    moons__chunker_init(&c, (unsigned)random_below(&random, 70), 0, NULL);
    run(&c, random_below(&random, 200000), 1 + (double)random_below(&random, 100000));
  }
}

/* Handing over must not cost more than the calls: cheap ones make few chunks. */
static void few_chunks(void) {
  moons__chunker c;
  moons__chunker_init(&c, 2, 0, NULL);
  CHECK(run(&c, 1000000, 100) < 300);
}

/* A chunker for a function of which maps have told that its calls take 1 us. */
static moons__chunker trusting(const moons__cost *before) {
  moons__cost cost = {.function = 1, .call_ns = 1000, .n_maps = 3};
  moons__chunker c;
  if (before != NULL) cost = *before;
  moons__chunker_init(&c, 2, 0, &cost);
  return c;
}

static void short_ones_are_known(void) {
  uint32_t most = (uint32_t)(MOONS_CALLER_NS / 1000);
  moons__chunker c = trusting(NULL);
  CHECK(moons__chunker_is_short(&c, most) && !moons__chunker_is_short(&c, most + 1));
  moons__chunker_init(&c, 2, 5, &(moons__cost){.call_ns = 1000, .n_maps = 3});
  CHECK(!moons__chunker_is_short(&c, 1)); /* whoever asks for chunks wants them on workers */
  moons__chunker_init(&c, 2, 0, &(moons__cost){.call_ns = 1000, .n_maps = 2});
  CHECK(!moons__chunker_is_short(&c, 1));
  moons__chunker_init(&c, 2, 0, NULL);
  CHECK(!moons__chunker_is_short(&c, 1));
}

/* The first chunk here makes the state, and the first after a pause fills caches: neither tells of the calls. */
static void here_is_slow_at_first(void) {
  moons__chunker c = trusting(NULL);
  moons__cost cost = {.function = 1, .call_ns = 1000, .n_maps = 3};
  moons__chunker_measured_here(&c, 1, (uint64_t)(10 * MOONS_CALLER_NS));
  CHECK(moons__chunker_is_short(&c, 10));
  moons__chunker_tell(&c, &cost);
  CHECK(cost.is_ready_here && cost.n_maps == 3 && cost.call_ns == 1000);
  c = trusting(&cost);
  moons__chunker_measured_here(&c, 1, (uint64_t)(0.75 * MOONS_CALLER_NS));
  CHECK(!c.was_surprised && moons__chunker_is_short(&c, 4));
  moons__chunker_measured_here(&c, 0, 1000);
  CHECK(moons__chunker_is_short(&c, 4));
}

static void here_is_surprised(void) {
  moons__cost cost = {.function = 1, .call_ns = 1000, .n_maps = 9, .is_ready_here = 1};
  moons__chunker c = trusting(&cost);
  moons__chunker_measured_here(&c, 1, (uint64_t)(50 * MOONS_CALLER_NS));
  CHECK(!moons__chunker_is_short(&c, 1));
  moons__chunker_tell(&c, &cost);
  CHECK(!cost.is_ready_here && cost.n_maps == 0);
}

/* A call of 1 us, where the thread that waits makes calls of 20 us: checked builds have another size. */
static const double UNIT_NS = MOONS_CALLER_NS / 20;

/* The sizes of the chunks that calls are divided into, and whether each is for the thread that waits, as digits. */
static const char *division(unsigned n_workers, double call_units, uint64_t n_calls) {
  static char text[256];
  moons__chunker c;
  moons__chunker_init(&c, n_workers, 0,
                      &(moons__cost){.call_ns = call_units * UNIT_NS, .n_maps = 3});
  moons__chunker_divide(&c, n_calls);
  for (size_t n = 0; n_calls > 0 && n < sizeof text;) {
    uint32_t size = moons__chunker_next(&c, n_calls);
    n_calls -= size;
    int is_here = n_calls == 0 && moons__chunker_is_short(&c, size);
    n += (size_t)snprintf(text + n, sizeof text - n, "%u%s", size, is_here ? "!" : " ");
  }
  return text;
}

static void short_ones_are_divided(void) {
  CHECK(strcmp(division(2, 1, 20), "20!") == 0);
  CHECK(strcmp(division(2, 1, 30), "10 20!") == 0);
  CHECK(strcmp(division(2, 1, 100), "45 55!") == 0);
  CHECK(strcmp(division(4, 1, 110), "25 25 25 35!") == 0);
  CHECK(strcmp(division(64, 1, 42), "8 8 8 18!") == 0);
  CHECK(strcmp(division(2, 10, 10), "4 6!") == 0);
}

static void others_are_not_divided(void) {
  moons__chunker c;
  moons__chunker_init(&c, 2, 0, &(moons__cost){.call_ns = UNIT_NS, .n_maps = 3});
  moons__chunker_divide(&c, (uint64_t)(MOONS_HELP_NS / UNIT_NS) + 1);
  CHECK(c.part == 0 && c.n_given == 0);
  moons__chunker_init(&c, 2, 0, &(moons__cost){.call_ns = UNIT_NS, .n_maps = 2});
  moons__chunker_divide(&c, 50);
  CHECK(c.part == 0 && c.n_given == 0); /* not trusted yet */
  moons__chunker_init(&c, 1, 0, &(moons__cost){.call_ns = UNIT_NS, .n_maps = 3});
  moons__chunker_divide(&c, 50);
  CHECK(c.part == 0 && !moons__chunker_is_short(&c, 50)); /* there is nobody to divide them with */
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"chunks of one call until something is measured", starts_small},
      {"a chunk is at most twice the one before", grows_by_twice},
      {"where handing over takes long, chunks are longer", is_long_against_its_handover},
      {"chunks come to take about the time aimed at", aims_at_a_duration},
      {"slow calls make the next chunk small at once", shrinks_at_once},
      {"chunks get smaller towards the end", smaller_towards_the_end},
      {"a size that was asked for stays", fixed_stays},
      {"a duration that maps have told counts from the first chunk", knows_from_before},
      {"few calls that are known to be cheap travel together", few_cheap_calls_in_one},
      {"a duration that few maps have told gives no worker more than its share", trusts_slowly},
      {"calls that take far longer than known are trusted no more", surprises_are_remembered},
      {"a map of which nothing was measured tells nothing", nothing_measured_tells_nothing},
      {"costs are found again, and the one used longest ago makes room", costs_are_found_again},
      {"functions have numbers of their own", numbers_differ},
      {"of short chunks more are under way, but not while they grow", short_chunks_wait_in_line},
      {"of long chunks no more are under way than run and wait", long_chunks_do_not},
      {"no numbers make a chunk of nothing", odd_numbers},
      {"every call is in a chunk", all_calls_are_made},
      {"a million cheap calls travel in a few hundred chunks", few_chunks},
      {"few calls that are known to be short are for the thread that waits", short_ones_are_known},
      {"what is slow only at first does not make them long", here_is_slow_at_first},
      {"a long call there sends them back to workers", here_is_surprised},
      {"some more are divided between workers and that thread", short_ones_are_divided},
      {"others are not divided", others_are_not_divided},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
