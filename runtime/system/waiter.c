/*
** Two flags, and a mutex that is taken only where somebody sleeps: a ring that finds the waiter awake costs a few
** atomic operations. Why no ring is lost stands in SLEEPING.md.
*/
#include "system/waiter.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "base/allocate.h"
#include "moons.h"
#include "system/spin.h"

struct moons__waiter {
  atomic_uint is_rung, is_asleep;
  atomic_uint n_users;
  uv_mutex_t mutex; /* held where is_asleep changes, and before a sleeper is rung */
  uv_cond_t wake;
  uint64_t
      rung_ns; /* when the sleeper was; 0: it was not, or woke up by itself. Guarded by the mutex. */
};

moons__waiter *moons__waiter_new(const void *beside) {
  moons__waiter *w = moons__allocate_zeros(beside, sizeof *w);
  if (w == NULL) return NULL;
  atomic_init(&w->n_users, 1);
  if (uv_mutex_init(&w->mutex)) {
    moons__free(w);
    return NULL;
  }
  if (uv_cond_init(&w->wake) == 0) return w;
  uv_mutex_destroy(&w->mutex);
  moons__free(w);
  return NULL;
}

moons__waiter *moons__waiter_share(moons__waiter *w) {
  if (w != NULL) atomic_fetch_add_explicit(&w->n_users, 1, memory_order_relaxed);
  return w;
}

/* Releasing orders what each user did before what the last one frees. */
void moons__waiter_release(moons__waiter *w) {
  if (atomic_fetch_sub_explicit(&w->n_users, 1, memory_order_acq_rel) > 1) return;
  uv_cond_destroy(&w->wake);
  uv_mutex_destroy(&w->mutex);
  moons__free(w);
}

/* Either the sleeper sees that it is rung, or the ringer that it sleeps: both are in one order (seq_cst).
** Taking the mutex once proves that the sleeper is inside uv_cond_wait. The signal comes after unlocking, so that it can
** run at once. */
void moons__waiter_ring(moons__waiter *w) {
  if (w == NULL) return;
  atomic_store(&w->is_rung, 1);
  if (atomic_load(&w->is_asleep)) {
    uv_mutex_lock(&w->mutex);
    w->rung_ns = moons__clock_ns();
    uv_mutex_unlock(&w->mutex);
    uv_cond_signal(&w->wake);
  }
  moons__waiter_release(w);
}

static int sleep_until(moons__waiter *w, uint64_t deadline_ns, uint64_t *rung_ns) {
  int error = 0;
  uv_mutex_lock(&w->mutex);
  w->rung_ns = 0;
  atomic_store(&w->is_asleep, 1);
  while (!atomic_load(&w->is_rung) && !error) {
    uint64_t now_ns = uv_hrtime();
    if (deadline_ns == UINT64_MAX)
      uv_cond_wait(&w->wake, &w->mutex);
    else if (now_ns >= deadline_ns)
      error = MOONS_ETIMEDOUT;
    else
      uv_cond_timedwait(&w->wake, &w->mutex, deadline_ns - now_ns);
  }
  atomic_store(&w->is_asleep, 0);
  *rung_ns = w->rung_ns;
  uv_mutex_unlock(&w->mutex);
  return error;
}

int moons__waiter_wait(moons__waiter *w, uint64_t deadline_ns, int spins, uint64_t *end_ns) {
  uint64_t rung_ns = 0;
  int error = spins && moons__spin(&w->is_rung, 0) ? 0 : sleep_until(w, deadline_ns, &rung_ns);
  if (!error) atomic_store(&w->is_rung, 0);
  *end_ns = rung_ns != 0 ? rung_ns : moons__clock_ns();
  return error;
}

/* A signal may cut it short. */
void moons__waiter_doze(uint64_t ns) {
  struct timespec time = {.tv_nsec = (long)ns};
  nanosleep(&time, NULL);
}
