/*
** Open addressing with linear steps; at most half full, so a look is one or two cache lines. Grows fourfold: messages
** are either small or large. Entries are never removed one by one. `seen` looks through a short list while objects are
** few; beyond these a bit for each 16 bytes of memory tells of most objects that they are new.
*/
#include "base/ptrmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "moons.h"

enum { FIRST_CAPACITY = 16, GROWTH = 4, KEEP_CAPACITY = 256 };

/* The old entries stay until the new ones are whole, so a failure changes nothing. */
static int resize(moons__ptrmap *map, size_t capacity) {
  moons__ptrmap larger = {
      moons__allocate_zeros(map->beside, capacity * sizeof(moons__ptrmap_entry)), capacity,
      map->n_entries, map->beside};
  if (larger.entries == NULL) return MOONS_ENOMEM;
  for (size_t i = 0; i < map->capacity; i++)
    if (map->entries[i].key != NULL)
      *moons__ptrmap_slot(&larger, map->entries[i].key) = map->entries[i];
  moons__free(map->entries);
  *map = larger;
  return 0;
}

int moons__ptrmap_reserve(moons__ptrmap *map, size_t n_entries) {
  if (n_entries > SIZE_MAX / 4 - map->n_entries) return MOONS_ENOMEM;
  size_t wanted = (map->n_entries + n_entries) * 2;
  if (wanted <= map->capacity) return 0;
  size_t capacity = map->capacity > 0 ? map->capacity * GROWTH : FIRST_CAPACITY;
  while (capacity < wanted)
    capacity *= 2;
  return resize(map, capacity);
}

int moons__ptrmap_put(moons__ptrmap *map, const void *key, uint64_t value) {
  if (map->n_entries > 0) {
    moons__ptrmap_entry *entry = moons__ptrmap_slot(map, key);
    if (entry->key != NULL) {
      entry->value = value;
      return 0;
    }
  }
  uint64_t *kept = moons__ptrmap_at(map, key);
  if (kept == NULL) return MOONS_ENOMEM;
  *kept = value;
  return 0;
}

/* What one large message has needed is not cleared byte by byte for each small one after it, but freed. */
void moons__ptrmap_clear(moons__ptrmap *map) {
  if (map->capacity > KEEP_CAPACITY) {
    moons__ptrmap_free(map);
  } else if (map->n_entries > 0) {
    memset(map->entries, 0, map->capacity * sizeof(moons__ptrmap_entry));
    map->n_entries = 0;
  }
}

void moons__ptrmap_free(moons__ptrmap *map) {
  moons__free(map->entries);
  *map = (moons__ptrmap){.beside = map->beside};
}

/* Objects met before. */

/* Room for one more. */
static int grow(moons__seen *seen) {
  size_t capacity = seen->capacity > 0 ? seen->capacity * GROWTH : KEEP_CAPACITY;
  if (capacity > SIZE_MAX / sizeof(moons__ptrmap_entry)) return MOONS_ENOMEM;
  moons__ptrmap_entry *all =
      moons__reallocate(seen->numbers.beside, seen->all, capacity * sizeof *all);
  if (all == NULL) return MOONS_ENOMEM;
  seen->all = all;
  seen->capacity = capacity;
  return 0;
}

/* The bits of the region that an address is in, or NULL where there is no memory. The key is such
** that the map puts the four regions of a page side by side, and other pages elsewhere. */
static uint64_t *bits_of(moons__seen *seen, const void *object) {
  uintptr_t address = (uintptr_t)object, key = (address >> 12 << 12) | (address >> 10 & 3) << 4 | 1;
  size_t n = seen->regions.n_entries;
  uint64_t *bits = moons__ptrmap_at(&seen->regions, (const void *)key);
  if (seen->regions.n_entries > n) *bits = 0;
  return bits;
}

static uint64_t bit_of(const void *object) { return UINT64_C(1) << ((uintptr_t)object >> 4 & 63); }

/* Goes over from a few objects to many. */
static int begin_many(moons__seen *seen) {
  if (seen->capacity == 0 && grow(seen)) return MOONS_ENOMEM;
  for (size_t i = 0; i < seen->n; i++) {
    uint64_t *bits = bits_of(seen, seen->few[i].key);
    if (bits == NULL) return MOONS_ENOMEM;
    *bits |= bit_of(seen->few[i].key);
    seen->all[i] = seen->few[i];
  }
  return 0;
}

static uint64_t *add(moons__seen *seen, const void *object) {
  if (seen->n == seen->capacity && grow(seen)) return NULL;
  moons__ptrmap_entry *entry = &seen->all[seen->n++];
  *entry = (moons__ptrmap_entry){object, MOONS__PTRMAP_NONE};
  return &entry->value;
}

/* Looks for an object whose bit is set. Another object may have set that, where an allocator packs
** closely. */
static uint64_t *find_or_add(moons__seen *seen, const void *object) {
  size_t *often = &seen->often[((uintptr_t)object >> 4) % MOONS__SEEN_OFTEN];
  if (*often < seen->n && seen->all[*often].key == object) return &seen->all[*often].value;
  for (; seen->n_numbered < seen->n; seen->n_numbered++)
    if (moons__ptrmap_put(&seen->numbers, seen->all[seen->n_numbered].key, seen->n_numbered))
      return NULL;
  uint64_t number = moons__ptrmap_get(&seen->numbers, object);
  if (number == MOONS__PTRMAP_NONE) return add(seen, object);
  *often = (size_t)number;
  return &seen->all[number].value;
}

uint64_t *moons__seen_among_many(moons__seen *seen, const void *object) {
  if (seen->regions.n_entries == 0 && begin_many(seen)) return NULL;
  uint64_t *bits = bits_of(seen, object), bit = bit_of(object);
  if (bits == NULL) return NULL;
  if (*bits & bit) return find_or_add(seen, object);
  *bits |= bit;
  return add(seen, object);
}

/* The usual message has a few objects, of which nothing but the count need be forgotten. */
void moons__seen_clear(moons__seen *seen) {
  if (seen->capacity > KEEP_CAPACITY) {
    moons__seen_free(seen);
  } else if (seen->n >= MOONS__SEEN_FEW) {
    moons__ptrmap_clear(&seen->regions);
    moons__ptrmap_clear(&seen->numbers);
    seen->n_numbered = 0;
  }
  seen->n = 0;
}

void moons__seen_free(moons__seen *seen) {
  const void *beside = seen->numbers.beside;
  moons__free(seen->all);
  moons__ptrmap_free(&seen->regions);
  moons__ptrmap_free(&seen->numbers);
  *seen = (moons__seen){0};
  moons__seen_use(seen, beside);
}

void moons__seen_use(moons__seen *seen, const void *beside) {
  seen->regions.beside = beside;
  seen->numbers.beside = beside;
}
