/*
** A worker: bytes in, calls run, bytes out. It keeps its states and images from task to task.
** A worker is used by one thread at a time, and knows nothing of threads.
*/
#ifndef MOONS_WORKER_WORKER_H
#define MOONS_WORKER_WORKER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "worker/config.h"
#include "worker/terms.h"

/* Some calls, one after the other. */
typedef struct moons__task {
  moons__terms *terms;
  uint64_t first; /* number of the first call */
  uint32_t n_calls;
  uint32_t n_skipped; /* items of `bytes` before the first call's */
  unsigned n_tries;   /* that the first call has had */
  char *bytes; /* arguments (batch.h), from malloc; NULL afterwards where the worker keeps them */
  size_t n_bytes;

  size_t
      counted_bytes; /* of arguments and results that count with the call that the task is part of */
  moons__buffer results; /* batch.h; as many as calls were run */
  uint32_t n_run;
  uint32_t n_failed, n_retried, n_restored;
  uint32_t n_lost; /* calls that were given up with their worker, or that no worker is left for */
  int found;       /* a call gave what the job goes on until */
  int failed;      /* a call failed */
  uint64_t first_failed;
  int is_given_up; /* a call did not end: those after it were not run, though nothing stopped them */
} moons__task;

typedef struct moons__worker moons__worker;

/* Returns 0 or MOONS_ENOMEM. The config is copied. `outer` is the worker whose call this one's calls
** are made in, or NULL: when that call is to end, so are these. */
int moons__worker_open(moons__worker **worker, const moons__worker_config *config,
                       const moons__worker *outer);

/* Which of the runtime's workers it is, from 1, for what calls report. Between tasks. */
void moons__worker_number(moons__worker *worker, unsigned number);

/* Closes its states. Accepts NULL. */
void moons__worker_close(moons__worker *worker);

/* Gives memory back that it keeps for the next task, for none comes for a while. On the worker's thread, between
** tasks. */
void moons__worker_rest(moons__worker *worker);

/* Tells the thread that watches that calls on these terms are about to run; to be called before they are run. Returns whether
** that thread is to be nudged then: there is a time to look. */
int moons__worker_expect(moons__worker *worker, moons__terms *terms);

/* Runs a task, whose results are empty, and fills in the rest of it. Never fails: errors of calls
** are results; out of memory for these, fewer are there than calls. Returns 1 where the task was given
** up meanwhile: then it is no longer this thread's, and the worker is good for nothing but closing. */
int moons__worker_run(moons__worker *worker, moons__task *task);

/* The call that it runs as what that starts will know it, whose user the caller becomes; NULL: no memory. On the
** worker's thread, within a call or a set-up. */
moons__scope *moons__worker_scope(moons__worker *worker);

/* Ends the call that runs where its time is over, and nobody has ended it yet, but may have what it has started. On the
** worker's thread. */
void moons__worker_notice(moons__worker *worker);

/* Whether closing it can run the script's code: finalizers of a state that was kept. */
int moons__worker_keeps_state(const moons__worker *worker);

/* Closes its states, when no task will come any more. */
void moons__worker_end(moons__worker *worker);

/* Cancels the tasks that run on this thread, of whatever worker. For signal handlers; only where there is a
** `stop_signal`. */
void moons__worker_cancel_here(void);

/* {== From any thread ========================================================================= */

/* Takes calls that have not begun from the task that runs, for one of `n_sharers` who share them, the worker
** among them. Returns 0 where it cannot be, or there are none; otherwise `rest` is a task of those calls,
** with bytes of its own. */
int moons__worker_share(moons__worker *worker, unsigned n_sharers, moons__task *rest);

/* Ends the call that runs and begins no more of the task; `since_ns` is the time, 0 takes that back.
** Between tasks this has to be off. The call ends at its next instruction in Lua after the next
** watch. */
void moons__worker_cancel(moons__worker *worker, uint64_t since_ns);

/* Whether the call that runs is to end. */
int moons__worker_is_ending(const moons__worker *worker);

/* Whether it was given up. */
int moons__worker_is_lost(const moons__worker *worker);

/* What runs in a worker. */
typedef struct moons__running {
  const char *place; /* of the function, "script.lua:3"; NULL: not known yet */
  uint64_t call;     /* its number */
  int is_setting_up; /* no call yet, but what comes before the first */
  unsigned worker;   /* its number */
  int is_here;       /* on the calling thread, */
  int is_innermost;  /* and nothing runs in it */
} moons__running;

/* Tells what runs; returns 0 where nothing does. For signal handlers, when the process is about to die. */
int moons__worker_running(const moons__worker *worker, moons__running *running);

/* {== From one other thread at a time ========================================================= */

/* Ends the call that runs where it is to be cancelled, or its time is over. Returns the time at which
** to look again, UINT64_MAX where there is nothing to expect; 0: it was told to end long enough ago, and
** has not. */
uint64_t moons__worker_watch(moons__worker *worker, uint64_t now_ns);

/* Gives up on the call that was told to end, or, `with_others`, on a worker of whose thread another call
** was given up: the call failed, and its task has ended with it. What the worker may still read of the
** task it keeps, and the task gets a copy of. Returns 0 where the call has just ended. */
int moons__worker_give_up(moons__worker *worker, int with_others);

/* {== Without a worker ======================================================================== */

/* Fills in the failures of all calls of a task that nobody is left to run. */
void moons__task_refuse(moons__task *task);

#endif
