/*
** What the calls of a job have in common. Shared by the job and by whoever runs its calls, which may
** go on when the job has gone.
*/
#ifndef MOONS_WORKER_TERMS_H
#define MOONS_WORKER_TERMS_H

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

/* A copy, which the caller uses. NULL: no memory. */
moons__setup *moons__setup_new(const void *bytes, size_t n_bytes, uint64_t hash);

/* Whether it has these bytes. */
int moons__setup_is(const moons__setup *setup, const void *bytes, size_t n_bytes, uint64_t hash);

/* One more uses it; one less, the last of whom frees it. Any thread; release accepts NULL. */
moons__setup *moons__setup_share(moons__setup *setup);
void moons__setup_release(moons__setup *setup);

typedef struct moons__terms {
  moons_job_options options; /* its set-up is that of `setup` */
  moons__setup *setup;
  moons__scope *scope;  /* of the call that has made the job; NULL: none has */
  int is_foreign;       /* that runs on workers of another runtime, which look after it */
  atomic_int cancelled; /* set by anyone: calls that have not begun are not begun */
  atomic_uint n_users;
} moons__terms;

/* Terms with the options, but that set-up, which the caller uses; they share it, and the scope. NULL: no memory. */
moons__terms *moons__terms_new(const moons_job_options *options, moons__setup *setup,
                               moons__scope *scope, int is_foreign);

/* Whether both have the same set-up. */
int moons__terms_have_same_setup(const moons__terms *a, const moons__terms *b);

/* One more uses them. */
void moons__terms_share(moons__terms *terms);

/* One less; the last frees them. Accepts NULL. Any thread. */
void moons__terms_release(moons__terms *terms);

#endif
