/*
** Work runs on the thread that waits for it, one piece after the other: the reference for the other
** backends, and the one to debug with. Maps within maps use a worker for each depth.
*/
#include <stdlib.h>
#include <uv.h>

#include "backend.h"
#include "deadline.h"
#include "limits.h"
#include "moons.h"

struct moons__backend {
  moons__worker_config config;
  moons__deadlines *deadlines;
  moons__work *first, *last;
  moons__worker *workers[MOONS_MAX_DEPTH]; /* one for each depth, made when it is needed */
  unsigned depth;                          /* of the work that runs */
};

static int open_inline(moons__backend **backend, const moons__backend_config *config) {
  *backend = calloc(1, sizeof **backend);
  if (*backend == NULL) return MOONS_ENOMEM;
  (*backend)->config = config->worker;
  (*backend)->config.clock_ns = uv_hrtime;
  int error = moons__deadlines_open(&(*backend)->deadlines);
  if (error) free(*backend);
  return error;
}

static void close_inline(moons__backend *b) {
  for (unsigned i = 0; i < MOONS_MAX_DEPTH; i++)
    if (b->workers[i] != NULL) moons__deadlines_remove(b->deadlines, b->workers[i]);
  moons__deadlines_close(b->deadlines);
  for (unsigned i = 0; i < MOONS_MAX_DEPTH; i++)
    moons__worker_close(b->workers[i]);
  free(b);
}

static int grow(moons__backend *b, unsigned n_workers) {
  (void)b;
  (void)n_workers;
  return 0;
}

static void submit(moons__backend *b, moons__work *work) {
  work->next = NULL;
  if (b->last != NULL)
    b->last->next = work;
  else
    b->first = work;
  b->last = work;
}

static moons__work *withdraw(moons__backend *b, const void *owner) {
  moons__work *before = NULL, *work = b->first;
  while (work != NULL && work->owner != owner) {
    before = work;
    work = work->next;
  }
  if (work == NULL) return NULL;
  if (before != NULL)
    before->next = work->next;
  else
    b->first = work->next;
  if (b->last == work) b->last = before;
  return work;
}

/* The work that runs was begun by the thread that would cancel it, so it has ended. */
static void cancel(moons__backend *b, const void *owner) {
  (void)b;
  (void)owner;
}

static int is_ending(moons__backend *b) {
  return b->depth > 0 && moons__worker_is_ending(b->workers[b->depth - 1]);
}

static unsigned depth(moons__backend *b) { return b->depth; }

static int can_run(moons__backend *b) {
  if (b->depth == MOONS_MAX_DEPTH) return MOONS_EDEPTH;
  if (b->workers[b->depth] != NULL) return 1;
  const moons__worker *outer = b->depth > 0 ? b->workers[b->depth - 1] : NULL;
  int error = moons__worker_open(&b->workers[b->depth], &b->config, outer);
  if (!error) error = moons__deadlines_add(b->deadlines, b->workers[b->depth]);
  return error ? error : 1;
}

static void run(moons__backend *b, moons__work *work) {
  uint64_t start_ns = uv_hrtime();
  moons__worker *worker = b->workers[b->depth++];
  if (work->task.terms->timeout_ns > 0) {
    moons__worker_expect(worker, work->task.terms->timeout_ns);
    moons__deadlines_nudge(b->deadlines);
  }
  moons__worker_run(worker, &work->task);
  b->depth--;
  work->busy_ns = uv_hrtime() - start_ns;
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
    .cancel = cancel,
    .is_ending = is_ending,
    .depth = depth,
    .can_run = can_run,
    .run = run,
};
