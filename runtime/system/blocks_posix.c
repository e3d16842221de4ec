/*
** What malloc does is all there is.
*/
#include <stdlib.h>

#include "system/blocks.h"

void moons__block_free(void *block, size_t n_bytes) {
  (void)n_bytes;
  free(block);
}

void *moons__block_resize(void *block, size_t old_bytes, size_t new_bytes) {
  void *resized = realloc(block, new_bytes);
  return resized == NULL && new_bytes <= old_bytes ? block : resized;
}
