/*
** A program is a set-up that is a script (worker/script.h), and the names of its functions: a first call asks for these, which also
** finds out whether the script runs. So a wrong name is known before anything is sent, and a script that fails is known once.
*/
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "base/hash.h"
#include "host/call.h"
#include "host/queue.h"
#include "system/clock.h"

/* {== Loading ================================================================================= */

/* All libraries, for a script can name any; the module too, where the text names it. Otherwise it is loaded at its first use. */
static moons__libraries libraries_of(const moons__source *source) {
  static const char NAME[] = "parallel";
  moons__libraries libraries = MOONS__LIBRARIES_ALL;
  const char *at = source->bytes, *end = source->bytes + source->n_bytes;
  while ((size_t)(end - at) >= sizeof NAME - 1) {
    if (memcmp(at, NAME, sizeof NAME - 1) == 0) return libraries | MOONS__LIBRARIES_PARALLEL;
    at++;
  }
  return libraries;
}

static int make_setup(moons_program *program, const moons__source *source) {
  moons__buffer bytes = {.beside = program};
  int error = moons__setup_write_source(&bytes, libraries_of(source), MOONS__LIBRARIES_ALL, source);
  if (!error) {
    uint64_t hash = moons__hash(MOONS__HASH_START, bytes.bytes, bytes.n_bytes);
    program->setup = moons__setup_new(program, bytes.bytes, bytes.n_bytes, hash);
    if (program->setup == NULL) error = MOONS_ENOMEM;
  }
  moons__buffer_free(&bytes);
  return error;
}

/* Takes the names, or the error, from the call that has asked for them. */
static void take_names(moons_program *program, moons_call *call) {
  program->names = call->results;
  program->error = call->error;
  program->has_names = call->failure == NULL;
  call->failure = NULL;
  call->results = (moons__values){.n_values = 0};
  call->error = NULL;
  moons__values *names = &program->names;
  if (names->n_values > 0)
    qsort(names->values, names->n_values, sizeof names->values[0], moons__program_compare_names);
}

/* Only the close of the runtime cancels a call that loads a program. */
static int was_cancelled(const moons_call *call) {
  return call->failure != NULL && call->failure->kind == MOONS_KIND_CANCELLED;
}

static int load(moons_program *program, const moons__source *source) {
  moons_call *call = NULL;
  int error = make_setup(program, source);
  if (error) return error;
  error = moons__host_call_run(&call, program, "", NULL, 0);
  if (call == NULL) return error;
  if (was_cancelled(call)) error = MOONS_ECLOSED;
  take_names(program, call);
  moons_call_free(call);
  return error;
}

/* The terms are the program's from here on. */
static int new_program(moons_program **program, moons_runtime *runtime, moons__terms *terms) {
  moons_program *new = moons__allocate_zeros(runtime, sizeof *new);
  if (new == NULL || moons__line_open(terms, runtime, 1)) {
    moons__terms_release(terms);
    moons__free(new);
    return MOONS_ENOMEM;
  }
  new->terms = terms;
  new->seed = moons__terms_of(terms)->seed;
  if (new->seed == 0) new->seed = moons__random_seed();
  atomic_init(&new->n_calls, 0);
  atomic_init(&new->n_users, 1);
  new->line = terms->line;
  new->runtime = moons__runtime_share(runtime);
  *program = new;
  return 0;
}

/* A program has terms of its own, for its line, also where the host gives none. */
static int copy_terms(moons__terms **terms, const moons_runtime *runtime,
                      const moons_terms *given) {
  moons_terms defaults;
  moons_terms_init(&defaults);
  return moons__terms_new(terms, runtime, given != NULL ? given : &defaults);
}

/* Why no program can be loaded on the runtime, or 0. */
static int check_runtime(const moons_runtime *runtime, const moons__terms *terms) {
  if (runtime == NULL) return MOONS_EINVAL;
  if (moons__runtime_is_forked(runtime)) return MOONS_EFORKED;
  if (!moons__runtime_may_wait(runtime)) return MOONS_EINVAL;
  if (moons__runtime_check_open(runtime)) return MOONS_ECLOSED;
  return moons__runtime_check_terms(runtime, terms);
}

int moons_program_load(moons_program **program, moons_runtime *runtime, const char *source,
                       size_t n_bytes, const char *name, const moons_terms *terms) {
  moons__source text = {name != NULL ? name : "=program", source != NULL ? source : "", n_bytes};
  moons__terms *own;
  if (program != NULL) *program = NULL;
  int error = copy_terms(&own, runtime, terms);
  if (!error && (program == NULL || (source == NULL && n_bytes > 0))) error = MOONS_EINVAL;
  if (!error) error = check_runtime(runtime, own);
  if (error) {
    moons__terms_release(own);
    return error;
  }
  error = new_program(program, runtime, own);
  if (!error) error = load(*program, &text);
  if (error == 0 || error == MOONS_ESCRIPT) return error;
  moons_program_free(*program);
  *program = NULL;
  return error;
}
