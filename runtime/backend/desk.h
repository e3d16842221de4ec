/*
** What lent.c and helpers.c share. Private to these.
**
** A desk is the place of a thread that was lent: what a worker keeps from call to call. In a worker process the thread that reads
** chunks has the desk of the process's number for good, and threads that help with maps within its calls have the others
** (helpers.h).
*/
#ifndef MOONS_BACKEND_DESK_H
#define MOONS_BACKEND_DESK_H

#include <signal.h>
#include <uv.h>

#include "backend/backend.h"
#include "backend/stack.h"
#include "system/alarm.h"

/* What the thread that has taken it owns, but for what the mutex guards. */
typedef struct desk {
  moons__stack workers;
  unsigned number;
  const char *stack; /* an address at the start of what the thread's calls have of its stack */
  sigset_t before;   /* signals that the thread blocks otherwise */

  /* Guarded by the mutex. */
  int is_taken;
  int is_recalled; /* its helper shall begin no more chunks */
  int is_stuck;    /* its helper runs one that nobody waits for, and that does not end */
} desk;

/* What a backend MOONS_LENT has. */
typedef struct desks {
  moons__backend_config config;
  uv_key_t current; /* the desk that the thread has */
  moons__alarm *alarm;
  unsigned fork_number; /* of the process (fork.h) */

  struct moons__helpers *helpers; /* of a worker process, set before any chunk; NULL: it is none */

  uv_mutex_t mutex; /* guards all that follows */
  uv_cond_t left;   /* a thread has left its desk, or a helper has ended a chunk, or is stuck */
  uv_cond_t came;   /* a chunk has, or the end of a helper */
  moons__chunk_list queue;
  desk *all;
  unsigned n_desks;
  unsigned n_taken;   /* of these */
  unsigned n_wanted;  /* threads that were asked for, and that have not come */
  unsigned n_waiting; /* helpers that wait for a chunk */
  unsigned n_helping; /* helpers that run one, */
  unsigned n_stuck;   /* and cannot be waited for */
} desks;

desks *moons__desks_of(moons__backend *backend);

/* Takes a desk that nobody has. Returns 0 or MOONS_ENOMEM. The mutex is held. */
int moons__desk_take(desks *b, desk *d);

/* The thread begins to run calls at a desk that it has taken: the signal that ends them must come through. `here` is on its
** stack. And it ends that, and gives the desk back. */
void moons__desk_sit_down(desks *b, desk *d, const char *here);
void moons__desk_leave(desks *b, desk *d);

/* Runs a chunk, and passes it on to its `done`. */
void moons__desk_run(desks *b, desk *d, moons__chunk *chunk);

/* Asks for one more thread where chunks need it. Without a lock. */
void moons__desk_want(desks *b);

/* {== Of a worker process (helpers.c) ========================================================== */

/* Decides who may run a chunk that is submitted. */
void moons__helpers_admit(moons__chunk *chunk);

/* Waits for helpers that run chunks, on the thread of a call that has ended and was the outermost. Returns 0, or -1 where one is
** stuck. */
int moons__helpers_await(void *all);

/* The innermost call at a desk does not end though it must. The mutex is held. */
void moons__helpers_look(desks *b, desk *d);

#endif
