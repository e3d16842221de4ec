/*
** Chunks run on threads that the host lends for a while: on its loop's pool, say. There is a desk for each call that may run
** at once, with what a worker keeps from call to call; a thread that comes takes one, runs chunks until none waits, and leaves
** it. For a chunk that finds no thread the host is asked for one, once, as long as that has not come. A thread that waits for
** calls, on which the host may depend to lend any, takes a desk too.
**
** The threads are the host's, so a call that does not end though it must cannot be given up: it is told again, every few
** milliseconds.
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
#include "system/thread.h"

/* What the thread that has taken it owns, but for what the mutex guards. */
typedef struct desk {
  moons__stack workers;
  unsigned number;
  const char *stack; /* an address at the start of what the thread's calls have of its stack */
  sigset_t before;   /* signals that the thread blocks otherwise */
  int is_taken;      /* guarded by the mutex */
} desk;

struct moons__backend {
  moons__backend_config config;
  uv_key_t current; /* the desk that the thread has */
  moons__alarm *alarm;
  unsigned fork_number; /* of the process (fork.h) */

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t left;   /* a thread has left its desk */
  moons__chunk_list queue;
  desk *desks;
  unsigned n_desks;
  unsigned n_taken;  /* of these */
  unsigned n_wanted; /* threads that the host was asked for, and that have not come */
};

/* {== Desks =================================================================================== */

/* Takes a free one; NULL: there is none. The mutex is held. */
static desk *take_desk(moons__backend *b) {
  for (unsigned i = 0; i < b->n_desks; i++) {
    if (b->desks[i].is_taken) continue;
    b->desks[i].is_taken = 1;
    b->n_taken++;
    return &b->desks[i];
  }
  return NULL;
}

static void tell_host(const moons__backend *b, const desk *d, int begins) {
  if (b->config.thread != NULL) b->config.thread(b->config.thread_data, d->workers.seat, begins);
}

/* The thread begins to run calls: the signal that ends them must come through. `here` is on its stack. */
static void sit_down(moons__backend *b, desk *d, const char *here) {
  d->stack = here;
  moons__thread_open_signal(b->config.stop_signal, &d->before);
  uv_key_set(&b->current, d);
  tell_host(b, d, 1);
}

static void leave_desk(moons__backend *b, desk *d) {
  tell_host(b, d, 0);
  uv_key_set(&b->current, NULL);
  moons__thread_restore(&d->before);
  uv_mutex_lock(&b->mutex);
  moons__stack_rest(&d->workers);
  d->is_taken = 0;
  b->n_taken--;
  uv_cond_broadcast(&b->left);
  uv_mutex_unlock(&b->mutex);
}

/* In a child that the call has forked this is the only thread: nobody waits for what it gives, and threads that are not there may
** hold locks. */
static void end_child(const moons__backend *b) {
  if (moons__fork_number() != b->fork_number) pthread_exit(NULL);
}

static void run_at(moons__backend *b, desk *d, moons__chunk *chunk) {
  int is_given_up = moons__stack_run(&d->workers, chunk);
  end_child(b);
  moons__stack_finish(&d->workers, chunk, is_given_up);
}

/* {== Lending ================================================================================= */

static moons__chunk *dequeue(moons__backend *b, const desk *d) {
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_dequeue(&b->queue, d->number);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

/* Whether the host has to be asked for a thread. The mutex is held. */
static int lacks_thread(const moons__backend *b) {
  return b->queue.n > b->n_wanted && b->n_taken + b->n_wanted < b->config.n_workers;
}

/* Asks for one where it is needed. Without a lock. */
static void want(moons__backend *b) {
  if (b->config.wanted == NULL) return;
  uv_mutex_lock(&b->mutex);
  int is_needed = lacks_thread(b);
  b->n_wanted += (unsigned)is_needed;
  uv_mutex_unlock(&b->mutex);
  if (is_needed) b->config.wanted(b->config.wanted_data);
}

/* A thread has come; returns its desk, or NULL where none is free. */
static desk *arrive(moons__backend *b, int was_wanted) {
  uv_mutex_lock(&b->mutex);
  if (was_wanted && b->n_wanted > 0) b->n_wanted--;
  desk *d = b->queue.n > 0 ? take_desk(b) : NULL;
  uv_mutex_unlock(&b->mutex);
  return d;
}

/* A chunk that came when the last thread was about to leave finds none: so that is looked at again. */
static int lend(moons__backend *b, int n_most) {
  char here = 0;
  int n_run = 0;
  if (uv_key_get(&b->current) != NULL) return 0;
  desk *d = arrive(b, n_most < 0);
  if (d == NULL) return 0;
  sit_down(b, d, &here);
  moons__chunk *chunk;
  while (n_run != n_most && (chunk = dequeue(b, d)) != NULL) {
    run_at(b, d, chunk);
    n_run++;
  }
  leave_desk(b, d);
  want(b);
  return n_run;
}

/* {== Chunks ================================================================================== */

static int submit(moons__backend *b, moons__chunk *chunk, unsigned *n_had) {
  int error = moons__alarm_start(b->alarm);
  if (error && n_had != NULL) {
    *n_had = 0;
    return error;
  }
  uv_mutex_lock(&b->mutex);
  moons__chunk_enqueue(&b->queue, chunk);
  uv_mutex_unlock(&b->mutex);
  want(b);
  return 0;
}

static moons__chunk *withdraw(moons__backend *b, moons__chunk *chain) {
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_withdraw(&b->queue, chain);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

static moons__chunk *share(moons__backend *b, const void *owner, unsigned n_sharers) {
  moons__chunk *rest = NULL;
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < b->n_desks && rest == NULL; i++)
    rest = moons__stack_share(&b->desks[i].workers, owner, n_sharers);
  uv_mutex_unlock(&b->mutex);
  return rest;
}

static void cancel(moons__backend *b, const void *owner) {
  int found = 0;
  uint64_t now_ns = uv_hrtime();
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < b->n_desks; i++) {
    if (!moons__stack_cancel(&b->desks[i].workers, owner, now_ns)) continue;
    moons__stack_watch(&b->desks[i].workers, now_ns);
    found = 1;
  }
  uv_mutex_unlock(&b->mutex);
  if (found) moons__alarm_nudge(b->alarm);
}

static uint64_t on_alarm(void *data, uint64_t now_ns) {
  moons__backend *b = data;
  uint64_t next_ns = UINT64_MAX;
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < b->n_desks; i++) {
    uint64_t at_ns = moons__stack_watch(&b->desks[i].workers, now_ns);
    if (at_ns == 0) at_ns = now_ns + MOONS_LOOK_NS;
    if (at_ns < next_ns) next_ns = at_ns;
  }
  uv_mutex_unlock(&b->mutex);
  return next_ns;
}

/* {== Threads that wait ======================================================================= */

static const moons__station *here(moons__backend *b) {
  const desk *d = uv_key_get(&b->current);
  return d != NULL ? moons__stack_here(&d->workers) : NULL;
}

/* In a call, as deep as the stack allows; a thread that is in none needs a desk. */
static int can_run(moons__backend *b) {
  char here = 0;
  desk *d = uv_key_get(&b->current);
  if (d == NULL) {
    uv_mutex_lock(&b->mutex);
    int is_free = b->n_taken < b->config.n_workers;
    uv_mutex_unlock(&b->mutex);
    return is_free;
  }
  size_t used = (size_t)(d->stack > &here ? d->stack - &here : &here - d->stack);
  if (used + MOONS_STACK_RESERVE_BYTES > b->config.stack_bytes) return MOONS_EDEPTH;
  int error = moons__stack_prepare(&d->workers);
  return error ? error : 1;
}

/* The desk that was free may have been taken: then the chunk is left to who has it. */
static void run(moons__backend *b, moons__chunk *chunk) {
  char here = 0;
  desk *d = uv_key_get(&b->current);
  if (d != NULL) {
    run_at(b, d, chunk);
    return;
  }
  uv_mutex_lock(&b->mutex);
  d = take_desk(b);
  if (d == NULL) moons__chunk_enqueue(&b->queue, chunk);
  uv_mutex_unlock(&b->mutex);
  if (d == NULL) return;
  sit_down(b, d, &here);
  run_at(b, d, chunk);
  leave_desk(b, d);
  want(b);
}

/* {== Opening and closing ===================================================================== */

static void close_desks(moons__backend *b) {
  for (unsigned i = 0; i < b->n_desks; i++) {
    moons__stack_close(&b->desks[i].workers);
    moons__seats_give(b->config.worker.seats, b->desks[i].workers.seat);
  }
  moons__free(b->desks);
}

static int open_desks(moons__backend *b) {
  int error = 0;
  b->desks = moons__allocate_zeros(b, b->config.n_workers * sizeof *b->desks);
  if (b->desks == NULL) return MOONS_ENOMEM;
  for (unsigned i = 0; i < b->config.n_workers && !error; i++) {
    b->desks[i].number = i;
    b->desks[i].workers = (moons__stack){.config = &b->config.worker,
                                         .mutex = &b->mutex,
                                         .alarm = b->alarm,
                                         .number = i + 1,
                                         .seat = moons__seats_take(b->config.worker.seats)};
    b->n_desks++;
    error = moons__stack_open(&b->desks[i].workers);
  }
  if (error) close_desks(b);
  return error;
}

static int make_locks(moons__backend *b) {
  if (uv_key_create(&b->current)) return MOONS_ENOMEM;
  if (uv_mutex_init(&b->mutex)) {
    uv_key_delete(&b->current);
    return MOONS_ENOMEM;
  }
  if (uv_cond_init(&b->left) == 0) return 0;
  uv_mutex_destroy(&b->mutex);
  uv_key_delete(&b->current);
  return MOONS_ENOMEM;
}

static void destroy_locks(moons__backend *b) {
  uv_cond_destroy(&b->left);
  uv_mutex_destroy(&b->mutex);
  uv_key_delete(&b->current);
}

static int open_lent(moons__backend **backend, const moons__backend_config *config) {
  moons__backend *b = moons__allocate_zeros(config->worker.beside, sizeof *b);
  if (b == NULL) return MOONS_ENOMEM;
  b->config = *config;
  b->fork_number = moons__fork_number();
  *config->n_had = config->n_workers;
  int error = make_locks(b);
  if (!error) {
    error = moons__alarm_open(&b->alarm, b, config->thread_name, on_alarm, b);
    if (!error && (error = open_desks(b)) != 0) moons__alarm_close(b->alarm);
    if (error) destroy_locks(b);
  }
  if (error)
    moons__free(b);
  else
    *backend = b;
  return error;
}

/* The host's threads end when it wants. */
static void end(moons__backend *b) { moons__alarm_stop(b->alarm); }

/* Threads that run calls are waited for. States are closed here, as no thread has a desk any more. */
static void close_lent(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  while (b->n_taken > 0)
    uv_cond_wait(&b->left, &b->mutex);
  uv_mutex_unlock(&b->mutex);
  for (unsigned i = 0; i < b->n_desks; i++)
    moons__stack_end(&b->desks[i].workers);
  moons__alarm_close(b->alarm);
  close_desks(b);
  destroy_locks(b);
  moons__backend_config config = b->config;
  moons__free(b);
  config.gone(config.gone_data);
}

/* There are as many desks as the options say: a job that wants more does with these. */
static int grow(moons__backend *b, unsigned n_workers, unsigned *n_had) {
  (void)b;
  *n_had = n_workers;
  return 0;
}

const moons__backend_functions moons__backend_lent = {
    .backend = MOONS_LENT,
    .name = "lent",
    .open = open_lent,
    .close = close_lent,
    .end = end,
    .grow = grow,
    .submit = submit,
    .withdraw = withdraw,
    .cancel = cancel,
    .share = share,
    .lend = lend,
    .here = here,
    .can_run = can_run,
    .run = run,
};
