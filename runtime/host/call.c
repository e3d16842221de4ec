/*
** One call: its arguments as bytes become a chunk of one call in a job of its own, and what comes home becomes plain values, or an error.
*/
#include <stdlib.h>

#include "host/program.h"
#include "wire/batch.h"
#include "worker/job_options.h"

/* {== There =================================================================================== */

/* The chunk of one call with these arguments. */
static int write_chunk(moons__buffer *out, const char *function, const moons_value *arguments,
                       size_t n_arguments) {
  moons__batch_writer writer;
  int error = moons__batch_begin(&writer, out);
  if (!error) error = moons__batch_item_begin(&writer, MOONS__ITEM_MESSAGE);
  if (!error) error = moons__values_write(out, function, arguments, n_arguments);
  if (!error) moons__batch_item_end(&writer);
  return error;
}

static moons__job_options options_of(const moons_program *program, uint64_t number) {
  moons__job_options options;
  moons__job_options_init(&options);
  options.setup = program->setup->bytes;
  options.setup_bytes = program->setup->n_bytes;
  options.n_workers = 0;
  options.pack = 1;
  options.seed = program->seed;
  options.seed_offset = number;
  return options;
}

/* No proof is tried: the function of a program is one in C, which calls the others. */
static int make_job(moons_job **job, moons_program *program) {
  moons__job_options options = options_of(program, atomic_fetch_add(&program->n_calls, 1));
  moons__luggage luggage = {.setup = program->setup, .terms = program->terms};
  moons__shortage shortage;
  int error = moons__job_make(job, program->runtime, &options, &luggage, &shortage);
  if (!error) moons__job_prove_after(*job, MOONS__PROVE_NEVER);
  return error;
}

/* {== Home ==================================================================================== */

static int fail(moons_call *call, moons_kind kind, const char *message) {
  call->error = moons__host_error_new(kind, message);
  return call->error != NULL ? MOONS_ESCRIPT : MOONS_ENOMEM;
}

static int take_error(moons_call *call, const moons__item *item) {
  call->error = moons__host_error_read(item->bytes, item->n_bytes);
  return call->error != NULL ? MOONS_ESCRIPT : MOONS_ENOMEM;
}

static int take_results(moons_call *call, const moons_terms *terms, const moons__item *item,
                        const moons__shared_list *shared) {
  if (terms->result_bytes > 0 && item->n_bytes > terms->result_bytes)
    return fail(call, MOONS_KIND_MEMORY, "the results are larger than result_bytes of the terms");
  int error = moons__values_read(&call->results, item->bytes, item->n_bytes, shared);
  if (error == MOONS_EDEPTH)
    return fail(call, MOONS_KIND_MARSHAL,
                "a result contains itself, which plain values cannot: return what is in it");
  return error;
}

/* Reads what has come home: one item, or none where the worker had no memory to tell how the call ended. */
static int read_chunk(moons_call *call, const moons_terms *terms, const moons_chunk *chunk,
                      const moons__shared_list *shared) {
  moons__batch_reader reader;
  moons__item item;
  call->run_ns = chunk->busy_ns;
  moons__batch_open(&reader, chunk->bytes, chunk->n_bytes);
  moons__batch_next(&reader, &item);
  switch (item.kind) {
  case MOONS__ITEM_MESSAGE: return take_results(call, terms, &item, shared);
  case MOONS__ITEM_ERROR: return take_error(call, &item);
  default: return MOONS_ENOMEM;
  }
}

/* Waits for the job's only chunk. */
static int take(moons_call *call, const moons_terms *terms, moons_job *job) {
  moons_chunk chunk;
  moons__shared_list *shared = NULL;
  int error = moons__job_take_with(job, -1, &chunk, &shared);
  if (error) return error;
  error = read_chunk(call, terms, &chunk, shared);
  moons__shared_list_release(shared);
  free(chunk.bytes);
  return error;
}

/* {== The whole =============================================================================== */

/* The job takes the bytes, whatever it returns. */
static int run(moons_call *call, moons_program *program, moons__buffer *bytes) {
  moons_job *job;
  moons__shortage shortage;
  int error = make_job(&job, program);
  if (error) {
    moons__buffer_free(bytes);
    return error;
  }
  error = moons__job_put_with(job, 0, 1, bytes->bytes, bytes->n_bytes, NULL, &shortage);
  if (!error) error = take(call, moons__terms_of(program->terms), job);
  moons_job_free(job);
  return error;
}

int moons__program_call(moons_call **call, moons_program *program, const char *function,
                        const moons_value *arguments, size_t n_arguments) {
  moons__buffer bytes = {0};
  int error = write_chunk(&bytes, function, arguments, n_arguments);
  *call = error ? NULL : calloc(1, sizeof **call);
  if (!error && *call == NULL) error = MOONS_ENOMEM;
  if (error) {
    moons__buffer_free(&bytes);
    return error;
  }
  error = run(*call, program, &bytes);
  if (error == 0 || error == MOONS_ESCRIPT) return error;
  moons_call_free(*call);
  *call = NULL;
  return error;
}

void moons_call_free(moons_call *call) {
  if (call == NULL) return;
  moons__values_free(&call->results);
  moons__host_error_free(call->error);
  free(call);
}

const moons_value *moons_results(const moons_call *call, size_t *n_results) {
  if (n_results != NULL) *n_results = call != NULL ? call->results.n_values : 0;
  return call != NULL ? call->results.values : NULL;
}

const moons_error *moons_call_error(const moons_call *call) {
  return call != NULL && call->error != NULL ? &call->error->error : NULL;
}

uint64_t moons_call_ns(const moons_call *call) { return call != NULL ? call->run_ns : 0; }
