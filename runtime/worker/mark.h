/*
** How far a worker has come, in memory that outlives it: another process reads it when the worker has died. The worker alone
** writes it, each field when that is true, and `n_run` after what it counts (release).
*/
#ifndef MOONS_WORKER_MARK_H
#define MOONS_WORKER_MARK_H

#include <stdatomic.h>
#include <stdint.h>

#include "sizes.h"

/* What a death in it means. */
typedef enum moons__stage {
  MOONS__STAGE_NONE,       /* no call has begun: none is to blame */
  MOONS__STAGE_SETTING_UP, /* the same, but another worker may die of it too */
  MOONS__STAGE_CALLS,      /* the call after those that are counted is to blame */
  MOONS__STAGE_AFTER       /* all calls that had to run have */
} moons__stage;

typedef struct moons__mark {
  _Atomic uint64_t work; /* number of the chunk that the rest is about; its user sets it */
  atomic_uint stage;
  atomic_uint n_run;        /* calls whose outcomes are there */
  _Atomic uint64_t n_bytes; /* of these outcomes, at least */
  atomic_uint n_tries;      /* that the call after these has had before */
  _Atomic uint64_t
      started_ns; /* when it, or the set-up, began; 0: neither runs, or has a timeout */
  _Atomic uint64_t
      ending_ns;             /* since when it ends by a limit of its own (stop.h); 0: it does not */
  atomic_int ending_for;     /* why: a moons__failure_kind */
  atomic_uint is_given_up;   /* it ends itself, since a call within that one does not end */
  _Atomic uint64_t begun_ns; /* when it began, where that is reported or traced; 0: it has ended */
  _Atomic uint64_t since_ns; /* as in a worker (inside.h) */
  char position
      [MOONS_POSITION_BYTES]; /* of the function, from the stage of its calls on; "": not known */
} moons__mark;

/* Begins a chunk's. */
static inline void moons__mark_begin(moons__mark *mark, uint64_t work) {
  atomic_store_explicit(&mark->stage, MOONS__STAGE_NONE, memory_order_relaxed);
  atomic_store_explicit(&mark->n_run, 0, memory_order_relaxed);
  atomic_store_explicit(&mark->n_bytes, 0, memory_order_relaxed);
  atomic_store_explicit(&mark->n_tries, 0, memory_order_relaxed);
  atomic_store_explicit(&mark->started_ns, 0, memory_order_relaxed);
  atomic_store_explicit(&mark->ending_ns, 0, memory_order_relaxed);
  atomic_store_explicit(&mark->begun_ns, 0, memory_order_relaxed);
  atomic_store_explicit(&mark->since_ns, 0, memory_order_relaxed);
  mark->position[0] = '\0';
  atomic_store_explicit(&mark->work, work, memory_order_release);
}

#endif
