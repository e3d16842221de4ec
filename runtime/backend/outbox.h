/*
** Chunks on their way to a worker process, or to the agent of a host, with all that they need and that it has not got.
*/
#ifndef MOONS_BACKEND_OUTBOX_H
#define MOONS_BACKEND_OUTBOX_H

#include "backend/cargo.h"
#include "backend/frame.h"
#include "sizes.h"
#include "worker/chunk.h"

/* What it has; zero-initialised: there is nobody. One thread at a time uses it. */
typedef struct moons__outbox {
  moons__link *link;
  int files;                               /* its stream for files; -1: blocks go by their bytes */
  moons__setup *setups[MOONS_SETUPS_KEPT]; /* in its slots */
  unsigned next_slot;
  moons__sent sent;    /* blocks */
  moons__buffer place; /* where it is (place.h); empty: where it was started */
} moons__outbox;

/* Somebody is there who has nothing. */
void moons__outbox_open(moons__outbox *outbox, moons__link *link, int files);

/* Sends a chunk, by this number, for the first `n_workers` of an agent. Returns 0, or -1: as a link does, or no memory. */
int moons__outbox_send(moons__outbox *outbox, const moons__chunk *chunk, uint64_t work,
                       unsigned n_workers);

/* Whom it was for is gone; and the outbox goes too. */
void moons__outbox_clear(moons__outbox *outbox);
void moons__outbox_close(moons__outbox *outbox);

#endif
