/*
** One mutex and one condition variable; the function is called without the mutex, so it may nudge, and take locks of its own.
** It is called by one thread, never twice at a time, and never after stop has returned. Whoever stops waits for a call of it
** that is going on, so he must hold no lock that it takes.
*/
#include "system/alarm.h"

#include <stdlib.h>
#include <uv.h>

#include "base/allocate.h"
#include "moons.h"
#include "system/thread.h"

struct moons__alarm {
  const char *whose;
  moons__look look;
  void *data;
  uv_thread_t thread;

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t wake;
  int has_thread, is_nudged, is_closing;
};

/* Sleeps until then, a nudge, or the end. The mutex is held. Both flags are looked at under it, so a nudge that comes before
** the sleep is not lost; and again after each waking, which may come without cause. */
static void sleep_until(moons__alarm *a, uint64_t at_ns) {
  while (!a->is_nudged && !a->is_closing) {
    uint64_t now_ns = uv_hrtime();
    if (at_ns == UINT64_MAX)
      uv_cond_wait(&a->wake, &a->mutex);
    else if (at_ns > now_ns)
      uv_cond_timedwait(&a->wake, &a->mutex, at_ns - now_ns);
    else
      return;
  }
}

static void thread_main(void *data) {
  moons__alarm *a = data;
  uint64_t next_ns = UINT64_MAX;
  moons__thread_name(a->whose, "t");
  uv_mutex_lock(&a->mutex);
  for (;;) {
    sleep_until(a, next_ns);
    if (a->is_closing) break;
    a->is_nudged = 0; /* before it looks: a nudge in the meantime has it look again */
    uv_mutex_unlock(&a->mutex);
    next_ns = a->look(a->data, uv_hrtime());
    uv_mutex_lock(&a->mutex);
  }
  uv_mutex_unlock(&a->mutex);
}

static int make_locks(moons__alarm *a) {
  if (uv_mutex_init(&a->mutex)) return MOONS_ENOMEM;
  if (uv_cond_init(&a->wake) == 0) return 0;
  uv_mutex_destroy(&a->mutex);
  return MOONS_ENOMEM;
}

int moons__alarm_open(moons__alarm **alarm, const void *beside, const char *whose, moons__look look,
                      void *data) {
  moons__alarm *a = moons__allocate_zeros(beside, sizeof *a);
  if (a == NULL) return MOONS_ENOMEM;
  a->whose = whose;
  a->look = look;
  a->data = data;
  int error = make_locks(a);
  if (error)
    moons__free(a);
  else
    *alarm = a;
  return error;
}

/* The thread waits for the mutex before it does anything. */
int moons__alarm_start(moons__alarm *a) {
  sigset_t blocked;
  int error = 0;
  uv_mutex_lock(&a->mutex);
  if (!a->has_thread) {
    moons__thread_blocks(&blocked, 0);
    error = moons__thread_start(&a->thread, a, 0, &blocked, thread_main, a);
    a->has_thread = !error;
  }
  uv_mutex_unlock(&a->mutex);
  return error;
}

/* May be called again: a backend stops its alarm when it closes, and frees it with its last user. */
void moons__alarm_stop(moons__alarm *alarm) {
  uv_mutex_lock(&alarm->mutex);
  int is_running = alarm->has_thread && !alarm->is_closing;
  alarm->is_closing = 1;
  uv_cond_signal(&alarm->wake);
  uv_mutex_unlock(&alarm->mutex);
  if (is_running) uv_thread_join(&alarm->thread);
}

void moons__alarm_close(moons__alarm *alarm) {
  moons__alarm_stop(alarm);
  uv_cond_destroy(&alarm->wake);
  uv_mutex_destroy(&alarm->mutex);
  moons__free(alarm);
}

void moons__alarm_nudge(moons__alarm *alarm) {
  uv_mutex_lock(&alarm->mutex);
  alarm->is_nudged = 1;
  uv_cond_signal(&alarm->wake);
  uv_mutex_unlock(&alarm->mutex);
}
