/*
** What the files of a worker share: worker.c, which runs chunks, put.c and watch.c. Private to these.
*/
#ifndef MOONS_WORKER_INSIDE_H
#define MOONS_WORKER_INSIDE_H

#include "worker/call.h"
#include "worker/chunk.h"
#include "worker/row.h"
#include "worker/session.h"
#include "worker/sessions.h"

typedef struct moons__worker moons__worker;

struct moons__worker {
  moons__workshop workshop;
  moons__sessions fresh;
  moons__session kept;
  moons__base kept_base; /* of it */
  moons__call call;
  uint64_t clock;      /* chunks so far: tells which loaded set-up was used last */
  moons__buffer spare; /* memory of the last chunk's arguments, for the next one's results */
  const moons__worker *outer;
  atomic_uint number; /* from 1; 0: of a thread that waits */

  /* For any thread, and for a signal handler: what runs. */
  moons__entry *entry;
  _Atomic uint64_t running;       /* number of the call that runs, and 1, or SET_UP; 0: none */
  _Atomic(const char *) position; /* of its function; NULL: not known yet */
  char position_bytes[MOONS_POSITION_BYTES];
  _Atomic uint64_t since_ns; /* when the call began, odd; or, even, what it is part of */

  /* Written by the worker before each call; whoever holds the call (stop.h) may change it. */
  moons__chunk *chunk; /* that runs; NULL: none */
  moons__batch_writer results;
  unsigned n_tries;   /* that the call has had before */
  uint64_t begun_ns;  /* when the call that reports began; 0: it has not, or has ended */
  moons__usage usage; /* of it, once it has ended */
  moons__row row;     /* of the trace */
  int goes_on;        /* after the call others are made in one go */
  int is_setting_up;  /* what runs is no call yet */
  moons__luggage
      before_calls; /* of the maps that a set-up makes: that of the chunk, without the data of its call */
  char *given_up_bytes; /* of the chunk that was given up, which the call may still use */
  moons__shared_list *given_up_shared;
  moons__plan *given_up_plan;

  _Atomic(moons__scope *)
      scope; /* of the call, or the set-up; NULL: it has started nothing. Changed by the worker */

  /* For the thread that watches, or cancels. */
  _Atomic(moons__scope *) within; /* that of the call that the chunk is part of, or NULL */
  atomic_int is_foreign;          /* others look after that */
  _Atomic uint64_t cancelled_ns;  /* when the chunk was cancelled; 0: it was not */
  _Atomic uint64_t timeout_ns;    /* of the calls of the chunk; 0: none */
  _Atomic uint64_t started_ns;    /* when the call began; 0: no call with a timeout runs */

  /* Of the thread that watches, or cancels: of one at a time. */
  uint64_t told_started_ns; /* when the call began that was told last that its time is over */
  uint64_t told_ns;         /* when it was told */
};

/* In place of the number of a call. */
#define MOONS__SET_UP UINT64_MAX

/* Puts the outcome of the next call into the chunk's results. Returns 0 where there is no memory for it. */
int moons__worker_put(moons__worker *worker, const moons__item *item);

/* Puts the outcome of the call that has ended, or of the last of a go where that has one, within what the terms let it send home. Returns 0
** where there is no memory for it. */
int moons__worker_put_outcome(moons__worker *worker);

/* Puts the values that calls made in one go gave. Returns 0 where there is no memory for them: they are lost. */
int moons__worker_put_go(moons__worker *worker);

/* Puts a failure without traceback: of the next call, or of all that are left. */
void moons__worker_fail(moons__worker *worker, moons__failure_kind kind, const char *text,
                        int of_all);

/* Adds the call, or the try, that has ended to the trace, where there is one; and the chunk. */
void moons__worker_trace(moons__worker *worker, const moons__item *item);
void moons__worker_trace_chunk(moons__worker *worker);

/* Calls of the chunk that have not begun must not begin. Any thread. */
int moons__worker_is_cancelled(const moons__worker *worker);

#endif
