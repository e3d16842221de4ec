/*
** Plain C values to a message of the wire, as its encoder would make one of Lua's. Values of the host's are trees: nothing is shared,
** deferred or placed, so the message needs no lists. A host may have made any mistake in them: each is found before Lua sees it.
*/
#include <string.h>

#include "host/value.h"
#include "sizes.h"
#include "wire/format.h"

/* The first error stays, and nothing is appended from then on. */
typedef struct writer {
  moons__buffer *out;
  int leaves_process; /* where only NULL is the same address */
  int error;
} writer;

static void put_value(writer *w, const moons_value *value, int depth);

static void fail(writer *w, int error) {
  if (!w->error) w->error = error;
}

static void put_bytes(writer *w, const void *bytes, size_t n_bytes) {
  if (!w->error) w->error = moons__buffer_append(w->out, bytes, n_bytes);
}

static void put_byte(writer *w, unsigned byte) {
  unsigned char b = (unsigned char)byte;
  put_bytes(w, &b, 1);
}

static void put_varint(writer *w, uint64_t n) {
  for (; n >= 0x80; n >>= 7)
    put_byte(w, (unsigned)(n & 0x7F) | 0x80);
  put_byte(w, (unsigned)n);
}

static void put_tagged(writer *w, unsigned tag, const void *bytes, size_t n_bytes) {
  put_byte(w, tag);
  put_bytes(w, bytes, n_bytes);
}

static void put_integer(writer *w, int64_t n) {
  int8_t small = (int8_t)n;
  if (small == n)
    put_tagged(w, WIRE_INT8, &small, sizeof small);
  else
    put_tagged(w, WIRE_INT64, &n, sizeof n);
}

static void put_string(writer *w, const char *bytes, size_t n_bytes) {
  if (n_bytes > 0 && bytes == NULL) {
    fail(w, MOONS_EINVAL);
    return;
  }
  put_byte(w, n_bytes <= UINT8_MAX ? WIRE_STRING8 : WIRE_STRING);
  if (n_bytes <= UINT8_MAX)
    put_byte(w, (unsigned)n_bytes);
  else
    put_varint(w, n_bytes);
  put_bytes(w, bytes, n_bytes);
}

/* {== Tables ================================================================================== */

/* Whether there are things where a value says that there are; a table has at most INT32_MAX elements. */
static int check_items(writer *w, const moons_value *value) {
  if (value->n > INT32_MAX || (value->n > 0 && value->as.values == NULL)) fail(w, MOONS_EINVAL);
  return !w->error && value->n > 0;
}

/* Puts what a table of `n` elements and no pairs begins with. */
static void put_array(writer *w, size_t n) {
  uint32_t n_elements = (uint32_t)n;
  put_byte(w, WIRE_ARRAY);
  put_byte(w, 0);
  put_bytes(w, &n_elements, sizeof n_elements);
}

static void put_empty(writer *w) {
  put_byte(w, WIRE_TABLE);
  put_byte(w, 0);
}

static void put_numbers(writer *w, const moons_value *value, unsigned tag) {
  if (!check_items(w, value)) {
    put_empty(w);
    return;
  }
  uint32_t n = (uint32_t)value->n;
  put_array(w, value->n);
  put_tagged(w, tag, &n, sizeof n);
  put_bytes(w, value->as.integers, value->n * 8);
}

static void put_list(writer *w, const moons_value *value, int depth) {
  if (!check_items(w, value)) {
    put_empty(w);
    return;
  }
  put_array(w, value->n);
  for (size_t i = 0; i < value->n && !w->error; i++)
    put_value(w, &value->as.values[i], depth);
}

/* The size of the hash part: at most 2^(flags-1) pairs. */
static unsigned hash_flags(size_t n_pairs) {
  unsigned log2 = 0;
  while (log2 < WIRE_HASH_MASK - 1 && (size_t)1 << log2 < n_pairs)
    log2++;
  return log2 + 1;
}

int moons__value_is_key(const moons_value *v) {
  return v->type != MOONS_NIL && !(v->type == MOONS_FLOAT && v->as.number != v->as.number);
}

static void put_table(writer *w, const moons_value *value, int depth) {
  if (!check_items(w, value)) {
    put_empty(w);
    return;
  }
  put_byte(w, WIRE_TABLE);
  put_byte(w, hash_flags(value->n));
  for (size_t i = 0; i < value->n && !w->error; i++) {
    const moons_value *key = &value->as.values[2 * i];
    if (!moons__value_is_key(key)) fail(w, MOONS_EINVAL);
    put_value(w, key, depth);
    put_value(w, key + 1, depth);
  }
  put_byte(w, WIRE_END);
}

/* {== Values ================================================================================== */

static void put_compound(writer *w, const moons_value *value, int depth) {
  if (depth >= MOONS_WIRE_DEPTH) {
    fail(w, MOONS_EINVAL);
    return;
  }
  switch (value->type) {
  case MOONS_INTEGERS: put_numbers(w, value, WIRE_INTEGERS); break;
  case MOONS_FLOATS: put_numbers(w, value, WIRE_FLOATS); break;
  case MOONS_LIST: put_list(w, value, depth + 1); break;
  case MOONS_TABLE: put_table(w, value, depth + 1); break;
  default: fail(w, MOONS_EINVAL);
  }
}

static void put_pointer(writer *w, const void *pointer) {
  if (w->leaves_process && pointer != NULL) fail(w, MOONS_EINVAL);
  put_tagged(w, WIRE_POINTER, &pointer, sizeof pointer);
}

static void put_value(writer *w, const moons_value *value, int depth) {
  switch (value->type) {
  case MOONS_NIL: put_byte(w, WIRE_NIL); break;
  case MOONS_BOOLEAN: put_byte(w, value->as.integer != 0 ? WIRE_TRUE : WIRE_FALSE); break;
  case MOONS_INTEGER: put_integer(w, value->as.integer); break;
  case MOONS_FLOAT: put_tagged(w, WIRE_FLOAT, &value->as.number, sizeof value->as.number); break;
  case MOONS_STRING: put_string(w, value->as.string, value->n); break;
  case MOONS_POINTER: put_pointer(w, value->as.pointer); break;
  default: put_compound(w, value, depth);
  }
}

int moons__values_write(moons__buffer *out, const char *head, const moons_value *values,
                        size_t n_values, int leaves_process) {
  writer w = {.out = out, .leaves_process = leaves_process};
  size_t start = out->n_bytes;
  if (n_values > 0 && values == NULL) return MOONS_EINVAL;
  put_byte(&w, 0); /* no lists */
  put_varint(&w, n_values + (head != NULL));
  if (head != NULL) put_string(&w, head, strlen(head));
  for (size_t i = 0; i < n_values && !w.error; i++)
    put_value(&w, &values[i], 0);
  put_byte(&w, WIRE_END);
  if (w.error) out->n_bytes = start;
  return w.error;
}
