/*
** A worker: bytes in, calls run, bytes out. It keeps its states and images from chunk to chunk. One thread at a time uses it,
** and it starts none.
*/
#ifndef MOONS_WORKER_WORKER_H
#define MOONS_WORKER_WORKER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "worker/chunk.h"
#include "worker/config.h"
#include "worker/plan.h"

typedef struct moons__worker moons__worker;

/* Returns 0 or MOONS_ENOMEM. The config is copied. `outer` is the worker whose call this one's calls
** are made in, or NULL: when that call must end, these must too. */
int moons__worker_open(moons__worker **worker, const moons__worker_config *config,
                       const moons__worker *outer);

/* Which of the runtime's workers it is, from 1, for what calls report; 0: that of a thread that waits. `seat`: of the thread,
** for functions of the host. `row`: where it stands in a part of a trace (trace.h). Between chunks. */
void moons__worker_number(moons__worker *worker, unsigned number, unsigned seat, uint64_t row);

/* Closes its states. Accepts NULL. */
void moons__worker_close(moons__worker *worker);

/* Gives back memory that it keeps for the next chunk, since none comes for a while. On the worker's thread, between
** chunks. */
void moons__worker_rest(moons__worker *worker);

/* Notes for the thread that watches that calls of this plan are about to run; to be called before they run. Returns whether
** that thread must be nudged: there is a time at which it must look. */
int moons__worker_expect(moons__worker *worker, moons__plan *plan);

/* Runs a chunk, whose results are empty, and fills in what has become of it. Never fails: errors of calls
** are results; where there is no memory for results, there are fewer than calls. Returns 1 where the chunk was given
** up meanwhile: then it is no longer this thread's, and the worker can only be closed. */
int moons__worker_run(moons__worker *worker, moons__chunk *chunk);

/* The scope of the running call, made when it is first asked for; the caller becomes a user. NULL: no memory. On the worker's
** thread, within a call or a set-up. */
moons__scope *moons__worker_scope(moons__worker *worker);

/* That of the running call, or set-up. On the worker's thread, within one. */
const moons__luggage *moons__worker_luggage(const moons__worker *worker);

/* Ends the running call where its time is over and the watcher has not ended it yet, though what it has started may have
** ended for that. On the worker's thread. */
void moons__worker_notice(moons__worker *worker);

/* Whether closing it can run the script's code: finalizers of a state that was kept. */
int moons__worker_keeps_state(const moons__worker *worker);

/* Closes its states, when no chunk will come any more. */
void moons__worker_end(moons__worker *worker);

/* Cancels the chunks that run on this thread, of whatever worker. For signal handlers; only where there is a
** `stop_signal`. */
void moons__worker_cancel_here(void);

/* {== From any thread ========================================================================= */

/* Takes calls that have not begun from the running chunk: the part of one of `n_sharers`, of which the worker is one.
** NULL where that cannot be, or there are none. */
moons__chunk *moons__worker_share(moons__worker *worker, unsigned n_sharers);

/* Ends the running call and begins no more of the chunk; `since_ns` is the time, 0 takes that back.
** Between chunks it must be taken back. The call ends at its next instruction in Lua after the next
** watch. */
void moons__worker_cancel(moons__worker *worker, uint64_t since_ns);

/* Whether the running call must end. */
int moons__worker_is_ending(const moons__worker *worker);

/* Whether it was given up. */
int moons__worker_is_lost(const moons__worker *worker);

/* What runs in a worker. */
typedef struct moons__running {
  const char *position;  /* of the function, "script.lua:3"; NULL: not known yet */
  uint64_t call;         /* its number, */
  uint32_t n_calls;      /* or that of the first of so many, of which one runs; 0: it is known */
  int is_setting_up;     /* no call yet, but what comes before the first */
  const char *host;      /* that it runs on; NULL: this machine */
  unsigned pool, worker; /* config.h; its number; 0: that of a thread that waits, or not known */
  uint64_t since_ns;     /* when the call began, */
  int is_earlier;        /* or what it is part of */
  int is_here;           /* on the calling thread, */
  int is_innermost;      /* and nothing runs in it */
} moons__running;

/* Tells what runs; returns 0 where nothing does. For whoever holds the worker in the roster, and for signal handlers when the
** process is about to die: it goes on meanwhile, so what is told may be a moment old. */
int moons__worker_running(const moons__worker *worker, moons__running *running);

/* {== From one other thread at a time ========================================================= */

/* Ends the running call where its chunk was cancelled or its time is over. Returns the time at which
** to look again, UINT64_MAX where there is nothing to expect; 0: it was told to end long enough ago, and
** has not. */
uint64_t moons__worker_watch(moons__worker *worker, uint64_t now_ns);

/* Gives up the call that was told to end; or, `with_others`, whatever the worker runs, because another call on its thread was
** given up. The call has failed then, and its chunk has ended with it. The worker keeps what it may still read of the chunk,
** and the chunk gets a copy. Returns 0 where the call has just ended. */
int moons__worker_give_up(moons__worker *worker, int with_others);

#endif
