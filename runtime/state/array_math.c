/*
** Sums of floats carry along what rounding has lost (Neumaier 1974): of a million numbers the plain sum has lost some three
** digits. Where the sum is infinite or nan, so is what was lost, and the plain sum counts.
*/
#include "state/array_math.h"

#include <math.h>

/* The sum so far as rounded, and what rounding has taken from it. */
typedef struct float_sum {
  double sum, lost;
} float_sum;

/* Of the two the smaller loses digits: which these were, the larger one's difference to the sum tells exactly. */
static inline void add(float_sum *s, double x) {
  double sum = s->sum + x;
  s->lost += fabs(s->sum) >= fabs(x) ? (s->sum - sum) + x : (x - sum) + s->sum;
  s->sum = sum;
}

static double result_of(const float_sum *s) { return isfinite(s->sum) ? s->sum + s->lost : s->sum; }

static size_t size_of(const moons__array *a) { return moons__element_bytes(a->extent.type); }

static int is_float(const moons__array *a) { return moons__element_is_float(a->extent.type); }

/* Number i, from 0, as a double, of any type. */
static inline double get(const moons__array *a, size_t i) {
  const char *at = a->data + i * size_of(a);
  return is_float(a) ? moons__element_float(a->extent.type, at)
                     : (double)moons__element_integer(a->extent.type, at);
}

/* The same exactly, of a type of integers. */
static inline int64_t get_integer(const moons__array *a, size_t i) {
  return moons__element_integer(a->extent.type, a->data + i * size_of(a));
}

static double sum_floats(const moons__array *a) {
  float_sum s = {0};
  for (size_t i = 0; i < a->n; i++)
    add(&s, get(a, i));
  return result_of(&s);
}

int moons__array_sum(const moons__array *a, moons__number *sum) {
  *sum = (moons__number){.is_float = is_float(a)};
  if (sum->is_float) {
    sum->number = sum_floats(a);
    return 1;
  }
  for (size_t i = 0; i < a->n; i++)
    if (__builtin_add_overflow(sum->integer, get_integer(a, i), &sum->integer)) return 0;
  return 1;
}

/* Returns 0 where a product or the sum is beyond 64 bits. */
static int dot_integers(const moons__array *a, const moons__array *b, int64_t *sum) {
  int64_t product;
  for (size_t i = 0; i < a->n; i++)
    if (__builtin_mul_overflow(get_integer(a, i), get_integer(b, i), &product) ||
        __builtin_add_overflow(*sum, product, sum))
      return 0;
  return 1;
}

int moons__array_dot(const moons__array *a, const moons__array *b, moons__number *sum) {
  *sum = (moons__number){.is_float = is_float(a) || is_float(b)};
  if (!sum->is_float) return dot_integers(a, b, &sum->integer);
  float_sum s = {0};
  for (size_t i = 0; i < a->n; i++)
    add(&s, get(a, i) * get(b, i));
  sum->number = result_of(&s);
  return 1;
}

/* Also of integers by floats: their sum may be beyond 64 bits where their mean is not. */
double moons__array_mean(const moons__array *a) { return sum_floats(a) / (double)a->n; }

/* A nan is less than nothing and more than nothing: the first one is the answer. */
static double extreme_float(const moons__array *a, int most) {
  double best = get(a, 0);
  for (size_t i = 1; i < a->n && !isnan(best); i++) {
    double x = get(a, i);
    if (isnan(x) || (most ? x > best : x < best)) best = x;
  }
  return best;
}

static int64_t extreme_integer(const moons__array *a, int most) {
  int64_t best = get_integer(a, 0);
  for (size_t i = 1; i < a->n; i++) {
    int64_t x = get_integer(a, i);
    if (most ? x > best : x < best) best = x;
  }
  return best;
}

moons__number moons__array_extreme(const moons__array *a, int most) {
  if (is_float(a)) return (moons__number){.is_float = 1, .number = extreme_float(a, most)};
  return (moons__number){.integer = extreme_integer(a, most)};
}

/* Twice as much with each copy. */
void moons__array_fill(moons__array *a, const char *element) {
  size_t n_bytes = a->n * size_of(a), n_done = size_of(a);
  if (n_bytes == 0) return;
  memcpy(a->data, element, n_done);
  for (; n_done < n_bytes; n_done *= 2) {
    size_t n_left = n_bytes - n_done;
    memcpy(a->data + n_done, a->data, n_left < n_done ? n_left : n_done);
  }
}

/* Between two types number by number, each checked. */
size_t moons__array_convert(const moons__array *from, moons__array *to, const char **why) {
  if (from->extent.type == to->extent.type) {
    if (from->n > 0) memcpy(to->data, from->data, from->n * size_of(from));
    return 0;
  }
  for (size_t i = 0; i < from->n; i++) {
    char *at = to->data + i * size_of(to);
    *why = is_float(from) ? moons__element_put_float(to->extent.type, at, get(from, i))
                          : moons__element_put_integer(to->extent.type, at, get_integer(from, i));
    if (*why != NULL) return i + 1;
  }
  return 0;
}
