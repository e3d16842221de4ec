/*
** The process alone writes: so it reads its own number as it likes, and releases it with the events that it counts.
*/
#include "backend/front.h"

#include <string.h>

int moons__events_add(moons__events *events, const char *bytes, size_t n_bytes) {
  uint64_t n = atomic_load_explicit(&events->n_bytes, memory_order_relaxed);
  if (n_bytes > sizeof events->bytes - n) return -1;
  memcpy(events->bytes + n, bytes, n_bytes);
  atomic_store_explicit(&events->n_bytes, n + n_bytes, memory_order_release);
  return 0;
}

void moons__events_take(moons__events *events, moons__trace_writer *writer) {
  uint64_t n_bytes = atomic_load_explicit(&events->n_bytes, memory_order_acquire);
  if (n_bytes <= sizeof events->bytes) moons__trace_add(writer, events->bytes, (size_t)n_bytes);
  moons__events_clear(events);
}
