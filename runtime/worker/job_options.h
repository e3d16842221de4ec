/*
** What the calls of a job have in common as its maker says it, the module `parallel` or a C program's call.
*/
#ifndef MOONS_WORKER_JOB_OPTIONS_H
#define MOONS_WORKER_JOB_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

typedef struct moons__job_options {
  /* What each call starts from, as the module `parallel` makes it (setup.h); copied. */
  const void *setup;
  size_t setup_bytes;

  unsigned n_workers; /* how many workers run its calls; 0: as many as the runtime's options say */
  int fresh;          /* each call gets a state of its own */
  int pack;           /* all values of a call are sent back, not just the first */
  int collect;        /* a failed call does not stop the others */
  int until;          /* a call whose first value is neither nil nor false stops the others */
  uint64_t seed;      /* call i's math.random depends on (seed, seed_offset + i) */
  uint64_t seed_offset; /* calls that have drawn from the seed before */

  uint64_t timeout_ns; /* how long one call may run; 0: for ever */
  /* The most that one call may hold, with all that it starts; 0: what the runtime's options say. */
  size_t memory_bytes;
  unsigned n_retries; /* how often a failed call is tried again */

  int report; /* each result comes with what its call has used (batch.h) */
  int loads;  /* its set-up is a script that runs for the first time: only then it prints */
} moons__job_options;

/* Fills in the defaults: fresh, the first value only, stop at the first error, seed 0. */
void moons__job_options_init(moons__job_options *options);

#endif
