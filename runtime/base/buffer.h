/*
** Bytes that grow. A buffer may be handed from thread to thread. Or memory that somebody else has set aside, which does not
** grow.
*/
#ifndef MOONS_BASE_BUFFER_H
#define MOONS_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Zero-initialised, or with `beside` set: empty. */
typedef struct moons__buffer {
  char *bytes; /* NULL while capacity is 0; owned, from moons__allocate */
  size_t n_bytes;
  size_t capacity;
  int is_fixed; /* somebody else's: that is all there is */
  const void
      *beside; /* a block, beside which the bytes are made (allocate.h); outlives their growth */
} moons__buffer;

/* Makes room for `n_bytes` more. Returns 0, or MOONS_ENOMEM with the buffer as it was. */
int moons__buffer_grow(moons__buffer *buffer, size_t n_bytes);

/* Frees the bytes, unless they are somebody else's, and leaves an empty buffer. */
void moons__buffer_free(moons__buffer *buffer);

/* Room for `n_bytes` more at buffer->bytes + buffer->n_bytes. Returns 0 or MOONS_ENOMEM. */
static inline int moons__buffer_reserve(moons__buffer *buffer, size_t n_bytes) {
  if (buffer->capacity - buffer->n_bytes >= n_bytes) return 0;
  return moons__buffer_grow(buffer, n_bytes);
}

/* Appends bytes. Returns 0 or MOONS_ENOMEM. */
static inline int moons__buffer_append(moons__buffer *buffer, const void *bytes, size_t n_bytes) {
  int error = moons__buffer_reserve(buffer, n_bytes);
  if (error) return error;
  if (n_bytes > 0) memcpy(buffer->bytes + buffer->n_bytes, bytes, n_bytes);
  buffer->n_bytes += n_bytes;
  return 0;
}

#endif
