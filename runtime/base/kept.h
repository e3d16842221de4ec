/*
** Bytes that were made once and that many read: each lies under a key, stays as it is, and goes with all others. What is
** compiled once for all states.
*/
#ifndef MOONS_BASE_KEPT_H
#define MOONS_BASE_KEPT_H

#include <stdatomic.h>
#include <stddef.h>

/* Zero-initialised: empty. Find and add: any thread, several at once. */
typedef struct moons__kept {
  const void *beside; /* a block, beside which they are made (allocate.h) */
  _Atomic(struct moons__kept_bytes *) last;
} moons__kept;

/* The bytes under this key, which is an address; NULL: none are. */
const void *moons__kept_find(const moons__kept *kept, const void *key, size_t *n_bytes);

/* Adds a copy, where there is memory for it. Of two that add the same at once both are kept, and either is found. */
void moons__kept_add(moons__kept *kept, const void *key, const void *bytes, size_t n_bytes);

/* Frees all, when nobody reads any more. */
void moons__kept_free(moons__kept *kept);

#endif
