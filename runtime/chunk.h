/*
** How many calls travel together: arithmetic alone.
*/
#ifndef MOONS_CHUNK_H
#define MOONS_CHUNK_H

#include <stdint.h>

typedef struct moons__chunker {
  unsigned n_workers;
  uint32_t fixed; /* the size that was asked for; 0: by measurement */
  uint32_t size;  /* of the last chunk */
  double call_ns; /* smoothed duration of a call; 0: not known yet */
} moons__chunker;

/* Nothing is known of how long calls take where `call_ns` is 0. */
void moons__chunker_init(moons__chunker *chunker, unsigned n_workers, uint32_t fixed,
                         double call_ns);

/* The size of the next chunk, from 1 to `n_left`, the calls that are left (UINT64_MAX: not known).
** Chunks aim at a duration, grow by at most twice, and get smaller towards the end, so that no
** worker is left alone with the last one. */
uint32_t moons__chunker_next(moons__chunker *chunker, uint64_t n_left);

/* Takes note of a chunk's duration. */
void moons__chunker_measured(moons__chunker *chunker, uint32_t n_calls, uint64_t busy_ns);

#endif
