/*
** What malloc does is all there is.
*/
#include "system/blocks.h"

void *moons__block_resize_large(void *block, size_t old_bytes, size_t new_bytes) {
  (void)old_bytes;
  if (new_bytes > 0) return realloc(block, new_bytes);
  free(block);
  return NULL;
}

int moons__block_is_mapping(size_t n_bytes) {
  (void)n_bytes;
  return 0;
}

void *moons__block_zeros(size_t n_bytes) { return calloc(n_bytes, 1); }
