/*
** Lists that only grow, by compare and exchange, so that walking along them needs no lock: entries are used again,
** and freed with the roster.
*/
#include "worker/roster.h"

#include <sched.h>
#include <stdlib.h>

#include "base/allocate.h"

static moons__entry *join(_Atomic(moons__entry *) *last, const void *who, const void *beside) {
  for (moons__entry *e = atomic_load(last); e != NULL; e = e->before) {
    const void *nobody = NULL;
    if (atomic_compare_exchange_strong(&e->who, &nobody, who)) return e;
  }
  moons__entry *entry = moons__allocate(beside, sizeof *entry);
  if (entry == NULL) return NULL;
  atomic_init(&entry->who, who);
  atomic_init(&entry->n_holders, 0);
  entry->before = atomic_load(last);
  while (!atomic_compare_exchange_weak(last, &entry->before, entry)) {
  }
  return entry;
}

moons__entry *moons__roster_join(moons__roster *roster, const struct moons__worker *worker) {
  return roster != NULL ? join(&roster->workers, worker, worker) : NULL;
}

moons__entry *moons__roster_join_teller(moons__roster *roster, const moons__teller *teller) {
  return roster != NULL ? join(&roster->tellers, teller, teller->data) : NULL;
}

void moons__roster_leave(moons__entry *entry) {
  if (entry == NULL) return;
  atomic_store(&entry->who, NULL);
  while (atomic_load(&entry->n_holders) > 0)
    sched_yield();
}

/* Whoever leaves sees that it is held, or is seen to have left: all of that is in one order (seq_cst). */
const void *moons__roster_hold(moons__entry *entry) {
  atomic_fetch_add(&entry->n_holders, 1);
  const void *who = atomic_load(&entry->who);
  if (who == NULL) moons__roster_let_go(entry);
  return who;
}

void moons__roster_let_go(moons__entry *entry) { atomic_fetch_sub(&entry->n_holders, 1); }

static void free_list(moons__entry *e) {
  while (e != NULL) {
    moons__entry *before = e->before;
    moons__free(e);
    e = before;
  }
}

void moons__roster_free(moons__roster *roster) {
  free_list(atomic_load(&roster->workers));
  free_list(atomic_load(&roster->tellers));
}
