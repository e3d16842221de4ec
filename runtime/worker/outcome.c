/*
** An outcome is put when its call has ended, by the thread of the worker, or by whoever gives the call up: one of them alone has the
** chunk. Results for an array are written to it there and then, and home goes only how many there were. Each outcome counts the
** chunk one call further, so a chunk is whole after any of them.
*/
#include <string.h>

#include "moons.h"
#include "worker/inside.h"

/* Writes what `n` calls from the next one on have returned to the sink. It is as large as there are calls to come, and the thread
** that puts results is the only one that has these calls: nobody else writes to their places. */
static void store(const moons__chunk *chunk, const void *bytes, size_t n) {
  const moons__sink *sink = &chunk->plan->luggage.sink;
  size_t n_bytes = sink->n_numbers * moons__element_bytes(sink->type);
  memcpy(sink->block->bytes + (size_t)(chunk->first + chunk->n_run - 1) * n_bytes, bytes,
         n * n_bytes);
}

/* Takes the outcome of a call to the results; 1 where there is no memory for it. */
static int put_result(moons__batch_writer *results, const moons__item *item) {
  switch (item->kind) {
  case MOONS__ITEM_STORED: return moons__batch_stored(results, 1);
  case MOONS__ITEM_INTEGER: return moons__batch_integer(results, item->integer);
  case MOONS__ITEM_FLOAT: return moons__batch_float(results, item->number);
  case MOONS__ITEM_BOOLEAN: return moons__batch_boolean(results, item->integer);
  case MOONS__ITEM_NIL: return moons__batch_nil(results);
  default: return moons__batch_bytes(results, item->kind, item->bytes, item->n_bytes);
  }
}

static void note_failed(moons__chunk *chunk) {
  if (!chunk->failed) chunk->first_failed = chunk->first + chunk->n_run;
  chunk->failed = 1;
  chunk->n_failed++;
}

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
  store(w->chunk, w->call.plain, n);
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
void moons__outcome_trace(moons__worker *w, const moons__item *item) {
  moons__row *row = &w->row;
  if (!moons__row_is_traced(row)) return;
  uint64_t ended_ns = row->begun_ns != 0 && row->ended_ns != 0 ? row->ended_ns : moons_clock_ns();
  int failed = item->kind == MOONS__ITEM_ERROR;
  moons__row_call(row,
                  &(moons__traced_call){.begun_ns = row->begun_ns != 0 ? row->begun_ns : ended_ns,
                                        .ended_ns = ended_ns,
                                        .number = w->chunk->first + w->chunk->n_run,
                                        .n_tries = w->n_tries,
                                        .failure = item->bytes,
                                        .failure_bytes = failed ? item->n_bytes : 0});
  row->begun_ns = 0;
}

void moons__outcome_trace_chunk(moons__worker *w) {
  const moons__chunk *chunk = w->chunk;
  if (!moons__row_is_traced(&w->row)) return;
  moons__row_end(&w->row, &(moons__traced_chunk){.first = chunk->first,
                                                 .n_run = chunk->n_run,
                                                 .n_failed = chunk->n_failed});
}

static void trace_go(moons__worker *w, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    moons__row_next(&w->row, w->chunk->first + w->chunk->n_run + i, w->call.ended_ns[i]);
}

/* Acquire: who gives the call up takes what its thread has written. */
int moons__outcome_put_go(moons__worker *w) {
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

/* Whether a result is true. */
static int is_true(const moons__item *item) {
  switch (item->kind) {
  case MOONS__ITEM_ERROR:
  case MOONS__ITEM_NIL: return 0;
  case MOONS__ITEM_BOOLEAN: return item->integer != 0;
  case MOONS__ITEM_MESSAGE: return moons__wire_is_true(item->bytes, item->n_bytes);
  default: return 1;
  }
}

/* Puts what the next call has used, where that is asked for. One that has not ended was given up. */
static int put_usage(moons__worker *w) {
  if (!w->chunk->plan->options.report) return 0;
  moons__usage usage = w->usage;
  if (w->begun_ns != 0) {
    usage.wall_ns = moons_clock_ns() - w->begun_ns;
    usage.cpu_ns = usage.memory_bytes = MOONS__UNKNOWN;
  }
  usage.worker = atomic_load_explicit(&w->number, memory_order_relaxed);
  usage.n_tries = w->n_tries + 1;
  return moons__batch_usage(&w->results, &usage);
}

/* Counts the outcome with the call that the chunk is part of. Returns 0 where that may not hold so much. */
static int count_outcome(moons__chunk *chunk, const moons__item *item) {
  int has_bytes = item->kind == MOONS__ITEM_STRING || item->kind == MOONS__ITEM_MESSAGE ||
                  item->kind == MOONS__ITEM_ERROR;
  if (chunk->plan->scope == NULL || !has_bytes) return 1;
  moons__budget *budget = moons__scope_budget(chunk->plan->scope);
  if (moons__budget_take(budget, item->n_bytes, 0)) return 0;
  chunk->counted_bytes += item->n_bytes;
  return 1;
}

/* Puts a failure for want of memory in place of an outcome that is too much. */
static int put_too_much(moons__worker *w) {
  static const char TEXT[] = "not enough memory for the results";
  moons__failure failure = moons__failure_of(MOONS__FAILURE_MEMORY, TEXT);
  moons__buffer bytes = {0};
  int error = moons__failure_write(&bytes, &failure);
  moons__item item = {.kind = MOONS__ITEM_ERROR, .bytes = bytes.bytes, .n_bytes = bytes.n_bytes};
  if (!error) error = put_result(&w->results, &item);
  moons__buffer_free(&bytes);
  if (error) return 0;
  note_failed(w->chunk);
  w->chunk->n_run++;
  return 1;
}

/* What it used comes first, for the reader knows then whose it is. */
int moons__outcome_put(moons__worker *w, const moons__item *item) {
  moons__outcome_trace(w, item);
  if (put_usage(w)) return 0;
  if (!count_outcome(w->chunk, item)) return put_too_much(w);
  if (put_result(&w->results, item)) return 0;
  if (item->kind == MOONS__ITEM_STORED) store(w->chunk, item->bytes, 1);
  if (item->kind == MOONS__ITEM_ERROR) note_failed(w->chunk);
  if (w->chunk->plan->options.until && is_true(item)) w->chunk->found = 1;
  w->chunk->n_run++;
  return 1;
}
