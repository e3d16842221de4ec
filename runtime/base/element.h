/*
** The kinds of numbers that an array holds: how many bytes each takes, and reading and writing one. A kind keeps a number
** exactly or not at all, but for float32, which takes the nearest one that it has. Knows no Lua.
*/
#ifndef MOONS_BASE_ELEMENT_H
#define MOONS_BASE_ELEMENT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum moons__element {
  MOONS__FLOAT64,
  MOONS__FLOAT32,
  MOONS__INT64,
  MOONS__INT32,
  MOONS__UINT8,
  MOONS__N_ELEMENTS
} moons__element;

/* The kind of this name; MOONS__N_ELEMENTS: there is none. And its name, a constant. */
moons__element moons__element_find(const char *name);
const char *moons__element_name(moons__element type);

static inline size_t moons__element_bytes(moons__element type) {
  static const unsigned char BYTES[MOONS__N_ELEMENTS] = {8, 4, 8, 4, 1};
  return BYTES[type];
}

static inline int moons__element_is_float(moons__element type) { return type <= MOONS__FLOAT32; }

/* Reads one of a kind of floats. */
static inline double moons__element_float(moons__element type, const char *at) {
  double wide;
  float narrow;
  if (type == MOONS__FLOAT64) {
    memcpy(&wide, at, sizeof wide);
    return wide;
  }
  memcpy(&narrow, at, sizeof narrow);
  return narrow;
}

/* Reads one of a kind of integers. */
static inline int64_t moons__element_integer(moons__element type, const char *at) {
  int64_t wide;
  int32_t narrow;
  switch (type) {
  case MOONS__INT64: memcpy(&wide, at, sizeof wide); return wide;
  case MOONS__INT32: memcpy(&narrow, at, sizeof narrow); return narrow;
  default: return (unsigned char)*at;
  }
}

/* Write a number. Return NULL, or why this kind cannot hold it, with nothing written: "has a fraction", ... */
const char *moons__element_put_integer(moons__element type, char *at, int64_t n);
const char *moons__element_put_float(moons__element type, char *at, double n);

/* Copies `n` elements from `from` to `to` as 8 bytes each: a double where the kind is one of floats, else an int64_t. */
void moons__element_widen(moons__element type, const char *from, size_t n, char *to);

#endif
