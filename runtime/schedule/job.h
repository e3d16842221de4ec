/*
** One map in flight: its chunks, which of them wait, run, or have finished, and what a failure or a
** cancel does to the rest. Bytes and numbers alone; whoever uses it from several threads locks.
*/
#ifndef MOONS_SCHEDULE_JOB_H
#define MOONS_SCHEDULE_JOB_H

#include <stdint.h>

#include "worker/chunk.h"

/* Zero-initialised but for max_running: a job without chunks. */
typedef struct moons__job {
  moons__chunk_list waiting, finished;
  unsigned n_running;
  moons__chunk *running; /* a chain of those that were started, by next_of_owner */
  unsigned max_running;  /* as many workers as the job may use */
  int collect;           /* failures do not stop it */
  int stopped;           /* no chunk is begun any more */
} moons__job;

/* Adds a chunk behind those that wait; or, what is left of one that was begun, before them. */
void moons__job_put(moons__job *job, moons__chunk *chunk);
void moons__job_put_rest(moons__job *job, moons__chunk *chunk);

/* The next chunk to run; NULL where none waits, or as many run as the job may have workers. */
moons__chunk *moons__job_start(moons__job *job);

/* How many more chunks could run if there were any: 0 where some wait, or the job has stopped. */
unsigned moons__job_idle(const moons__job *job);

/* Takes a chunk back that has run. It has finished; where it failed, or has found what the job is looking for, the job
** stops. */
void moons__job_finish(moons__job *job, moons__chunk *chunk);

/* Takes back a chunk that was started but not run, for the user to free. */
void moons__job_return(moons__job *job, moons__chunk *chunk);

/* Begins no more chunks. */
void moons__job_stop(moons__job *job);

/* A chunk of a stopped job that waits, for the user to free; NULL where there is none. */
moons__chunk *moons__job_drop(moons__job *job);

/* A finished chunk, failed ones with the lowest number first; NULL where there is none. */
moons__chunk *moons__job_take(moons__job *job);

#endif
