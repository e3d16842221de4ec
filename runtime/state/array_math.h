/*
** What is computed of whole arrays: sums and such. All of it is exact in integers, or is refused; sums of floats are those of
** exact arithmetic but for the last bits, and do not depend on anything but the numbers and their order.
*/
#ifndef MOONS_STATE_ARRAY_MATH_H
#define MOONS_STATE_ARRAY_MATH_H

#include "state/array.h"

/* A number as Lua has them. */
typedef struct moons__number {
  int is_float;
  double number;
  int64_t integer;
} moons__number;

/* The sum of all numbers; that of the products with those of another array of the same length. Return 0 where a sum of integers
** is beyond 64 bits. */
int moons__array_sum(const moons__array *array, moons__number *sum);
int moons__array_dot(const moons__array *a, const moons__array *b, moons__number *sum);

/* The mean of an array that is not empty. */
double moons__array_mean(const moons__array *array);

/* The least number, or with `most` the greatest, of an array that is not empty; nan where one is nan. */
moons__number moons__array_extreme(const moons__array *array, int most);

/* Fills it with copies of one element. */
void moons__array_fill(moons__array *array, const char *element);

/* Copies numbers to another array of the same length and any type. Returns the index, from 1, of the first that this cannot
** hold, with the reason; 0: all were copied. */
size_t moons__array_convert(const moons__array *from, moons__array *to, const char **why);

#endif
