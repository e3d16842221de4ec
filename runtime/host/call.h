/*
** A call from inside: what goes there, and what has come home.
*/
#ifndef MOONS_HOST_CALL_H
#define MOONS_HOST_CALL_H

#include "host/error.h"
#include "host/program.h"
#include "schedule/completions.h"
#include "schedule/spread.h"
#include "schedule/tasks.h"

struct moons_call {
  moons__pending pending; /* the first field */
  moons__task task;       /* one call; closed once it has come home. Unused in a map */
  moons__spread *spread;  /* of a map, which is freed with it; NULL: it is one call */
  uint64_t first;         /* number of its first call */
  moons_program *program; /* shared until it is taken; NULL: it was */
  void *data;             /* the host's */

  moons__values results;
  moons__values *
      parts; /* of a map: results that have blocks of their own, which those above point to; NULL: none */
  size_t n_parts;
  const moons_error *failure; /* NULL: it did not fail */
  moons__host_error *error;   /* the same, in memory of its own; NULL: it needs none */
  uint64_t run_ns;
};

/* A call of a function by its name, which is not looked up, with what it needs to be put into the program's line, and the
** host's `data`. Returns 0, or with *call NULL MOONS_ENOMEM or MOONS_EINVAL for a bad value. */
int moons__host_call_new(moons_call **call, moons_program *program, const char *function,
                         const moons_value *arguments, size_t n_arguments, void *data);

/* A call that has nothing yet but its program and `data`. Returns 0 or MOONS_ENOMEM. */
int moons__host_call_make(moons_call **call, moons_program *program, void *data);

/* The plan of a call: it sends home all values, or, without `pack`, the first. NULL: no memory. */
moons__plan *moons__host_call_plan(const moons_call *call, int pack);

/* The call that is `data` has come home: reads it, and gives it to the queue (queue.c). */
void moons__host_call_home(void *data);

/* The call has failed for this error, which is the call's from here on; NULL: for want of memory. `index` is that of a map. */
void moons__host_call_fail(moons_call *call, moons__host_error *error, uint64_t index);

/* Its results cannot be read, for MOONS_EDEPTH or another error. */
void moons__host_call_unread(moons_call *call, int error, uint64_t index);

/* It has failed, for it sends more home than it may. */
void moons__host_call_is_too_much(moons_call *call);

/* The call has come home: reads what its task has brought. Any thread. */
void moons__host_call_read(moons_call *call);

/* The call was cancelled before it had begun. */
void moons__host_call_cancelled(moons_call *call);

/* Whether its results, or why it has failed, could not be told for want of memory. */
int moons__host_call_lacks_memory(const moons_call *call);

/* It is taken: lets go of what only calls under way need. */
void moons__host_call_detach(moons_call *call);

/* Frees it; it is not under way. Accepts NULL. */
void moons__host_call_free(moons_call *call);

#endif
