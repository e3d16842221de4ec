/*
** Ending a call that runs: the Lua side. A count hook, set only when a call is to end, raises an error
** at the call's next instruction, and again whenever that is caught, until the call is over. It
** reaches the coroutine that runs, and through it those that wait for it.
*/
#ifndef MOONS_STOP_H
#define MOONS_STOP_H

#include <lua.h>
#include <stdatomic.h>

/* A coroutine that waits for another to return or yield. */
typedef struct moons__resumer {
  lua_State *L;
  struct moons__resumer *outer;
} moons__resumer;

/* All zero is at rest. Belongs to one worker; another thread only requests. */
typedef struct moons__stop {
  _Atomic(lua_State *)
      running;              /* NULL between calls; a mark of its own while the hook is being set */
  atomic_int reason;        /* why the call is to end: a moons__failure_kind plus 1; 0: it is not */
  moons__resumer *resumers; /* the coroutines that wait, the innermost first */
} moons__stop;

/* Begins a call in L. */
void moons__stop_begin(moons__stop *stop, lua_State *L);

/* Ends it; returns the reason for which it was to end, or 0. */
int moons__stop_end(moons__stop *stop);

/* Has the call end that runs now, if any. To be repeated until it has ended: the script may take the
** hook away. Any thread. */
void moons__stop_request(moons__stop *stop, int reason);

/* Has the call end that runs now. The thread of the call. */
void moons__stop_here(moons__stop *stop, lua_State *L, int reason);

/* Puts functions in the places of coroutine.resume and coroutine.wrap, which say who runs, and of
** xpcall, whose handler must not run when a call is to end: no hook can reach it. May raise a memory
** error. */
void moons__stop_install(lua_State *L);

#endif
