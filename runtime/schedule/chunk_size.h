/*
** How many calls travel together, and what calls took before: arithmetic alone.
*/
#ifndef MOONS_SCHEDULE_CHUNK_SIZE_H
#define MOONS_SCHEDULE_CHUNK_SIZE_H

#include <stddef.h>
#include <stdint.h>

#include "sizes.h"

/* {== What calls took before ================================================================== */

/* What is known of a function from earlier maps. */
typedef struct moons__cost {
  uint64_t function; /* a number that stands for it; 0: none */
  double call_ns;    /* smoothed duration of a call; 0: not known */
  unsigned n_maps;   /* in a row that told no surprise */
  int is_ready_here; /* the thread that waits has run calls of it */
  uint64_t last_used;
} moons__cost;

/* The costs of the functions used last. Zero-initialised: none is known. */
typedef struct moons__costs {
  moons__cost entries[MOONS_COSTS];
  uint64_t clock;
} moons__costs;

/* A number for a function that is told by these bytes and this number. Never 0. */
uint64_t moons__costs_number(const void *bytes, size_t n_bytes, uint64_t number);

/* The cost of a function, new where it is not known, in the place of the one that was used longest ago. */
moons__cost *moons__costs_find(moons__costs *costs, uint64_t function);

/* {== Sizes of chunks ========================================================================= */

typedef struct moons__chunker {
  unsigned n_workers;
  uint32_t fixed;   /* the size that was asked for; 0: by measurement */
  uint32_t most;    /* twice the largest chunk that was measured; 0: nothing was asked for yet */
  uint32_t size;    /* of the last chunk */
  double target_ns; /* how long chunks are to take */
  double call_ns;   /* smoothed duration of a call; 0: not known yet */
  int is_trusted;   /* several maps have told that duration */
  int has_measured;
  int was_surprised; /* calls took far longer than was known */
  int is_ready_here; /* the thread that waits has run calls of the function */
  unsigned n_given;  /* parts that are still to be given to workers, where it helps */
  uint32_t part;     /* calls of each; 0: it does not */
} moons__chunker;

/* `cost` is what is known of the function, or NULL. */
void moons__chunker_init(moons__chunker *chunker, unsigned n_workers, uint32_t fixed,
                         const moons__cost *cost);

/* Makes chunks long against what handing one over takes. */
void moons__chunker_aim(moons__chunker *chunker, double handover_ns);

/* The size of the next chunk, from 1 to `n_left`, the calls that are left (UINT64_MAX: not known).
** Chunks aim at a duration, grow by at most twice what was measured, and get smaller towards the end, so
** that no worker is left alone with the last one. */
uint32_t moons__chunker_next(moons__chunker *chunker, uint64_t n_left);

/* Whether so many calls are over before a worker has been woken for them: as several maps have told, and where nobody has
** asked for chunks of a size. They are one chunk then. */
int moons__chunker_is_short(const moons__chunker *chunker, uint64_t n_calls);

/* Divides the calls of a map among workers and the thread that waits, if that may help: where they take little more time than
** waking a worker does. The last chunk is then that thread's. */
void moons__chunker_divide(moons__chunker *chunker, uint64_t n_calls);

/* How many chunks to keep under way, so that no worker has to wait for the next. */
unsigned moons__chunker_ahead(const moons__chunker *chunker);

/* Takes note of the duration of a chunk that a worker has run; or of one that the thread that waits has run itself. */
void moons__chunker_measured(moons__chunker *chunker, uint32_t n_calls, uint64_t busy_ns);
void moons__chunker_measured_here(moons__chunker *chunker, uint32_t n_calls, uint64_t busy_ns);

/* Adds what was measured to what is known of the function. */
void moons__chunker_tell(const moons__chunker *chunker, moons__cost *cost);

#endif
