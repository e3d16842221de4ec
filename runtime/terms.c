#include "terms.h"

#include <stdlib.h>
#include <string.h>

uint64_t moons__hash(const void *bytes, size_t n_bytes) {
  const char *at = bytes;
  uint64_t hash = UINT64_C(0xCBF29CE484222325), word;
  for (; n_bytes >= sizeof word; n_bytes -= sizeof word, at += sizeof word) {
    memcpy(&word, at, sizeof word);
    hash = (hash ^ word) * UINT64_C(0x100000001B3);
    hash ^= hash >> 29;
  }
  for (; n_bytes > 0; n_bytes--, at++)
    hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001B3);
  return hash;
}

moons__terms *moons__terms_new(const void *setup, size_t setup_bytes) {
  moons__terms *terms = calloc(1, sizeof *terms);
  char *copy = malloc(setup_bytes + 1);
  if (terms == NULL || copy == NULL) {
    free(terms);
    free(copy);
    return NULL;
  }
  if (setup_bytes > 0) memcpy(copy, setup, setup_bytes);
  terms->setup = copy;
  terms->setup_bytes = setup_bytes;
  terms->setup_hash = moons__hash(setup, setup_bytes);
  atomic_init(&terms->n_users, 1);
  return terms;
}

void moons__terms_share(moons__terms *terms) {
  atomic_fetch_add_explicit(&terms->n_users, 1, memory_order_relaxed);
}

/* Releasing orders what each user did before what the last one frees. */
void moons__terms_release(moons__terms *terms) {
  if (terms == NULL) return;
  if (atomic_fetch_sub_explicit(&terms->n_users, 1, memory_order_acq_rel) > 1) return;
  free((char *)terms->setup);
  free(terms);
}
