/*
** A list that only grows, by compare and exchange, so that walking along it needs no lock: entries are used again,
** and freed with the roster.
*/
#include "worker/roster.h"

#include <stdlib.h>

moons__entry *moons__roster_join(moons__roster *roster, const struct moons__worker *worker) {
  if (roster == NULL) return NULL;
  for (moons__entry *e = atomic_load(&roster->last); e != NULL; e = e->before) {
    const struct moons__worker *nobody = NULL;
    if (atomic_compare_exchange_strong(&e->worker, &nobody, worker)) return e;
  }
  moons__entry *entry = malloc(sizeof *entry);
  if (entry == NULL) return NULL;
  atomic_init(&entry->worker, worker);
  entry->before = atomic_load(&roster->last);
  while (!atomic_compare_exchange_weak(&roster->last, &entry->before, entry)) {
  }
  return entry;
}

void moons__roster_leave(moons__entry *entry) {
  if (entry != NULL) atomic_store(&entry->worker, NULL);
}

void moons__roster_free(moons__roster *roster) {
  moons__entry *e = atomic_load(&roster->last);
  while (e != NULL) {
    moons__entry *before = e->before;
    free(e);
    e = before;
  }
}
