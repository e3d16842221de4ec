#include "deadline.h"

#include <stdlib.h>
#include <uv.h>

#include "moons.h"

struct moons__deadlines {
  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t wake;
  moons__worker **workers; /* in no order */
  unsigned n_workers, capacity;
  uv_thread_t thread;
  int has_thread, nudged, closing;
};

/* Looks at all workers; returns when to look again. The mutex is held. */
static uint64_t watch_all(moons__deadlines *d) {
  uint64_t now_ns = uv_hrtime(), next_ns = UINT64_MAX;
  for (unsigned i = 0; i < d->n_workers; i++) {
    uint64_t at_ns = moons__worker_watch(d->workers[i], now_ns);
    if (at_ns < next_ns) next_ns = at_ns;
  }
  return next_ns;
}

static void sleep_until(moons__deadlines *d, uint64_t at_ns) {
  uint64_t now_ns = uv_hrtime();
  if (at_ns == UINT64_MAX)
    uv_cond_wait(&d->wake, &d->mutex);
  else if (at_ns > now_ns)
    uv_cond_timedwait(&d->wake, &d->mutex, at_ns - now_ns);
}

static void thread_main(void *data) {
  moons__deadlines *d = data;
  uv_mutex_lock(&d->mutex);
  while (!d->closing) {
    d->nudged = 0;
    uint64_t next_ns = watch_all(d);
    if (!d->nudged && !d->closing) sleep_until(d, next_ns);
  }
  uv_mutex_unlock(&d->mutex);
}

int moons__deadlines_open(moons__deadlines **deadlines) {
  moons__deadlines *d = calloc(1, sizeof *d);
  if (d == NULL) return MOONS_ENOMEM;
  if (uv_mutex_init(&d->mutex)) {
    free(d);
    return MOONS_ENOMEM;
  }
  if (uv_cond_init(&d->wake)) {
    uv_mutex_destroy(&d->mutex);
    free(d);
    return MOONS_ENOMEM;
  }
  *deadlines = d;
  return 0;
}

void moons__deadlines_close(moons__deadlines *d) {
  if (d == NULL) return;
  uv_mutex_lock(&d->mutex);
  d->closing = 1;
  uv_cond_signal(&d->wake);
  uv_mutex_unlock(&d->mutex);
  if (d->has_thread) uv_thread_join(&d->thread);
  uv_cond_destroy(&d->wake);
  uv_mutex_destroy(&d->mutex);
  free(d->workers);
  free(d);
}

/* Makes room for one more worker. The mutex is held. */
static int need_room(moons__deadlines *d) {
  if (d->n_workers < d->capacity) return 0;
  unsigned capacity = d->capacity > 0 ? d->capacity * 2 : 8;
  moons__worker **workers = realloc(d->workers, capacity * sizeof *workers);
  if (workers == NULL) return MOONS_ENOMEM;
  d->workers = workers;
  d->capacity = capacity;
  return 0;
}

int moons__deadlines_add(moons__deadlines *d, moons__worker *worker) {
  uv_mutex_lock(&d->mutex);
  int error = need_room(d);
  if (!error) d->workers[d->n_workers++] = worker;
  uv_mutex_unlock(&d->mutex);
  return error;
}

void moons__deadlines_remove(moons__deadlines *d, moons__worker *worker) {
  uv_mutex_lock(&d->mutex);
  for (unsigned i = 0; i < d->n_workers; i++)
    if (d->workers[i] == worker) {
      d->workers[i] = d->workers[--d->n_workers];
      break;
    }
  uv_mutex_unlock(&d->mutex);
}

int moons__deadlines_nudge(moons__deadlines *d) {
  int error = 0;
  uv_mutex_lock(&d->mutex);
  if (!d->has_thread) {
    error = uv_thread_create(&d->thread, thread_main, d) ? MOONS_ETHREAD : 0;
    d->has_thread = !error;
  }
  d->nudged = 1;
  uv_cond_signal(&d->wake);
  uv_mutex_unlock(&d->mutex);
  return error;
}
