/*
** A thread's jobs that have news for it: a chunk has finished, or nothing more will come. So a thread that waits for any of
** many jobs need not look at all of them. Each job is in it once, in the order of its first news that has not been taken.
*/
#ifndef MOONS_SCHEDULE_QUEUE_H
#define MOONS_SCHEDULE_QUEUE_H

#include <stdint.h>

#include "base/errors.h"
#include "moons.h"
#include "schedule/jobs.h"

typedef struct moons__queue moons__queue;

/* In memory beside that block (allocate.h). NULL: no memory. */
moons__queue *moons__queue_new(const void *beside);

/* Frees the queue. All jobs that report to it must have been freed. Accepts NULL. */
void moons__queue_free(moons__queue *queue);

/* From now on the job reports to the queue; at once, where a chunk has finished. */
void moons__job_report_to(moons_job *job, moons__queue *queue);

/* Takes a job that has news, and waits for one for up to `timeout_ns` (0: not at all; negative: for ever). Where the
** calling thread must run calls itself while it waits, it runs calls of `awaited`, a job that reports to the queue and is
** not over; with a timeout of 0 this may be NULL. Returns 0, or MOONS_ETIMEDOUT, MOONS_EDEPTH or MOONS__ESTOPPED as
** moons_job_wait does. One thread at a time. */
int moons__queue_next(moons__queue *queue, moons_job *awaited, int64_t timeout_ns, moons_job **job);

#endif
