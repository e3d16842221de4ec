/*
** A state with its libraries open: the first stage of a session. Those of many fresh sessions that need the same libraries are
** one, in which their images take turns, so that a set-up more costs its bytes, and neither a state nor libraries.
*/
#ifndef MOONS_WORKER_BASE_H
#define MOONS_WORKER_BASE_H

#include "state/image.h"
#include "state/libraries.h"
#include "worker/workshop.h"

typedef struct moons__base {
  moons__slot slot;
  moons__image image;         /* of the libraries alone; not taken where it serves a kept session */
  moons__libraries libraries; /* open in the state */
  moons__libraries allowed;   /* all that calls may have */
  uint32_t rights;            /* of these calls (moons.h) */
  unsigned n_sessions;
  int is_taken; /* for one session, whose image is large: no other may use it */
} moons__base;

/* Makes a state with these libraries, for what runs next in the workshop (moons__sandbox_enter). Returns 0, or -1 with workshop->failure saying why. */
int moons__base_open(moons__base *base, moons__workshop *workshop, moons__libraries libraries,
                     moons__libraries allowed);

/* Keeps the state as it is, so that it can be put back. Returns 0, or -1 as above. */
int moons__base_keep(moons__base *base, moons__workshop *workshop);

/* Frees the state; no finalizer runs. */
void moons__base_close(moons__base *base);

#endif
