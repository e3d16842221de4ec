/*
** A program as its calls find it. It goes with the last of these, or with the host's hold.
*/
#include "host/program.h"

#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"

/* Relaxed: whoever shares is, or stands beside, a user already, so it cannot go meanwhile. */
moons_program *moons__program_share(moons_program *program) {
  atomic_fetch_add_explicit(&program->n_users, 1, memory_order_relaxed);
  return program;
}

/* Releasing orders what each user did before what the last one frees. */
void moons__program_release(moons_program *program) {
  if (program == NULL) return;
  if (atomic_fetch_sub_explicit(&program->n_users, 1, memory_order_acq_rel) > 1) return;
  moons__values_free(&program->names);
  moons__host_error_free(program->error);
  moons__setup_release(program->setup);
  moons__terms_release(program->terms);
  moons__free(program);
}

/* The queues of its calls hold the runtime for these, or they run while the runtime ends. */
void moons_program_free(moons_program *program) {
  if (program == NULL || moons__runtime_is_forked(program->runtime)) return;
  moons_runtime *runtime = program->runtime;
  moons__program_release(program);
  moons_runtime_free(runtime);
}

const moons_error *moons_program_error(const moons_program *program) {
  return program != NULL && program->error != NULL ? &program->error->error : NULL;
}

int moons__program_compare_names(const void *left, const void *right) {
  const moons_value *a = left, *b = right;
  return strcmp(a->as.string, b->as.string);
}

static int has_function(const moons_program *program, const char *name) {
  moons_value key = moons_string(name);
  const moons__values *names = &program->names;
  if (names->n_values == 0) return 0;
  return bsearch(&key, names->values, names->n_values, sizeof key, moons__program_compare_names) !=
         NULL;
}

int moons__program_check(const moons_program *program, const char *function,
                         const moons_value *arguments, size_t n_arguments) {
  if (program == NULL || function == NULL || (arguments == NULL && n_arguments > 0))
    return MOONS_EINVAL;
  if (moons__runtime_is_forked(program->runtime)) return MOONS_EFORKED;
  if (moons__runtime_check_open(program->runtime)) return MOONS_ECLOSED;
  if (!has_function(program, function) || moons__runtime_is_worker(program->runtime))
    return MOONS_EINVAL;
  return 0;
}
