/*
** Work: a task, and what a backend must know to run it; and lists of it, in order.
*/
#ifndef MOONS_WORK_H
#define MOONS_WORK_H

#include <stdint.h>

#include "worker.h"

typedef struct moons__work {
  moons__task task;
  void *owner;                            /* which work belongs together */
  void (*done)(struct moons__work *work); /* takes the work back */
  unsigned n_workers;                     /* the first so many workers may run it */
  unsigned depth;                         /* 1 for work that was submitted from outside of work */
  uint64_t busy_ns;                       /* how long it ran */
  struct moons__work *next;               /* whoever has the work may keep it in a list */
} moons__work;

/* All zero is empty. Whoever uses one from several threads locks. */
typedef struct moons__work_list {
  moons__work *first, *last;
  unsigned n;
} moons__work_list;

/* Adds work at the end, or at the start. */
void moons__work_append(moons__work_list *list, moons__work *work);
void moons__work_prepend(moons__work_list *list, moons__work *work);

/* Puts work behind `before`, which is in the list; NULL: at the start. */
void moons__work_insert(moons__work_list *list, moons__work *before, moons__work *work);

/* Each takes the first that will do out of the list, or returns NULL: any; this owner's; what the
** worker of this number may run. */
moons__work *moons__work_take(moons__work_list *list);
moons__work *moons__work_take_of(moons__work_list *list, const void *owner);
moons__work *moons__work_take_for(moons__work_list *list, unsigned worker_number);

#endif
