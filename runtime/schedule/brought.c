/*
** Workers that scripts bring about, by pools and by the option `workers`, beside those that the host has asked for: all of a
** runtime and of those made on it together may be so many. They are counted before they are compared, so that of two that come at
** once not both pass. Where a backend cannot grow there are none to count: calls run on the thread that waits, on threads of the
** host's, or on as many workers as other machines have.
*/
#include "schedule/inside.h"
#include "schedule/runtime.h"

int moons__runtime_bring(moons_runtime *r, unsigned n, moons__shortage *shortage) {
  commons *c = r->commons;
  if (r->functions->grow == NULL) return 0;
  unsigned before = atomic_fetch_add(&c->n_brought, n);
  if (c->max_brought == 0 || (before <= c->max_brought && n <= c->max_brought - before)) {
    atomic_fetch_add(&r->n_brought, n);
    return 0;
  }
  atomic_fetch_sub(&c->n_brought, n);
  *shortage = (moons__shortage){.n_wanted = n, .n_had = before, .n_most = c->max_brought};
  return MOONS_ETHREAD;
}

void moons__runtime_unbring(moons_runtime *r, unsigned n) {
  if (r->functions->grow == NULL) return;
  atomic_fetch_sub(&r->n_brought, n);
  atomic_fetch_sub(&r->commons->n_brought, n);
}

/* Makes it so many, where they are fewer. Returns how many that has added: others may have added some meanwhile. */
static unsigned raise_to(atomic_uint *number, unsigned n_workers) {
  unsigned n = atomic_load(number);
  while (n < n_workers && !atomic_compare_exchange_weak(number, &n, n_workers))
    ;
  return n < n_workers ? n_workers - n : 0;
}

/* A job that wants more than there can be does with those. Two threads may ask at once: the backend adds what is missing under its
** lock, and here the greater number stays. */
int moons__runtime_grow(moons_runtime *r, unsigned n_workers, moons__shortage *shortage) {
  if (n_workers > MOONS_MAX_WORKERS) return MOONS_EINVAL;
  unsigned n_started = atomic_load(&r->n_started);
  if (n_workers <= n_started || r->functions->grow == NULL) return 0;
  unsigned n_more = n_workers - n_started;
  int error = moons__runtime_bring(r, n_more, shortage);
  if (error) return error;
  *shortage = (moons__shortage){.n_wanted = n_workers};
  error = r->functions->grow(r->backend, n_workers, &shortage->n_had);
  moons__runtime_unbring(r, n_more - (error ? 0 : raise_to(&r->n_started, n_workers)));
  return error;
}
