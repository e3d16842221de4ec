#include "base/seats.h"

#include <pthread.h>

#include "check.h"

static moons__seats seats;

static void lowest_first(void) {
  for (unsigned i = 0; i < MOONS__SEATS; i++)
    CHECK(moons__seats_take(&seats) == i);
  CHECK(moons__seats_take(&seats) == MOONS__SEATS);
  moons__seats_give(&seats, MOONS__SEATS);
  moons__seats_give(&seats, 700);
  moons__seats_give(&seats, 64);
  CHECK(moons__seats_take(&seats) == 64);
  CHECK(moons__seats_take(&seats) == 700);
  CHECK(moons__seats_take(&seats) == MOONS__SEATS);
}

static atomic_int n_on[8];

/* As many seats are used as there are threads, each by one at a time. */
static void *sit_often(void *unused) {
  for (int i = 0; i < 20000; i++) {
    unsigned seat = moons__seats_take(&seats);
    CHECK(seat < 4 && atomic_fetch_add(&n_on[seat], 1) == 0);
    CHECK(atomic_fetch_sub(&n_on[seat], 1) == 1);
    moons__seats_give(&seats, seat);
  }
  return unused;
}

static void one_for_each(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    CHECK(pthread_create(&threads[i], NULL, sit_often, NULL) == 0);
  for (int i = 0; i < 4; i++)
    CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"gives the lowest that is free", lowest_first},
      {"gives each to one at a time #threads", one_for_each},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
