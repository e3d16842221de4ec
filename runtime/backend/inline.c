/*
** Work runs on the thread that waits for it, one piece after the other: the reference for the other
** backends, and the one to debug with. Maps within maps use a worker for each depth.
*/
#include <stdlib.h>
#include <uv.h>

#include "backend/backend.h"
#include "moons.h"
#include "sizes.h"
#include "system/alarm.h"

struct moons__backend {
  moons__worker_config config;
  moons__alarm *alarm;
  void (*gone)(void *data);
  void *gone_data;
  moons__work_list queue;

  uv_mutex_t mutex; /* guards the list of workers, which another thread watches */
  moons__worker *workers[MOONS_MAX_DEPTH]; /* one for each depth, made when it is needed */
  unsigned depth;                          /* of the work that runs */
};

/* A call that does not end cannot be given up: its thread is the caller's own. */
static uint64_t look(void *data, uint64_t now_ns) {
  moons__backend *b = data;
  uint64_t next_ns = UINT64_MAX;
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < MOONS_MAX_DEPTH && b->workers[i] != NULL; i++) {
    uint64_t at_ns = moons__worker_watch(b->workers[i], now_ns);
    if (at_ns == 0) at_ns = now_ns + MOONS_LOOK_NS;
    if (at_ns < next_ns) next_ns = at_ns;
  }
  uv_mutex_unlock(&b->mutex);
  return next_ns;
}

static int open_inline(moons__backend **backend, const moons__backend_config *config) {
  moons__backend *b = calloc(1, sizeof *b);
  if (b == NULL) return MOONS_ENOMEM;
  b->config = config->worker;
  b->gone = config->gone;
  b->gone_data = config->gone_data;
  int error = uv_mutex_init(&b->mutex) ? MOONS_ENOMEM : 0;
  if (!error && (error = moons__alarm_open(&b->alarm, look, b)) != 0) uv_mutex_destroy(&b->mutex);
  if (error) {
    free(b);
    return error;
  }
  *backend = b;
  return 0;
}

static void close_inline(moons__backend *b) {
  moons__alarm_close(b->alarm);
  for (unsigned i = 0; i < MOONS_MAX_DEPTH; i++)
    moons__worker_close(b->workers[i]);
  uv_mutex_destroy(&b->mutex);
  b->gone(b->gone_data);
  free(b);
}

static int grow(moons__backend *b, unsigned n_workers, unsigned *n_had) {
  (void)b;
  *n_had = n_workers;
  return 0;
}

static void submit(moons__backend *b, moons__work *work) { moons__work_enqueue(&b->queue, work); }

static moons__work *withdraw(moons__backend *b, moons__work *chain) {
  return moons__work_withdraw(&b->queue, chain);
}

static moons__work *share(moons__backend *b, const void *owner, unsigned n_sharers) {
  (void)b;
  (void)owner;
  (void)n_sharers;
  return NULL;
}

/* The work that runs was begun by the thread that would cancel it, so it has ended; but for a signal handler on that
** thread (moons__worker_cancel_here). */
static void cancel(moons__backend *b, const void *owner) {
  (void)b;
  (void)owner;
}

static moons__scope *scope(moons__backend *b) {
  return moons__worker_scope(b->workers[b->depth - 1]);
}

static int is_ending(moons__backend *b) {
  if (b->depth == 0) return 0;
  moons__worker_notice(b->workers[b->depth - 1]);
  return moons__worker_is_ending(b->workers[b->depth - 1]);
}

static void make_way(moons__backend *b) { (void)b; }

static int has_idle_core(moons__backend *b) {
  (void)b;
  return 0;
}

static int is_worker(moons__backend *b) {
  (void)b;
  return 0;
}

static unsigned depth(moons__backend *b) { return b->depth; }

static int can_run(moons__backend *b) {
  if (b->depth == MOONS_MAX_DEPTH) return MOONS_EDEPTH;
  if (b->workers[b->depth] != NULL) return 1;
  const moons__worker *outer = b->depth > 0 ? b->workers[b->depth - 1] : NULL;
  moons__worker *worker;
  int error = moons__worker_open(&worker, &b->config, outer);
  if (error) return error;
  moons__worker_number(worker, 1);
  uv_mutex_lock(&b->mutex);
  b->workers[b->depth] = worker;
  uv_mutex_unlock(&b->mutex);
  return 1;
}

/* Waits until nobody looks at what the work has any more. */
static void wait_for_watch(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  uv_mutex_unlock(&b->mutex);
}

static void run(moons__backend *b, moons__work *work) {
  uint64_t start_ns = uv_hrtime();
  moons__worker *worker = b->workers[b->depth++];
  if (moons__worker_expect(worker, work->task.terms)) moons__alarm_nudge(b->alarm);
  moons__worker_run(worker, &work->task);
  moons__worker_cancel(worker, 0);
  b->depth--;
  work->busy_ns = uv_hrtime() - start_ns;
  if (work->task.terms->scope != NULL) wait_for_watch(b);
  work->done(work);
}

const moons__backend_functions moons__backend_inline = {
    .name = "inline",
    .runs_when_asked = 1,
    .open = open_inline,
    .close = close_inline,
    .grow = grow,
    .submit = submit,
    .withdraw = withdraw,
    .share = share,
    .cancel = cancel,
    .is_ending = is_ending,
    .scope = scope,
    .has_idle_core = has_idle_core,
    .make_way = make_way,
    .depth = depth,
    .is_worker = is_worker,
    .can_run = can_run,
    .run = run,
};
