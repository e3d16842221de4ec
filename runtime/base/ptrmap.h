/*
** A map from addresses to numbers; and which objects have been met before, and where.
*/
#ifndef MOONS_BASE_PTRMAP_H
#define MOONS_BASE_PTRMAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct moons__ptrmap_entry {
  const void *key; /* NULL: free */
  uint64_t value;
} moons__ptrmap_entry;

/* Zero-initialised, or with `beside` set: empty. */
typedef struct moons__ptrmap {
  moons__ptrmap_entry *entries; /* a power of two of them, or NULL; owned */
  size_t capacity;
  size_t n_entries;
  const void *beside; /* a block, beside which they are made (allocate.h) */
} moons__ptrmap;

/* What get returns for an address that is not there. */
#define MOONS__PTRMAP_NONE UINT64_MAX

/* Makes room for `n_entries` more. Returns 0, or MOONS_ENOMEM with the map as it was. */
int moons__ptrmap_reserve(moons__ptrmap *map, size_t n_entries);

/* Keeps `value` for `key` (not NULL), in place of an earlier one. Returns 0 or MOONS_ENOMEM. */
int moons__ptrmap_put(moons__ptrmap *map, const void *key, uint64_t value);

/* Forgets all entries; keeps the memory where it is small. */
void moons__ptrmap_clear(moons__ptrmap *map);

/* Frees the memory and leaves an empty map. */
void moons__ptrmap_free(moons__ptrmap *map);

/* Open addressing with linear probing, at most half full. Neighbours in memory are mostly met
** one after the other, so those of one page share a stretch of entries and with it cache lines;
** where that begins, a multiplication makes of the page's number (Knuth, TAOCP 3, 6.4: the
** golden ratio). */
static inline moons__ptrmap_entry *moons__ptrmap_slot(const moons__ptrmap *map, const void *key) {
  uint64_t address = (uintptr_t)key;
  uint64_t hash = (address >> 4) + ((address >> 12) * UINT64_C(0x9E3779B97F4A7C15) >> 32);
  size_t slot = (size_t)hash & (map->capacity - 1);
  while (map->entries[slot].key != NULL && map->entries[slot].key != key)
    slot = (slot + 1) & (map->capacity - 1);
  return &map->entries[slot];
}

/* The number kept for `key`, or MOONS__PTRMAP_NONE. */
static inline uint64_t moons__ptrmap_get(const moons__ptrmap *map, const void *key) {
  if (map->n_entries == 0) return MOONS__PTRMAP_NONE;
  const moons__ptrmap_entry *entry = moons__ptrmap_slot(map, key);
  return entry->key != NULL ? entry->value : MOONS__PTRMAP_NONE;
}

/* Where the number for `key` is kept, to be read or set: MOONS__PTRMAP_NONE where there was none.
** Valid until an entry is added. NULL where there is no memory. */
static inline uint64_t *moons__ptrmap_at(moons__ptrmap *map, const void *key) {
  if (map->n_entries >= map->capacity / 2 && moons__ptrmap_reserve(map, 1)) return NULL;
  moons__ptrmap_entry *entry = moons__ptrmap_slot(map, key);
  if (entry->key == NULL) {
    *entry = (moons__ptrmap_entry){key, MOONS__PTRMAP_NONE};
    map->n_entries++;
  }
  return &entry->value;
}

/* {== Objects met before ====================================================================== */

/* Most objects are met once. So they are noted one after the other, with a bit set for the address
** of each; only where the bit is set already they are looked for, and entered into a map for that.
** A message with a handful of objects needs neither bits nor map. */

enum { MOONS__SEEN_FEW = 8, MOONS__SEEN_OFTEN = 8 };

/* Zero-initialised: no object was met. */
typedef struct moons__seen {
  size_t n;
  moons__ptrmap_entry few[MOONS__SEEN_FEW]; /* the first ones */
  moons__ptrmap_entry *all;                 /* where there are more: all of them; owned */
  size_t capacity;
  moons__ptrmap regions; /* what 1024 addresses share -> a bit for each 16 of them */
  moons__ptrmap numbers; /* object -> its number in `all`, of the first `n_numbered` */
  size_t n_numbered;
  size_t often[MOONS__SEEN_OFTEN]; /* numbers of those met again last */
} moons__seen;

/* What moons__seen_at does where there are more than a few. */
uint64_t *moons__seen_among_many(moons__seen *seen, const void *object);

/* Where the number for an object (not NULL) is kept, to be read or set: MOONS__PTRMAP_NONE where it
** is met for the first time. Valid until an object is added. NULL where there is no memory. */
static inline uint64_t *moons__seen_at(moons__seen *seen, const void *object) {
  if (seen->n >= MOONS__SEEN_FEW) return moons__seen_among_many(seen, object);
  size_t i = 0;
  while (i < seen->n && seen->few[i].key != object)
    i++;
  if (i == seen->n) seen->few[seen->n++] = (moons__ptrmap_entry){object, MOONS__PTRMAP_NONE};
  return &seen->few[i].value;
}

/* From now on memory for it is made beside this block (allocate.h). */
void moons__seen_use(moons__seen *seen, const void *beside);

/* Forgets all objects; keeps the memory where it is small. */
void moons__seen_clear(moons__seen *seen);

/* Frees the memory and leaves none met. */
void moons__seen_free(moons__seen *seen);

#endif
