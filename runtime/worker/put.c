/*
** What a worker gives for its calls. An outcome is put when its call has ended, by the thread of the worker, or by whoever gives the
** call up: one of them alone has the chunk.
*/
#include <string.h>

#include "moons.h"
#include "system/clock.h"
#include "wire/failure.h"
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

/* {== The outcome of a call that has ended =================================================== */

static void drop_given(moons__worker *w) {
  moons__shared_list_release(w->call.encoder.shared);
  w->call.encoder.shared = NULL;
}

/* Takes the blocks that the outcome speaks of to the chunk: where the call has ended, for one that is given up may still add to
** them. Returns 0 or MOONS_ENOMEM. */
static int put_given(moons__worker *w) {
  moons__encoder *e = &w->call.encoder;
  if (e->shared == NULL) return 0;
  int error = moons__shared_list_add_all(&w->chunk->given, e->shared);
  for (unsigned i = 0; w->chunk->gave != NULL && !error && i < e->shared->n; i++)
    w->chunk->gave(w->chunk, e->shared->blocks[i]);
  drop_given(w);
  e->n_shared_before = w->chunk->given != NULL ? w->chunk->given->n : 0;
  return error;
}

/* What the call may send home; 0: there is no limit, as for one that another has made, whose results stay within that,
** and for the names of a program. */
static size_t most_result_bytes(const moons__call *c) {
  int is_own = c->plan->scope != NULL || c->plan->options.loads;
  return is_own ? 0 : moons__terms_of(c->plan->luggage.terms)->result_bytes;
}

/* Whether its results are more than that, arrays counted. */
static int gives_too_much(const moons__call *c, size_t most_bytes) {
  const moons__shared_list *arrays = c->encoder.shared;
  size_t n_bytes = c->result.n_bytes;
  for (unsigned i = 0; arrays != NULL && i < arrays->n; i++)
    n_bytes += arrays->blocks[i]->n_bytes;
  return n_bytes > most_bytes;
}

/* Puts an error without the value that was thrown. */
static int put_without_value(moons__worker *w, moons__failure *failure) {
  static const char WHY[] = "it is larger than result_bytes of the terms";
  moons__buffer bytes = {.beside = w};
  failure->value = NULL;
  failure->value_bytes = 0;
  failure->unsent = WHY;
  failure->unsent_bytes = sizeof WHY - 1;
  int is_put = moons__failure_write(&bytes, failure) == 0;
  moons__item item = {.kind = MOONS__ITEM_ERROR};
  item.bytes = bytes.bytes;
  item.n_bytes = bytes.n_bytes;
  if (is_put) is_put = moons__worker_put(w, &item);
  moons__buffer_free(&bytes);
  return is_put;
}

/* Of an error the thrown value alone is bounded. */
static int put_error(moons__worker *w, size_t most_bytes) {
  const moons__item *result = &w->call.result;
  moons__failure failure;
  if (most_bytes > 0 && moons__failure_read(&failure, result->bytes, result->n_bytes) == 0 &&
      failure.value_bytes > most_bytes)
    return put_without_value(w, &failure);
  return moons__worker_put(w, result);
}

static int put_too_much(moons__worker *w) {
  uint32_t n_run = w->chunk->n_run;
  drop_given(w);
  moons__worker_fail(w, MOONS__FAILURE_MEMORY, MOONS__TOO_MUCH, 0);
  return w->chunk->n_run > n_run;
}

int moons__worker_put_outcome(moons__worker *w) {
  const moons__call *c = &w->call;
  size_t most_bytes = most_result_bytes(c);
  if (c->result.kind == MOONS__ITEM_END) return 1;
  if (c->result.kind == MOONS__ITEM_ERROR) return put_given(w) == 0 && put_error(w, most_bytes);
  if (most_bytes > 0 && gives_too_much(c, most_bytes)) return put_too_much(w);
  return put_given(w) == 0 && moons__worker_put(w, &c->result);
}
