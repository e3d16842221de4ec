/*
** The workers of a runtime, and of those made on it: which calls run now, for a person who asks, and for a signal handler when the
** process crashes.
*/
#ifndef MOONS_WORKER_ROSTER_H
#define MOONS_WORKER_ROSTER_H

#include <stdatomic.h>

struct moons__worker;

/* A worker's place in it. */
typedef struct moons__entry {
  struct moons__entry *before;
  _Atomic(const struct moons__worker *) worker; /* NULL: free for the next worker that joins */
  atomic_uint n_holders;
} moons__entry;

/* Zero-initialised: empty. */
typedef struct moons__roster {
  _Atomic(moons__entry *) last;
} moons__roster;

/* Enters a worker, until it leaves. Accepts a NULL roster; NULL: there is none, or no memory, and the worker is not known. Any
** thread. */
moons__entry *moons__roster_join(moons__roster *roster, const struct moons__worker *worker);

/* The worker of an entry, which does not leave until it is let go; NULL: there is none, and nothing to let go. Hold it for as
** long as it takes to look at it. Any thread, but not in a signal handler. */
const struct moons__worker *moons__roster_hold(moons__entry *entry);
void moons__roster_let_go(moons__entry *entry);

/* The entry is the roster's again, once nobody holds its worker. Accepts NULL. */
void moons__roster_leave(moons__entry *entry);

/* Frees it, when all workers have left. */
void moons__roster_free(moons__roster *roster);

#endif
