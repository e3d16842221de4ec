/*
** A map from addresses to numbers: which object has been met before, and where.
*/
#ifndef MOONS_PTRMAP_H
#define MOONS_PTRMAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct moons__ptrmap_entry {
  const void *key; /* NULL: free */
  uint64_t value;
} moons__ptrmap_entry;

/* All zero is an empty map. */
typedef struct moons__ptrmap {
  moons__ptrmap_entry *entries; /* a power of two of them, or NULL; owned */
  size_t capacity;
  size_t n_entries;
} moons__ptrmap;

/* What get returns for an address that is not there. */
#define MOONS__PTRMAP_NONE UINT64_MAX

/* The number kept for `key`, or MOONS__PTRMAP_NONE. */
uint64_t moons__ptrmap_get(const moons__ptrmap *map, const void *key);

/* Keeps `value` for `key` (not NULL), in place of an earlier one. Returns 0 or MOONS_ENOMEM. */
int moons__ptrmap_put(moons__ptrmap *map, const void *key, uint64_t value);

/* Forgets all entries; keeps the memory where it is small. */
void moons__ptrmap_clear(moons__ptrmap *map);

/* Frees the memory and leaves an empty map. */
void moons__ptrmap_free(moons__ptrmap *map);

#endif
