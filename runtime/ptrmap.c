#include "ptrmap.h"

#include <stdlib.h>
#include <string.h>

#include "moons.h"

enum { FIRST_CAPACITY = 16, KEEP_CAPACITY = 256 };

/* Open addressing with linear probing, at most three quarters full. Addresses are multiples of 8
** or 16: a multiplication spreads them (Knuth, TAOCP 3, 6.4: the golden ratio). */
static size_t slot_of(const moons__ptrmap *map, const void *key) {
  uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15);
  size_t slot = (size_t)(hash >> 32) & (map->capacity - 1);
  while (map->entries[slot].key != NULL && map->entries[slot].key != key)
    slot = (slot + 1) & (map->capacity - 1);
  return slot;
}

static int resize(moons__ptrmap *map, size_t capacity) {
  moons__ptrmap larger = {calloc(capacity, sizeof(moons__ptrmap_entry)), capacity, map->n_entries};
  if (larger.entries == NULL) return MOONS_ENOMEM;
  for (size_t i = 0; i < map->capacity; i++)
    if (map->entries[i].key != NULL)
      larger.entries[slot_of(&larger, map->entries[i].key)] = map->entries[i];
  free(map->entries);
  *map = larger;
  return 0;
}

uint64_t moons__ptrmap_get(const moons__ptrmap *map, const void *key) {
  if (map->n_entries == 0) return MOONS__PTRMAP_NONE;
  const moons__ptrmap_entry *entry = &map->entries[slot_of(map, key)];
  return entry->key != NULL ? entry->value : MOONS__PTRMAP_NONE;
}

int moons__ptrmap_put(moons__ptrmap *map, const void *key, uint64_t value) {
  if (map->n_entries + 1 > map->capacity - map->capacity / 4) {
    int error = resize(map, map->capacity > 0 ? map->capacity * 2 : FIRST_CAPACITY);
    if (error) return error;
  }
  moons__ptrmap_entry *entry = &map->entries[slot_of(map, key)];
  if (entry->key == NULL) map->n_entries++;
  *entry = (moons__ptrmap_entry){key, value};
  return 0;
}

void moons__ptrmap_clear(moons__ptrmap *map) {
  if (map->capacity > KEEP_CAPACITY) {
    moons__ptrmap_free(map);
  } else if (map->n_entries > 0) {
    memset(map->entries, 0, map->capacity * sizeof(moons__ptrmap_entry));
    map->n_entries = 0;
  }
}

void moons__ptrmap_free(moons__ptrmap *map) {
  free(map->entries);
  *map = (moons__ptrmap){0};
}
