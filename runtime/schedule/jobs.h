/*
** Jobs as their owners use them: chunks of calls go in, and come home with results, as bytes.
*/
#ifndef MOONS_SCHEDULE_JOBS_H
#define MOONS_SCHEDULE_JOBS_H

#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "moons.h"
#include "worker/job_options.h"

/* One map in flight. A job is used by one thread at a time. */
typedef struct moons_job moons_job;

/* Makes a job. Any thread, also within a call that a worker of this runtime runs (a map within a map): such a job
** uses the workers that there may be. Returns 0, MOONS_EINVAL, MOONS_ENOMEM, MOONS_ETHREAD (no room for so many workers) or
** MOONS_EDEPTH. */
int moons_job_new(moons_job **job, moons_runtime *runtime, const moons__job_options *options);

/* Gives the job another set-up for the chunks that are put from now on: the same function, with more
** that these chunks need. The bytes are copied. Returns 0, MOONS_ENOMEM, or MOONS_EINVAL when this was done a few
** times before (sizes.h). */
int moons_job_extend(moons_job *job, const void *setup, size_t setup_bytes);

/* Gives the job a chunk: `n_calls` calls whose arguments are `bytes` (batch.h), the first of them
** number `first`. The bytes are a block (allocate.h) and belong to the job from here on, also on
** failure. Returns 0, or with the chunk dropped MOONS_ENOMEM, MOONS_EINVAL for more calls than a chunk may have (sizes.h),
** MOONS_ETHREAD where none of the workers that may run it is idle and the next cannot be started, or MOONS__ESTOPPED where a
** call has failed or the job was cancelled. */
int moons_job_put(moons_job *job, uint64_t first, uint32_t n_calls, void *bytes, size_t n_bytes);

/* A finished chunk, or part of one: workers that had nothing to do may have taken calls from it that had not
** begun; these come in a chunk of their own. */
typedef struct moons_chunk {
  uint64_t first;   /* number of its first call */
  uint32_t n_calls; /* how many calls it has */
  char *bytes; /* results (batch.h), a block (allocate.h); whoever takes the chunk frees them */
  size_t n_bytes;
  int is_cut;       /* the job was stopped: there may be fewer results than calls */
  uint64_t busy_ns; /* time that a worker spent on it */
  const char *host; /* where; it stays as long as the runtime; NULL: this machine */
} moons_chunk;

/* Takes a finished chunk, and waits for one for up to `timeout_ns` (negative: for ever). Failed chunks come first,
** others in any order. Within a call that a worker runs, that worker runs waiting chunks of the job itself
** meanwhile, so that a map within a map cannot deadlock. Returns 0, MOONS_EEND when every chunk that was put has
** been taken or dropped, MOONS_ETIMEDOUT, MOONS_ENOMEM, MOONS_EDEPTH where the worker's stack is too full to run
** chunks, or MOONS__ESTOPPED where the call that waits must end. */
int moons_job_take(moons_job *job, int64_t timeout_ns, moons_chunk *chunk);

/* Waits until a chunk has finished, or there are no more to come: then moons_job_take need not wait. Returns 0, or
** MOONS_ETIMEDOUT, MOONS_ENOMEM, MOONS_EDEPTH or MOONS__ESTOPPED as moons_job_take does. */
int moons_job_wait(moons_job *job, int64_t timeout_ns);

/* How many chunks were put and have not been taken yet. */
unsigned moons_job_pending(moons_job *job);

/* How many chunks have finished, and can be taken without waiting. */
unsigned moons_job_ready(moons_job *job);

/* Drops the chunks that no worker has begun, and ends the calls that run, at their next instruction
** in Lua. */
void moons_job_cancel(moons_job *job);

/* Cancels the job and frees it as soon as its running chunks have ended; does not wait for them.
** Accepts NULL. */
void moons_job_free(moons_job *job);

#endif
