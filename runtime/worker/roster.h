/*
** The workers of a runtime, and of those made on it, as a signal handler may find them: which calls run when the process
** crashes.
*/
#ifndef MOONS_WORKER_ROSTER_H
#define MOONS_WORKER_ROSTER_H

#include <stdatomic.h>

struct moons__worker;

/* A worker's place in it. */
typedef struct moons__entry {
  struct moons__entry *before;
  _Atomic(const struct moons__worker *) worker; /* NULL: free for the next worker that joins */
} moons__entry;

/* Zero-initialised: empty. */
typedef struct moons__roster {
  _Atomic(moons__entry *) last;
} moons__roster;

/* Enters a worker, until it leaves. Accepts a NULL roster; NULL: there is none, or no memory, and the worker is not known. Any
** thread. */
moons__entry *moons__roster_join(moons__roster *roster, const struct moons__worker *worker);

/* The entry is the roster's again. Accepts NULL. */
void moons__roster_leave(moons__entry *entry);

/* Frees it, when all workers have left. */
void moons__roster_free(moons__roster *roster);

#endif
