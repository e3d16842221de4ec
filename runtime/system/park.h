/*
** Where threads wait that have nothing to do: busily for a moment, where waits have been that short lately, then asleep. Each sleeps
** on a semaphore of its own, so that one certain thread can be woken, and only that: the one that came last, whose caches are
** warm. A condition variable may wake any; and whoever wakes there takes a mutex that counts as wanted by others, so that
** freeing it is one more system call.
**
** The owner of a park has a lock for it: functions that take a park need that lock held.
*/
#ifndef MOONS_SYSTEM_PARK_H
#define MOONS_SYSTEM_PARK_H

#include <stdatomic.h>
#include <uv.h>

#include "system/spin.h"

/* One thread. */
typedef struct moons__sleeper {
  uv_sem_t wake;
  unsigned number;    /* of the thread */
  uint64_t called_ns; /* when it was called last */
  struct moons__sleeper *next;
} moons__sleeper;

/* Zero-initialised: empty. */
typedef struct moons__park {
  moons__sleeper *last; /* the others follow, each before those that came earlier */

  /* That have been called, and have not come yet. Changed under the lock; to others it is but a guess, for
  ** which relaxed will do. */
  atomic_uint n_called;

  unsigned n_spinning;      /* that wait busily */
  moons__patience patience; /* of those that wait */
  atomic_uint n_told;       /* changed when the lock is free again, for those that wait busily */
} moons__park;

/* Returns 0, or MOONS_ENOMEM with nothing left behind. */
int moons__sleeper_open(moons__sleeper *sleeper, unsigned number);
void moons__sleeper_close(moons__sleeper *sleeper);

/* Waits busily for a moment until something is told, where that pays: at most one thread for two cores, and only on a core that the
** threads that are busy leave. The lock, which is held before and after, is free meanwhile. */
void moons__park_spin(moons__park *park, uv_mutex_t *lock, unsigned n_busy, unsigned n_cores);

/* Tells those that wait busily that there is something for them. Without the lock. */
void moons__park_tell(moons__park *park);

/* Sleeps until it is called and woken. The lock, which is held before and after, is free meanwhile. */
void moons__park_sleep(moons__park *park, moons__sleeper *sleeper, uv_mutex_t *lock);

/* Takes note of how long a thread had to wait, busily or not: from `start_ns` of moons__clock_ns until it was called, where it has
** slept, else until now. */
void moons__park_learn(moons__park *park, const moons__sleeper *sleeper, uint64_t start_ns);

/* The same, where nobody can call it: whoever knows it wakes it. */
void moons__park_sleep_apart(moons__sleeper *sleeper, uv_mutex_t *lock);

/* Takes out the sleeper that came last among those of numbers below `n_workers`; NULL: none. It must then be woken: from
** now on it counts as one that comes. */
moons__sleeper *moons__park_call(moons__park *park, unsigned n_workers);

/* Whether those that look for something to do, or will in a moment, suffice for `n_due` things that wait. The last of these is for
** numbers below `n_workers`, of which there may be `n_all`. */
int moons__park_suffices(const moons__park *park, unsigned n_due, unsigned n_workers,
                         unsigned n_all);

/* Takes out the sleeper that came last, for that last thing. NULL: none of these numbers sleeps, or those that come suffice. */
moons__sleeper *moons__park_call_for(moons__park *park, unsigned n_due, unsigned n_workers,
                                     unsigned n_all);

/* Wakes the thread of a sleeper that was called, or sleeps apart, once. Better without the lock, which the thread will take. */
void moons__sleeper_wake(moons__sleeper *sleeper);

/* Counts a thread that is being started as one that was called. It comes, once, before it looks for work; or never. */
void moons__park_expect(moons__park *park);
void moons__park_come(moons__park *park);

/* Whether a thread sleeps whose number is below `n_workers`. */
int moons__park_has(moons__park *park, unsigned n_workers);

/* How many have been called and have not come yet. Without the lock it may just have changed. */
unsigned moons__park_n_called(const moons__park *park);

/* Where a thread was called and has not come, lets it have the core of the calling thread, on which it will often run.
** Without the lock. */
void moons__park_make_way(const moons__park *park);

#endif
