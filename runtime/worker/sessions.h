/*
** The fresh sessions that a worker keeps, by their set-ups, for functions that take turns. Belongs to one worker.
*/
#ifndef MOONS_WORKER_SESSIONS_H
#define MOONS_WORKER_SESSIONS_H

#include "worker/session.h"

typedef struct moons__kept_session {
  uint64_t hash;           /* of its set-up */
  moons__session *session; /* open */
  size_t n_bytes;          /* of the session, as counted last */
} moons__kept_session;

/* Zero-initialised: none. All is owned. */
typedef struct moons__sessions {
  moons__kept_session *list; /* the one that was used last first */
  unsigned n, n_room;
  size_t n_bytes; /* that they hold together */
  moons__base **bases;
  unsigned n_bases;
  const void *beside; /* a block, beside which they lie (allocate.h); set by the user */
} moons__sessions;

/* The session for this plan, with at least the libraries `needs`: one that is kept, or a new one, for which those that were
** used longest ago make room. NULL: it could not be made, and workshop->failure says why. */
moons__session *moons__sessions_get(moons__sessions *sessions, moons__workshop *workshop,
                                    moons__plan *plan, moons__libraries needs);

/* Closes all. */
void moons__sessions_close(moons__sessions *sessions);

#endif
