/*
** Waiting busily for a moment before going to sleep: waking a thread up costs more than a small call.
** It is done only where what was waited for lately came within that moment, and now and then to see whether it does.
*/
#ifndef MOONS_SYSTEM_SPIN_H
#define MOONS_SYSTEM_SPIN_H

#include <stdatomic.h>
#include <stdint.h>

/* How long recent waits were. Zero-initialised: assumes that waits are short. Any thread: a lost update does no harm. */
typedef struct moons__patience {
  _Atomic uint64_t recent_ns; /* smoothed where they were long */
  atomic_uint n_long;         /* that were expected to be long */
} moons__patience;

/* Whether waiting busily is worth it, or to be tried. */
int moons__spin_pays(moons__patience *patience);

/* Takes note of how long was waited, asleep or not. */
void moons__spin_learn(moons__patience *patience, uint64_t waited_ns);

/* Waits busily while `value` is `old`, for at most MOONS_SPIN_NS. After the first MOONS_SPIN_ALONE_NS, threads that want
** this core get it between looks. What happened before the value was changed, with release, has happened for the caller.
** Returns whether it was changed. */
int moons__spin(const atomic_uint *value, unsigned old);

#endif
