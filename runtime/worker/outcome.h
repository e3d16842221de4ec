/*
** What becomes of a chunk's calls, in its results and in its numbers. Knows no states: a chunk whose worker is gone gets its
** outcomes here too.
*/
#ifndef MOONS_WORKER_OUTCOME_H
#define MOONS_WORKER_OUTCOME_H

#include "wire/batch.h"
#include "wire/failure.h"
#include "worker/chunk.h"

/* Notes that the next call has failed. */
void moons__outcome_note_failed(moons__chunk *chunk);

/* Writes what `n_calls` calls from the next one on have returned to the plan's sink. */
void moons__outcome_store(const moons__chunk *chunk, const void *bytes, size_t n_calls);

/* Puts the outcome of the next call into the results, behind what it has used where the plan reports that; a failure says which
** worker that was, if `usage` does. An outcome that is
** too much for the call that the chunk is part of becomes a failure for want of memory; one for the plan's sink is written there, unless
** its bytes are NULL: then it is there. Returns 0 where there is no memory
** for it: then nothing is counted. */
int moons__outcome_put(moons__chunk *chunk, moons__batch_writer *results, const moons__usage *usage,
                       const moons__item *item);

/* Writes a failure without traceback, as an outcome whose bytes are in the buffer. Returns 0 or MOONS_ENOMEM. */
int moons__outcome_failure(moons__item *item, moons__buffer *bytes, const void *beside,
                           moons__failure_kind kind, const char *text);

/* Puts a failure: of the next call, or of all that are left. */
void moons__outcome_fail(moons__chunk *chunk, moons__batch_writer *results,
                         const moons__usage *usage, const moons__item *failure, int of_all);

/* {== Without a worker ======================================================================== */

/* Fails all calls of a chunk, whose results are empty: no worker will run it. */
void moons__chunk_refuse(moons__chunk *chunk, moons__failure_kind kind, const char *text);

/* What a worker has left behind that died while it ran a chunk. */
typedef struct moons__remains {
  const char *bytes; /* its results, as far as they were written: a batch, or what is left of one */
  size_t n_bytes;
  uint32_t n_run;   /* how many calls have their outcomes there */
  uint32_t n_tries; /* that the call after these had had before */
  int is_blamed;    /* it died in that call */
  int of_all;       /* it would die in each of those that are left too */
  unsigned worker;  /* its number */
  uint64_t wall_ns; /* how long that call ran, where that is reported */
  moons__failure_kind kind;
  const char *text; /* the failure of that call; it may point to what goes afterwards */
} moons__remains;

/* Gives a chunk, whose results are empty, what remains of its calls. Whom it is blamed on fails, or is tried again where it may
** be; the calls after it are left to be run elsewhere (`is_given_up`). */
void moons__chunk_salvage(moons__chunk *chunk, const moons__remains *remains);

#endif
