/*
** Ending a call that runs: the Lua side. A count hook, set only when a call must end, raises an error
** at the call's next instruction, and again whenever that is caught, until the call is over. It
** reaches the coroutine that runs, and through it those that wait for it. What it cannot reach, a C
** function that does not return or a finalizer, which Lua runs with hooks off, can be given up: the
** call then counts as over though its thread goes on.
**
** Another thread ends the call, but Lua allows a hook to be set only on the thread that runs the state: between its calls of
** Lua, or in a signal handler. So a signal is sent to that thread, where the program allows one. Where it does not, the other
** thread sets the hook itself, which is not safe (SECURITY.md).
*/
#ifndef MOONS_WORKER_STOP_H
#define MOONS_WORKER_STOP_H

#include <lua.h>
#include <stdatomic.h>
#include <stdint.h>

#include "wire/failure.h"
#include "worker/interrupt.h"

/* A coroutine that waits for another to return or yield. */
typedef struct moons__resumer {
  lua_State *L;
  uintptr_t was_running; /* what `running` held before */
  struct moons__resumer *outer;
} moons__resumer;

/* Why a call must end: a failure kind plus 1; 0: it need not. */
typedef int moons__stop_reason;
#define MOONS__STOP(kind) (MOONS__FAILURE_##kind + 1)

/* Zero-initialised: at rest. Belongs to one worker. */
typedef struct moons__stop {
  _Atomic uintptr_t running; /* the state, 0 between calls, or a mark, see stop.c */
  atomic_int reason;
  moons__resumer *resumers; /* the coroutines that wait, the innermost first */
  moons__interrupt here;
  _Atomic uint64_t *cancelled_ns;
  unsigned fork_number; /* of the process (fork.h) */

  /* Of a call that ends itself, by a limit or os.exit: its own thread has told it so, and may be in what comes after. */
  struct moons__alarm *alarm; /* is nudged then; NULL: nobody looks after calls */
  _Atomic uint64_t ending_ns; /* since when; 0: it does not */
  atomic_int ending_for;      /* a moons__stop_reason, once the former is set */
} moons__stop;

/* Before all else: the signal to end calls with, or 0, which stays open (interrupt.h). `*cancelled_ns` is the time since which
** no more calls may begin, or 0. `alarm` may be NULL. */
void moons__stop_open(moons__stop *stop, int signal, _Atomic uint64_t *cancelled_ns,
                      struct moons__alarm *alarm);

/* Makes this the stop of a state whose allocator is an arena: it becomes the arena's owner. Must outlive the state. */
void moons__stop_own(moons__stop *stop, lua_State *L);

/* The stop of a state, or of a coroutine of it. */
moons__stop *moons__stop_of(lua_State *L);

/* {== The thread of the call ================================================================== */

/* From enter to leave calls are made on this thread. Workers that run within another one's call leave before that one. */
void moons__stop_enter(moons__stop *stop);
void moons__stop_leave(moons__stop *stop);

/* Begins a call in L; or the closing of a state, which no hook can end. Where the thread was given up, it stays so. */
void moons__stop_begin(moons__stop *stop, lua_State *L);
void moons__stop_begin_closing(moons__stop *stop);

/* Ends what was begun. Returns why it had to end, or 0; MOONS__STOP(LOST): it was given up, and from then on
** nothing may be touched that the thread does not own. */
moons__stop_reason moons__stop_end(moons__stop *stop);

/* Why the running call must end, or 0. */
static inline moons__stop_reason moons__stop_reason_of(const moons__stop *stop) {
  return atomic_load(&stop->reason);
}

/* Since when the call ends itself, or 0; and why. Any thread. */
static inline uint64_t moons__stop_ending_since(const moons__stop *stop) {
  return atomic_load_explicit(&stop->ending_ns, memory_order_acquire);
}
moons__stop_reason moons__stop_ending_for(const moons__stop *stop);

/* Whether the thread was given up. Any thread. */
int moons__stop_is_lost(const moons__stop *stop);

/* The state, or the coroutine, that runs; NULL: none does, or one is being closed. */
lua_State *moons__stop_running(const moons__stop *stop);

/* Ends the running call; with L NULL what is being closed counts as told. Whoever looks after calls is told, once: no hook runs in
** a finalizer. */
void moons__stop_here(moons__stop *stop, lua_State *L, moons__stop_reason reason);

/* The call that has ended itself is over, finalizers and all. */
void moons__stop_settle(moons__stop *stop);

/* Ends all calls that run on this thread, of whatever runtime, and lets no more begin. Only where there is a signal to end
** calls with. For signal handlers. */
void moons__stop_thread(void);

/* From pin to unpin the call cannot be given up: for what reaches out of the worker. Pin returns 0 where it was given up. */
int moons__stop_pin(moons__stop *stop);
void moons__stop_unpin(moons__stop *stop);

/* From enter to leave `co` runs and L waits for it. `here` lives as long. */
void moons__stop_enter_coroutine(lua_State *L, lua_State *co, moons__resumer *here);
void moons__stop_leave_coroutine(lua_State *L, const moons__resumer *here);

/* {== Another thread ========================================================================== */

/* Keeps the running call from ending until let_go. Returns 0 where none runs, or it is held or pinned. */
int moons__stop_hold(moons__stop *stop);
void moons__stop_let_go(moons__stop *stop);

/* Ends the held call. Must be repeated until it has ended: the script may take the hook away. */
void moons__stop_request(moons__stop *stop, moons__stop_reason reason);

/* Gives the held call up, in place of letting it go. */
void moons__stop_give_up(moons__stop *stop);

#endif
