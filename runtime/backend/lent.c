/*
** Chunks run on threads that the host lends for a while: on its loop's pool, say. There is a desk for each call that may run
** at once, with what a worker keeps from call to call; a thread that comes takes one, runs chunks until none waits, and leaves
** it. For a chunk that finds no thread the host is asked for one, once, as long as that has not come. A thread that waits for
** calls, on which the host may depend to lend any, takes a desk too.
**
** The threads are the host's, so a call that does not end though it must cannot be given up: it is told again, every few
** milliseconds.
**
** A worker process has this backend too, and lends its own threads (helpers.h).
*/
#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "backend/desk.h"
#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/fork.h"
#include "system/thread.h"

struct moons__backend {
  desks desks;
};

desks *moons__desks_of(moons__backend *backend) { return &backend->desks; }

/* {== Desks =================================================================================== */

int moons__desk_take(desks *b, desk *d) {
  if (d->workers.n_stations == 0 && moons__stack_open(&d->workers)) return MOONS_ENOMEM;
  d->is_taken = 1;
  b->n_taken++;
  return 0;
}

/* The first that is free: what it cannot run, none of the others can. NULL: there is none. The mutex is held. */
static desk *find_free(const desks *b) {
  for (unsigned i = 0; i < b->n_desks; i++)
    if (!b->all[i].is_taken) return &b->all[i];
  return NULL;
}

/* Takes that. NULL: there is none, or no memory. The mutex is held. */
static desk *take_desk(desks *b) {
  desk *d = find_free(b);
  return d != NULL && moons__desk_take(b, d) == 0 ? d : NULL;
}

static void tell_host(const desks *b, const desk *d, int begins) {
  if (b->config.thread != NULL) b->config.thread(b->config.thread_data, d->workers.seat, begins);
}

void moons__desk_sit_down(desks *b, desk *d, const char *here) {
  d->stack = here;
  moons__thread_open_signal(b->config.stop_signal, &d->before);
  uv_key_set(&b->current, d);
  tell_host(b, d, 1);
}

void moons__desk_leave(desks *b, desk *d) {
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
static void end_child(const desks *b) {
  if (moons__fork_number() != b->fork_number) pthread_exit(NULL);
}

void moons__desk_run(desks *b, desk *d, moons__chunk *chunk) {
  int is_given_up = moons__stack_run(&d->workers, chunk);
  end_child(b);
  moons__stack_finish(&d->workers, chunk, is_given_up);
}

/* {== Lending ================================================================================= */

static moons__chunk *dequeue(desks *b, const desk *d) {
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_dequeue(&b->queue, d->number);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

/* Whether more chunks wait, of those that a thread at a free desk could run, than threads will come. The mutex is held. */
static int has_chunks(const desks *b, unsigned n_coming) {
  const desk *d = find_free(b);
  return d != NULL && moons__chunk_count(&b->queue, d->number, n_coming + 1) > n_coming;
}

/* Whether the host has to be asked for a thread. The mutex is held. */
static int lacks_thread(const desks *b) {
  return b->n_taken + b->n_wanted < b->config.n_workers &&
         has_chunks(b, b->n_wanted + b->n_waiting);
}

void moons__desk_want(desks *b) {
  if (b->config.wanted == NULL) return;
  uv_mutex_lock(&b->mutex);
  int is_needed = lacks_thread(b);
  b->n_wanted += (unsigned)is_needed;
  uv_mutex_unlock(&b->mutex);
  if (is_needed) b->config.wanted(b->config.wanted_data);
}

/* A thread has come; returns its desk, or NULL where it can run nothing. */
static desk *arrive(desks *b, int was_wanted) {
  uv_mutex_lock(&b->mutex);
  if (was_wanted && b->n_wanted > 0) b->n_wanted--;
  desk *d = has_chunks(b, 0) ? take_desk(b) : NULL;
  uv_mutex_unlock(&b->mutex);
  return d;
}

/* A chunk that came when the last thread was about to leave finds none: so that is looked at again. */
static int lend(moons__backend *backend, int n_most) {
  desks *b = &backend->desks;
  char here = 0;
  int n_run = 0;
  if (uv_key_get(&b->current) != NULL) return 0;
  desk *d = arrive(b, n_most < 0);
  if (d == NULL) return 0;
  moons__desk_sit_down(b, d, &here);
  moons__chunk *chunk;
  while (n_run != n_most && (chunk = dequeue(b, d)) != NULL) {
    moons__desk_run(b, d, chunk);
    n_run++;
  }
  moons__desk_leave(b, d);
  moons__desk_want(b);
  return n_run;
}

/* {== Chunks ================================================================================== */

static int submit(moons__backend *backend, moons__chunk *chunk, unsigned *n_had) {
  desks *b = &backend->desks;
  int error = moons__alarm_start(b->alarm);
  if (error && n_had != NULL) {
    *n_had = 0;
    return error;
  }
  if (b->helpers != NULL) moons__helpers_admit(chunk);
  int is_left = chunk->n_workers == 0;
  uv_mutex_lock(&b->mutex);
  moons__chunk_enqueue(&b->queue, chunk);
  int is_awaited = b->n_waiting > 0;
  uv_mutex_unlock(&b->mutex);
  if (is_awaited) uv_cond_signal(&b->came);
  if (!is_left) moons__desk_want(b);
  return 0;
}

static moons__chunk *withdraw(moons__backend *backend, moons__chunk *chain) {
  desks *b = &backend->desks;
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_withdraw(&b->queue, chain);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

static moons__chunk *share(moons__backend *backend, const void *owner, unsigned n_sharers) {
  desks *b = &backend->desks;
  moons__chunk *rest = NULL;
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < b->n_desks && rest == NULL; i++)
    rest = moons__stack_share(&b->all[i].workers, owner, n_sharers);
  uv_mutex_unlock(&b->mutex);
  return rest;
}

static void cancel(moons__backend *backend, const void *owner) {
  desks *b = &backend->desks;
  int found = 0;
  uint64_t now_ns = uv_hrtime();
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < b->n_desks; i++) {
    if (!moons__stack_cancel(&b->all[i].workers, owner, now_ns)) continue;
    moons__stack_watch(&b->all[i].workers, now_ns);
    found = 1;
  }
  uv_mutex_unlock(&b->mutex);
  if (found) moons__alarm_nudge(b->alarm);
}

static uint64_t on_alarm(void *data, uint64_t now_ns) {
  desks *b = data;
  uint64_t next_ns = UINT64_MAX;
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < b->n_desks; i++) {
    uint64_t at_ns = moons__stack_watch(&b->all[i].workers, now_ns);
    if (at_ns == 0 && b->helpers != NULL) moons__helpers_look(b, &b->all[i]);
    if (at_ns == 0) at_ns = now_ns + MOONS_LOOK_NS;
    if (at_ns < next_ns) next_ns = at_ns;
  }
  uv_mutex_unlock(&b->mutex);
  return next_ns;
}

/* {== Threads that wait ======================================================================= */

static const moons__station *here(moons__backend *backend) {
  desks *b = &backend->desks;
  const desk *d = uv_key_get(&b->current);
  return d != NULL ? moons__stack_here(&d->workers) : NULL;
}

/* In a call, as deep as the stack allows; a thread that is in none needs a desk. */
static int can_run(moons__backend *backend) {
  desks *b = &backend->desks;
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
static void run(moons__backend *backend, moons__chunk *chunk) {
  desks *b = &backend->desks;
  char here = 0;
  desk *d = uv_key_get(&b->current);
  if (d != NULL) {
    moons__desk_run(b, d, chunk);
    return;
  }
  uv_mutex_lock(&b->mutex);
  d = take_desk(b);
  if (d == NULL) moons__chunk_enqueue(&b->queue, chunk);
  uv_mutex_unlock(&b->mutex);
  if (d == NULL) return;
  moons__desk_sit_down(b, d, &here);
  moons__desk_run(b, d, chunk);
  moons__desk_leave(b, d);
  moons__desk_want(b);
}

/* {== Opening and closing ===================================================================== */

static void close_desks(desks *b) {
  for (unsigned i = 0; i < b->n_desks; i++) {
    moons__stack_close(&b->all[i].workers);
    moons__seats_give(b->config.worker.seats, b->all[i].workers.seat);
  }
  moons__free(b->all);
}

static int open_desks(desks *b) {
  int error = 0;
  b->all = moons__allocate_zeros(b, b->config.n_workers * sizeof *b->all);
  if (b->all == NULL) return MOONS_ENOMEM;
  for (unsigned i = 0; i < b->config.n_workers && !error; i++) {
    b->all[i].number = i;
    b->all[i].workers = (moons__stack){.config = &b->config.worker,
                                       .mutex = &b->mutex,
                                       .alarm = b->alarm,
                                       .number = i + 1,
                                       .seat = moons__seats_take(b->config.worker.seats)};
    b->n_desks++;
    if (!b->config.is_served) error = moons__stack_open(&b->all[i].workers);
  }
  if (error) close_desks(b);
  return error;
}

static int make_locks(desks *b) {
  if (uv_key_create(&b->current)) return MOONS_ENOMEM;
  if (uv_mutex_init(&b->mutex)) {
    uv_key_delete(&b->current);
    return MOONS_ENOMEM;
  }
  if (uv_cond_init(&b->left) == 0) {
    if (uv_cond_init(&b->came) == 0) return 0;
    uv_cond_destroy(&b->left);
  }
  uv_mutex_destroy(&b->mutex);
  uv_key_delete(&b->current);
  return MOONS_ENOMEM;
}

static void destroy_locks(desks *b) {
  uv_cond_destroy(&b->came);
  uv_cond_destroy(&b->left);
  uv_mutex_destroy(&b->mutex);
  uv_key_delete(&b->current);
}

static int open_lent(moons__backend **backend, const moons__backend_config *config) {
  moons__backend *new = moons__allocate_zeros(config->worker.beside, sizeof *new);
  if (new == NULL) return MOONS_ENOMEM;
  desks *b = &new->desks;
  b->config = *config;
  if (config->is_served) b->config.worker.await_within = moons__helpers_await;
  b->config.worker.await_data = b;
  b->fork_number = moons__fork_number();
  *config->n_had = config->n_workers;
  int error = make_locks(b);
  if (!error) {
    error = moons__alarm_open(&b->alarm, b, config->thread_name, on_alarm, b);
    b->config.worker.alarm = b->alarm;
    if (!error && (error = open_desks(b)) != 0) moons__alarm_close(b->alarm);
    if (error) destroy_locks(b);
  }
  if (error)
    moons__free(new);
  else
    *backend = new;
  return error;
}

/* The host's threads end when it wants. */
static void end(moons__backend *backend) { moons__alarm_stop(backend->desks.alarm); }

/* Threads that run calls are waited for. States are closed here, as no thread has a desk any more. */
static void close_lent(moons__backend *backend) {
  desks *b = &backend->desks;
  uv_mutex_lock(&b->mutex);
  while (b->n_taken > 0)
    uv_cond_wait(&b->left, &b->mutex);
  uv_mutex_unlock(&b->mutex);
  for (unsigned i = 0; i < b->n_desks; i++)
    moons__stack_end(&b->all[i].workers);
  moons__alarm_close(b->alarm);
  close_desks(b);
  destroy_locks(b);
  moons__backend_config config = b->config;
  moons__free(backend);
  config.gone(config.gone_data);
}

/* Where a desk is free the thread comes to it that was asked for; of those that come by themselves nobody knows. */
static int is_full(moons__backend *backend, unsigned n_workers) {
  desks *b = &backend->desks;
  int is = 1;
  if (b->config.wanted == NULL) return 1;
  uv_mutex_lock(&b->mutex);
  for (unsigned i = 0; i < b->n_desks && i < n_workers && is; i++)
    is = b->all[i].is_taken;
  uv_mutex_unlock(&b->mutex);
  return is;
}

const moons__backend_functions moons__backend_lent = {
    .backend = MOONS_LENT,
    .name = "lent",
    .open = open_lent,
    .close = close_lent,
    .end = end,
    .is_full = is_full,
    .submit = submit,
    .withdraw = withdraw,
    .cancel = cancel,
    .share = share,
    .lend = lend,
    .here = here,
    .can_run = can_run,
    .run = run,
};
