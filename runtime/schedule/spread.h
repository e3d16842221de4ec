/*
** A map of a host, spread over the workers as tasks of its program's line. Each task that has run brings the next ones there, so
** that nobody has to wait for any.
*/
#ifndef MOONS_SCHEDULE_SPREAD_H
#define MOONS_SCHEDULE_SPREAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "schedule/tasks.h"

typedef struct moons__spread moons__spread;

/* What to call: items as messages (wire.h) side by side. */
typedef struct moons__spread_items {
  moons__buffer bytes;
  size_t *ends; /* of each in the bytes; owned */
  size_t n;
} moons__spread_items;

typedef struct moons__spread_config {
  moons__line *line; /* stays as long as the spread */
  moons__plan *plan; /* the spread's from here on */
  uint64_t first;    /* number of the first call */
  uint32_t chunk;    /* calls that travel together; 0: measured */

  /* All has come home, or there was an error. On a thread of the backend, or as of a task's `done`; no lock is held. */
  void (*done)(void *data);
  void *data;
} moons__spread_config;

/* A spread that has not begun. It takes the items. NULL: no memory; then plan and items are still the caller's. */
moons__spread *moons__spread_new(const moons__spread_config *config, moons__spread_items *items);

/* Begins it. Returns 0, and then it may have come home; or MOONS_EBUSY or MOONS_ENOMEM, and then it has not begun. Any thread. */
int moons__spread_begin(moons__spread *spread);

/* Ends it. Returns whether it is over with that; otherwise `done` comes, if it has not come yet. It stays meanwhile. Then, without
** the caller's locks, moons__lines_go_on is due. Any thread. */
int moons__spread_cancel(moons__spread *spread);

/* {== Once it is over ========================================================================= */

typedef enum moons__spread_end {
  MOONS__SPREAD_WHOLE, /* each call has its result */
  MOONS__SPREAD_FAILED,
  MOONS__SPREAD_CANCELLED,
  MOONS__SPREAD_SHORT /* there was not enough memory */
} moons__spread_end;

moons__spread_end moons__spread_outcome(const moons__spread *spread);

/* The chunk with the call that has failed first. */
const moons__chunk *moons__spread_failed(const moons__spread *spread);

/* The chunks in the order of their calls, NULL at the end: the one after `chunk`, or the first. Before the first is asked
** for, they are put in order. */
const moons__chunk *moons__spread_next(moons__spread *spread, const moons__chunk *chunk);

/* How long its calls have run, together. */
uint64_t moons__spread_busy_ns(const moons__spread *spread);

/* Frees what it had for its calls; or all. It has not begun, or is over. Both accept NULL. */
void moons__spread_clear(moons__spread *spread);
void moons__spread_close(moons__spread *spread);

#endif
