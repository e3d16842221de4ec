/*
** A call from inside: what goes there, and what has come home.
*/
#ifndef MOONS_HOST_CALL_H
#define MOONS_HOST_CALL_H

#include "host/error.h"
#include "host/program.h"
#include "schedule/completions.h"
#include "schedule/tasks.h"

struct moons_call {
  moons__pending pending; /* the first field */
  moons__task task;       /* one call; closed once it has come home */
  moons_program *program; /* shared until it is taken; NULL: it was */
  void *data;             /* the host's */

  moons__values results;
  const moons_error *failure; /* NULL: it did not fail */
  moons__host_error *error;   /* the same, in memory of its own; NULL: it needs none */
  uint64_t run_ns;
};

/* A call of a function by its name, which is not looked up, with what it needs to be put into the program's line, and the host's `data`. Returns 0, or with
** *call NULL MOONS_ENOMEM or MOONS_EINVAL for a bad value. */
int moons__host_call_new(moons_call **call, moons_program *program, const char *function,
                         const moons_value *arguments, size_t n_arguments, void *data);

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
