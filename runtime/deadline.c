#include "deadline.h"

#include <stdlib.h>
#include <uv.h>

#include "moons.h"

struct moons__deadlines {
  moons__look look;
  void *data;

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t wake;
  uv_thread_t thread;
  int has_thread, nudged, closing;
};

/* Sleeps until then or a nudge. The mutex is held. */
static void sleep_until(moons__deadlines *d, uint64_t at_ns) {
  uint64_t now_ns = uv_hrtime();
  if (d->nudged || d->closing) return;
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
    uv_mutex_unlock(&d->mutex);
    uint64_t next_ns = d->look(d->data, uv_hrtime());
    uv_mutex_lock(&d->mutex);
    sleep_until(d, next_ns);
  }
  uv_mutex_unlock(&d->mutex);
}

int moons__deadlines_open(moons__deadlines **deadlines, moons__look look, void *data) {
  moons__deadlines *d = calloc(1, sizeof *d);
  if (d == NULL) return MOONS_ENOMEM;
  d->look = look;
  d->data = data;
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

void moons__deadlines_stop(moons__deadlines *d) {
  uv_mutex_lock(&d->mutex);
  int has_thread = d->has_thread;
  d->has_thread = 0;
  d->closing = 1;
  uv_cond_signal(&d->wake);
  uv_mutex_unlock(&d->mutex);
  if (has_thread) uv_thread_join(&d->thread);
}

void moons__deadlines_close(moons__deadlines *d) {
  if (d == NULL) return;
  moons__deadlines_stop(d);
  uv_cond_destroy(&d->wake);
  uv_mutex_destroy(&d->mutex);
  free(d);
}

int moons__deadlines_nudge(moons__deadlines *d) {
  int error = 0;
  uv_mutex_lock(&d->mutex);
  if (!d->has_thread && !d->closing) {
    error = uv_thread_create(&d->thread, thread_main, d) ? MOONS_ETHREAD : 0;
    d->has_thread = !error;
  }
  d->nudged = 1;
  uv_cond_signal(&d->wake);
  uv_mutex_unlock(&d->mutex);
  return error;
}
