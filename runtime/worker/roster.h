/*
** The workers of a runtime, and of those made on it, and who knows of workers elsewhere: which calls run now, for a person who
** asks, and, of this process, for a signal handler when that crashes.
*/
#ifndef MOONS_WORKER_ROSTER_H
#define MOONS_WORKER_ROSTER_H

#include <stdatomic.h>

struct moons__worker;
struct moons__running;

/* Is given a call that runs (worker.h), for a moment. */
typedef void moons__take_running(void *taker, const struct moons__running *running);

/* Who has calls run by other processes, or on other machines. */
typedef struct moons__teller {
  /* Gives all of them to `take`. It may wait some time for other machines. On no thread of its own. */
  void (*tell)(void *data, moons__take_running *take, void *taker);
  void *data; /* a block (allocate.h) */
} moons__teller;

/* A place in it. */
typedef struct moons__entry {
  struct moons__entry *before;
  _Atomic(const void *) who; /* a worker, or a teller; NULL: free for the next that joins */
  atomic_uint n_holders;
} moons__entry;

/* Zero-initialised: empty. */
typedef struct moons__roster {
  _Atomic(moons__entry *) workers, tellers; /* the last of each */
} moons__roster;

/* Enter a worker, or a teller, until it leaves. Accept a NULL roster; NULL: there is none, or no memory, and nobody knows of it. Any
** thread. */
moons__entry *moons__roster_join(moons__roster *roster, const struct moons__worker *worker);
moons__entry *moons__roster_join_teller(moons__roster *roster, const moons__teller *teller);

/* Who has the entry, and does not leave until it is let go; NULL: nobody, and nothing to let go. Hold it for as
** long as it takes to look at it. Any thread, but not in a signal handler. */
const void *moons__roster_hold(moons__entry *entry);
void moons__roster_let_go(moons__entry *entry);

/* The entry is the roster's again, once nobody holds it. Accepts NULL. */
void moons__roster_leave(moons__entry *entry);

/* Frees it, when all have left. */
void moons__roster_free(moons__roster *roster);

#endif
