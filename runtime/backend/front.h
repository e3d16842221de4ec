/*
** What stands before the results in the memory that a worker process and who has started it both have: how far the process has
** come, and what it has run, so that both are there when it has died.
*/
#ifndef MOONS_BACKEND_FRONT_H
#define MOONS_BACKEND_FRONT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sizes.h"
#include "system/trace.h"
#include "worker/mark.h"

/* Events of a trace that nobody has taken. The process adds them while it has a chunk; `n_bytes` says which are whole (release). */
typedef struct moons__events {
  _Atomic uint64_t n_bytes;
  char bytes[MOONS_TRACE_BLOCK_BYTES - sizeof(uint64_t)];
} moons__events;

typedef struct moons__front {
  union {
    moons__mark mark;
    char page[MOONS_MARK_BYTES];
  };
  moons__events events;
} moons__front;

/* Adds some. Returns 0, or -1: there is no room. */
int moons__events_add(moons__events *events, const char *bytes, size_t n_bytes);

/* Drops all. */
static inline void moons__events_clear(moons__events *events) {
  atomic_store_explicit(&events->n_bytes, 0, memory_order_relaxed);
}

/* Moves them to a trace. The process has no chunk, or has died: whatever it has done to them, only its memory is read. */
void moons__events_take(moons__events *events, moons__trace_writer *writer);

#endif
