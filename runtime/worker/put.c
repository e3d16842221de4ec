/*
** What a worker gives for its calls. An outcome is put when its call has ended, by the thread of the worker, or by whoever gives the
** call up: one of them alone has the chunk.
*/
#include <string.h>

#include "moons.h"
#include "system/clock.h"
#include "worker/inside.h"
#include "worker/outcome.h"

/* Puts n strings that calls made in one go gave. Returns 0 where there is no memory for one. */
static int put_strings(moons__worker *w, uint32_t n) {
  const moons__call *c = &w->call;
  size_t start = 0;
  for (uint32_t i = 0; i < n; start = (size_t)c->plain[i++], w->chunk->n_run++)
    if (moons__batch_bytes(&w->results, MOONS__ITEM_STRING, c->strings + start,
                           (size_t)c->plain[i] - start))
      return 0;
  return 1;
}

static int put_stored(moons__worker *w, uint32_t n) {
  if (moons__batch_stored(&w->results, n)) return MOONS_ENOMEM;
  moons__outcome_store(w->chunk, w->call.plain, n);
  return 0;
}

static int copy_plain(moons__worker *w, uint32_t n) {
  const moons__call *c = &w->call;
  char *room;
  if (moons__batch_plain_begin(&w->results, c->kind, n, &room)) return MOONS_ENOMEM;
  memcpy(room, c->plain, n * sizeof c->plain[0]);
  moons__batch_plain_end(&w->results, n);
  return 0;
}

/* A call that never began, since its set-up has failed, takes no time; one that has not ended was given up. */
void moons__worker_trace(moons__worker *w, const moons__item *item) {
  moons__row *row = &w->row;
  if (!moons__row_is_traced(row)) return;
  uint64_t ended_ns = row->begun_ns != 0 && row->ended_ns != 0 ? row->ended_ns : moons__clock_ns();
  int failed = item->kind == MOONS__ITEM_ERROR;
  moons__traced_call traced = {.begun_ns = row->begun_ns != 0 ? row->begun_ns : ended_ns,
                               .ended_ns = ended_ns,
                               .number = w->chunk->first + w->chunk->n_run,
                               .n_tries = w->n_tries,
                               .failure = item->bytes,
                               .failure_bytes = failed ? item->n_bytes : 0};
  moons__row_call(row, &traced);
  row->begun_ns = 0;
}

/* Where it has a mark, who reads that adds it. */
void moons__worker_trace_chunk(moons__worker *w) {
  const moons__chunk *chunk = w->chunk;
  if (!moons__row_is_traced(&w->row) || chunk->mark != NULL) return;
  moons__traced_chunk traced = {
      .first = chunk->first, .n_run = chunk->n_run, .n_failed = chunk->n_failed};
  moons__row_end(&w->row, &traced);
}

static void trace_go(moons__worker *w, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    moons__row_next(&w->row, w->chunk->first + w->chunk->n_run + i, w->call.ended_ns[i]);
}

/* Acquire: who gives the call up takes what its thread has written. */
int moons__worker_put_go(moons__worker *w) {
  moons__call *c = &w->call;
  uint32_t n = atomic_load_explicit(&c->n_plain, memory_order_acquire);
  if (n == 0) return 1;
  if (c->is_traced) trace_go(w, n);
  atomic_store_explicit(&c->n_plain, 0, memory_order_relaxed);
  if (c->kind == MOONS__ITEM_STRING) return put_strings(w, n);
  if (c->kind == MOONS__ITEM_STORED ? put_stored(w, n) : copy_plain(w, n)) return 0;
  w->chunk->n_run += n;
  return 1;
}

static uint32_t number_of(const moons__worker *w) {
  return atomic_load_explicit(&w->number, memory_order_relaxed);
}

static moons__usage usage_of(const moons__worker *w) {
  moons__usage usage = w->usage;
  if (w->begun_ns != 0) {
    usage.wall_ns = moons__clock_ns() - w->begun_ns;
    usage.cpu_ns = usage.memory_bytes = MOONS__UNKNOWN;
  }
  usage.worker = number_of(w);
  usage.n_tries = w->n_tries + 1;
  return usage;
}

int moons__worker_put(moons__worker *w, const moons__item *item) {
  moons__usage usage = {.worker = number_of(w)};
  moons__worker_trace(w, item);
  if (w->chunk->plan->options.report) usage = usage_of(w);
  return moons__outcome_put(w->chunk, &w->results, &usage, item);
}

void moons__worker_fail(moons__worker *w, moons__failure_kind kind, const char *text, int of_all) {
  moons__usage usage = usage_of(w);
  moons__item failure;
  moons__buffer bytes;
  if (moons__outcome_failure(&failure, &bytes, w, kind, text) == 0) {
    moons__worker_trace(w, &failure);
    moons__outcome_fail(w->chunk, &w->results, &usage, &failure, of_all);
  }
  moons__buffer_free(&bytes);
}
