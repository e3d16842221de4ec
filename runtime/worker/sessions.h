/*
** The fresh sessions that a worker keeps, by their set-ups, for functions that take turns. Belongs to one worker.
*/
#ifndef MOONS_WORKER_SESSIONS_H
#define MOONS_WORKER_SESSIONS_H

#include "worker/session.h"

/* Zero-initialised: none. */
typedef struct moons__sessions {
  moons__session **list; /* open ones, the one that was used last first; owned */
  unsigned n;
} moons__sessions;

/* The session for this plan, with at least the libraries `needs`: one that is kept, or a new one, for which those that were
** used longest ago make room. NULL: it could not be made, and workshop->failure says why. */
moons__session *moons__sessions_get(moons__sessions *sessions, moons__workshop *workshop,
                                    moons__plan *plan, moons__libraries needs);

/* Closes all. */
void moons__sessions_close(moons__sessions *sessions);

#endif
