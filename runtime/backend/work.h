/*
** Work: a task, and what a backend must know to run it; and lists of it, in order.
*/
#ifndef MOONS_BACKEND_WORK_H
#define MOONS_BACKEND_WORK_H

#include <stdint.h>

#include "worker/worker.h"

typedef struct moons__work {
  moons__task task;
  void *owner;                            /* which work belongs together */
  void (*done)(struct moons__work *work); /* takes the work back */
  unsigned n_workers;                     /* workers 0 to n_workers - 1 may run it */
  unsigned depth;                         /* 1 for work that was submitted from outside of work */
  uint64_t busy_ns;                       /* how long it ran */
  struct moons__work *next, *before;      /* whoever has the work may keep it in a list */
  int is_queued;                          /* it is in a backend's list, and has not begun */
  struct moons__work *next_of_owner,
      *before_of_owner; /* kept by the owner for work that it has submitted */
} moons__work;

/* Zero-initialised: empty. Callers on several threads lock. */
typedef struct moons__work_list {
  moons__work *first, *last;
  unsigned n;
} moons__work_list;

/* Adds work at the end, or at the start. */
void moons__work_append(moons__work_list *list, moons__work *work);
void moons__work_prepend(moons__work_list *list, moons__work *work);

/* Puts work behind `before`, which is in the list; NULL: at the start. */
void moons__work_insert(moons__work_list *list, moons__work *before, moons__work *work);

/* Takes work out of the list that it is in. */
void moons__work_remove(moons__work_list *list, moons__work *work);

/* Takes the first out of the list, or returns NULL. */
moons__work *moons__work_take(moons__work_list *list);

/* {== The queue of a backend ================================================================== */

void moons__work_enqueue(moons__work_list *queue, moons__work *work);

/* Takes the first that the worker of this number may run out of the queue, or returns NULL. */
moons__work *moons__work_dequeue(moons__work_list *queue, unsigned worker_number);

/* Takes the last of a chain of work (`next_of_owner`) that is in the queue out of it, or returns NULL. */
moons__work *moons__work_withdraw(moons__work_list *queue, moons__work *chain);

/* Takes all. */
moons__work_list moons__work_empty(moons__work_list *queue);

#endif
