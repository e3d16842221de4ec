/*
** Ending a call that runs: the Lua side. A count hook, set only when a call is to end, raises an error
** at the call's next instruction, and again whenever that is caught, until the call is over. It
** reaches the coroutine that runs, and through it those that wait for it. What it cannot reach, a C
** function that does not return or a finalizer, which Lua runs with hooks off, can be given up: the
** call then counts as over though its thread goes on.
**
** Who ends a call is another thread, but Lua lets a hook be set from the thread that runs the state alone: while
** that does anything else, or in a signal handler on it. So a signal is sent there, where the program allows
** one. Where it does not, the other thread sets the hook itself, which is not safe (SECURITY.md).
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

/* Why a call is to end: 0: it is not; otherwise a failure kind plus 1. */
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
} moons__stop;

/* Before all else: the signal to end calls with, or 0. Whoever has it open (interrupt.h) keeps it so. `cancelled_ns` is
** since when no more calls are to begin, or 0. */
void moons__stop_open(moons__stop *stop, int signal, _Atomic uint64_t *cancelled_ns);

/* Makes it that of a state, whose allocator is an arena: the arena's owner. Must outlive the state. */
void moons__stop_own(moons__stop *stop, lua_State *L);

/* That of a state, or of a coroutine of it. */
moons__stop *moons__stop_of(lua_State *L);

/* {== The thread of the call ================================================================== */

/* Calls will be made on this thread, until leave: those that are made within another one leave before it. */
void moons__stop_enter(moons__stop *stop);
void moons__stop_leave(moons__stop *stop);

/* Begins a call in L; or what is done without a hook, closing a state. Where the thread was given up, it stays so. */
void moons__stop_begin(moons__stop *stop, lua_State *L);
void moons__stop_begin_closing(moons__stop *stop);

/* Ends it. Returns why it was to end, or 0; MOONS__STOP(LOST): it was given up, and from then on
** nothing may be touched that the thread does not own. */
moons__stop_reason moons__stop_end(moons__stop *stop);

/* Why the call that runs is to end, or 0. */
static inline moons__stop_reason moons__stop_reason_of(const moons__stop *stop) {
  return atomic_load(&stop->reason);
}

/* Whether the thread was given up. Any thread. */
int moons__stop_is_lost(const moons__stop *stop);

/* Ends the running call. */
void moons__stop_here(moons__stop *stop, lua_State *L, moons__stop_reason reason);

/* Ends all calls that run on this thread, of whatever runtime, and has those who make them begin no more. Only where
** there is a signal to end calls with. For signal handlers. */
void moons__stop_thread(void);

/* Until unpin the call cannot be given up. Returns 0 where it was. For what reaches out of the worker. */
int moons__stop_pin(moons__stop *stop);
void moons__stop_unpin(moons__stop *stop);

/* Until leave, `co` runs, and L waits for it. `here` lives as long. */
void moons__stop_enter_coroutine(lua_State *L, lua_State *co, moons__resumer *here);
void moons__stop_leave_coroutine(lua_State *L, const moons__resumer *here);

/* {== Another thread ========================================================================== */

/* Keeps the call that runs from ending until let_go. Returns 0 where none runs, or it is held or pinned. */
int moons__stop_hold(moons__stop *stop);
void moons__stop_let_go(moons__stop *stop);

/* Ends the held call. To be repeated until it has ended: the script may take the hook away. */
void moons__stop_request(moons__stop *stop, moons__stop_reason reason);

/* Gives the held call up, in place of letting it go. */
void moons__stop_give_up(moons__stop *stop);

#endif
