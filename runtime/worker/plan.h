/*
** What the calls of a job have in common. The job shares it with the workers that run its calls, which may go on after the
** job has gone.
*/
#ifndef MOONS_WORKER_PLAN_H
#define MOONS_WORKER_PLAN_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/element.h"
#include "moons.h"
#include "system/shared.h"
#include "worker/job_options.h"
#include "worker/scope.h"
#include "worker/terms.h"

enum { MOONS__UNPROVED_BYTES = 320 };

/* The bytes of a set-up. Many jobs in a row may have the same. */
typedef struct moons__setup {
  atomic_uint n_users;
  atomic_ullong n_unproved;             /* calls of which nothing could be proved (proof.h) */
  atomic_int is_unproved;               /* whether `unproved` says why, and nobody has been told */
  char unproved[MOONS__UNPROVED_BYTES]; /* a line for a person */
  uint64_t hash;
  size_t n_bytes;
  char *bytes; /* `own`, or the block's */
  moons__shared
      *block; /* that has many bytes, for all processes of the machine; NULL: none; shared */
  char own[];
} moons__setup;

/* Copies the bytes (NULL: the caller fills them in, before others see them), in memory beside that block (allocate.h); the caller is
** the first user. NULL: no memory. */
moons__setup *moons__setup_new(const void *beside, const void *bytes, size_t n_bytes,
                               uint64_t hash);

/* The same of bytes that lie in a block, which it takes from the caller in any case. */
moons__setup *moons__setup_of_block(moons__shared *block, uint64_t hash);

/* Whether it has these bytes. */
int moons__setup_is(const moons__setup *setup, const void *bytes, size_t n_bytes, uint64_t hash);

/* Whether both have the same bytes. */
int moons__setup_is_same(const moons__setup *a, const moons__setup *b);

/* Counts calls, of the function at `position`, whose state is put back for this reason; where there are many by now,
** that is to be told. Any thread. */
void moons__setup_note_unproved(moons__setup *setup, uint64_t n_calls, const char *position,
                                const char *reason);

/* The line that is to be told, once, or NULL. It lives as long as the set-up. Any thread. */
const char *moons__setup_take_unproved(moons__setup *setup);

/* Add and remove a user; the last one frees it. Any thread; release accepts NULL. */
moons__setup *moons__setup_share(moons__setup *setup);
void moons__setup_release(moons__setup *setup);

/* An array that takes what calls return. */
typedef struct moons__sink {
  moons__shared *block; /* NULL: there is none */
  moons__element type;
  size_t n_numbers; /* that a call returns */
} moons__sink;

/* What goes with a job beside its bytes: the blocks that it speaks of, that of the sink among them, and the terms of its calls. */
typedef struct moons__luggage {
  moons__shared_list *shared; /* NULL: none */
  moons__sink sink;
  moons__setup
      *setup; /* that of the options, where the maker has it; NULL: it is made of their bytes */
  moons__terms *terms; /* NULL: the defaults */
  void *call_data;     /* for the `write` of the terms */
} moons__luggage;

enum { MOONS__PROVE_NEVER = INT32_MAX };

typedef struct moons__plan {
  uint64_t number;            /* of no other plan of this process */
  moons__job_options options; /* its set-up is that of `setup` */
  moons__setup *setup;
  moons__luggage luggage; /* shared */
  moons__buffer place; /* of the script (place.h), where calls run in another process; else empty */
  moons__scope *scope; /* of the call that has made the job; NULL: none has */
  unsigned
      prove_after; /* a state is looked at for a proof (proof.h) after as many calls, or never */
  int is_foreign;  /* that call runs on workers of another runtime, which look after it */
  atomic_int cancelled; /* set by anyone: calls that have not begun do not begin */
  atomic_uint
      n_deaths; /* of worker processes, one after the other, before a call of it had begun */
  atomic_uint n_users;
} moons__plan;

/* A plan with these options but this set-up, which it shares, as it does the luggage and the scope; proofs are tried after the
** usual number of calls. NULL: no memory. */
moons__plan *moons__plan_new(const moons__job_options *options, moons__setup *setup,
                             const moons__luggage *luggage, moons__scope *scope, int is_foreign);

/* Adds a user. */
void moons__plan_share(moons__plan *plan);

/* Removes a user; the last one frees it. Accepts NULL. Any thread. */
void moons__plan_release(moons__plan *plan);

#endif
