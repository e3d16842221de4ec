/*
** The memory of one state: one contiguous stretch, which a lua_Alloc hands out from.
**
** Everything that the allocator knows of its blocks lies inside the stretch too. So a copy of the
** bytes in use is a copy of the state, and copying them back puts the state back, allocator and
** all. An arena is used by one thread at a time.
*/
#ifndef MOONS_STATE_ARENA_H
#define MOONS_STATE_ARENA_H

#include <stddef.h>

#include "base/ptrmap.h"
#include "state/budget.h"

typedef struct moons__heap moons__heap;

typedef struct moons__arena {
  moons__heap *heap;     /* the start of the stretch; NULL before open */
  size_t reserved_bytes; /* address space */
  int grows; /* more of it is reserved when it is needed, and given back when it is not */
  size_t committed_bytes; /* that have memory, from the start on */
  size_t max_bytes;       /* the most that limit_bytes can be */
  size_t limit_bytes;     /* blocks end below this */
  size_t ready_bytes;   /* up to here blocks can be had without more ado: the least of all limits */
  moons__budget *all;   /* that of all states; NULL: there is none */
  size_t all_bytes;     /* taken from it: for what was touched */
  moons__budget *call;  /* that of the call that runs; NULL: it has none */
  size_t call_bytes;    /* taken from it: for what is in use */
  size_t hole_bytes;    /* in the midst, that were given back and count for neither */
  size_t touched_bytes; /* the furthest that blocks have reached since the last trim */
  size_t peak_bytes;    /* the same, since the last moons__arena_begin_peak */
  int counts_userdata;  /* whether userdata are followed from birth to death */
  size_t n_userdata;    /* alive of those that were made since counting began */
  moons__ptrmap userdata; /* block -> 1 while it is a userdata, 0 once it is free */
  void *owner;            /* what whoever has only the state wants to find; not the arena's */
} moons__arena;

/* Reserves space and lays an empty heap in it. `max_bytes` is the most that its blocks, and what
** the allocator adds, may take up; 0: MOONS_ARENA_BYTES. All of it is reserved, which costs nothing; but where
** the process may have only so much address space, an arena takes what it needs as it grows. What it touches is taken
** from the budget `all`, which may be NULL, and outlives the arena; the first MOONS_COMMIT_BYTES whether they are there or
** not, so that small states always work. Returns 0 or MOONS_ENOMEM. */
int moons__arena_open(moons__arena *arena, size_t max_bytes, moons__budget *all);

/* Gives the space back. Does nothing for an arena that is not open. */
void moons__arena_close(moons__arena *arena);

/* Forgets all blocks: an empty heap again. */
void moons__arena_reset(moons__arena *arena);

/* The lua_Alloc; `ud` is the arena. */
void *moons__arena_alloc(void *ud, void *at, size_t old_bytes, size_t new_bytes);

/* Bytes from the heap's start that hold everything allocated, packed as they can be. */
size_t moons__arena_used_bytes(moons__arena *arena);

/* Bytes that its pages hold by now. */
size_t moons__arena_held_bytes(const moons__arena *arena);

/* Joins what was freed, which takes time in proportion to that, and gives memory back that nothing needs, also in the
** midst. No copy of the bytes in use that was made before may be put back after that. */
void moons__arena_shrink(moons__arena *arena);

/* Gives memory back that lies beyond `keep_bytes` and was touched. */
void moons__arena_trim(moons__arena *arena, size_t keep_bytes);

/* Lowers or raises the most that blocks may take up; 0: what open was told. */
void moons__arena_limit(moons__arena *arena, size_t max_bytes);

/* From now on what is in use counts against this budget too, also what is in use already; NULL: against none. Returns 0, or
** MOONS_ENOMEM where the budget has less left than that: then the arena has no such budget. The budget must stay until
** another one is given. */
int moons__arena_charge(moons__arena *arena, moons__budget *budget);

/* `inner` is a new budget within that of the call, or within none. From now on what is in use counts against both. */
void moons__arena_charge_inner(moons__arena *arena, moons__budget *inner);

/* Gives back to the budget of the call what is no longer in use. */
void moons__arena_settle(moons__arena *arena);

/* Begin notes from now on how far blocks reach, and returns a number for end. End returns how far they have reached
** meanwhile. */
size_t moons__arena_begin_peak(moons__arena *arena);
size_t moons__arena_end_peak(moons__arena *arena, size_t touched_bytes);

/* Begins to count userdata, from 0, or ends it and frees what that took. */
void moons__arena_count_userdata(moons__arena *arena, int on);

/* Whether a userdata was made since the mark was last cleared; it may own something that does not
** lie in the arena. The mark lies in the heap, so it is put back with it. */
int moons__arena_made_userdata(const moons__arena *arena);
void moons__arena_clear_mark(moons__arena *arena);

#endif
