#include "ptrmap.h"

#include <stdlib.h>
#include <string.h>

#include "moons.h"

enum { FIRST_CAPACITY = 16, GROWTH = 4, KEEP_CAPACITY = 256 };

static int resize(moons__ptrmap *map, size_t capacity) {
  moons__ptrmap larger = {calloc(capacity, sizeof(moons__ptrmap_entry)), capacity, map->n_entries};
  if (larger.entries == NULL) return MOONS_ENOMEM;
  for (size_t i = 0; i < map->capacity; i++)
    if (map->entries[i].key != NULL)
      *moons__ptrmap_slot(&larger, map->entries[i].key) = map->entries[i];
  free(map->entries);
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
