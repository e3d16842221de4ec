/*
** A list with both ends, under one lock that is never held while another is wanted. Each job is in it once, however many of
** its chunks have finished. A job is taken out before it is freed, so what is in the queue is alive.
*/
#include "schedule/queue.h"

#include <stdlib.h>
#include <uv.h>

#include "base/allocate.h"
#include "schedule/news.h"

struct moons__queue {
  moons__waiter *waiter;
  uv_mutex_t mutex; /* guards what follows; whoever holds it wants no other */
  moons__news *first, *last;
};

moons__queue *moons__queue_new(const void *beside) {
  moons__queue *q = moons__allocate_zeros(beside, sizeof *q);
  if (q == NULL) return NULL;
  q->waiter = moons__waiter_new(beside);
  if (q->waiter != NULL && uv_mutex_init(&q->mutex) == 0) return q;
  if (q->waiter != NULL) moons__waiter_release(q->waiter);
  moons__free(q);
  return NULL;
}

void moons__queue_free(moons__queue *q) {
  if (q == NULL) return;
  uv_mutex_destroy(&q->mutex);
  moons__waiter_release(q->waiter);
  moons__free(q);
}

moons__waiter *moons__queue_waiter(const moons__queue *q) { return q->waiter; }

static void append(moons__queue *q, moons__news *news) {
  news->next = NULL;
  news->before = q->last;
  *(q->last != NULL ? &q->last->next : &q->first) = news;
  q->last = news;
  news->is_in = 1;
}

static void take_out(moons__queue *q, moons__news *news) {
  *(news->before != NULL ? &news->before->next : &q->first) = news->next;
  *(news->next != NULL ? &news->next->before : &q->last) = news->before;
  news->is_in = 0;
}

/* The job's mutex is held meanwhile, and while the job reports here the queue stays. So its waiter is shared in time, and can
** be rung when no lock is held any more, even if the queue has gone by then. */
moons__waiter *moons__queue_put(moons__queue *q, moons__news *news) {
  uv_mutex_lock(&q->mutex);
  if (!news->is_in) append(q, news);
  uv_mutex_unlock(&q->mutex);
  return moons__waiter_share(q->waiter);
}

void moons__queue_remove(moons__queue *q, moons__news *news) {
  uv_mutex_lock(&q->mutex);
  if (news->is_in) take_out(q, news);
  uv_mutex_unlock(&q->mutex);
}

/* It is out before its chunks are taken: one that finishes meanwhile puts it in again. */
moons_job *moons__queue_take(moons__queue *q) {
  uv_mutex_lock(&q->mutex);
  moons__news *news = q->first;
  if (news != NULL) take_out(q, news);
  uv_mutex_unlock(&q->mutex);
  return news != NULL ? news->job : NULL;
}
