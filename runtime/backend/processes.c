/*
** Chunks run in worker processes: whatever a call does to its process costs that call alone.
**
** Each process has a thread here, its keeper, which takes a chunk from the queue, hands it over, and waits for its results. The
** keeper alone talks to the process, kills it, and waits for its end, so it never waits for another one's; others only put
** orders into its second stream. Nothing is started before there is work: a chunk for which no keeper sleeps starts one, and
** that its process, whose place a new one takes when it dies.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "backend/backend.h"
#include "backend/keeper.h"
#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"
#include "system/clock.h"
#include "system/machine.h"
#include "system/thread.h"
#include "system/trace.h"
#include "worker/outcome.h"

enum { KEEPER_STACK_BYTES = 1 << 20 };

/* {== Keepers ================================================================================= */

static unsigned n_busy(const moons__backend *b) {
  return atomic_load_explicit(&b->n_busy, memory_order_relaxed);
}

/* The mutex is held. */
static void set_busy(keeper *k, int is_busy) {
  unsigned n = n_busy(k->backend) + (unsigned)is_busy - (unsigned)k->is_busy;
  atomic_store_explicit(&k->backend->n_busy, n, memory_order_relaxed);
  k->is_busy = is_busy;
}

static void run_chunk(keeper *k, moons__chunk *chunk) {
  moons__backend *b = k->backend;
  moons__keeper_trace_begin(k);
  while (!moons__keeper_try(k, chunk))
    ;
  moons__keeper_trace_end(k, chunk);
  moons__keeper_pass_on(k);
  uv_mutex_lock(&b->mutex);
  set_busy(k, 0);
  uv_mutex_unlock(&b->mutex);
  chunk->done(chunk);
}

/* Sleeps until there is a chunk, the place that was lent is free again, or the end has come. The mutex is held. */
static void rest(moons__backend *b, keeper *k) {
  if (moons__place_lend(k))
    moons__park_sleep_apart(&k->sleeper, &b->mutex);
  else
    moons__park_sleep(&b->park, &k->sleeper, &b->mutex);
}

/* Waits until there is a chunk for this keeper, or the end. The mutex is held. */
static moons__chunk *wait_for_chunk(moons__backend *b, keeper *k) {
  uint64_t start_ns = moons__clock_ns();
  moons__chunk *chunk;
  moons__park_spin(&b->park, &b->mutex, n_busy(b), b->config.n_cores);
  while ((chunk = moons__chunk_dequeue(&b->queue, k->sleeper.number)) == NULL && !b->closing)
    rest(b, k);
  moons__park_learn(&b->park, &k->sleeper, start_ns);
  return chunk;
}

/* Takes a chunk, waiting for it; NULL at the end. */
static moons__chunk *dequeue(moons__backend *b, keeper *k) {
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_dequeue(&b->queue, k->sleeper.number);
  if (chunk == NULL && !b->closing) chunk = wait_for_chunk(b, k);
  set_busy(k, chunk != NULL);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

/* Lets the process close its states, passes on what it prints then, and waits for its end. */
static void end(keeper *k) {
  moons__frame frame;
  if (!k->is_up) return;
  moons__link_write(&k->link, MOONS__FRAME_BYE, NULL, 0, NULL, 0);
  k->deadline_ns = uv_hrtime() + MOONS_GRACE_NS;
  while (moons__link_read(&k->link, &frame, sizeof frame) == 0 &&
         frame.kind == MOONS__FRAME_PRINT && moons__keeper_pass_on_print(k, &frame) == 0)
    ;
  moons__keeper_pass_on(k);
  moons__process_kill(&k->process);
  moons__keeper_bury(k);
}

static void keeper_main(void *data) {
  keeper *k = data;
  const moons__worker_config *config = &k->backend->config.worker;
  char name[8];
  moons__chunk *chunk;
  snprintf(name, sizeof name, "%u", k->sleeper.number);
  moons__thread_name(k->backend->config.thread_name, name);
  moons__trace_name_thread(config->trace, config->pool, k->sleeper.number + 1);
  if (config->trace != NULL)
    k->row_number = moons__trace_here(config->trace, k->sleeper.number).thread;
  while ((chunk = dequeue(k->backend, k)) != NULL)
    run_chunk(k, chunk);
  end(k);
}

static void keeper_free(keeper *k) {
  moons__terms_release(k->kept);
  moons__row_close(&k->row);
  moons__buffer_free(&k->text);
  moons__outbox_close(&k->outbox);
  moons__sleeper_close(&k->sleeper);
  moons__free(k);
}

/* Starts one more keeper. The mutex is held. */
static int start_keeper(moons__backend *b, unsigned number) {
  keeper *k = moons__allocate_zeros(b, sizeof *k);
  if (k == NULL || moons__sleeper_open(&k->sleeper, number)) {
    moons__free(k);
    return MOONS_ENOMEM;
  }
  k->backend = b;
  k->text.beside = k->outbox.place.beside = k;
  moons__row_open(&k->row, b->config.worker.trace, number);
  k->control.stream = -1;
  int error = moons__thread_start(&k->id, k, KEEPER_STACK_BYTES, 0, keeper_main, k);
  if (error) {
    keeper_free(k);
    return error;
  }
  k->next = b->keepers;
  b->keepers = k;
  b->is_taken[number] = 1;
  return 0;
}

/* {== What a backend does ===================================================================== */

/* Whether keepers that are about to look for a chunk suffice for those that wait. The mutex is held. */
static int may_suffice(const moons__backend *b, unsigned n_workers) {
  unsigned n_coming = 0;
  for (const keeper *k = b->keepers; k != NULL; k = k->next)
    n_coming += !k->is_busy && k->borrower == NULL && k->sleeper.number < n_workers;
  return n_coming >= b->queue.n;
}

/* The lowest number below `n_workers` that no keeper has; or `n_workers`. */
static unsigned free_number(const moons__backend *b, unsigned n_workers) {
  unsigned number = 0;
  while (number < n_workers && b->is_taken[number])
    number++;
  return number;
}

int moons__keeper_add(moons__backend *b, unsigned n_workers) {
  unsigned number = free_number(b, n_workers);
  return number < n_workers && start_keeper(b, number) == 0 ? 0 : -1;
}

/* Starts a keeper for a chunk that the first `n_workers` may run, where none is coming and there may be one more; else wants the
** place back that one has lent. The mutex is held. */
static int call_new(moons__backend *b, unsigned n_workers) {
  if (n_workers > b->n_workers) n_workers = b->n_workers;
  if (may_suffice(b, n_workers)) return 0;
  unsigned number = free_number(b, n_workers);
  if (number < n_workers) return start_keeper(b, number);
  moons__place_recall(b, n_workers);
  return 0;
}

static unsigned n_started(const moons__backend *b) {
  unsigned n = 0;
  for (const keeper *k = b->keepers; k != NULL; k = k->next)
    n++;
  return n;
}

/* Calls one that sleeps for the chunk that was just put into the queue, where it is needed. The mutex is held. */
static moons__sleeper *call_one(moons__backend *b, unsigned n_workers) {
  return moons__park_call_for(&b->park, b->queue.n, n_workers, b->n_workers);
}

/* A chunk that must be taken waits for those keepers that there are; without any, its calls are refused. */
static int submit(moons__backend *b, moons__chunk *chunk, unsigned *n_had) {
  uv_mutex_lock(&b->mutex);
  moons__chunk_enqueue(&b->queue, chunk);
  moons__sleeper *called = call_one(b, chunk->n_workers);
  int error = called == NULL ? call_new(b, chunk->n_workers) : 0;
  unsigned n = n_started(b);
  if (error && n_had == NULL && n > 0) error = 0;
  if (error) {
    moons__chunk_remove(&b->queue, chunk);
    chunk->is_queued = 0;
  }
  uv_mutex_unlock(&b->mutex);
  moons__park_tell(&b->park);
  if (called != NULL) moons__sleeper_wake(called);
  if (!error) return 0;
  if (n_had != NULL) {
    *n_had = n;
    return error;
  }
  moons__chunk_refuse(chunk, MOONS__FAILURE_SYSTEM, moons_error_text(error));
  chunk->done(chunk);
  return 0;
}

static moons__chunk *withdraw(moons__backend *b, moons__chunk *chain) {
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_withdraw(&b->queue, chain);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

static int runs_for(const keeper *k, const void *owner) {
  return k->chunk != NULL && k->chunk->owner == owner && k->control.stream >= 0;
}

static void cancel(moons__backend *b, const void *owner) {
  uint64_t now_ns = uv_hrtime();
  uv_mutex_lock(&b->mutex);
  for (keeper *k = b->keepers; k != NULL; k = k->next)
    if (runs_for(k, owner)) moons__keeper_cancel(k, now_ns);
  uv_mutex_unlock(&b->mutex);
}

static void stop(moons__backend *b, const void *owner) {
  uv_mutex_lock(&b->mutex);
  for (keeper *k = b->keepers; k != NULL; k = k->next) {
    if (!runs_for(k, owner) || k->is_stopped) continue;
    moons__keeper_order(k, MOONS__FRAME_STOP, 0);
    k->is_stopped = 1;
  }
  uv_mutex_unlock(&b->mutex);
}

/* Calls of its chunk that have not begun, as far as can be seen. */
static uint32_t n_waiting(const keeper *k) {
  uint32_t n_calls = k->chunk->n_calls, n_begun = 1;
  if (atomic_load(&k->front->mark.work) == k->work) n_begun += atomic_load(&k->front->mark.n_run);
  return n_begun < n_calls ? n_calls - n_begun : 0;
}

/* Each process is asked once at a time. What it gives comes later. */
static moons__chunk *share(moons__backend *b, const void *owner, unsigned n_sharers) {
  uv_mutex_lock(&b->mutex);
  for (keeper *k = b->keepers; k != NULL; k = k->next) {
    if (!runs_for(k, owner) || k->is_asked || n_waiting(k) == 0) continue;
    moons__keeper_order(k, MOONS__FRAME_PART, n_sharers);
    k->is_asked = 1;
    break;
  }
  uv_mutex_unlock(&b->mutex);
  return NULL;
}

static int grow(moons__backend *b, unsigned n_workers, unsigned *n_had) {
  uv_mutex_lock(&b->mutex);
  if (n_workers > b->n_workers) b->n_workers = n_workers;
  uv_mutex_unlock(&b->mutex);
  *n_had = n_workers;
  return 0;
}

/* A keeper and its process are never awake at once for long: they have one core. */
static int make_way(moons__backend *b) {
  if (n_busy(b) >= b->config.n_cores) return 0;
  moons__park_make_way(&b->park);
  return 1;
}

/* `tell` of the teller. */
static void tell(void *backend, moons__take_running *take, void *taker) {
  moons__keepers_tell(backend, take, taker);
}

/* A copy of its path, or its name, where only the PATH may tell where it is. */
static char *find_program(const void *beside, const char *program) {
  char path[MOONS_PATH_BYTES];
  if (program != NULL) return moons__allocate_copy(beside, program);
  return moons__allocate_copy(
      beside, moons__machine_find_beside(MOONS__SERVING_NAME, path, sizeof path) == 0
                  ? path
                  : MOONS__SERVING_NAME);
}

static int open_processes(moons__backend **backend, const moons__backend_config *config) {
  moons__backend *b = moons__allocate_zeros(config->worker.beside, sizeof *b);
  char *program = find_program(config->worker.beside, config->program);
  if (b == NULL || program == NULL || uv_mutex_init(&b->mutex)) {
    moons__free(program);
    moons__free(b);
    return MOONS_ENOMEM;
  }
  b->config = *config;
  b->program = program;
  b->n_workers = config->n_workers;
  *config->n_had = config->n_workers;
  b->teller = (moons__teller){.tell = tell, .data = b};
  b->entry = moons__roster_join_teller(config->worker.roster, &b->teller);
  *backend = b;
  return 0;
}

/* One that runs, or NULL. */
static keeper *find_running(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  keeper *k = b->keepers;
  while (k != NULL && k->is_joined)
    k = k->next;
  uv_mutex_unlock(&b->mutex);
  return k;
}

/* All are waited for before the first is freed: until then those that run look at each other, and may start one more. */
static void end_keepers(moons__backend *b) {
  uv_mutex_lock(&b->mutex);
  b->closing = 1;
  for (moons__sleeper *p; (p = moons__park_call(&b->park, MOONS_MAX_WORKERS)) != NULL;)
    moons__sleeper_wake(p);
  uv_mutex_unlock(&b->mutex);
  for (keeper *k; (k = find_running(b)) != NULL; k->is_joined = 1)
    uv_thread_join(&k->id);
  for (keeper *k; (k = b->keepers) != NULL;) {
    b->keepers = k->next;
    keeper_free(k);
  }
}

static void close_processes(moons__backend *b) {
  moons__roster_leave(b->entry);
  end_keepers(b);
  moons__backend_config config = b->config;
  uv_mutex_destroy(&b->mutex);
  moons__free(b->refusal);
  moons__free(b->program);
  moons__free(b);
  config.gone(config.gone_data);
}

/* Measured: there and back, with the two threads that take part here. */
#define HANDOVER_NS 30000

const moons__backend_functions moons__backend_processes = {
    .backend = MOONS_PROCESSES,
    .name = "processes",
    .runs_elsewhere = 1,
    .handover_ns = HANDOVER_NS,
    .open = open_processes,
    .close = close_processes,
    .end = end_keepers,
    .grow = grow,
    .submit = submit,
    .withdraw = withdraw,
    .cancel = cancel,
    .stop = stop,
    .share = share,
    .tell = moons__keepers_tell,
    .make_way = make_way,
};
