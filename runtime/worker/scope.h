/*
** A call as seen by what it starts: maps within it, and pools that it makes. When it ends, they end; what they hold counts
** with what it holds. A call that starts nothing has no scope.
*/
#ifndef MOONS_WORKER_SCOPE_H
#define MOONS_WORKER_SCOPE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "state/budget.h"

typedef struct moons__scope {
  struct moons__scope *outer; /* the call that this one was started by; shared, or NULL */
  moons__budget budget;       /* max_bytes 0: none of its own */
  atomic_size_t n_printed;    /* by the call and all within it; of the outermost alone */
  uint64_t deadline_ns;       /* when its time is over; UINT64_MAX: never */
  int is_kept; /* it is a set-up whose state is kept: what it has started goes on with that */
  _Atomic uint64_t ended_ns; /* since when it must end, or has ended; 0: it goes on */
  atomic_uint n_running;     /* chunks that it has started and that run */
  atomic_uint n_users;
} moons__scope;

/* The scope of a call within `outer`, which may be NULL. The call may hold `memory_bytes`; 0: as much as there is. The caller
** is its first user. It lies beside that block (allocate.h). NULL: no memory. */
moons__scope *moons__scope_new(const void *beside, moons__scope *outer, size_t memory_bytes,
                               uint64_t deadline_ns);

/* Adds a user; returns the scope. Accepts NULL. */
moons__scope *moons__scope_share(moons__scope *scope);

/* Removes a user; the last one frees it. Accepts NULL. Any thread. */
void moons__scope_release(moons__scope *scope);

/* How much the outermost call around it has printed, with all that it has started. NULL for NULL. */
atomic_size_t *moons__scope_printed(moons__scope *scope);

/* What the calls within it take memory from; NULL: nobody counts. Accepts NULL. */
moons__budget *moons__scope_budget(moons__scope *scope);

/* Around a chunk that it has started, while that runs or until it is given up. Any thread. */
void moons__scope_begin_chunk(moons__scope *scope);
void moons__scope_end_chunk(moons__scope *scope);

/* Whether such chunks run. Any thread. */
int moons__scope_is_busy(const moons__scope *scope);

/* Notes that the call must end since then, where that was not noted before. Any thread. Accepts NULL. */
void moons__scope_end(moons__scope *scope, uint64_t since_ns);

/* Notes that the call, and those around it, must end where their time is over. Any thread. Accepts NULL, as the functions
** below do. */
void moons__scope_look(moons__scope *scope, uint64_t now_ns);

/* Since when what is within it must end, as was noted; 0: it need not. Any thread. */
uint64_t moons__scope_ended_since(const moons__scope *scope);

/* Whether that was noted. Any thread. */
int moons__scope_is_over(const moons__scope *scope);

/* Whether it, or one around it, is the set-up of a state that is kept. */
int moons__scope_is_kept(const moons__scope *scope);

/* When the first time of it, or of those around it, is over; UINT64_MAX: never. */
uint64_t moons__scope_deadline(const moons__scope *scope);

#endif
