/*
** Each sleeper has a semaphore, so a wake-up that comes before the sleep is kept (SLEEPING.md). Sleepers are a stack: the one
** that lay down last gets up first, so that few threads work while there is little to do, and their caches stay warm.
*/
#include "system/park.h"

#include <sched.h>
#include <stddef.h>

#include "moons.h"

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
  moons__park_expect(park);
  return sleeper;
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
