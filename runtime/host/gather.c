/*
** Results of a map lie in the batches of its chunks. They become a sequence in one block: of numbers, where all are of one
** kind, or of values, with the bytes of strings behind them. What is more than a plain value is a message, and has a block of
** its own.
*/
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "host/map.h"
#include "wire/batch.h"

/* What there is in all chunks. */
typedef struct extent {
  size_t n, n_integers, n_floats, n_messages;
  size_t string_bytes; /* with a zero byte after each */
} extent;

/* Where the next one goes. */
typedef struct place {
  moons_call *call;
  moons_value *list; /* of values, or numbers */
  size_t i;
  char *strings;
  const moons__shared_list *shared; /* of the chunk */
} place;

/* Goes through all results; returns what `take` returns where that is not 0. */
static int each(moons_call *call,
                int (*take)(void *data, const moons__chunk *, const moons__item *), void *data) {
  const moons__chunk *chunk = NULL;
  int error = 0;
  while (!error && (chunk = moons__spread_next(call->spread, chunk)) != NULL) {
    moons__batch_reader reader;
    moons__item item;
    moons__batch_open(&reader, chunk->results.bytes, chunk->results.n_bytes);
    for (uint32_t i = 0; i < chunk->n_run && !error; i++) {
      moons__batch_next(&reader, &item);
      error = take(data, chunk, &item);
    }
  }
  return error;
}

static int measure(void *data, const moons__chunk *chunk, const moons__item *item) {
  extent *e = data;
  (void)chunk;
  e->n++;
  e->n_integers += item->kind == MOONS__ITEM_INTEGER;
  e->n_floats += item->kind == MOONS__ITEM_FLOAT;
  e->n_messages += item->kind == MOONS__ITEM_MESSAGE;
  if (item->kind == MOONS__ITEM_STRING) e->string_bytes += item->n_bytes + 1;
  return 0;
}

static int take_number(void *data, const moons__chunk *chunk, const moons__item *item) {
  place *p = data;
  (void)chunk;
  if (item->kind == MOONS__ITEM_INTEGER)
    ((int64_t *)(void *)p->list)[p->i++] = item->integer;
  else
    ((double *)(void *)p->list)[p->i++] = item->number;
  return 0;
}

static moons_value take_string(place *p, const moons__item *item) {
  char *bytes = p->strings;
  if (item->n_bytes > 0) memcpy(bytes, item->bytes, item->n_bytes);
  bytes[item->n_bytes] = '\0';
  p->strings += item->n_bytes + 1;
  return moons_bytes(bytes, item->n_bytes);
}

/* A message of one value. */
static int take_message(place *p, const moons__item *item, const moons__shared_list *shared) {
  moons__values *values = &p->call->parts[p->call->n_parts];
  int error = moons__values_read(values, p->call, item->bytes, item->n_bytes, shared);
  if (error) return error;
  p->call->n_parts++;
  p->list[p->i] = values->n_values > 0 ? values->values[0] : moons_nil();
  return 0;
}

static int take_value(void *data, const moons__chunk *chunk, const moons__item *item) {
  place *p = data;
  int error = 0;
  switch (item->kind) {
  case MOONS__ITEM_INTEGER: p->list[p->i] = moons_integer(item->integer); break;
  case MOONS__ITEM_FLOAT: p->list[p->i] = moons_number(item->number); break;
  case MOONS__ITEM_BOOLEAN: p->list[p->i] = moons_boolean(item->integer != 0); break;
  case MOONS__ITEM_STRING: p->list[p->i] = take_string(p, item); break;
  case MOONS__ITEM_MESSAGE: error = take_message(p, item, chunk->given); break;
  default: p->list[p->i] = moons_nil();
  }
  p->i += !error;
  return error;
}

/* A sequence of integers, of floats, or of any values; in the block behind it. */
static moons_value sequence(const extent *e, const moons_value *block) {
  const void *at = block + 1;
  if (e->n > 0 && e->n_integers == e->n) return moons_integers(at, e->n);
  if (e->n > 0 && e->n_floats == e->n) return moons_floats(at, e->n);
  return moons_list(at, e->n);
}

int moons__gather(moons_call *call, uint64_t *index) {
  extent e = {0};
  each(call, measure, &e);
  size_t most_bytes = SIZE_MAX / (2 * sizeof(moons_value));
  if (e.n > most_bytes || e.string_bytes > SIZE_MAX / 4) return MOONS_ENOMEM;
  moons_value *block = moons__allocate(call, (e.n + 1) * sizeof *block + e.string_bytes);
  call->parts = moons__allocate_zeros(call, e.n_messages * sizeof *call->parts);
  call->results = (moons__values){.values = block, .n_values = 1};
  if (block == NULL || call->parts == NULL) return MOONS_ENOMEM;
  block[0] = sequence(&e, block);
  place p = {.call = call, .list = block + 1, .strings = (char *)(block + 1 + e.n)};
  int is_list = block[0].type == MOONS_LIST;
  int error = each(call, is_list ? take_value : take_number, &p);
  *index = p.i + 1;
  return error;
}
