/*
** The lanes of a session: one for each function that its calls are of. A set-up of a map has one function, without a name; a
** script has many, each of which is proved by itself. Used by the thread of the session.
*/
#ifndef MOONS_WORKER_LANES_H
#define MOONS_WORKER_LANES_H

#include <stddef.h>

#include "worker/lane.h"

typedef struct moons__named_lane {
  moons__lane lane; /* the first field */
  size_t n_bytes;
  char name[]; /* with a zero byte behind it */
} moons__named_lane;

/* Zero-initialised, or with `beside` set: none. */
typedef struct moons__lanes {
  const void *beside;       /* a block, beside which they are made (allocate.h) */
  moons__named_lane **list; /* the one that was used last comes first */
  unsigned n, n_room;
} moons__lanes;

/* The lane of that name, which stays where it is; NULL where there are too many, or no memory: its calls have none. */
moons__lane *moons__lanes_get(moons__lanes *lanes, const char *name, size_t n_bytes);

/* The name of a lane of these. */
const char *moons__lane_name(const moons__lane *lane);

void moons__lanes_free(moons__lanes *lanes);

#endif
