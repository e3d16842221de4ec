/*
** A map is a call whose items are messages, as those of single calls are, side by side; a spread sends them.
*/
#include "host/map.h"

#include <stdlib.h>

#include "base/allocate.h"
#include "sizes.h"
#include "wire/batch.h"

/* {== There =================================================================================== */

static int is_sequence(const moons_value *items) {
  switch (items->type) {
  case MOONS_INTEGERS:
  case MOONS_FLOATS:
  case MOONS_LIST: return items->n == 0 || items->as.values != NULL;
  case MOONS_TABLE: return items->n == 0; /* an empty one is a sequence too */
  default: return 0;
  }
}

static int write_items(moons__spread_items *out, const moons_program *program, const char *function,
                       const moons_value *items) {
  moons_value room;
  int leaves_process = moons__runtime_is_abroad(program->runtime);
  if (items->n > SIZE_MAX / sizeof *out->ends) return MOONS_ENOMEM;
  out->ends = moons__allocate(out->bytes.beside, items->n * sizeof *out->ends);
  if (out->ends == NULL) return MOONS_ENOMEM;
  for (; out->n < items->n; out->n++) {
    const moons_value *item = moons_item(items, out->n + 1, &room);
    int error = moons__values_write(&out->bytes, function, item, 1, leaves_process);
    if (error) return error;
    out->ends[out->n] = out->bytes.n_bytes;
  }
  return 0;
}

static int add_spread(moons_call *call, moons__spread_items *items, uint32_t chunk) {
  moons__spread_config config = {
      .line = call->program->line, .chunk = chunk, .done = moons__host_call_home, .data = call};
  config.plan = moons__host_call_plan(call, 0);
  if (config.plan == NULL) return MOONS_ENOMEM;
  config.first = atomic_fetch_add(&call->program->n_calls, items->n);
  call->first = config.first;
  call->spread = moons__spread_new(&config, items);
  if (call->spread != NULL) return 0;
  moons__plan_release(config.plan);
  return MOONS_ENOMEM;
}

int moons__host_map_new(moons_call **call, moons_program *program, const char *function,
                        const moons_value *items, uint32_t chunk, void *data) {
  moons__spread_items written = {.bytes = {.beside = program}};
  *call = NULL;
  if (!is_sequence(items)) return MOONS_EINVAL;
  if (chunk > MOONS_CHUNK_MAX_CALLS) chunk = MOONS_CHUNK_MAX_CALLS;
  int error = write_items(&written, program, function, items);
  if (!error) error = moons__host_call_make(call, program, data);
  if (!error) error = add_spread(*call, &written, chunk);
  moons__buffer_free(&written.bytes);
  moons__free(written.ends);
  if (!error) return 0;
  moons__host_call_free(*call);
  *call = NULL;
  return error;
}

/* {== Home ==================================================================================== */

/* The outcome of the call that has failed: the last of its chunk. */
static void take_failure(moons_call *call) {
  const moons__chunk *chunk = moons__spread_failed(call->spread);
  moons__batch_reader reader;
  moons__item item = {.kind = MOONS__ITEM_END};
  moons__batch_open(&reader, chunk->results.bytes, chunk->results.n_bytes);
  for (uint64_t i = chunk->first; i <= chunk->first_failed; i++)
    moons__batch_next(&reader, &item);
  moons__host_error *error = item.kind == MOONS__ITEM_ERROR
                                 ? moons__host_error_read(call, item.bytes, item.n_bytes)
                                 : NULL;
  moons__host_call_fail(call, error, chunk->first_failed - call->first + 1);
}

/* Of all its calls together, arrays counted. */
static size_t result_bytes(const moons_call *call) {
  size_t n_bytes = 0;
  const moons__chunk *chunk = NULL;
  while ((chunk = moons__spread_next(call->spread, chunk)) != NULL) {
    n_bytes += chunk->results.n_bytes;
    for (unsigned i = 0; chunk->given != NULL && i < chunk->given->n; i++)
      n_bytes += chunk->given->blocks[i]->n_bytes;
  }
  return n_bytes;
}

static int is_too_much(const moons_call *call) {
  size_t most_bytes = moons__terms_of(call->program->terms)->result_bytes;
  return most_bytes > 0 && result_bytes(call) > most_bytes;
}

static void take_results(moons_call *call) {
  uint64_t index = 0;
  if (is_too_much(call)) {
    moons__host_call_is_too_much(call);
    return;
  }
  int error = moons__gather(call, &index);
  if (error) moons__host_call_unread(call, error, index);
}

void moons__host_map_read(moons_call *call) {
  call->run_ns = moons__spread_busy_ns(call->spread);
  switch (moons__spread_outcome(call->spread)) {
  case MOONS__SPREAD_WHOLE: take_results(call); break;
  case MOONS__SPREAD_FAILED: take_failure(call); break;
  case MOONS__SPREAD_CANCELLED: moons__host_call_cancelled(call); break;
  default: moons__host_call_fail(call, NULL, 0);
  }
  moons__spread_clear(call->spread);
}
