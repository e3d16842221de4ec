/*
** A large block is a mapping of its own, of whole large pages. It grows where it is, or else moves: mremap moves page
** tables, not bytes, and large pages stay whole where both places are multiples of their size. malloc maps such blocks too,
** but 16 bytes into a page of 4 KB.
**
** Its size tells whether a block is a mapping.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sizes.h"
#include "system/blocks.h"

enum { LARGE_PAGE_BYTES = 2 << 20 };

static size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

static size_t mapped_bytes(size_t n_bytes) { return round_up(n_bytes, LARGE_PAGE_BYTES); }

int moons__block_is_mapping(size_t n_bytes) { return n_bytes >= MOONS_LARGE_BLOCK_BYTES; }

/* Reserves space that begins at a multiple of LARGE_PAGE_BYTES. */
static char *reserve(size_t n_bytes) {
  size_t whole = n_bytes + LARGE_PAGE_BYTES;
  char *start = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) return NULL;
  char *block = start + (LARGE_PAGE_BYTES - (uintptr_t)start % LARGE_PAGE_BYTES) % LARGE_PAGE_BYTES;
  size_t before = (size_t)(block - start);
  if (before > 0) munmap(start, before);
  munmap(block + n_bytes, whole - before - n_bytes);
  return block;
}

static void *map(size_t n_bytes) {
  char *block = reserve(n_bytes);
  if (block == NULL) return NULL;
  if (mprotect(block, n_bytes, PROT_READ | PROT_WRITE)) {
    munmap(block, n_bytes);
    return NULL;
  }
  madvise(block, n_bytes, MADV_HUGEPAGE);
  return block;
}

/* Where address space is short, there may be room for what it grows by, but not for a second place beside the first: then it
** moves anywhere. */
static void *grow(void *block, size_t old_bytes, size_t new_bytes) {
  void *grown = mremap(block, old_bytes, new_bytes, 0);
  if (grown != MAP_FAILED) return grown;
  char *place = reserve(new_bytes);
  if (place != NULL) {
    grown = mremap(block, old_bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    if (grown != MAP_FAILED) return grown;
    munmap(place, new_bytes);
  }
  grown = mremap(block, old_bytes, new_bytes, MREMAP_MAYMOVE);
  return grown != MAP_FAILED ? grown : NULL;
}

/* A mapping to a mapping of another size. */
static void *remap(void *block, size_t old_bytes, size_t new_bytes) {
  if (new_bytes > old_bytes) return grow(block, old_bytes, new_bytes);
  if (new_bytes < old_bytes) munmap((char *)block + new_bytes, old_bytes - new_bytes);
  return block;
}

static void *copy_to(void *copy, const void *block, size_t n_bytes) {
  if (copy != NULL && block != NULL) memcpy(copy, block, n_bytes);
  return copy;
}

/* A block of malloc's to a mapping. */
static void *map_small(void *block, size_t old_bytes, size_t new_bytes) {
  void *mapped = copy_to(map(mapped_bytes(new_bytes)), block, old_bytes);
  if (mapped != NULL) free(block);
  return mapped;
}

/* A mapping to a block of malloc's, or to none. */
static void *unmap(void *block, size_t old_bytes, size_t new_bytes) {
  void *small = new_bytes > 0 ? copy_to(malloc(new_bytes), block, new_bytes) : NULL;
  if (small != NULL || new_bytes == 0) munmap(block, mapped_bytes(old_bytes));
  return small;
}

void *moons__block_resize_large(void *block, size_t old_bytes, size_t new_bytes) {
  if (new_bytes > SIZE_MAX / 2) return NULL;
  if (!moons__block_is_mapping(old_bytes)) return map_small(block, old_bytes, new_bytes);
  if (!moons__block_is_mapping(new_bytes)) return unmap(block, old_bytes, new_bytes);
  return remap(block, mapped_bytes(old_bytes), mapped_bytes(new_bytes));
}

void *moons__block_zeros(size_t n_bytes) {
  return n_bytes <= SIZE_MAX / 2 ? map(mapped_bytes(n_bytes)) : NULL;
}
