#include "schedule/pace.h"

#include "check.h"
#include "moons.h"
#include "sizes.h"

/* Takes n things that come one each `interval_ns`, and then has to wait while `n_more` are to come. */
static uint64_t doze_after(moons__pace *pace, uint64_t *now_ns, unsigned n, uint64_t interval_ns,
                           unsigned n_more) {
  for (unsigned i = 0; i < n; i++)
    moons__pace_note(pace);
  *now_ns += n * interval_ns;
  return moons__pace_doze_ns(pace, *now_ns, n_more);
}

static void fast_and_many(void) {
  moons__pace pace = {.since_ns = 1000};
  uint64_t now_ns = 1000;
  for (int i = 0; i < 10; i++)
    CHECK(doze_after(&pace, &now_ns, 10, 10000, 10000) == MOONS_DOZE_NS);
  CHECK(doze_after(&pace, &now_ns, 1, 100, UINT32_MAX) == MOONS_DOZE_NS);
}

/* One that waits for each before it begins the next must not be late for any. */
static void few(void) {
  moons__pace pace = {.since_ns = 1000};
  uint64_t now_ns = 1000;
  for (unsigned n_more = 1; n_more < 30; n_more++)
    CHECK(doze_after(&pace, &now_ns, 10, 10000, n_more) == 0);
}

/* The doze takes a small share of the time in which all come, and more than one come in it. */
static void some(void) {
  moons__pace pace = {.since_ns = 1000};
  uint64_t now_ns = 1000;
  for (uint64_t interval_ns = 1000; interval_ns < UINT64_C(1000000000); interval_ns *= 3)
    for (unsigned n_more = 1; n_more < 100000; n_more *= 2) {
      uint64_t ns = doze_after(&pace, &now_ns, 10, interval_ns, n_more);
      CHECK(ns <= MOONS_DOZE_NS && ns * 10 <= interval_ns * n_more);
      CHECK(ns == 0 || (ns >= 2 * interval_ns && ns >= MOONS_DOZE_LEAST_NS));
    }
  CHECK(doze_after(&pace, &now_ns, 10, 50000, 100) > 0);
}

static void slow(void) {
  moons__pace pace = {.since_ns = 1000};
  uint64_t now_ns = 1000;
  CHECK(doze_after(&pace, &now_ns, 10, MOONS_DOZE_NS, 10000) == 0);
  CHECK(doze_after(&pace, &now_ns, 1, 60000000000, 10000) == 0);
}

/* Calls have become longer: there is at most one doze in which nothing comes. */
static void nothing_came(void) {
  moons__pace pace = {.since_ns = 1000};
  uint64_t now_ns = 1000;
  CHECK(doze_after(&pace, &now_ns, 10, 10000, 10000) > 0);
  now_ns += MOONS_DOZE_NS;
  CHECK(moons__pace_doze_ns(&pace, now_ns, 10000) == 0);
}

static void first(void) {
  moons__pace pace = {0};
  CHECK(moons__pace_doze_ns(&pace, 12345678, 10000) == 0);
  moons__pace other = {0};
  moons__pace_note(&other);
  CHECK(moons__pace_doze_ns(&other, 12345678, 10000) == 0);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"dozes where many come fast", fast_and_many},
      {"waits for each where few are to come", few},
      {"dozes for a share of the time in which all come", some},
      {"waits for each where they come slowly", slow},
      {"waits after a doze in which nothing came", nothing_came},
      {"waits for the first", first},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
