/*
** The terms of calls (moons.h): what they may do, how much, and what the host offers them. Shared by all that run under them; who
** has given them is told when nobody does any more.
*/
#ifndef MOONS_WORKER_TERMS_H
#define MOONS_WORKER_TERMS_H

#include <stdatomic.h>
#include <stdint.h>

#include "moons.h"
#include "worker/job_options.h"

typedef struct moons__terms {
  moons_terms given;        /* a copy */
  uint64_t number;          /* of no other terms of this process; never 0 */
  struct moons__line *line; /* of what runs under them (schedule/line.h); NULL: none; owned */
  atomic_uint n_users;
} moons__terms;

/* Copies the terms of a host, in memory beside that block (allocate.h); NULL: the defaults, which are no terms. The caller is
** the first user. Returns 0, MOONS_EINVAL, MOONS_EUNSUPPORTED or MOONS_ENOMEM; then, too, `gone` of the host is called, where it
** could be read. */
int moons__terms_new(moons__terms **terms, const void *beside, const moons_terms *given);

/* Add and remove a user; the last one tells the host, and frees them. Any thread. Both accept NULL, as all below do: the defaults. */
moons__terms *moons__terms_share(moons__terms *terms);
void moons__terms_release(moons__terms *terms);

/* What they say. */
const moons_terms *moons__terms_of(const moons__terms *terms);

/* The message of a failure for `result_bytes`. */
#define MOONS__TOO_MUCH "the results are larger than result_bytes of the terms"

/* Tells apart states that hold what a host has added; 0: in these it has added nothing. */
uint64_t moons__terms_host(const moons__terms *terms);

/* Has the options of a job allow no more than the terms do. */
void moons__terms_bound(const moons__terms *terms, moons__job_options *options);

#endif
