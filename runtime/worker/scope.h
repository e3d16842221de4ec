/*
** A call as all that it starts knows it: maps within it, also on workers of its own. Its end is theirs, and what they
** hold counts with what it holds. A call that starts nothing has none.
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
  uint64_t deadline_ns;       /* when its time is over; UINT64_MAX: never */
  _Atomic uint64_t ended_ns;  /* since when it is to end, or has ended; 0: it goes on */
  atomic_uint n_users;
} moons__scope;

/* That of a call within `outer`, or NULL, which may hold `memory_bytes`, 0: as much as there is. Its user is the caller.
** NULL: no memory. */
moons__scope *moons__scope_new(moons__scope *outer, size_t memory_bytes, uint64_t deadline_ns);

/* One user more; returns it. Accepts NULL. */
moons__scope *moons__scope_share(moons__scope *scope);

/* One user less; the last frees it. Accepts NULL. Any thread. */
void moons__scope_release(moons__scope *scope);

/* What the calls within it take memory from; NULL: nobody counts. Accepts NULL. */
moons__budget *moons__scope_budget(moons__scope *scope);

/* Notes that it is to end since then, where that was not noted before. Any thread. Accepts NULL. */
void moons__scope_end(moons__scope *scope, uint64_t since_ns);

/* Notes of it, and of those around it, whose time is over, that they are to end. Any thread. Accepts NULL, as those below do. */
void moons__scope_look(moons__scope *scope, uint64_t now_ns);

/* Since when what is within it is to end, as was noted; 0: it is not. Any thread. */
uint64_t moons__scope_ended_since(const moons__scope *scope);

/* Whether that was noted. Any thread. */
int moons__scope_is_over(const moons__scope *scope);

/* When the time of the first is over; UINT64_MAX: never. */
uint64_t moons__scope_deadline(const moons__scope *scope);

#endif
