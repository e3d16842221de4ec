/*
** Large blocks of memory for one thread's use, as a script's long lists are: where the system has large pages, blocks lie on
** them, and moving a block moves its pages. Small blocks are malloc's.
*/
#ifndef MOONS_SYSTEM_BLOCKS_H
#define MOONS_SYSTEM_BLOCKS_H

#include <stddef.h>
#include <stdlib.h>

#include "sizes.h"

/* The same where either size is that of a large block. */
void *moons__block_resize_large(void *block, size_t old_bytes, size_t new_bytes);

/* Whether a block of this size is a mapping, which begins a page and has its pages for itself. */
int moons__block_is_mapping(size_t n_bytes);

/* Makes a large block of zeros, of which what is not touched costs nothing. NULL: no memory. */
void *moons__block_zeros(size_t n_bytes);

_Static_assert((MOONS_LARGE_BLOCK_BYTES & (MOONS_LARGE_BLOCK_BYTES - 1)) == 0,
               "one comparison serves for both sizes");

/* Makes a block of `old_bytes` one of `new_bytes`, which may lie elsewhere; a new one, where `block` is NULL and `old_bytes` 0; and
** frees it where `new_bytes` is 0. Returns NULL where there is no memory, and the block stays: where it would grow, or become
** a small one. Inline, for a script makes a small block each moment. */
static inline void *moons__block_resize(void *block, size_t old_bytes, size_t new_bytes) {
  if ((old_bytes | new_bytes) >= MOONS_LARGE_BLOCK_BYTES)
    return moons__block_resize_large(block, old_bytes, new_bytes);
  if (new_bytes > 0) return realloc(block, new_bytes);
  free(block);
  return NULL;
}

#endif
