/*
** A list that only grows, by compare and exchange, so that walking along it needs no lock: entries are used again,
** and freed with the roster.
*/
#include "worker/roster.h"

#include <sched.h>
#include <stdlib.h>

#include "base/allocate.h"

moons__entry *moons__roster_join(moons__roster *roster, const struct moons__worker *worker) {
  if (roster == NULL) return NULL;
  for (moons__entry *e = atomic_load(&roster->last); e != NULL; e = e->before) {
    const struct moons__worker *nobody = NULL;
    if (atomic_compare_exchange_strong(&e->worker, &nobody, worker)) return e;
  }
  moons__entry *entry = moons__allocate(worker, sizeof *entry);
  if (entry == NULL) return NULL;
  atomic_init(&entry->worker, worker);
  atomic_init(&entry->n_holders, 0);
  entry->before = atomic_load(&roster->last);
  while (!atomic_compare_exchange_weak(&roster->last, &entry->before, entry)) {
  }
  return entry;
}

void moons__roster_leave(moons__entry *entry) {
  if (entry == NULL) return;
  atomic_store(&entry->worker, NULL);
  while (atomic_load(&entry->n_holders) > 0)
    sched_yield();
}

/* Whoever leaves sees that it is held, or is seen to have left: all of that is in one order (seq_cst). */
const struct moons__worker *moons__roster_hold(moons__entry *entry) {
  atomic_fetch_add(&entry->n_holders, 1);
  const struct moons__worker *worker = atomic_load(&entry->worker);
  if (worker == NULL) moons__roster_let_go(entry);
  return worker;
}

void moons__roster_let_go(moons__entry *entry) { atomic_fetch_sub(&entry->n_holders, 1); }

void moons__roster_free(moons__roster *roster) {
  moons__entry *e = atomic_load(&roster->last);
  while (e != NULL) {
    moons__entry *before = e->before;
    moons__free(e);
    e = before;
  }
}
