/*
** The workers of one thread, one for each depth: the first makes the calls of chunks from the queue, the next those that
** a call of the first waits for, and so on.
**
** One thread runs a stack. Others look at it under the mutex of the backend, which the functions below take where they
** do not say that it is held.
*/
#ifndef MOONS_BACKEND_STACK_H
#define MOONS_BACKEND_STACK_H

#include <stdint.h>
#include <uv.h>

#include "system/alarm.h"
#include "worker/chunk.h"
#include "worker/worker.h"

/* A worker of the stack, and what it does. */
typedef struct moons__station {
  moons__worker *worker;
  moons__chunk *chunk; /* that it runs; NULL: none */
  uint64_t start_ns;   /* when it began */
  unsigned depth;      /* of that chunk, 0: none; the thread's own */
} moons__station;

/* What is above the stations is set before open. */
typedef struct moons__stack {
  const moons__worker_config *config;
  uv_mutex_t *mutex;
  moons__alarm *alarm; /* looks after the calls */
  unsigned
      number; /* of the workers, from 1, as reports tell it; 0: of a thread that is not the backend's */

  unsigned seat; /* of the thread that runs it (seats.h) */
  uint64_t row;  /* of a part of a trace (trace.h) */

  moons__station *stations;
  unsigned n_stations;
  unsigned n_busy; /* of these; the thread's own */
} moons__stack;

/* Makes the first worker, before another thread looks. Returns 0 or MOONS_ENOMEM; close is due in either case. */
int moons__stack_open(moons__stack *stack);

/* {== The thread of the stack ================================================================= */

/* Adds a worker where all are busy. Returns 0 or MOONS_ENOMEM. */
int moons__stack_prepare(moons__stack *stack);

/* Runs a chunk on a worker that is not busy. Returns whether a call of it was given up; finish is told that. */
int moons__stack_run(moons__stack *stack, moons__chunk *chunk);

/* Passes the chunk on to its `done`, but where a call was given up: then that is somebody else's affair. */
void moons__stack_finish(moons__stack *stack, moons__chunk *chunk, int is_given_up);

/* The innermost station that runs a chunk, or one of depth 0. */
const moons__station *moons__stack_here(const moons__stack *stack);

/* Gives memory back that workers keep for the next chunk. The mutex is held. */
void moons__stack_rest(const moons__stack *stack);

/* Closes the states, whose finalizers are given up as calls are where they do not end. */
void moons__stack_end(const moons__stack *stack);

/* Closes the workers. */
void moons__stack_close(moons__stack *stack);

/* {== Another thread; the mutex is held ======================================================= */

/* Looks after the calls. Returns when to look again; 0: the innermost call does not end though it must. */
uint64_t moons__stack_watch(const moons__stack *stack, uint64_t now_ns);

/* Cancels the chunks of this owner. Returns whether there are any. */
int moons__stack_cancel(const moons__stack *stack, const void *owner, uint64_t now_ns);

/* Takes calls that have not begun from a chunk of this owner, for one of `n_sharers`; NULL: there are none to be had. */
moons__chunk *moons__stack_share(const moons__stack *stack, const void *owner, unsigned n_sharers);

/* Gives up the innermost call, and with it all that the thread runs, whose chunks are appended to the list. Returns 0
** where the call has just ended. */
int moons__stack_give_up(const moons__stack *stack, uint64_t now_ns, moons__chunk_list *given_up);

#endif
