/*
** Programs and their calls from inside.
*/
#ifndef MOONS_HOST_PROGRAM_H
#define MOONS_HOST_PROGRAM_H

#include <stdatomic.h>

#include "host/error.h"
#include "schedule/tasks.h"
#include "wire/setup.h"

struct moons_program {
  moons_runtime *runtime;   /* held by the host's hold */
  moons__terms *terms;      /* shared */
  uint64_t seed;            /* of its calls */
  moons__setup *setup;      /* shared */
  moons__values names;      /* of its functions, sorted */
  int has_names;            /* the script has run */
  moons__host_error *error; /* NULL: it loaded; owned */
  atomic_ullong n_calls;    /* that have been begun: each draws other random numbers */
  moons__line *line;        /* of its calls; the terms own it */
  atomic_uint n_users;      /* the host, and calls under way */
};

/* Adds and removes a user; the last one frees it, but the runtime is the host's affair. Any thread; release accepts NULL. */
moons_program *moons__program_share(moons_program *program);
void moons__program_release(moons_program *program);

/* The order of names, for qsort and bsearch. */
int moons__program_compare_names(const void *left, const void *right);

/* Whether a function can be called now, on this thread. Returns 0, MOONS_EINVAL, MOONS_EFORKED or MOONS_ECLOSED. */
int moons__program_check(const moons_program *program, const char *function,
                         const moons_value *arguments, size_t n_arguments);

#endif
