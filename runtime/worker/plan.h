/*
** What the calls of a job have in common. The job shares it with the workers that run its calls, which may go on after the
** job has gone.
*/
#ifndef MOONS_WORKER_PLAN_H
#define MOONS_WORKER_PLAN_H

#include <stdatomic.h>
#include <stdint.h>

#include "moons.h"
#include "worker/scope.h"

/* The bytes of a set-up. Many jobs in a row may have the same. */
typedef struct moons__setup {
  atomic_uint n_users;
  uint64_t hash;
  size_t n_bytes;
  char bytes[];
} moons__setup;

/* Copies the bytes; the caller is the first user. NULL: no memory. */
moons__setup *moons__setup_new(const void *bytes, size_t n_bytes, uint64_t hash);

/* Whether it has these bytes. */
int moons__setup_is(const moons__setup *setup, const void *bytes, size_t n_bytes, uint64_t hash);

/* Add and remove a user; the last one frees it. Any thread; release accepts NULL. */
moons__setup *moons__setup_share(moons__setup *setup);
void moons__setup_release(moons__setup *setup);

typedef struct moons__plan {
  moons_job_options options; /* its set-up is that of `setup` */
  moons__setup *setup;
  moons__scope *scope;  /* of the call that has made the job; NULL: none has */
  int is_foreign;       /* that call runs on workers of another runtime, which look after it */
  atomic_int cancelled; /* set by anyone: calls that have not begun do not begin */
  atomic_uint n_users;
} moons__plan;

/* A plan with these options but this set-up, which it shares, as it does the scope. NULL: no memory. */
moons__plan *moons__plan_new(const moons_job_options *options, moons__setup *setup,
                             moons__scope *scope, int is_foreign);

/* Whether both have the same set-up. */
int moons__plan_has_same_setup(const moons__plan *a, const moons__plan *b);

/* Adds a user. */
void moons__plan_share(moons__plan *plan);

/* Removes a user; the last one frees it. Accepts NULL. Any thread. */
void moons__plan_release(moons__plan *plan);

#endif
