/*
** A worker process from its start to its end, and what ends it: a call that is over its time or cancelled and cannot be stopped.
** After some failures to start in a row no other is tried.
*/
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "backend/arrival.h"
#include "backend/death.h"
#include "backend/frame.h"
#include "backend/keeper.h"
#include "base/allocate.h"
#include "moons.h"
#include "sizes.h"

/* {== Waiting for a process =================================================================== */

/* Ends the process for the call that it runs. */
static void kill_for(keeper *k, moons__failure_kind kind) {
  if (k->killed_for != MOONS__FAILURE_LOST) return;
  k->killed_for = kind;
  k->n_run_killed = atomic_load_explicit(&k->front->mark.n_run, memory_order_acquire);
  moons__process_kill(&k->process);
}

void moons__keeper_send(keeper *k, moons__frame_kind kind, const moons__frame_order *order) {
  moons__link_write(&k->control, kind, order, sizeof *order, NULL, 0);
}

void moons__keeper_order(keeper *k, moons__frame_kind kind, uint32_t n) {
  moons__frame_order what = {.work = k->work, .n = n};
  moons__keeper_send(k, kind, &what);
}

void moons__keeper_cancel(keeper *k, uint64_t since_ns) {
  if (k->cancelled_ns != 0) return;
  k->cancelled_ns = since_ns;
  moons__keeper_order(k, MOONS__FRAME_CANCEL, 0);
}

/* Since when the chunk is cancelled, also as part of a call that must end; 0: it is not. */
static uint64_t cancelled_since(keeper *k, uint64_t now_ns) {
  moons__backend *b = k->backend;
  moons__scope *scope = k->chunk->plan->scope;
  moons__scope_look(scope, now_ns);
  uv_mutex_lock(&b->mutex);
  if (moons__scope_is_over(scope)) moons__keeper_cancel(k, now_ns);
  uint64_t since_ns = k->cancelled_ns;
  uv_mutex_unlock(&b->mutex);
  return since_ns;
}

/* Whether the call that runs, or the set-up, was to end long enough ago. The process ends those by itself that can be. */
static int is_late(const keeper *k, uint64_t now_ns) {
  uint64_t timeout_ns = k->chunk->plan->options.timeout_ns;
  uint64_t started_ns = atomic_load(&k->front->mark.started_ns);
  return timeout_ns > 0 && started_ns > 0 && atomic_load(&k->front->mark.work) == k->work &&
         now_ns > started_ns + timeout_ns + MOONS_GRACE_NS;
}

/* Whether it has come upon a limit of its own, and what comes after it has no end. */
static int is_late_by_itself(const keeper *k, uint64_t now_ns) {
  uint64_t ending_ns = atomic_load_explicit(&k->front->mark.ending_ns, memory_order_acquire);
  return ending_ns > 0 && atomic_load(&k->front->mark.work) == k->work &&
         now_ns > ending_ns + MOONS_GRACE_NS;
}

/* Why it is to end. What the process says of that may be anything. */
static moons__failure_kind ending_for(const keeper *k) {
  int kind = atomic_load_explicit(&k->front->mark.ending_for, memory_order_relaxed);
  return kind == MOONS__FAILURE_OUTPUT ? MOONS__FAILURE_OUTPUT : MOONS__FAILURE_ERROR;
}

static void look_after_chunk(keeper *k, uint64_t now_ns) {
  uint64_t since_ns = cancelled_since(k, now_ns);
  if (since_ns != 0 && now_ns > since_ns + MOONS_GRACE_NS)
    kill_for(k, MOONS__FAILURE_CANCELLED);
  else if (is_late(k, now_ns))
    kill_for(k, MOONS__FAILURE_TIMEOUT);
  else if (is_late_by_itself(k, now_ns))
    kill_for(k, ending_for(k));
}

/* Whether to go on waiting for the process: `waits` of its link. One that has ended may have left something to read, and what
** it has started may hold the stream: so it is waited for once more. */
int moons__keeper_look(void *data) {
  keeper *k = data;
  uint64_t now_ns = uv_hrtime();
  k->looked_ns = now_ns;
  if (k->has_ended) return 0;
  if (k->chunk != NULL) look_after_chunk(k, now_ns);
  if (k->deadline_ns != 0 && now_ns > k->deadline_ns) moons__process_kill(&k->process);
  k->has_ended = moons__process_has_ended(&k->process);
  return 1;
}

/* {== The life of a process =================================================================== */

/* Waits for the end of the process, and takes what there is of it. Others no longer give it orders. */
void moons__keeper_bury(keeper *k) {
  moons__backend *b = k->backend;
  uv_mutex_lock(&b->mutex);
  k->control.stream = -1;
  uv_mutex_unlock(&b->mutex);
  moons__death_tell(k->why, sizeof k->why, moons__process_wait(&k->process));
  moons__process_unmap(k->front, sizeof *k->front);
  moons__outbox_clear(&k->outbox);
  k->front = NULL;
  k->is_up = 0;
}

/* As many workers as there may be when the process starts, of which it is one. */
static unsigned count_places(const keeper *k) {
  moons__backend *b = k->backend;
  uv_mutex_lock(&b->mutex);
  unsigned n = b->n_workers;
  uv_mutex_unlock(&b->mutex);
  return n;
}

/* Reads who the process is, and says how its states are to be. What comes before becomes `why`. */
static int greet(keeper *k) {
  const moons__backend_config *config = &k->backend->config;
  moons__greeting greeting = {.magic = MOONS__FRAME_MAGIC, .name = k->backend->program};
  if (moons__arrival_greet(&k->link, &greeting, k->why, sizeof k->why)) return -1;
  k->has_host = greeting.has_host;
  k->n_places = count_places(k);
  moons__frame_config head = {.states_bytes = config->worker.states->max_bytes,
                              .images_bytes = config->worker.images_bytes,
                              .n_workers = k->n_places,
                              .n_cores = config->n_told_cores,
                              .number = k->sleeper.number + 1};
  if (moons__row_is_traced(&k->row))
    head.trace = moons__trace_here(k->row.out.trace, k->sleeper.number);
  return moons__link_write(&k->link, MOONS__FRAME_CONFIG, &head, sizeof head, NULL, 0);
}

static int spawn(keeper *k) {
  char name[] = "moons", serve[] = "--serve", depth[] = "0";
  char *arguments[] = {name, serve, depth, NULL};
  const char *program = k->backend->program;
  int error = moons__process_start(&k->process, program, arguments, MOONS_WINDOW_BYTES,
                                   MOONS_PROCESS_LOOK_NS);
  if (error == ENOENT && strcmp(program, MOONS__SERVING_NAME) == 0)
    snprintf(k->why, MOONS__WHY_BYTES,
             "there is no command 'moons' beside the library or on the PATH; install it there");
  else if (error)
    snprintf(k->why, MOONS__WHY_BYTES, "'%s': %s", program,
             uv_strerror(uv_translate_sys_error(error)));
  return error;
}

/* It has ended, or was killed after a time, without a word: a program that has forgotten how to be a worker, most likely. */
static void tell_silence(keeper *k) {
  size_t n = strlen(k->why);
  snprintf(k->why + n, sizeof k->why - n,
           ", and '%s' had not begun as one: a program that is its own worker calls "
           "moons_worker_main at the top of main",
           k->backend->program);
}

/* The process is there: meets it. What it has said in place of that is why it failed. */
static int meet(keeper *k) {
  char said[MOONS__WHY_BYTES];
  moons__link_open(&k->link, k->process.work, moons__keeper_look, k);
  moons__outbox_open(&k->outbox, &k->link, k->process.files);
  k->has_ended = 0;
  k->killed_for = MOONS__FAILURE_LOST;
  k->why[0] = '\0';
  k->deadline_ns = uv_hrtime() + MOONS_PROCESS_START_NS;
  k->is_up = 1;
  k->front = moons__process_map(k->process.memory, sizeof *k->front);
  int error = k->front == NULL || greet(k);
  k->deadline_ns = 0;
  if (!error) return 0;
  memcpy(said, k->why, sizeof said);
  moons__process_kill(&k->process);
  moons__keeper_bury(k);
  if (said[0] != '\0')
    memcpy(k->why, said, sizeof said);
  else
    tell_silence(k);
  return -1;
}

/* After some failures in a row no other is tried: says so of all chunks, those to come included. */
static void count_start(moons__backend *b, const keeper *k, int error) {
  static const char TEXT[] = "worker processes cannot be started: %s";
  uv_mutex_lock(&b->mutex);
  b->n_start_failures = error ? b->n_start_failures + 1 : 0;
  if (b->n_start_failures >= MOONS_PROCESS_TRIES && b->refusal == NULL) {
    b->refusal = moons__allocate(b, MOONS__WHY_BYTES + sizeof TEXT);
    if (b->refusal != NULL) snprintf(b->refusal, MOONS__WHY_BYTES + sizeof TEXT, TEXT, k->why);
  }
  uv_mutex_unlock(&b->mutex);
}

int moons__keeper_start(keeper *k) {
  moons__backend *b = k->backend;
  int error = spawn(k);
  if (!error) error = meet(k);
  count_start(b, k, error);
  if (error) return -1;
  uv_mutex_lock(&b->mutex);
  moons__link_open(&k->control, k->process.control, NULL, NULL);
  uv_mutex_unlock(&b->mutex);
  return 0;
}
