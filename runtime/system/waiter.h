/*
** A thread waits here until another one rings. It may wait busily, so the ringer must hold no lock that the waiting thread
** wants: it becomes a user of the waiter under a lock of its own, and rings without that lock.
*/
#ifndef MOONS_SYSTEM_WAITER_H
#define MOONS_SYSTEM_WAITER_H

#include <stdint.h>

#include "system/clock.h"

typedef struct moons__waiter moons__waiter;

/* A waiter with one user, in memory beside that block (allocate.h). NULL: no memory. */
moons__waiter *moons__waiter_new(const void *beside);

/* Adds a user, which will ring. Called where another user cannot go meanwhile. Accepts NULL. Returns the waiter. */
moons__waiter *moons__waiter_share(moons__waiter *waiter);

/* One user less; the last frees it. */
void moons__waiter_release(moons__waiter *waiter);

/* Wakes the thread that waits, now or the next time that it waits, and releases. Accepts NULL. */
void moons__waiter_ring(moons__waiter *waiter);

/* Waits to be rung until `deadline_ns` of moons__clock_ns, with `spins` busily for a moment first. What was done before the ring
** is done for the caller. `*end_ns` is when it was rung, which a thread that sleeps learns later, or its time was over. Returns 0
** or MOONS_ETIMEDOUT. */
int moons__waiter_wait(moons__waiter *waiter, uint64_t deadline_ns, int spins, uint64_t *end_ns);

/* Sleeps for so many ns, less than a second, rung or not: who rings meanwhile wakes nobody. */
void moons__waiter_doze(uint64_t ns);

#endif
