/*
** A chunk on its way to a worker process, and what comes home of it.
**
** What a process has died of is told by the mark that it has left (mark.h): before its first call nobody is to blame, and the
** chunk is handed over again, a few times; afterwards the call that ran is lost, outcomes before it are taken over, and calls
** after it are made elsewhere.
*/
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "backend/arrival.h"
#include "backend/cargo.h"
#include "backend/frame.h"
#include "backend/keeper.h"
#include "moons.h"
#include "sizes.h"
#include "worker/identity.h"
#include "worker/outcome.h"

/* {== A chunk ================================================================================= */

/* Gives a text to whoever takes what is printed under the terms of the chunk or, between chunks, of what closes. */
static void print(keeper *k, int stream) {
  const moons__luggage *luggage = k->chunk != NULL ? &k->chunk->plan->luggage : NULL;
  const moons__terms *terms = luggage != NULL ? luggage->terms : k->kept;
  void *call_data = luggage != NULL ? luggage->call_data : NULL;
  if (moons__arrival_pass_on(&k->backend->config.worker, terms, call_data, stream, &k->text))
    k->has_printed = 1;
}

int moons__keeper_pass_on_print(keeper *k, const moons__frame *frame) {
  moons__frame_print head;
  if (moons__arrival_print(&k->link, frame, &head, &k->text)) return -1;
  print(k, head.stream);
  return 0;
}

void moons__keeper_pass_on(keeper *k) {
  const moons__worker_config *config = &k->backend->config.worker;
  if (k->has_printed && config->flush != NULL) config->flush(config->write_data);
  k->has_printed = 0;
}

/* The process has answered to share; it may have been asked about a chunk that was done by then. */
static int take_part(keeper *k, const moons__frame *frame) {
  moons__backend *b = k->backend;
  moons__frame_order parted;
  if (moons__link_head(&k->link, frame, &parted, sizeof parted)) return -1;
  if (parted.work != k->work) return 0;
  if (parted.n >= k->chunk->n_calls) return -1;
  moons__chunk *rest = moons__arrival_part(k->chunk, parted.n, &b->mutex);
  uv_mutex_lock(&b->mutex);
  k->is_asked = 0;
  uv_mutex_unlock(&b->mutex);
  if (rest != NULL) k->chunk->parted(k->chunk, rest);
  return 0;
}

static int take_want(keeper *k, const moons__frame *frame) {
  moons__frame_order order;
  if (moons__link_head(&k->link, frame, &order, sizeof order)) return -1;
  uv_mutex_lock(&k->backend->mutex);
  if (order.work == k->work && frame->kind == MOONS__FRAME_WANT) moons__places_want(k, order.n);
  if (order.work == k->work && frame->kind == MOONS__FRAME_RETURNED)
    moons__places_return(k, order.n);
  uv_mutex_unlock(&k->backend->mutex);
  return 0;
}

/* Copies results out of the window. Returns -1 where they cannot be read; where there is no memory, there are none. */
static int read_results(const keeper *k, moons__buffer *results, uint64_t n_bytes) {
  results->n_bytes = 0;
  if (k->is_short || n_bytes > SIZE_MAX / 2 || moons__buffer_reserve(results, (size_t)n_bytes))
    return 0;
  while (results->n_bytes < n_bytes) {
    off_t at = (off_t)sizeof *k->front + (off_t)results->n_bytes;
    ssize_t n = pread(k->process.memory, results->bytes + results->n_bytes,
                      (size_t)n_bytes - results->n_bytes, at);
    if (n <= 0) return -1;
    results->n_bytes += (size_t)n;
  }
  return 0;
}

static int take_results(keeper *k, const moons__frame *frame) {
  moons__chunk *chunk = k->chunk;
  moons__frame_done done;
  if (moons__link_head(&k->link, frame, &done, sizeof done)) return -1;
  if (done.work != k->work || done.n_run > chunk->n_calls) return -1;
  if (read_results(k, &chunk->results, done.n_bytes)) return -1;
  moons__cargo_fetch(chunk, done.n_run);
  moons__keeper_take_events(k);
  k->is_spent = done.is_given_up;
  return moons__arrival_take(&done, chunk) == 0 ? 1 : -1;
}

/* Reads what the process has to say up to its results, and looks after it though it may talk all the time. Returns 0, or -1: they
** do not come. */
static int await_results(keeper *k) {
  int outcome = 0;
  moons__frame frame;
  while (outcome == 0 && moons__link_read(&k->link, &frame, sizeof frame) == 0) {
    if (uv_hrtime() > k->looked_ns + MOONS_PROCESS_LOOK_NS) moons__keeper_look(k);
    switch (frame.kind) {
    case MOONS__FRAME_PRINT: outcome = moons__keeper_pass_on_print(k, &frame); break;
    case MOONS__FRAME_PARTED: outcome = take_part(k, &frame); break;
    case MOONS__FRAME_WANT:
    case MOONS__FRAME_RETURNED: outcome = take_want(k, &frame); break;
    case MOONS__FRAME_GIVEN:
      outcome = moons__cargo_take_given(&k->link, &frame, k, &k->chunk->given, &k->is_short);
      break;
    case MOONS__FRAME_TRACED: outcome = moons__keeper_read_events(k, &frame); break;
    case MOONS__FRAME_DONE: outcome = take_results(k, &frame); break;
    default: outcome = -1;
    }
  }
  return outcome == 1 ? 0 : -1;
}

/* {== A process that has died with a chunk ==================================================== */

/* How it died, where it was not killed for the call. */
static void tell_why(const keeper *k, moons__stage stage, int is_given_up,
                     char text[MOONS__WHY_BYTES + 64]) {
  static const char *const STAGES[] = {" before its first call", " while its calls were set up", "",
                                       ""};
  if (is_given_up)
    snprintf(text, MOONS__WHY_BYTES + 64, "its worker was lost: a call within it did not end");
  else if (k->killed_for != MOONS__FAILURE_LOST)
    snprintf(text, MOONS__WHY_BYTES + 64,
             "%s in a function that cannot be stopped; its worker was given up",
             moons__failure_text(k->killed_for));
  else
    snprintf(text, MOONS__WHY_BYTES + 64, "%s%s", k->why, STAGES[stage]);
}

/* What it has left. A call is to blame only if it is the one that the process was killed for. */
static moons__remains remains_of(const keeper *k, moons__stage stage) {
  moons__remains r = {.kind = k->killed_for, .worker = k->sleeper.number + 1};
  if (stage == MOONS__STAGE_CALLS || stage == MOONS__STAGE_AFTER)
    r.n_run = atomic_load_explicit(&k->front->mark.n_run, memory_order_acquire);
  r.n_tries = atomic_load(&k->front->mark.n_tries);
  r.n_bytes = (size_t)atomic_load(&k->front->mark.n_bytes);
  uint64_t begun_ns = atomic_load(&k->front->mark.begun_ns), now_ns = uv_hrtime();
  if (begun_ns > 0 && begun_ns < now_ns) r.wall_ns = now_ns - begun_ns;
  r.of_all = stage == MOONS__STAGE_NONE || stage == MOONS__STAGE_SETTING_UP;
  r.is_blamed = stage != MOONS__STAGE_AFTER &&
                (k->killed_for == MOONS__FAILURE_LOST || r.n_run == k->n_run_killed);
  return r;
}

moons__stage moons__keeper_stage(const keeper *k) {
  if (atomic_load_explicit(&k->front->mark.work, memory_order_acquire) != k->work)
    return MOONS__STAGE_NONE;
  unsigned stage = atomic_load_explicit(&k->front->mark.stage, memory_order_acquire);
  return stage <= MOONS__STAGE_AFTER ? (moons__stage)stage : MOONS__STAGE_NONE;
}

/* A process in which something runs on makes no other call. */
static void end_spent(keeper *k) {
  if (!k->is_spent) return;
  k->is_spent = 0;
  moons__process_kill(&k->process);
  moons__keeper_bury(k);
}

/* Takes the chunk from the dead process. Returns 0 where no call had begun, and another process shall try. */
static int salvage(keeper *k, moons__chunk *chunk, uint64_t begun_ns) {
  moons__stage stage = moons__keeper_stage(k);
  moons__remains remains = remains_of(k, stage);
  moons__buffer bytes = {0};
  char text[MOONS__WHY_BYTES + 64];
  if (read_results(k, &bytes, remains.n_bytes)) remains.n_run = 0;
  moons__cargo_fetch(chunk, remains.n_run);
  int is_given_up = atomic_load(&k->front->mark.is_given_up) != 0;
  moons__keeper_take_row(k);
  moons__keeper_bury(k);
  chunk->busy_ns = uv_hrtime() - begun_ns;
  tell_why(k, stage, is_given_up, text);
  remains.text = text;
  remains.bytes = bytes.bytes;
  remains.n_bytes = bytes.n_bytes;
  int is_tried_again = remains.of_all && k->killed_for == MOONS__FAILURE_LOST &&
                       atomic_fetch_add(&chunk->plan->n_deaths, 1) + 1 < MOONS_PROCESS_TRIES;
  if (!is_tried_again) moons__chunk_salvage(chunk, &remains);
  if (chunk->n_lost > 0) moons__keeper_trace_lost(k, chunk, &remains);
  moons__buffer_free(&bytes);
  return !is_tried_again;
}

/* {== Handing a chunk over ==================================================================== */

/* From now on the chunk can be cancelled, or from now on not. */
static void set_chunk(keeper *k, moons__chunk *chunk) {
  moons__backend *b = k->backend;
  uv_mutex_lock(&b->mutex);
  k->chunk = chunk;
  if (chunk != NULL) k->work++;
  k->cancelled_ns = 0;
  k->is_stopped = k->is_asked = 0;
  k->is_short = 0;
  moons__places_forget(k);
  uv_mutex_unlock(&b->mutex);
}

/* Fails the chunk whose calls want what the host offers, which the process that was started does not. */
static void refuse_host(const keeper *k, moons__chunk *chunk) {
  char text[2 * MOONS__WHY_BYTES];
  snprintf(text, sizeof text,
           "worker processes cannot be started: '%s' is another one: %s; this is %s",
           k->backend->program, moons__identity(0), moons__identity(1));
  moons__chunk_refuse(chunk, MOONS__FAILURE_SYSTEM, text);
}

/* A state that is kept there outlives the chunk. */
static void note_kept(keeper *k, const moons__plan *plan) {
  if (plan->options.fresh || k->kept == plan->luggage.terms) return;
  moons__terms_release(k->kept);
  k->kept = moons__terms_share(plan->luggage.terms);
}

/* Ends the chunk without a process where that must be. Returns 0 where it is to be run. */
static int settle(moons__backend *b, moons__chunk *chunk) {
  static const char TEXT[] =
      "worker processes died before they could make a call of this map, several in a row";
  moons__batch_writer none;
  uv_mutex_lock(&b->mutex);
  const char *refusal = b->refusal;
  uv_mutex_unlock(&b->mutex);
  if (atomic_load(&chunk->plan->cancelled))
    moons__batch_begin(&none, &chunk->results);
  else if (atomic_load(&chunk->plan->n_deaths) >= MOONS_PROCESS_TRIES)
    moons__chunk_refuse(chunk, MOONS__FAILURE_LOST, TEXT);
  else if (refusal != NULL)
    moons__chunk_refuse(chunk, MOONS__FAILURE_SYSTEM, refusal);
  else
    return 0;
  return 1;
}

/* Hands the chunk over once. Returns whether it has run, or what of it can be. It may be cancelled while the process starts,
** when nobody could find it: so that is looked at again. */
int moons__keeper_try(keeper *k, moons__chunk *chunk) {
  if (settle(k->backend, chunk)) return 1;
  if (!k->is_up && moons__keeper_start(k)) return 0;
  if (!k->has_host && moons__terms_host(chunk->plan->luggage.terms) != 0) {
    refuse_host(k, chunk);
    return 1;
  }
  note_kept(k, chunk->plan);
  uint64_t begun_ns = chunk->begun_ns = uv_hrtime();
  k->killed_for = MOONS__FAILURE_LOST;
  set_chunk(k, chunk);
  k->ran_in = k->process.pid;
  int is_settled = settle(k->backend, chunk);
  int has_run = !is_settled && moons__outbox_send(&k->outbox, chunk, k->work, 1) == 0 &&
                await_results(k) == 0;
  set_chunk(k, NULL);
  if (has_run) atomic_store(&chunk->plan->n_deaths, 0);
  if (has_run) end_spent(k);
  if (has_run || is_settled) return 1;
  moons__process_kill(&k->process); /* where it only talks nonsense */
  return salvage(k, chunk, begun_ns);
}
