/*
** Where threads sleep that have nothing to do. Each has a place of its own, so that a certain one is woken,
** and only one: the one that came last, whose caches are warm. On a condition variable any might be; and who
** wakes there takes a mutex that counts as wanted by others, so that to free it is one more system call.
**
** Whoever has a park locks: functions that take one want that lock to be held.
*/
#ifndef MOONS_SYSTEM_PARK_H
#define MOONS_SYSTEM_PARK_H

#include <stdatomic.h>
#include <uv.h>

/* The place of one thread. */
typedef struct moons__place {
  uv_sem_t wake;
  unsigned number; /* of the thread */
  struct moons__place *next;
} moons__place;

/* Zero-initialised: empty. */
typedef struct moons__park {
  moons__place *last; /* the others follow, each before those that came earlier */

  /* That have been called, and have not come yet. Changed under the lock; to others it is but a guess, for
  ** which relaxed will do. */
  atomic_uint n_called;
} moons__park;

/* Returns 0, or MOONS_ENOMEM with nothing left behind. */
int moons__place_open(moons__place *place, unsigned number);
void moons__place_close(moons__place *place);

/* Sleeps at the place until it is called and woken. The lock, which is held before and after, is free
** meanwhile. */
void moons__park_sleep(moons__park *park, moons__place *place, uv_mutex_t *lock);

/* Takes out the place that came last among those of numbers below `n_workers`; NULL: none. It must then be
** woken: from now on it counts as one that comes. */
moons__place *moons__park_call(moons__park *park, unsigned n_workers);

/* Wakes the thread of a place that was called, once. Better without the lock, which it will want. */
void moons__place_wake(moons__place *place);

/* How many have been called and have not come yet. Without the lock it may just have changed. */
unsigned moons__park_n_called(const moons__park *park);

/* Where one was called that has not come: lets it have the core that this thread runs on, which is often the
** one where it is to run. Without the lock. */
void moons__park_make_way(const moons__park *park);

#endif
