/*
** A hash of bytes: FNV-1a, 64 bits (Fowler, Noll, Vo), over words.
*/
#ifndef MOONS_BASE_HASH_H
#define MOONS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MOONS__HASH_START UINT64_C(0xCBF29CE484222325)

/* The hash of what led to `hash`, at first MOONS__HASH_START, and these bytes. */
static inline uint64_t moons__hash(uint64_t hash, const void *bytes, size_t n_bytes) {
  const char *at = bytes;
  uint64_t word;
  for (; n_bytes >= sizeof word; n_bytes -= sizeof word, at += sizeof word) {
    memcpy(&word, at, sizeof word);
    hash = (hash ^ word) * UINT64_C(0x100000001B3);
    hash ^= hash >> 29;
  }
  for (; n_bytes > 0; n_bytes--, at++)
    hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001B3);
  return hash;
}

#endif
