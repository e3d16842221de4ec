/*
** The memory under an arena (arena.h): address space, pages and budgets, counted by how far blocks reach. Of the blocks it
** knows where their top is, and nothing else.
*/
#ifndef MOONS_STATE_MEMORY_H
#define MOONS_STATE_MEMORY_H

#include <stddef.h>

#include "base/ptrmap.h"
#include "state/budget.h"

/* Whatever arena.c has there, it begins with the place where blocks end. */
typedef struct moons__heap moons__heap;
typedef struct moons__heap_start {
  char *top;
} moons__heap_start;

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
  int was_refused;      /* a block could not be had; the user takes it back */
  int counts_userdata;  /* whether userdata are followed from birth to death */
  size_t n_userdata;    /* alive of those that were made since counting began */
  moons__ptrmap userdata; /* block -> 1 while it is a userdata, 0 once it is free */
  const void *newest; /* the first userdata made since this was NULL (moons__arena_begin_view) */
  void *owner;        /* what whoever has only the state wants to find; not the arena's */
} moons__arena;

/* Bytes that its pages hold by now. */
size_t moons__arena_held_bytes(const moons__arena *arena);

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

/* {== For arena.c ============================================================================= */

/* How far blocks reach, from the heap's start. */
static inline size_t moons__memory_reach(const moons__arena *arena) {
  const moons__heap_start *start = (const void *)arena->heap;
  return (size_t)(start->top - (const char *)start);
}

/* What moons__arena_open says, but that no heap of `heap_bytes` lies there yet. Close gives all back. */
int moons__memory_open(moons__arena *arena, size_t max_bytes, size_t heap_bytes,
                       moons__budget *all);
void moons__memory_close(moons__arena *arena);

/* Asks everybody for memory up to `needed_bytes`, which is beyond arena->ready_bytes. Returns 0 where one refuses. */
int moons__memory_make_ready(moons__arena *arena, size_t needed_bytes);

/* Takes memory of holes back. Returns 0, with nothing taken, where the budgets have not so much. */
int moons__memory_take_again(moons__arena *arena, size_t n_bytes);

/* Holes hold so many bytes from now on. */
void moons__memory_count_holes(moons__arena *arena, size_t n_bytes);

#endif
