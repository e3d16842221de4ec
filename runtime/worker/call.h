/*
** One call: arguments from bytes or an array, the function, results or an error to bytes. While it runs it touches
** nothing but its state and what stands here, so that it can be given up (stop.h).
*/
#ifndef MOONS_WORKER_CALL_H
#define MOONS_WORKER_CALL_H

#include <lua.h>

#include "wire/batch.h"
#include "worker/session.h"

enum { MOONS__CALLS_IN_ONE_GO = 256, MOONS__STRINGS_IN_ONE_GO = 8192 /* bytes */ };

typedef struct moons__call {
  moons__session *session;
  moons__loaded_setup *loaded;
  const moons__plan *plan;
  moons__classes classes; /* that came with the arguments; outer: those of the set-up */
  moons__encoder encoder;
  moons__item item; /* the arguments */
  uint64_t index;   /* number of the call */
  int may_seed;     /* calls of the chunk are seeded, where they may draw random numbers */
  int seeds;        /* this one is */
  int is_again;     /* it is made again, in a state that was put back */
  int is_odd; /* it must be: it has gone by the lane (lane.h), and has not come to its end as it should */
  int is_timed;                     /* its function may call os.clock */
  const moons__shared_list *shared; /* blocks that the arguments speak of */
  moons__item
      result; /* a plain value, a string, a message, numbers for the sink or an error; END: none yet */
  moons__buffer message; /* `bytes` of the result */

  /* Of calls made in one go the arguments, the first of which is `item`, as a look ahead gives them; and the first results, all of
  ** one kind: plain values (batch.h), where in `strings` each string ends, or numbers as the sink has them, side by side. */
  moons__batch_reader *arguments; /* where `item` came from */
  unsigned n_in_one_go;           /* at most; others may share the arguments after those */
  atomic_int is_cut_short;        /* no more begin in this go; set by another thread */
  atomic_uint n_begun; /* in this go; 0 before it; changed by the thread of the call alone */
  uint64_t given[MOONS__CALLS_IN_ONE_GO];
  moons__item_kind kind;
  atomic_uint n_plain; /* written last, for whoever gives the call up */
  uint64_t plain[MOONS__CALLS_IN_ONE_GO];
  uint64_t ended_ns[MOONS__CALLS_IN_ONE_GO]; /* when each ended, where `is_traced` */
  int is_traced;
  char strings[MOONS__STRINGS_IN_ONE_GO];
  enum { MOONS__CALL_RECEIVING, MOONS__CALL_RUNNING, MOONS__CALL_SENDING } stage;
} moons__call;

/* Relaxed: others read it to tell a person which call runs. */
static inline unsigned moons__call_n_begun(const moons__call *call) {
  return atomic_load_explicit(&call->n_begun, memory_order_relaxed);
}
static inline void moons__call_set_begun(moons__call *call, unsigned n_begun) {
  atomic_store_explicit(&call->n_begun, n_begun, memory_order_relaxed);
}

/* The function behind a session's caller: takes a moons__call as light userdata. */
int moons__call_main(lua_State *L);

/* Makes the call in the state of the session, which has begun it. Returns 0 with its result, or where it `is_odd` with
** none; MOONS_ENOMEM where there is no memory for that; or 1 where it was given up. */
int moons__call_run(moons__call *call);

/* The same for the call and those after it, in a state that is not put back between them, as long as arguments are numbers, strings
** or rows, and results plain values or short strings of one kind: `plain` holds the results of the first of them, and `result`
** that of the next, or
** none. */
int moons__call_run_some(moons__call *call);

/* Fails a call that had a result, for what it has started, or what ran when its state was closed, has come upon a limit. Returns 0 or
** MOONS_ENOMEM. */
int moons__call_end_late(moons__call *call, moons__stop_reason reason);

/* Of calls in one go the last of which is odd: makes that one the call, its arguments `item` again. The results of those before it
** have been taken from `plain`. */
void moons__call_take_odd(moons__call *call);

#endif
