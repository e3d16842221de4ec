/*
** Chunks run on the thread that waits for them, one after the other: the reference for the other backends, and the one to debug
** with. Other threads look after these calls, and cancel them where the runtime is closed.
*/
#include <stdatomic.h>
#include <stdint.h>
#include <uv.h>

#include "backend/backend.h"
#include "backend/stack.h"
#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/alarm.h"

struct moons__backend {
  moons__backend_config config;
  int is_watched;          /* the alarm has started */
  atomic_uintptr_t runner; /* the thread that is in its calls; 0: none is */
  moons__stack stack;      /* that thread's */

  uv_mutex_t mutex; /* guards what follows, and what a stack says */
  moons__chunk_list queue;
};

/* A call that does not end cannot be given up, for its thread is the caller's own: it is told again, every few milliseconds. */
static uint64_t on_alarm(void *data, uint64_t now_ns) {
  moons__backend *b = data;
  uv_mutex_lock(&b->mutex);
  uint64_t next_ns = moons__stack_watch(&b->stack, now_ns);
  uv_mutex_unlock(&b->mutex);
  return next_ns != 0 ? next_ns : now_ns + MOONS_LOOK_NS;
}

static void backend_free(moons__backend *b) {
  moons__stack_close(&b->stack);
  moons__seats_give(b->config.worker.seats, b->stack.seat);
  uv_mutex_destroy(&b->mutex);
  moons__free(b);
}

static int open_inline(moons__backend **backend, const moons__backend_config *config) {
  moons__backend *b = moons__allocate_zeros(config->worker.beside, sizeof *b);
  if (b == NULL) return MOONS_ENOMEM;
  b->config = *config;
  b->stack = (moons__stack){.config = &b->config.worker, .mutex = &b->mutex, .number = 1};
  int error = uv_mutex_init(&b->mutex) ? MOONS_ENOMEM : 0;
  if (error) {
    moons__free(b);
    return error;
  }
  b->stack.seat = moons__seats_take(config->worker.seats);
  error = moons__alarm_open(&b->stack.alarm, b, config->thread_name, on_alarm, b);
  b->config.worker.alarm = b->stack.alarm;
  if (!error && (error = moons__stack_open(&b->stack)) != 0) moons__alarm_close(b->stack.alarm);
  if (error)
    backend_free(b);
  else
    *backend = b;
  return error;
}

static void end(moons__backend *b) { moons__alarm_stop(b->stack.alarm); }

static void close_inline(moons__backend *b) {
  moons__alarm_close(b->stack.alarm);
  moons__backend_config config = b->config;
  backend_free(b);
  config.gone(config.gone_data);
}

/* The one thread that is started is that which looks after calls. */
static int submit(moons__backend *b, moons__chunk *chunk, unsigned *n_had) {
  int error = b->is_watched ? 0 : moons__alarm_start(b->stack.alarm);
  if (error && n_had != NULL) {
    *n_had = 0;
    return error;
  }
  b->is_watched = !error;
  uv_mutex_lock(&b->mutex);
  moons__chunk_enqueue(&b->queue, chunk);
  uv_mutex_unlock(&b->mutex);
  return 0;
}

static moons__chunk *withdraw(moons__backend *b, moons__chunk *chain) {
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_withdraw(&b->queue, chain);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

/* What runs was begun by the thread that would cancel it, so it has ended; but for a signal handler on that thread
** (moons__worker_cancel_here). */
static void cancel(moons__backend *b, const void *owner) {
  uint64_t now_ns = uv_hrtime();
  uv_mutex_lock(&b->mutex);
  int found = moons__stack_cancel(&b->stack, owner, now_ns);
  if (found) moons__stack_watch(&b->stack, now_ns);
  uv_mutex_unlock(&b->mutex);
  if (found) moons__alarm_nudge(b->stack.alarm);
}

static moons__chunk *share(moons__backend *b, const void *owner, unsigned n_sharers) {
  uv_mutex_lock(&b->mutex);
  moons__chunk *rest = moons__stack_share(&b->stack, owner, n_sharers);
  uv_mutex_unlock(&b->mutex);
  return rest;
}

/* A number that no other thread has, and not 0. */
static uintptr_t self(void) { return (uintptr_t)uv_thread_self(); }

static const moons__station *here(moons__backend *b) {
  int is_here = atomic_load_explicit(&b->runner, memory_order_relaxed) == self();
  return is_here ? moons__stack_here(&b->stack) : NULL;
}

/* The caller's thread is the one worker, so it always can, as deep as maps may be nested. */
static int can_run(moons__backend *b) {
  if (b->stack.n_busy == MOONS_MAX_DEPTH) return MOONS_EDEPTH;
  int error = moons__stack_prepare(&b->stack);
  return error ? error : 1;
}

static void run(moons__backend *b, moons__chunk *chunk) {
  uintptr_t before = atomic_load_explicit(&b->runner, memory_order_relaxed);
  atomic_store_explicit(&b->runner, self(), memory_order_relaxed);
  int is_given_up = moons__stack_run(&b->stack, chunk);
  moons__stack_finish(&b->stack, chunk, is_given_up);
  atomic_store_explicit(&b->runner, before, memory_order_relaxed);
}

const moons__backend_functions moons__backend_inline = {
    .backend = MOONS_INLINE,
    .name = "inline",
    .runs_when_asked = 1,
    .open = open_inline,
    .close = close_inline,
    .end = end,
    .submit = submit,
    .withdraw = withdraw,
    .cancel = cancel,
    .share = share,
    .here = here,
    .can_run = can_run,
    .run = run,
};
