/*
** One call: its arguments as bytes become a task of one call, and what comes home becomes plain values, or an error.
*/
#include "host/call.h"

#include <stdlib.h>

#include "base/allocate.h"
#include "wire/batch.h"
#include "worker/job_options.h"

/* {== There =================================================================================== */

/* The chunk of one call with these arguments. */
static int write_chunk(moons__buffer *out, const char *function, const moons_value *arguments,
                       size_t n_arguments, int leaves_process) {
  moons__batch_writer writer;
  int error = moons__batch_begin(&writer, out);
  if (!error) error = moons__batch_item_begin(&writer, MOONS__ITEM_MESSAGE);
  if (!error) error = moons__values_write(out, function, arguments, n_arguments, leaves_process);
  if (!error) moons__batch_item_end(&writer);
  return error;
}

moons__plan *moons__host_call_plan(const moons_call *call, int pack) {
  const moons_program *program = call->program;
  moons__job_options options;
  moons__job_options_init(&options);
  options.pack = pack;
  options.seed = program->seed;
  options.loads = !program->has_names;
  moons__luggage luggage = {
      .setup = program->setup, .terms = program->terms, .call_data = call->data};
  return moons__task_plan(program->runtime, &options, &luggage);
}

static int add_chunk(moons_call *call, const char *function, const moons_value *arguments,
                     size_t n_arguments) {
  moons__buffer bytes = {.beside = call};
  moons__chunk *chunk = &call->task.chunk;
  int is_abroad = moons__runtime_is_abroad(call->program->runtime);
  int error = write_chunk(&bytes, function, arguments, n_arguments, is_abroad);
  chunk->bytes = bytes.bytes;
  chunk->n_bytes = bytes.n_bytes;
  chunk->n_calls = 1;
  chunk->first = atomic_fetch_add(&call->program->n_calls, 1);
  chunk->owner = call;
  if (error) return error;
  chunk->plan = moons__host_call_plan(call, 1);
  return chunk->plan != NULL ? 0 : MOONS_ENOMEM;
}

int moons__host_call_make(moons_call **call, moons_program *program, void *data) {
  *call = moons__allocate_zeros(program, sizeof **call);
  if (*call == NULL) return MOONS_ENOMEM;
  (*call)->program = moons__program_share(program);
  (*call)->data = data;
  return 0;
}

int moons__host_call_new(moons_call **call, moons_program *program, const char *function,
                         const moons_value *arguments, size_t n_arguments, void *data) {
  int error = moons__host_call_make(call, program, data);
  if (!error) error = add_chunk(*call, function, arguments, n_arguments);
  if (!error) return 0;
  moons__host_call_free(*call);
  *call = NULL;
  return error;
}

/* {== Home ==================================================================================== */

/* Told where there is no memory to tell more. */
static const moons_error NO_MEMORY = {.kind = MOONS_KIND_MEMORY,
                                      .kind_name = "memory",
                                      .message = "not enough memory for what the call has given",
                                      .traceback = ""};
static const moons_error CANCELLED = {.kind = MOONS_KIND_CANCELLED,
                                      .kind_name = "cancelled",
                                      .message = "cancelled",
                                      .traceback = ""};

void moons__host_call_fail(moons_call *call, moons__host_error *error, uint64_t index) {
  call->error = error;
  call->failure = error != NULL ? &error->error : &NO_MEMORY;
  if (error != NULL) error->error.index = index;
}

static void fail_for(moons_call *call, moons_kind kind, const char *message, uint64_t index) {
  moons__host_call_fail(call, moons__host_error_new(call, kind, message), index);
}

void moons__host_call_unread(moons_call *call, int error, uint64_t index) {
  if (error == MOONS_EDEPTH)
    fail_for(call, MOONS_KIND_MARSHAL,
             "a result contains itself, which plain values cannot: return what is in it", index);
  else
    moons__host_call_fail(call, NULL, 0);
}

void moons__host_call_is_too_much(moons_call *call) {
  fail_for(call, MOONS_KIND_MEMORY, MOONS__TOO_MUCH, 0);
}

static void take_results(moons_call *call, const moons__item *item) {
  int error =
      moons__values_read(&call->results, call, item->bytes, item->n_bytes, call->task.chunk.given);
  if (error) moons__host_call_unread(call, error, 0);
}

/* No outcome: it was cancelled before it began, or the worker had no memory to tell how it ended. */
static void take_nothing(moons_call *call) {
  call->failure = atomic_load(&call->task.chunk.plan->cancelled) ? &CANCELLED : &NO_MEMORY;
}

void moons__host_call_read(moons_call *call) {
  const moons__chunk *chunk = &call->task.chunk;
  moons__batch_reader reader;
  moons__item item;
  call->run_ns = chunk->busy_ns;
  moons__batch_open(&reader, chunk->results.bytes, chunk->results.n_bytes);
  moons__batch_next(&reader, &item);
  switch (item.kind) {
  case MOONS__ITEM_MESSAGE: take_results(call, &item); break;
  case MOONS__ITEM_ERROR:
    moons__host_call_fail(call, moons__host_error_read(call, item.bytes, item.n_bytes), 0);
    break;
  default: take_nothing(call);
  }
  moons__task_clear(&call->task);
}

void moons__host_call_cancelled(moons_call *call) { call->failure = &CANCELLED; }

int moons__host_call_lacks_memory(const moons_call *call) { return call->failure == &NO_MEMORY; }

/* {== What a host sees ======================================================================== */

void moons__host_call_detach(moons_call *call) {
  moons__task_close(&call->task);
  moons__spread_close(call->spread);
  call->spread = NULL;
  moons__program_release(call->program);
  call->program = NULL;
}

void moons__host_call_free(moons_call *call) {
  if (call == NULL) return;
  moons__host_call_detach(call);
  for (size_t i = 0; i < call->n_parts; i++)
    moons__values_free(&call->parts[i]);
  moons__free(call->parts);
  moons__values_free(&call->results);
  moons__host_error_free(call->error);
  moons__free(call);
}
