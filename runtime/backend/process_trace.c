/*
** A keeper's row of a trace. The process adds what it does to the row itself (serve.c); the keeper adds the chunk around that, for
** it lasts until the results are there, and the call of which the process has died.
*/
#include "backend/arrival.h"
#include "backend/keeper.h"
#include "system/clock.h"
#include "worker/outcome.h"

void moons__keeper_trace_begin(keeper *k) {
  k->ran_in = 0;
  if (moons__row_is_traced(&k->row)) moons__row_begin(&k->row);
}

void moons__keeper_trace_end(keeper *k, const moons__chunk *chunk) {
  if (!moons__row_is_traced(&k->row)) return;
  moons__traced_chunk traced = {.first = chunk->first,
                                .n_run = chunk->n_run,
                                .n_failed = chunk->n_failed,
                                .process = (long)k->ran_in};
  moons__row_end(&k->row, &traced);
}

void moons__keeper_take_events(keeper *k) {
  if (moons__row_is_traced(&k->row)) moons__events_take(&k->front->events, &k->row.out);
}

int moons__keeper_read_events(keeper *k, const moons__frame *frame) {
  if (moons__arrival_text(&k->link, frame, NULL, 0, &k->text)) return -1;
  if (moons__row_is_traced(&k->row)) moons__trace_add(&k->row.out, k->text.bytes, k->text.n_bytes);
  return 0;
}

void moons__keeper_take_row(keeper *k) {
  char position[MOONS_POSITION_BYTES];
  if (!moons__row_is_traced(&k->row)) return;
  moons__keeper_take_events(k);
  moons__keeper_position(k, position);
  moons__row_set_up_elsewhere(&k->row, position);
  k->row.begun_ns = atomic_load(&k->front->mark.begun_ns);
}

static void add_lost(keeper *k, const moons__chunk *chunk, const moons__remains *remains,
                     const moons__item *failure) {
  moons__row *row = &k->row;
  uint64_t now_ns = moons__clock_ns();
  int has_begun = row->begun_ns >= row->chunk_ns && row->begun_ns < now_ns;
  moons__traced_call traced = {.begun_ns = has_begun ? row->begun_ns : now_ns,
                               .ended_ns = now_ns,
                               .number = chunk->first + remains->n_run,
                               .n_tries = remains->n_tries,
                               .failure = failure->bytes,
                               .failure_bytes = failure->n_bytes};
  moons__row_call(row, &traced);
}

void moons__keeper_trace_lost(keeper *k, const moons__chunk *chunk, const moons__remains *remains) {
  moons__item failure;
  moons__buffer bytes;
  if (!moons__row_is_traced(&k->row)) return;
  if (moons__outcome_failure(&failure, &bytes, k, remains->kind, remains->text) == 0)
    add_lost(k, chunk, remains, &failure);
  moons__buffer_free(&bytes);
}
