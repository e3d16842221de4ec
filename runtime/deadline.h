/*
** Ending calls that run, when their time is over or they are cancelled: a thread that watches workers.
** It sleeps until the next deadline; workers that have none cost nothing.
*/
#ifndef MOONS_DEADLINE_H
#define MOONS_DEADLINE_H

#include "worker.h"

typedef struct moons__deadlines moons__deadlines;

/* The thread is started when it is needed first. Returns 0 or MOONS_ENOMEM. */
int moons__deadlines_open(moons__deadlines **deadlines);

/* No worker may be watched any more. Accepts NULL. */
void moons__deadlines_close(moons__deadlines *deadlines);

/* Watches a worker from now on. Returns 0 or MOONS_ENOMEM. Any thread. */
int moons__deadlines_add(moons__deadlines *deadlines, moons__worker *worker);

/* Watches it no more. Any thread. */
void moons__deadlines_remove(moons__deadlines *deadlines, moons__worker *worker);

/* Looks at once: a worker begins calls that have a timeout, or is to be cancelled. Any thread. Returns
** 0 or MOONS_ETHREAD. */
int moons__deadlines_nudge(moons__deadlines *deadlines);

#endif
