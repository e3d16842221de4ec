/*
** Each sleeper has a semaphore, so a wake-up that comes before the sleep is kept (SLEEPING.md). Sleepers are a stack: the one
** that lay down last gets up first, so that few threads work while there is little to do, and their caches stay warm.
*/
#include "system/park.h"

#include <sched.h>
#include <stddef.h>

#include "moons.h"
#include "system/clock.h"

int moons__sleeper_open(moons__sleeper *sleeper, unsigned number) {
  *sleeper = (moons__sleeper){.number = number};
  return uv_sem_init(&sleeper->wake, 0) ? MOONS_ENOMEM : 0;
}

void moons__sleeper_close(moons__sleeper *sleeper) { uv_sem_destroy(&sleeper->wake); }

void moons__park_expect(moons__park *park) {
  atomic_fetch_add_explicit(&park->n_called, 1, memory_order_relaxed);
}

void moons__park_come(moons__park *park) {
  atomic_fetch_sub_explicit(&park->n_called, 1, memory_order_relaxed);
}

static int may_spin(moons__park *park, unsigned n_busy, unsigned n_cores) {
  return n_cores > 1 && park->n_spinning < (n_cores + 1) / 2 &&
         park->n_spinning + n_busy < n_cores && moons__spin_pays(&park->patience);
}

void moons__park_spin(moons__park *park, uv_mutex_t *lock, unsigned n_busy, unsigned n_cores) {
  if (!may_spin(park, n_busy, n_cores)) return;
  unsigned n_told = atomic_load_explicit(&park->n_told, memory_order_relaxed);
  park->n_spinning++;
  uv_mutex_unlock(lock);
  moons__spin(&park->n_told, n_told);
  uv_mutex_lock(lock);
  park->n_spinning--;
}

void moons__park_tell(moons__park *park) {
  atomic_fetch_add_explicit(&park->n_told, 1, memory_order_release);
}

void moons__park_learn(moons__park *park, const moons__sleeper *sleeper, uint64_t start_ns) {
  uint64_t called_ns = sleeper->called_ns;
  uint64_t end_ns = called_ns > start_ns ? called_ns : moons__clock_ns();
  moons__spin_learn(&park->patience, end_ns - start_ns);
}

void moons__park_sleep(moons__park *park, moons__sleeper *sleeper, uv_mutex_t *lock) {
  sleeper->next = park->last;
  park->last = sleeper;
  uv_mutex_unlock(lock);
  uv_sem_wait(&sleeper->wake);
  uv_mutex_lock(lock);
  moons__park_come(park); /* only a call wakes it, and that has counted it */
}

void moons__park_sleep_apart(moons__sleeper *sleeper, uv_mutex_t *lock) {
  uv_mutex_unlock(lock);
  uv_sem_wait(&sleeper->wake);
  uv_mutex_lock(lock);
}

/* The link to the one that came last among those of numbers below `n_workers`; at the end it links to none. */
static moons__sleeper **find(moons__park *park, unsigned n_workers) {
  moons__sleeper **at = &park->last;
  while (*at != NULL && (*at)->number >= n_workers)
    at = &(*at)->next;
  return at;
}

moons__sleeper *moons__park_call(moons__park *park, unsigned n_workers) {
  moons__sleeper **at = find(park, n_workers), *sleeper = *at;
  if (sleeper == NULL) return NULL;
  *at = sleeper->next;
  sleeper->called_ns = moons__clock_ns();
  moons__park_expect(park);
  return sleeper;
}

int moons__park_suffices(const moons__park *park, unsigned n_due, unsigned n_workers,
                         unsigned n_all) {
  int is_for_some = n_workers < n_all; /* those that come may be others */
  return !is_for_some && n_due <= park->n_spinning + moons__park_n_called(park);
}

moons__sleeper *moons__park_call_for(moons__park *park, unsigned n_due, unsigned n_workers,
                                     unsigned n_all) {
  if (moons__park_suffices(park, n_due, n_workers, n_all)) return NULL;
  return moons__park_call(park, n_workers);
}

int moons__park_has(moons__park *park, unsigned n_workers) {
  return *find(park, n_workers) != NULL;
}

void moons__sleeper_wake(moons__sleeper *sleeper) { uv_sem_post(&sleeper->wake); }

unsigned moons__park_n_called(const moons__park *park) {
  return atomic_load_explicit(&park->n_called, memory_order_relaxed);
}

void moons__park_make_way(const moons__park *park) {
  if (moons__park_n_called(park) > 0) sched_yield();
}
