/*
** A hash of bytes: FNV-1a, 64 bits (Fowler, Noll, Vo), over words; and mixing the bits of a number.
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

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014): neighbours become unlike each other. */
static inline uint64_t moons__hash_mix(uint64_t n) {
  n += UINT64_C(0x9E3779B97F4A7C15);
  n = (n ^ n >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  n = (n ^ n >> 27) * UINT64_C(0x94D049BB133111EB);
  return n ^ n >> 31;
}

#endif
