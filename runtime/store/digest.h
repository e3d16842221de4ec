/*
** A digest of bytes: SHA-256 (FIPS 180-4). Two inputs with the same digest are not to be found.
*/
#ifndef MOONS_STORE_DIGEST_H
#define MOONS_STORE_DIGEST_H

#include <stddef.h>

enum { MOONS__DIGEST_BYTES = 32 };

/* Fills in the digest of these bytes. Any thread may call it. */
void moons__digest(const void *bytes, size_t n_bytes, unsigned char digest[MOONS__DIGEST_BYTES]);

#endif
