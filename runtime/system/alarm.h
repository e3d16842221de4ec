/*
** A thread that looks after calls that run: it has a function called at the times which that asks
** for, and at once when it is nudged. It sleeps in between.
*/
#ifndef MOONS_DEADLINE_H
#define MOONS_DEADLINE_H

#include <stdint.h>

typedef struct moons__deadlines moons__deadlines;

/* Looks after what runs, first when nudged; returns the time at which to look again, UINT64_MAX: when nudged. */
typedef uint64_t (*moons__look)(void *data, uint64_t now_ns);

/* Returns 0, MOONS_ENOMEM or MOONS_ETHREAD. */
int moons__deadlines_open(moons__deadlines **deadlines, moons__look look, void *data);

/* Ends the thread: nothing is looked after any more, and nudging does nothing. */
void moons__deadlines_stop(moons__deadlines *deadlines);

/* Stops and frees. */
void moons__deadlines_close(moons__deadlines *deadlines);

/* Has it look at once: calls with a timeout begin, or are to be cancelled. Any thread. */
void moons__deadlines_nudge(moons__deadlines *deadlines);

#endif
