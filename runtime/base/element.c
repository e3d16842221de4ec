/*
** Every conversion is checked: a number that does not fit is refused with the reason, for rounding in silence would be found
** much later, if ever. The reasons read on after the number: "2.5 has a fraction".
*/
#include "base/element.h"

#include <math.h>

static const char *const NAMES[MOONS__N_ELEMENTS] = {"float64", "float32", "int64", "int32",
                                                     "uint8"};

static const char OUT_OF_RANGE[] = "is out of range";

/* Beyond this a double has no int64_t: converting it is undefined in C. */
static const double TWO_TO_63 = 9223372036854775808.0;

moons__element moons__element_find(const char *name) {
  int type = 0;
  while (type < MOONS__N_ELEMENTS && strcmp(NAMES[type], name) != 0)
    type++;
  return (moons__element)type;
}

const char *moons__element_name(moons__element type) { return NAMES[type]; }

/* Beyond 2^53 a double has not every integer. */
static const char *put_as_double(char *at, int64_t n) {
  double wide = (double)n;
  int is_same = wide < 0x1p63 && (int64_t)wide == n;
  if (!is_same) return "would be rounded";
  memcpy(at, &wide, sizeof wide);
  return NULL;
}

/* Rounds to the nearest float32, which is the point of that type; but what is finite must stay so. */
static const char *put_as_float(char *at, double n) {
  float narrow = (float)n;
  if (isinf(narrow) && !isinf(n)) return OUT_OF_RANGE;
  memcpy(at, &narrow, sizeof narrow);
  return NULL;
}

/* The cast wraps around where the number is out of range, and then it is another one. */
static const char *put_int32(char *at, int64_t n) {
  int32_t narrow = (int32_t)n;
  if (narrow != n) return OUT_OF_RANGE;
  memcpy(at, &narrow, sizeof narrow);
  return NULL;
}

static const char *put_uint8(char *at, int64_t n) {
  if (n < 0 || n > UINT8_MAX) return OUT_OF_RANGE;
  *at = (char)n;
  return NULL;
}

/* An integer becomes a float32 in one step: by way of a double it could be rounded twice. */
const char *moons__element_put_integer(moons__element type, char *at, int64_t n) {
  float narrow;
  switch (type) {
  case MOONS__FLOAT64: return put_as_double(at, n);
  case MOONS__FLOAT32:
    narrow = (float)n;
    memcpy(at, &narrow, sizeof narrow);
    return NULL;
  case MOONS__INT64: memcpy(at, &n, sizeof n); return NULL;
  case MOONS__INT32: return put_int32(at, n);
  default: return put_uint8(at, n);
  }
}

/* To the types of integers a float goes as Lua's own conversion takes it: if it has no fraction. */
const char *moons__element_put_float(moons__element type, char *at, double n) {
  if (type == MOONS__FLOAT64) {
    memcpy(at, &n, sizeof n);
    return NULL;
  }
  if (type == MOONS__FLOAT32) return put_as_float(at, n);
  if (isnan(n)) return "is no integer";
  if (n < -TWO_TO_63 || n >= TWO_TO_63) return OUT_OF_RANGE;
  if (n != floor(n)) return "has a fraction";
  return moons__element_put_integer(type, at, (int64_t)n);
}

/* What is read eight bytes at a time (batch.h): floats as doubles, integers as int64_t. */
void moons__element_widen(moons__element type, const char *from, size_t n, char *to) {
  size_t size = moons__element_bytes(type);
  if (size == 8) {
    memcpy(to, from, n * size);
    return;
  }
  for (const char *end = from + n * size; from < end; from += size, to += 8) {
    double number = type == MOONS__FLOAT32 ? moons__element_float(type, from) : 0;
    int64_t integer = type == MOONS__FLOAT32 ? 0 : moons__element_integer(type, from);
    memcpy(to, type == MOONS__FLOAT32 ? (const void *)&number : &integer, 8);
  }
}
