/*
** Results and numbers change together: a call counts as run only when its outcome is there. What a dead worker has left is
** not taken over as bytes but read and written anew, since its last outcome may be half there: reading is total, so bytes
** that are no batch give fewer outcomes, and the calls without one are made again. Results for an array are written to it there and
** then, and home goes only how many there were.
*/
#include "worker/outcome.h"

#include <string.h>

#include "moons.h"
#include "wire/wire.h"
#include "worker/scope.h"

void moons__outcome_note_failed(moons__chunk *chunk) {
  if (!chunk->failed) chunk->first_failed = chunk->first + chunk->n_run;
  chunk->failed = 1;
  chunk->n_failed++;
}

/* The sink is as large as there are calls to come, and the thread that puts results is the only one that has these calls: nobody
** else writes to their places. */
void moons__outcome_store(const moons__chunk *chunk, const void *bytes, size_t n_calls) {
  const moons__sink *sink = &chunk->plan->luggage.sink;
  size_t n_bytes = sink->n_numbers * moons__element_bytes(sink->type);
  memcpy(sink->block->bytes + (size_t)(chunk->first + chunk->n_run - 1) * n_bytes, bytes,
         n_calls * n_bytes);
}

static int put_failure(moons__batch_writer *results, const moons__usage *usage,
                       const moons__item *item) {
  moons__buffer *out = results->out;
  if (moons__batch_bytes(results, item->kind, item->bytes, item->n_bytes)) return 1;
  if (usage->worker != 0)
    moons__failure_set_worker(out->bytes + out->n_bytes - item->n_bytes, item->n_bytes,
                              usage->worker);
  return 0;
}

/* Takes the outcome of a call to the results; 1 where there is no memory for it. */
static int put_result(moons__batch_writer *results, const moons__usage *usage,
                      const moons__item *item) {
  switch (item->kind) {
  case MOONS__ITEM_ERROR: return put_failure(results, usage, item);
  case MOONS__ITEM_STORED: return moons__batch_stored(results, 1);
  case MOONS__ITEM_INTEGER: return moons__batch_integer(results, item->integer);
  case MOONS__ITEM_FLOAT: return moons__batch_float(results, item->number);
  case MOONS__ITEM_BOOLEAN: return moons__batch_boolean(results, item->integer);
  case MOONS__ITEM_NIL: return moons__batch_nil(results);
  default: return moons__batch_bytes(results, item->kind, item->bytes, item->n_bytes);
  }
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

int moons__outcome_failure(moons__item *item, moons__buffer *bytes, const void *beside,
                           moons__failure_kind kind, const char *text) {
  moons__failure failure = moons__failure_of(kind, text);
  *bytes = (moons__buffer){.beside = beside};
  int error = moons__failure_write(bytes, &failure);
  *item = (moons__item){.kind = MOONS__ITEM_ERROR};
  item->bytes = bytes->bytes;
  item->n_bytes = bytes->n_bytes;
  return error;
}

/* Puts a failure for want of memory in place of an outcome that is too much. */
static int put_too_much(moons__chunk *chunk, moons__batch_writer *results,
                        const moons__usage *usage) {
  static const char TEXT[] = "not enough memory for the results";
  moons__item item;
  moons__buffer bytes;
  int error = moons__outcome_failure(&item, &bytes, chunk->plan, MOONS__FAILURE_MEMORY, TEXT);
  if (!error) error = put_result(results, usage, &item);
  moons__buffer_free(&bytes);
  if (error) return 0;
  moons__outcome_note_failed(chunk);
  chunk->n_run++;
  return 1;
}

/* What it used comes first, for the reader knows then whose it is. */
int moons__outcome_put(moons__chunk *chunk, moons__batch_writer *results, const moons__usage *usage,
                       const moons__item *item) {
  if (chunk->plan->options.report && moons__batch_usage(results, usage)) return 0;
  if (!count_outcome(chunk, item)) return put_too_much(chunk, results, usage);
  if (put_result(results, usage, item)) return 0;
  if (item->kind == MOONS__ITEM_STORED && item->bytes != NULL)
    moons__outcome_store(chunk, item->bytes, 1);
  if (item->kind == MOONS__ITEM_ERROR) moons__outcome_note_failed(chunk);
  if (chunk->plan->options.until && is_true(item)) chunk->found = 1;
  chunk->n_run++;
  return 1;
}

void moons__outcome_fail(moons__chunk *chunk, moons__batch_writer *results,
                         const moons__usage *usage, const moons__item *failure, int of_all) {
  while (moons__outcome_put(chunk, results, usage, failure) && of_all &&
         chunk->n_run < chunk->n_calls)
    ;
}

/* Without a worker. */

static void fail(moons__chunk *chunk, moons__batch_writer *results, const moons__usage *usage,
                 moons__failure_kind kind, const char *text, int of_all) {
  moons__item item;
  moons__buffer bytes;
  if (moons__outcome_failure(&item, &bytes, chunk->plan, kind, text) == 0)
    moons__outcome_fail(chunk, results, usage, &item, of_all);
  moons__buffer_free(&bytes);
}

void moons__chunk_refuse(moons__chunk *chunk, moons__failure_kind kind, const char *text) {
  moons__batch_writer results;
  moons__usage usage = {.n_tries = 1};
  chunk->n_lost = chunk->n_calls;
  chunk->results.beside = chunk->plan;
  if (moons__batch_begin(&results, &chunk->results)) return;
  fail(chunk, &results, &usage, kind, text, 1);
}

/* Takes over the outcomes that are whole. */
static void take_over(moons__chunk *chunk, moons__batch_writer *results,
                      const moons__remains *remains) {
  moons__batch_reader reader;
  moons__item item;
  moons__usage usage = {0};
  moons__batch_open(&reader, remains->bytes, remains->n_bytes);
  while (chunk->n_run < remains->n_run) {
    moons__batch_next(&reader, &item);
    if (item.kind >= MOONS__ITEM_END) return;
    if (item.kind == MOONS__ITEM_USAGE) usage = moons__item_usage(&item);
    if (item.kind == MOONS__ITEM_STORED) item.bytes = NULL; /* it was written there */
    if (item.kind != MOONS__ITEM_USAGE && !moons__outcome_put(chunk, results, &usage, &item))
      return;
  }
}

/* The call that it is blamed on: it fails, unless it may be tried again. */
static void blame(moons__chunk *chunk, moons__batch_writer *results, const moons__remains *r) {
  moons__usage usage = {.wall_ns = r->wall_ns,
                        .cpu_ns = MOONS__UNKNOWN,
                        .memory_bytes = MOONS__UNKNOWN,
                        .worker = r->worker,
                        .n_tries = r->n_tries + 1};
  int is_tried_again = r->kind != MOONS__FAILURE_CANCELLED && !r->of_all &&
                       r->n_tries < chunk->plan->options.n_retries;
  chunk->n_lost++;
  if (is_tried_again) {
    chunk->n_tries = r->n_tries + 1;
    chunk->n_retried++;
  } else {
    fail(chunk, results, &usage, r->kind, r->text, r->of_all);
  }
}

/* Where fewer outcomes were to be had than there had been, nobody is blamed: the calls without one are made again. */
void moons__chunk_salvage(moons__chunk *chunk, const moons__remains *remains) {
  moons__batch_writer results;
  chunk->is_given_up = 1;
  chunk->n_tries = 0;
  chunk->results.beside = chunk->plan;
  if (moons__batch_begin(&results, &chunk->results)) return;
  take_over(chunk, &results, remains);
  if (remains->is_blamed && chunk->n_run == remains->n_run && chunk->n_run < chunk->n_calls)
    blame(chunk, &results, remains);
}
