/*
** One mutex and one condition variable; the function is called without the mutex, so it may nudge, and take locks of its own.
** It is called by one thread, never twice at a time, and never after stop has returned. Whoever stops waits for a call of it
** that is going on, so he must hold no lock that it takes.
*/
#include "system/alarm.h"

#include <stdlib.h>
#include <uv.h>

#include "moons.h"
#include "system/thread.h"

struct moons__alarm {
  moons__look look;
  void *data;
  uv_thread_t thread;

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t wake;
  int is_nudged, is_closing;
};

/* Sleeps until then, a nudge, or the end. The mutex is held. Both flags are looked at under it, so a nudge that comes before
** the sleep is not lost; and again after each waking, which may come without cause. */
static void sleep_until(moons__alarm *d, uint64_t at_ns) {
  while (!d->is_nudged && !d->is_closing) {
    uint64_t now_ns = uv_hrtime();
    if (at_ns == UINT64_MAX)
      uv_cond_wait(&d->wake, &d->mutex);
    else if (at_ns > now_ns)
      uv_cond_timedwait(&d->wake, &d->mutex, at_ns - now_ns);
    else
      return;
  }
}

static void thread_main(void *data) {
  moons__alarm *d = data;
  uint64_t next_ns = UINT64_MAX;
  moons__thread_name("t");
  uv_mutex_lock(&d->mutex);
  for (;;) {
    sleep_until(d, next_ns);
    if (d->is_closing) break;
    d->is_nudged = 0; /* before it looks: a nudge in the meantime has it look again */
    uv_mutex_unlock(&d->mutex);
    next_ns = d->look(d->data, uv_hrtime());
    uv_mutex_lock(&d->mutex);
  }
  uv_mutex_unlock(&d->mutex);
}

/* The thread, with what wakes it. */
static int start(moons__alarm *d) {
  if (uv_mutex_init(&d->mutex)) return MOONS_ENOMEM;
  if (uv_cond_init(&d->wake)) {
    uv_mutex_destroy(&d->mutex);
    return MOONS_ENOMEM;
  }
  int error = moons__thread_start(&d->thread, 0, 0, thread_main, d);
  if (!error) return 0;
  uv_cond_destroy(&d->wake);
  uv_mutex_destroy(&d->mutex);
  return error;
}

int moons__alarm_open(moons__alarm **alarm, moons__look look, void *data) {
  moons__alarm *d = calloc(1, sizeof *d);
  if (d == NULL) return MOONS_ENOMEM;
  d->look = look;
  d->data = data;
  int error = start(d);
  if (error)
    free(d);
  else
    *alarm = d;
  return error;
}

/* May be called again: a backend stops its alarm when it closes, and frees it with its last user. */
void moons__alarm_stop(moons__alarm *d) {
  uv_mutex_lock(&d->mutex);
  int is_stopped = d->is_closing;
  d->is_closing = 1;
  uv_cond_signal(&d->wake);
  uv_mutex_unlock(&d->mutex);
  if (!is_stopped) uv_thread_join(&d->thread);
}

void moons__alarm_close(moons__alarm *d) {
  moons__alarm_stop(d);
  uv_cond_destroy(&d->wake);
  uv_mutex_destroy(&d->mutex);
  free(d);
}

void moons__alarm_nudge(moons__alarm *d) {
  uv_mutex_lock(&d->mutex);
  d->is_nudged = 1;
  uv_cond_signal(&d->wake);
  uv_mutex_unlock(&d->mutex);
}
