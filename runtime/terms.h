/*
** What the calls of a job have in common. Shared by the job and by whoever runs its calls, which may
** go on when the job has gone.
*/
#ifndef MOONS_TERMS_H
#define MOONS_TERMS_H

#include <stdatomic.h>
#include <stdint.h>

#include "moons.h"

typedef struct moons__terms {
  moons_job_options options; /* with a set-up of its own */
  uint64_t setup_hash;
  atomic_int cancelled; /* set by anyone: calls that have not begun are not begun */
  atomic_uint n_users;
} moons__terms;

/* Terms with a copy of the options' set-up, which the caller uses. NULL: no memory. */
moons__terms *moons__terms_new(const moons_job_options *options);

/* One more uses them. */
void moons__terms_share(moons__terms *terms);

/* One less; the last frees them. Accepts NULL. Any thread. */
void moons__terms_release(moons__terms *terms);

#endif
