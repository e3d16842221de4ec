/*
** Lists are single chains with a tail: work is appended, taken from the front, and seldom withdrawn. A list knows how
** many it has, so a backend can tell without walking.
*/
#include "backend/work.h"

#include <stddef.h>

void moons__work_insert(moons__work_list *list, moons__work *before, moons__work *work) {
  moons__work **at = before != NULL ? &before->next : &list->first;
  work->next = *at;
  work->before = before;
  if (*at != NULL) (*at)->before = work;
  *at = work;
  if (list->last == before) list->last = work;
  list->n++;
}

void moons__work_append(moons__work_list *list, moons__work *work) {
  moons__work_insert(list, list->last, work);
}

void moons__work_prepend(moons__work_list *list, moons__work *work) {
  moons__work_insert(list, NULL, work);
}

void moons__work_remove(moons__work_list *list, moons__work *work) {
  *(work->before != NULL ? &work->before->next : &list->first) = work->next;
  *(work->next != NULL ? &work->next->before : &list->last) = work->before;
  list->n--;
}

moons__work *moons__work_take(moons__work_list *list) {
  moons__work *work = list->first;
  if (work != NULL) moons__work_remove(list, work);
  return work;
}

void moons__work_enqueue(moons__work_list *queue, moons__work *work) {
  moons__work_append(queue, work);
  work->is_queued = 1;
}

static moons__work *take_out(moons__work_list *queue, moons__work *work) {
  if (work == NULL) return NULL;
  moons__work_remove(queue, work);
  work->is_queued = 0;
  return work;
}

moons__work *moons__work_dequeue(moons__work_list *queue, unsigned worker_number) {
  moons__work *work = queue->first;
  while (work != NULL && work->n_workers <= worker_number)
    work = work->next;
  return take_out(queue, work);
}

moons__work *moons__work_withdraw(moons__work_list *queue, moons__work *chain) {
  moons__work *last = NULL;
  for (; chain != NULL; chain = chain->next_of_owner)
    if (chain->is_queued) last = chain;
  return take_out(queue, last);
}

moons__work_list moons__work_empty(moons__work_list *queue) {
  moons__work_list all = *queue;
  for (moons__work *work = all.first; work != NULL; work = work->next)
    work->is_queued = 0;
  *queue = (moons__work_list){0};
  return all;
}
