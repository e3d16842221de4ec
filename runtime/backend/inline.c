/*
** Chunks run on the thread that waits for them, one after the other: the reference for the other backends, the one to debug
** with, and what a worker process has. That thread alone touches the queue, so it has no lock; what other threads look at,
** the alarm's and the one that hears from the process that has started this one, has one.
*/
#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "backend/backend.h"
#include "backend/stack.h"
#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/alarm.h"
#include "system/fork.h"

struct moons__backend {
  moons__backend_config config;
  moons__chunk_list queue;
  int is_watched;            /* the alarm has started */
  void (*stuck)(void *data); /* in a worker process; else NULL */
  void *stuck_data;
  unsigned fork_number; /* of the process (fork.h) */
  uv_mutex_t mutex;     /* guards what other threads look at */
  moons__stack stack;
};

/* Whether it is within a call, which need not end itself, that a call does not end. The mutex is held. */
static int is_within(const moons__backend *b) {
  const moons__stack *s = &b->stack;
  return s->n_stations > 1 && s->stations[1].chunk != NULL &&
         !moons__worker_is_ending(s->stations[0].worker);
}

/* A call that does not end cannot be given up, for its thread is the caller's own: it is told again, every few milliseconds. In
** a worker process, who has started that looks after the outermost call, and kills the process; of others it knows nothing. */
static uint64_t on_alarm(void *data, uint64_t now_ns) {
  moons__backend *b = data;
  uv_mutex_lock(&b->mutex);
  uint64_t next_ns = moons__stack_watch(&b->stack, now_ns);
  if (next_ns == 0 && b->stuck != NULL && is_within(b)) b->stuck(b->stuck_data);
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
  error = moons__stack_open(&b->stack);
  if (!error) error = moons__alarm_open(&b->stack.alarm, b, config->thread_name, on_alarm, b);
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

/* There is one thread, however many are asked for: a job that wants eight workers runs here all the same. */
static int grow(moons__backend *b, unsigned n_workers, unsigned *n_had) {
  (void)b;
  *n_had = n_workers;
  return 0;
}

/* The one thread that is started is that which looks after calls. */
static int submit(moons__backend *b, moons__chunk *chunk, unsigned *n_had) {
  int error = b->is_watched ? 0 : moons__alarm_start(b->stack.alarm);
  if (error && n_had != NULL) {
    *n_had = 0;
    return error;
  }
  b->is_watched = !error;
  moons__chunk_enqueue(&b->queue, chunk);
  return 0;
}

static moons__chunk *withdraw(moons__backend *b, moons__chunk *chain) {
  return moons__chunk_withdraw(&b->queue, chain);
}

/* In a script, what runs was begun by the thread that would cancel it, so it has ended; but for a signal handler on that
** thread (moons__worker_cancel_here). In a worker process another thread cancels. */
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

static const moons__station *here(moons__backend *b) { return moons__stack_here(&b->stack); }

/* The caller's thread is the one worker, so it always can, as deep as maps may be nested. */
static int can_run(moons__backend *b) {
  if (b->stack.n_busy == MOONS_MAX_DEPTH) return MOONS_EDEPTH;
  int error = moons__stack_prepare(&b->stack);
  return error ? error : 1;
}

int moons__inline_serve(moons__backend *b, void (*stuck)(void *data), void *data) {
  b->stuck = stuck;
  b->stuck_data = data;
  b->fork_number = moons__fork_number();
  int error = moons__alarm_start(b->stack.alarm);
  b->is_watched = !error;
  return error;
}

/* In a child that the call of a worker process has forked this is the only thread: nobody waits for what it gives, and threads
** that are not there may hold locks. */
static void end_child(const moons__backend *b) {
  if (b->stuck != NULL && moons__fork_number() != b->fork_number) pthread_exit(NULL);
}

static void run(moons__backend *b, moons__chunk *chunk) {
  int is_given_up = moons__stack_run(&b->stack, chunk);
  end_child(b);
  moons__stack_finish(&b->stack, chunk, is_given_up);
}

const moons__backend_functions moons__backend_inline = {
    .backend = MOONS_INLINE,
    .name = "inline",
    .runs_when_asked = 1,
    .open = open_inline,
    .close = close_inline,
    .end = end,
    .grow = grow,
    .submit = submit,
    .withdraw = withdraw,
    .cancel = cancel,
    .share = share,
    .here = here,
    .can_run = can_run,
    .run = run,
};
