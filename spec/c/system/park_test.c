#include "system/park.h"

#include "check.h"

enum { N_THREADS = 3 };

static uv_mutex_t lock; /* guards all that follows */
static moons__park park;
static moons__sleeper places[N_THREADS];
static int is_awake[N_THREADS];

static void sleep_once(void *data) {
  unsigned number = *(unsigned *)data;
  uv_mutex_lock(&lock);
  moons__park_sleep(&park, &places[number], &lock);
  is_awake[number] = 1;
  uv_mutex_unlock(&lock);
}

static unsigned n_parked(void) {
  unsigned n = 0;
  uv_mutex_lock(&lock);
  for (const moons__sleeper *p = park.last; p != NULL; p = p->next)
    n++;
  uv_mutex_unlock(&lock);
  return n;
}

/* Threads that sleep, in the order of their numbers. */
static void start(uv_thread_t threads[], unsigned numbers[]) {
  CHECK(uv_mutex_init(&lock) == 0);
  for (unsigned i = 0; i < N_THREADS; i++) {
    numbers[i] = i;
    CHECK(moons__sleeper_open(&places[i], i) == 0);
    CHECK(uv_thread_create(&threads[i], sleep_once, &numbers[i]) == 0);
    while (n_parked() <= i)
      usleep(100);
  }
}

static void finish(uv_thread_t threads[]) {
  for (unsigned i = 0; i < N_THREADS; i++) {
    CHECK(uv_thread_join(&threads[i]) == 0);
    CHECK(is_awake[i]);
    moons__sleeper_close(&places[i]);
  }
  uv_mutex_destroy(&lock);
}

/* Calls one and wakes it. Returns its number; N_THREADS: there was none. */
static unsigned wake(unsigned n_workers) {
  uv_mutex_lock(&lock);
  moons__sleeper *place = moons__park_call(&park, n_workers);
  uv_mutex_unlock(&lock);
  if (place == NULL) return N_THREADS;
  moons__sleeper_wake(place);
  return place->number;
}

static void wakes_the_last(void) {
  uv_thread_t threads[N_THREADS];
  unsigned numbers[N_THREADS];
  start(threads, numbers);
  for (unsigned i = N_THREADS; i-- > 0;)
    CHECK(wake(N_THREADS) == i);
  CHECK(wake(N_THREADS) == N_THREADS);
  finish(threads);
}

static void passes_over(void) {
  uv_thread_t threads[N_THREADS];
  unsigned numbers[N_THREADS];
  start(threads, numbers);
  CHECK(wake(0) == N_THREADS);
  CHECK(wake(1) == 0);
  CHECK(wake(1) == N_THREADS);
  CHECK(wake(2) == 1);
  CHECK(wake(N_THREADS) == 2);
  finish(threads);
}

static void counts_the_called(void) {
  uv_thread_t threads[N_THREADS];
  unsigned numbers[N_THREADS];
  start(threads, numbers);
  CHECK(moons__park_n_called(&park) == 0);
  uv_mutex_lock(&lock);
  moons__sleeper *place = moons__park_call(&park, N_THREADS);
  CHECK(moons__park_n_called(&park) == 1);
  uv_mutex_unlock(&lock);
  CHECK(place == &places[2]);
  moons__park_make_way(&park);
  moons__sleeper_wake(place);
  CHECK(wake(N_THREADS) == 1);
  CHECK(wake(N_THREADS) == 0);
  finish(threads);
  CHECK(moons__park_n_called(&park) == 0);
}

static void counts_the_started(void) {
  uv_thread_t threads[N_THREADS];
  unsigned numbers[N_THREADS];
  start(threads, numbers);
  uv_mutex_lock(&lock);
  moons__park_expect(&park);
  CHECK(moons__park_n_called(&park) == 1);
  moons__park_come(&park);
  CHECK(moons__park_n_called(&park) == 0);
  CHECK(moons__park_has(&park, 1) && !moons__park_has(&park, 0));
  uv_mutex_unlock(&lock);
  CHECK(wake(1) == 0);
  uv_mutex_lock(&lock);
  CHECK(!moons__park_has(&park, 1) && moons__park_has(&park, 2));
  uv_mutex_unlock(&lock);
  CHECK(wake(N_THREADS) == 2 && wake(N_THREADS) == 1);
  finish(threads);
}

static atomic_uint n_over; /* threads that have waited busily */

static void spin_once(void *data) {
  unsigned n_cores = *(unsigned *)data;
  uv_mutex_lock(&lock);
  moons__park_spin(&park, &lock, 1, n_cores);
  uv_mutex_unlock(&lock);
  atomic_fetch_add(&n_over, 1);
}

/* Whether one looks for something to do. */
static int is_coming(void) {
  uv_mutex_lock(&lock);
  int is = moons__park_suffices(&park, 1, 1, 1);
  uv_mutex_unlock(&lock);
  return is;
}

/* Looks for some time whether a thread of so many waits busily, and tells it. */
static int has_spun(unsigned n_cores) {
  uv_thread_t thread;
  int has = 0;
  atomic_store(&n_over, 0);
  CHECK(uv_thread_create(&thread, spin_once, &n_cores) == 0);
  while (!has && atomic_load(&n_over) == 0)
    has = is_coming();
  moons__park_tell(&park);
  CHECK(uv_thread_join(&thread) == 0);
  CHECK(!is_coming());
  return has;
}

static void spins_where_it_pays(void) {
  int has = 0;
  CHECK(uv_mutex_init(&lock) == 0 && moons__sleeper_open(&places[0], 0) == 0);
  for (int i = 0; i < 1000 && !has; i++) /* it may not be seen on a busy machine */
    has = has_spun(2);
  CHECK(has);
  CHECK(!has_spun(1)); /* the other thread has it */
  for (int i = 0; i < 10; i++)
    moons__park_learn(&park, &places[0], 0);
  CHECK(!has_spun(2)); /* those waits were long */
  places[0].called_ns = 2;
  for (int i = 0; i < 10; i++) /* short ones: it was called at once, and has slept on */
    moons__park_learn(&park, &places[0], 1);
  for (int i = 0; i < 1000 && !(has = has_spun(2)); i++)
    continue;
  CHECK(has);
  moons__sleeper_close(&places[0]);
  uv_mutex_destroy(&lock);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"wakes the one that came last", wakes_the_last},
      {"passes over those of higher numbers", passes_over},
      {"counts those that were called and have not come", counts_the_called},
      {"counts a thread that is being started, and tells who sleeps", counts_the_started},
      {"has one wait busily where that has paid off, and a core is left", spins_where_it_pays},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
