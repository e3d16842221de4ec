#include "work.h"

#include <stddef.h>

void moons__work_insert(moons__work_list *list, moons__work *before, moons__work *work) {
  moons__work **at = before != NULL ? &before->next : &list->first;
  work->next = *at;
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

/* Takes out what comes after `before`; NULL: the first. */
static moons__work *take_after(moons__work_list *list, moons__work *before) {
  moons__work **at = before != NULL ? &before->next : &list->first, *work = *at;
  if (work == NULL) return NULL;
  *at = work->next;
  if (list->last == work) list->last = before;
  list->n--;
  return work;
}

moons__work *moons__work_take(moons__work_list *list) { return take_after(list, NULL); }

moons__work *moons__work_take_of(moons__work_list *list, const void *owner) {
  moons__work *before = NULL, *work = list->first;
  for (; work != NULL && work->owner != owner; work = work->next)
    before = work;
  return take_after(list, before);
}

moons__work *moons__work_take_for(moons__work_list *list, unsigned worker_number) {
  moons__work *before = NULL, *work = list->first;
  for (; work != NULL && work->n_workers <= worker_number; work = work->next)
    before = work;
  return take_after(list, before);
}
