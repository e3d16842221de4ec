#include "base/element.h"

#include <math.h>

#include "check.h"

static const char *const NAMES[] = {"float64", "float32", "int64", "int32", "uint8"};

static void has_names(void) {
  for (int type = 0; type < MOONS__N_ELEMENTS; type++) {
    CHECK(moons__element_find(NAMES[type]) == (moons__element)type);
    CHECK(strcmp(moons__element_name((moons__element)type), NAMES[type]) == 0);
  }
  CHECK(moons__element_find("") == MOONS__N_ELEMENTS);
  CHECK(moons__element_find("float") == MOONS__N_ELEMENTS);
}

/* Puts an integer into a block of just the size that it takes; whether it comes out as it was. */
static int keeps_integer(moons__element type, int64_t n) {
  char *at = copy_exactly("12345678", moons__element_bytes(type));
  const char *why = moons__element_put_integer(type, at, n);
  int is_kept =
      why == NULL && (moons__element_is_float(type) ? (int64_t)moons__element_float(type, at) == n
                                                    : moons__element_integer(type, at) == n);
  CHECK(why == NULL || memcmp(at, "12345678", moons__element_bytes(type)) == 0);
  free(at);
  return is_kept;
}

static int keeps_float(moons__element type, double n) {
  char *at = copy_exactly("12345678", moons__element_bytes(type));
  const char *why = moons__element_put_float(type, at, n);
  int is_kept = why == NULL &&
                (moons__element_is_float(type) ? moons__element_float(type, at) == n
                                               : (double)moons__element_integer(type, at) == n);
  CHECK(why == NULL || memcmp(at, "12345678", moons__element_bytes(type)) == 0);
  free(at);
  return is_kept;
}

static void keeps_integers_in_range(void) {
  static const struct {
    moons__element type;
    int64_t least, most;
  } RANGES[] = {{MOONS__INT64, INT64_MIN, INT64_MAX},
                {MOONS__INT32, INT32_MIN, INT32_MAX},
                {MOONS__UINT8, 0, 255},
                {MOONS__FLOAT64, -(INT64_C(1) << 53), INT64_C(1) << 53}};
  for (size_t i = 0; i < sizeof RANGES / sizeof RANGES[0]; i++) {
    CHECK(keeps_integer(RANGES[i].type, RANGES[i].least));
    CHECK(keeps_integer(RANGES[i].type, RANGES[i].most));
    CHECK(keeps_integer(RANGES[i].type, 0) && keeps_integer(RANGES[i].type, 77));
    if (RANGES[i].type == MOONS__INT64) continue;
    CHECK(!keeps_integer(RANGES[i].type, RANGES[i].least - 1));
    CHECK(!keeps_integer(RANGES[i].type, RANGES[i].most + 1));
    CHECK(!keeps_integer(RANGES[i].type, INT64_MAX));
  }
  CHECK(keeps_integer(MOONS__FLOAT64, INT64_MIN) &&
        keeps_integer(MOONS__FLOAT64, INT64_C(1) << 60));
}

static void keeps_floats_that_fit(void) {
  for (int type = 0; type < MOONS__N_ELEMENTS; type++) {
    CHECK(keeps_float((moons__element)type, 3.0) && keeps_float((moons__element)type, 0.0));
    int is_float = moons__element_is_float((moons__element)type);
    CHECK(keeps_float((moons__element)type, 0.5) == is_float);
    CHECK(keeps_float((moons__element)type, INFINITY) == is_float);
    CHECK(keeps_float((moons__element)type, -1e300) == (type == MOONS__FLOAT64));
  }
  CHECK(keeps_float(MOONS__INT64, -0x1p63) && !keeps_float(MOONS__INT64, 0x1p63));
  CHECK(!keeps_float(MOONS__INT64, NAN) && !keeps_float(MOONS__UINT8, NAN));
}

static void rounds_to_float32(void) {
  char at[4];
  CHECK(moons__element_put_float(MOONS__FLOAT32, at, 0.1) == NULL);
  CHECK(moons__element_float(MOONS__FLOAT32, at) == (double)0.1f);
  CHECK(moons__element_put_integer(MOONS__FLOAT32, at, 16777217) == NULL);
  CHECK(moons__element_float(MOONS__FLOAT32, at) == 16777216.0);
  CHECK(moons__element_put_float(MOONS__FLOAT32, at, 3.5e38) != NULL);
}

static void widens(void) {
  static const int32_t INTEGERS[] = {1, -2, INT32_MAX};
  static const float FLOATS[] = {0.5f, -1.25f, 3.0f};
  static const unsigned char BYTES[] = {0, 200, 255};
  int64_t integers[3];
  double floats[3];
  moons__element_widen(MOONS__INT32, (const char *)INTEGERS, 3, (char *)integers);
  CHECK(integers[0] == 1 && integers[1] == -2 && integers[2] == INT32_MAX);
  moons__element_widen(MOONS__UINT8, (const char *)BYTES, 3, (char *)integers);
  CHECK(integers[0] == 0 && integers[1] == 200 && integers[2] == 255);
  moons__element_widen(MOONS__FLOAT32, (const char *)FLOATS, 3, (char *)floats);
  CHECK(floats[0] == 0.5 && floats[1] == -1.25 && floats[2] == 3.0);
  moons__element_widen(MOONS__INT64, (const char *)integers, 3, (char *)floats);
  CHECK(memcmp(integers, floats, sizeof floats) == 0);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"has a name for each type", has_names},
      {"keeps integers in range, and refuses others", keeps_integers_in_range},
      {"keeps floats that fit, and refuses others", keeps_floats_that_fit},
      {"rounds to float32 alone", rounds_to_float32},
      {"widens numbers to 8 bytes", widens},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
