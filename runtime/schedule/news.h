/*
** The list behind a queue (queue.h), as jobs that have news see it.
*/
#ifndef MOONS_SCHEDULE_NEWS_H
#define MOONS_SCHEDULE_NEWS_H

#include "schedule/jobs.h"
#include "system/waiter.h"

struct moons__queue;

/* A job's place in the list; all zero is in none. The queue's lock guards it. */
typedef struct moons__news {
  moons_job *job;
  struct moons__news *next, *before;
  int is_in;
} moons__news;

/* Puts it into the queue, at the end, unless it is in it. Returns whom to ring, by moons__waiter_ring, once all locks
** are left. Any thread, while the queue stays. */
moons__waiter *moons__queue_put(struct moons__queue *queue, moons__news *news);

/* Takes it out, where it is in. Any thread. */
void moons__queue_remove(struct moons__queue *queue, moons__news *news);

/* Takes the first; NULL where there is none. */
moons_job *moons__queue_take(struct moons__queue *queue);

/* The waiter of the thread that reads the queue, which belongs to the queue. */
moons__waiter *moons__queue_waiter(const struct moons__queue *queue);

#endif
