/*
** SHA-256 as FIPS 180-4 describes it, with the names that it gives to things. A key is made of some hundred bytes: it is
** fast enough.
*/
#include "store/digest.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK_BYTES = MOONS__DIGEST_BLOCK_BYTES, LENGTH_BYTES = 8, N_ROUNDS = 64, N_WORDS = 8 };

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

/* One round on the eight working variables a to h. They do not move from one to the next: each is known by the name of its
** neighbour then. */
#define TURN(a, b, c, d, e, f, g, h, t)                                                            \
  do {                                                                                             \
    uint32_t t1 = v[h] + (rotr(v[e], 6) ^ rotr(v[e], 11) ^ rotr(v[e], 25)) +                       \
                  ((v[e] & v[f]) ^ (~v[e] & v[g])) + K[t] + w[t];                                  \
    uint32_t t2 = (rotr(v[a], 2) ^ rotr(v[a], 13) ^ rotr(v[a], 22)) +                              \
                  ((v[a] & v[b]) ^ (v[a] & v[c]) ^ (v[b] & v[c]));                                 \
    v[d] += t1;                                                                                    \
    v[h] = t1 + t2;                                                                                \
  } while (0)

/* After eight rounds each has its own name again. */
static void turn_eight(uint32_t v[N_WORDS], const uint32_t *w, int t) {
  TURN(0, 1, 2, 3, 4, 5, 6, 7, t);
  TURN(7, 0, 1, 2, 3, 4, 5, 6, t + 1);
  TURN(6, 7, 0, 1, 2, 3, 4, 5, t + 2);
  TURN(5, 6, 7, 0, 1, 2, 3, 4, t + 3);
  TURN(4, 5, 6, 7, 0, 1, 2, 3, t + 4);
  TURN(3, 4, 5, 6, 7, 0, 1, 2, t + 5);
  TURN(2, 3, 4, 5, 6, 7, 0, 1, t + 6);
  TURN(1, 2, 3, 4, 5, 6, 7, 0, t + 7);
}

static void take_block(uint32_t hash[N_WORDS], const unsigned char *block) {
  uint32_t w[N_ROUNDS], v[N_WORDS];
  expand(w, block);
  memcpy(v, hash, sizeof v);
  for (int t = 0; t < N_ROUNDS; t += N_WORDS)
    turn_eight(v, w, t);
  for (int i = 0; i < N_WORDS; i++)
    hash[i] += v[i];
}

/* Writes an integer, the highest byte first. */
static void put(unsigned char *at, uint64_t x, int n_bytes) {
  for (int i = 0; i < n_bytes; i++)
    at[i] = (unsigned char)(x >> 8 * (n_bytes - 1 - i));
}

void moons__digest_begin(moons__digest_state *state) {
  static const uint32_t START[N_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(state->hash, START, sizeof START);
  state->n_bytes = 0;
}

/* Fills the rest up; returns how many bytes that took. */
static size_t fill_rest(moons__digest_state *state, const unsigned char *at, size_t n_bytes) {
  size_t n_rest = state->n_bytes % BLOCK_BYTES;
  size_t n_taken = n_bytes < BLOCK_BYTES - n_rest ? n_bytes : BLOCK_BYTES - n_rest;
  memcpy(state->rest + n_rest, at, n_taken);
  if (n_rest + n_taken == BLOCK_BYTES) take_block(state->hash, state->rest);
  return n_taken;
}

void moons__digest_add(moons__digest_state *state, const void *bytes, size_t n_bytes) {
  const unsigned char *at = bytes;
  while (n_bytes > 0) {
    size_t n_taken = BLOCK_BYTES;
    if (state->n_bytes % BLOCK_BYTES == 0 && n_bytes >= BLOCK_BYTES)
      take_block(state->hash, at);
    else
      n_taken = fill_rest(state, at, n_bytes);
    at += n_taken;
    n_bytes -= n_taken;
    state->n_bytes += n_taken;
  }
}

/* A bit, zeros, and the length in bits end the message. */
void moons__digest_end(moons__digest_state *state, unsigned char digest[MOONS__DIGEST_BYTES]) {
  static const unsigned char PADDING[BLOCK_BYTES] = {0x80};
  unsigned char length[LENGTH_BYTES];
  size_t n_rest = state->n_bytes % BLOCK_BYTES, n_last = BLOCK_BYTES - LENGTH_BYTES;
  put(length, state->n_bytes * 8, LENGTH_BYTES);
  moons__digest_add(state, PADDING, (n_rest < n_last ? 0 : BLOCK_BYTES) + n_last - n_rest);
  moons__digest_add(state, length, LENGTH_BYTES);
  for (size_t i = 0; i < N_WORDS; i++)
    put(&digest[4 * i], state->hash[i], 4);
}
