/*
** Grows to its double, and once it is large by half, so that appending costs the same on average however much there is.
** Never shrinks by itself: whoever keeps a buffer for the next time decides what is too much to keep.
*/
#include "base/buffer.h"

#include <stdlib.h>

#include "base/allocate.h"
#include "moons.h"

enum { FIRST_BYTES = 256 };

/* Smaller buffers grow to their double, as they are copied then; the memory of larger ones moves with
** its pages, so they take half as much more and leave less unused. */
enum { LARGE_BYTES = 1 << 22 };

int moons__buffer_grow(moons__buffer *buffer, size_t n_bytes) {
  if (buffer->is_fixed || n_bytes > SIZE_MAX / 2 - buffer->n_bytes) return MOONS_ENOMEM;
  size_t needed = buffer->n_bytes + n_bytes;
  size_t capacity = buffer->capacity > 0 ? buffer->capacity : FIRST_BYTES;
  while (capacity < needed)
    capacity += capacity < LARGE_BYTES ? capacity : capacity / 2;
  char *bytes = moons__reallocate(buffer->beside, buffer->bytes, capacity);
  if (bytes == NULL) return MOONS_ENOMEM;
  buffer->bytes = bytes;
  buffer->capacity = capacity;
  return 0;
}

void moons__buffer_free(moons__buffer *buffer) {
  if (!buffer->is_fixed) moons__free(buffer->bytes);
  *buffer = (moons__buffer){.beside = buffer->beside};
}
