/*
** Lua values as plain C data: making them, and taking them apart. Nothing here allocates. What is read may be a stranger's, so
** every reader accepts every value, NULL among them, and gives its default where nothing fits.
*/
#include <string.h>

#include "moons.h"

/* {== Building ================================================================================ */

moons_value moons_nil(void) { return (moons_value){.type = MOONS_NIL}; }

moons_value moons_boolean(int x) {
  return (moons_value){.type = MOONS_BOOLEAN, .as.integer = x != 0};
}

moons_value moons_integer(int64_t x) {
  return (moons_value){.type = MOONS_INTEGER, .as.integer = x};
}

moons_value moons_number(double x) { return (moons_value){.type = MOONS_FLOAT, .as.number = x}; }

moons_value moons_string(const char *text) {
  return text != NULL ? moons_bytes(text, strlen(text)) : moons_nil();
}

moons_value moons_bytes(const void *bytes, size_t n_bytes) {
  return (moons_value){.type = MOONS_STRING, .n = n_bytes, .as.string = bytes};
}

moons_value moons_integers(const int64_t *x, size_t n) {
  return (moons_value){.type = MOONS_INTEGERS, .n = n, .as.integers = x};
}

moons_value moons_floats(const double *x, size_t n) {
  return (moons_value){.type = MOONS_FLOATS, .n = n, .as.numbers = x};
}

moons_value moons_list(const moons_value *x, size_t n) {
  return (moons_value){.type = MOONS_LIST, .n = n, .as.values = x};
}

moons_value moons_table(const moons_value *x, size_t n_pairs) {
  return (moons_value){.type = MOONS_TABLE, .n = n_pairs, .as.values = x};
}

moons_value moons_pointer(void *x) { return (moons_value){.type = MOONS_POINTER, .as.pointer = x}; }

/* {== Reading ================================================================================= */

static int is_bytes(const moons_value *v, const char *bytes, size_t n_bytes) {
  return v->type == MOONS_STRING && v->n == n_bytes &&
         (n_bytes == 0 || (v->as.string != NULL && memcmp(v->as.string, bytes, n_bytes) == 0));
}

/* Looks one by one: a table that the host has built is in no order. */
const moons_value *moons_field(const moons_value *table, const char *key) {
  if (table == NULL || key == NULL || table->type != MOONS_TABLE || table->as.values == NULL)
    return NULL;
  size_t n_bytes = strlen(key);
  for (size_t i = 0; i < table->n; i++)
    if (is_bytes(&table->as.values[2 * i], key, n_bytes)) return &table->as.values[2 * i + 1];
  return NULL;
}

static const moons_value *find_number(const moons_value *table, size_t n) {
  for (size_t i = 0; i < table->n; i++) {
    const moons_value *key = &table->as.values[2 * i];
    if (key->type == MOONS_INTEGER && key->as.integer > 0 && (uint64_t)key->as.integer == n)
      return key + 1;
  }
  return NULL;
}

static const moons_value *keep(moons_value *room, moons_value value) {
  if (room != NULL) *room = value;
  return room;
}

const moons_value *moons_item(const moons_value *list, size_t n, moons_value *room) {
  if (list == NULL || n == 0 || list->as.values == NULL) return NULL;
  if (list->type == MOONS_TABLE) return find_number(list, n);
  if (n > list->n) return NULL;
  switch (list->type) {
  case MOONS_LIST: return &list->as.values[n - 1];
  case MOONS_INTEGERS: return keep(room, moons_integer(list->as.integers[n - 1]));
  case MOONS_FLOATS: return keep(room, moons_number(list->as.numbers[n - 1]));
  default: return NULL;
  }
}

/* 2^63 is a float, the greatest integer is not. NaN fails both comparisons. */
static int float_to_integer(double x, int64_t *n) {
  static const double LIMIT = 9223372036854775808.0;
  if (!(x >= -LIMIT && x < LIMIT)) return 0;
  *n = (int64_t)x;
  return (double)*n == x;
}

int64_t moons_to_integer(const moons_value *value, int64_t otherwise) {
  int64_t n;
  if (value == NULL) return otherwise;
  if (value->type == MOONS_INTEGER) return value->as.integer;
  return value->type == MOONS_FLOAT && float_to_integer(value->as.number, &n) ? n : otherwise;
}

double moons_to_number(const moons_value *value, double otherwise) {
  if (value == NULL) return otherwise;
  if (value->type == MOONS_INTEGER) return (double)value->as.integer;
  return value->type == MOONS_FLOAT ? value->as.number : otherwise;
}

const char *moons_to_string(const moons_value *value, const char *otherwise) {
  if (value == NULL || value->type != MOONS_STRING || value->as.string == NULL) return otherwise;
  return value->as.string;
}

int moons_to_boolean(const moons_value *value) {
  if (value == NULL || value->type == MOONS_NIL) return 0;
  return value->type != MOONS_BOOLEAN || value->as.integer != 0;
}
