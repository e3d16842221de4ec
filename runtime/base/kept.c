/*
** A list that only grows, at its head, by compare and exchange, so readers take no lock. It has one entry for each file of
** the module, so walking it is quick enough. Nothing is taken out before the end: whoever has found bytes may read them
** without a lock too.
*/
#include "base/kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"

typedef struct moons__kept_bytes {
  struct moons__kept_bytes *before;
  const void *key;
  size_t n_bytes;
  char bytes[];
} kept_bytes;

/* Acquire, with the release in add: whoever sees an entry sees its bytes. */
const void *moons__kept_find(const moons__kept *kept, const void *key, size_t *n_bytes) {
  const kept_bytes *k = atomic_load_explicit(&kept->last, memory_order_acquire);
  while (k != NULL && k->key != key)
    k = k->before;
  if (k == NULL) return NULL;
  *n_bytes = k->n_bytes;
  return k->bytes;
}

/* Without memory nothing is kept: the next state compiles once more. */
void moons__kept_add(moons__kept *kept, const void *key, const void *bytes, size_t n_bytes) {
  kept_bytes *k = moons__allocate(kept->beside, sizeof *k + n_bytes);
  if (k == NULL) return;
  k->key = key;
  k->n_bytes = n_bytes;
  memcpy(k->bytes, bytes, n_bytes);
  k->before = atomic_load_explicit(&kept->last, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(&kept->last, &k->before, k, memory_order_release,
                                                memory_order_relaxed)) {
  }
}

void moons__kept_free(moons__kept *kept) {
  kept_bytes *k = atomic_load_explicit(&kept->last, memory_order_acquire);
  while (k != NULL) {
    kept_bytes *before = k->before;
    moons__free(k);
    k = before;
  }
  atomic_store_explicit(&kept->last, NULL, memory_order_relaxed);
}
