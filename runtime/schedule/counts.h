/*
** What runtimes and lines have done, for moons_stats.
*/
#ifndef MOONS_SCHEDULE_COUNTS_H
#define MOONS_SCHEDULE_COUNTS_H

#include "backend/backend.h"
#include "moons.h"
#include "worker/chunk.h"

/* Counts what a chunk of a job has done that has run. The runtime's mutex is held. */
void moons__count_chunk(moons_runtime *runtime, const moons__chunk *chunk);

/* The same of a task of this line, which began to wait at `put_ns`. The same. */
void moons__count_task(moons_runtime *runtime, moons_stats *line, const moons__chunk *chunk,
                       uint64_t put_ns);

/* What the runtime has done by now, and holds. In the child of a fork all is 0. Any thread. */
void moons__runtime_stats(moons_runtime *runtime, moons_stats *stats);

/* What the host with this number, from 0 on, has done. Returns 0 where the runtime has not so many, or in the child of a fork. Any
** thread. */
int moons__runtime_host_stats(moons_runtime *runtime, unsigned i, moons__host_stats *stats);

#endif
