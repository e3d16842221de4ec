/*
** SHA-256 as FIPS 180-4 describes it, with the names that it gives to things. It is fast enough: a key is made of some hundred
** bytes.
*/
#include "store/digest.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK_BYTES = 64, LENGTH_BYTES = 8, N_ROUNDS = 64, N_WORDS = 8 };

static const uint32_t K[N_ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

static uint32_t load(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void expand(uint32_t w[N_ROUNDS], const unsigned char *block) {
  for (size_t t = 0; t < 16; t++)
    w[t] = load(&block[4 * t]);
  for (int t = 16; t < N_ROUNDS; t++) {
    uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
}

/* One round on the eight working variables a to h. */
static void turn(uint32_t v[N_WORDS], uint32_t k_and_w) {
  uint32_t a = v[0], e = v[4];
  uint32_t t1 =
      v[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + k_and_w;
  uint32_t t2 =
      (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
  memmove(v + 1, v, (N_WORDS - 1) * sizeof v[0]);
  v[4] += t1;
  v[0] = t1 + t2;
}

static void take_block(uint32_t hash[N_WORDS], const unsigned char *block) {
  uint32_t w[N_ROUNDS], v[N_WORDS];
  expand(w, block);
  memcpy(v, hash, sizeof v);
  for (int t = 0; t < N_ROUNDS; t++)
    turn(v, K[t] + w[t]);
  for (int i = 0; i < N_WORDS; i++)
    hash[i] += v[i];
}

/* Writes an integer, the highest byte first. */
static void put(unsigned char *at, uint64_t x, int n_bytes) {
  for (int i = 0; i < n_bytes; i++)
    at[i] = (unsigned char)(x >> 8 * (n_bytes - 1 - i));
}

/* What is left of the message, a bit, zeros, and its length in bits, in one or two blocks. */
static void take_end(uint32_t hash[N_WORDS], const unsigned char *rest, size_t n_rest,
                     uint64_t n_bytes) {
  unsigned char last[2 * BLOCK_BYTES] = {0};
  if (n_rest > 0) memcpy(last, rest, n_rest);
  last[n_rest] = 0x80;
  size_t n_last = n_rest + 1 + LENGTH_BYTES <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  put(last + n_last - LENGTH_BYTES, n_bytes * 8, LENGTH_BYTES);
  for (size_t at = 0; at < n_last; at += BLOCK_BYTES)
    take_block(hash, last + at);
}

void moons__digest(const void *bytes, size_t n_bytes, unsigned char digest[MOONS__DIGEST_BYTES]) {
  uint32_t hash[N_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const unsigned char *at = bytes;
  size_t n_left = n_bytes;
  for (; n_left >= BLOCK_BYTES; n_left -= BLOCK_BYTES, at += BLOCK_BYTES)
    take_block(hash, at);
  take_end(hash, at, n_left, n_bytes);
  for (size_t i = 0; i < N_WORDS; i++)
    put(&digest[4 * i], hash[i], 4);
}
