/*
** Programs and their calls from inside.
*/
#ifndef MOONS_HOST_PROGRAM_H
#define MOONS_HOST_PROGRAM_H

#include <stdatomic.h>

#include "host/error.h"
#include "schedule/runtime.h"
#include "wire/setup.h"

struct moons_program {
  moons_runtime *runtime;   /* held */
  moons__terms *terms;      /* shared */
  uint64_t seed;            /* of its calls */
  moons__setup *setup;      /* shared */
  moons__values names;      /* of its functions: one list, sorted */
  moons__host_error *error; /* NULL: it loaded; owned */
  atomic_ullong n_calls;    /* that have been begun: each draws other random numbers */
};

struct moons_call {
  moons__values results;
  moons__host_error *error; /* NULL: it did not fail; owned */
  uint64_t run_ns;
};

/* Calls a function by its name, which is not looked up, and waits. Returns as moons_run does. */
int moons__program_call(moons_call **call, moons_program *program, const char *function,
                        const moons_value *arguments, size_t n_arguments);

#endif
