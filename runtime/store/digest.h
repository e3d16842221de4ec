/*
** A digest of bytes: SHA-256 (FIPS 180-4). Two inputs with the same digest are not to be found.
*/
#ifndef MOONS_STORE_DIGEST_H
#define MOONS_STORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { MOONS__DIGEST_BYTES = 32, MOONS__DIGEST_BLOCK_BYTES = 64 };

/* A digest that is being made. Needs no freeing. */
typedef struct moons__digest_state {
  uint32_t hash[8];
  uint64_t n_bytes; /* so far; those that make no whole block are in `rest` */
  unsigned char rest[MOONS__DIGEST_BLOCK_BYTES];
} moons__digest_state;

/* Begins one, adds bytes, and fills in the digest of them all. Any thread may call them. */
void moons__digest_begin(moons__digest_state *state);
void moons__digest_add(moons__digest_state *state, const void *bytes, size_t n_bytes);
void moons__digest_end(moons__digest_state *state, unsigned char digest[MOONS__DIGEST_BYTES]);

#endif
