/*
** Items of one kind share a segment, so a list of numbers is eight bytes a number, and so is one of booleans: one way to
** read them, and few bytes against what a call costs. Counts and lengths stand before what they count, and are filled in
** afterwards; that of a segment with each item, so that a batch is whole after any item: a chunk may be taken away from the
** worker that writes it. Reading checks every length against what is left: bytes from elsewhere cannot make it read beyond
** them, nor beyond the block of an array.
*/
#include "wire/batch.h"

#include <string.h>

#include "moons.h"

/* Those of plain values are numbered as the kinds of items. */
enum {
  INTEGERS = MOONS__ITEM_INTEGER,
  FLOATS = MOONS__ITEM_FLOAT,
  BOOLEANS = MOONS__ITEM_BOOLEAN,
  NILS = MOONS__ITEM_NIL,
  INTEGER_RANGE,
  FLOAT_RANGE,
  STRINGS,
  MESSAGES,
  ERRORS,
  USAGES,
  OF_ARRAY,
  STORED,
  NO_SEGMENT = -1
};

/* Writing. */

/* What the items need is known only at the end, so there is room for it first. */
int moons__batch_begin(moons__batch_writer *w, moons__buffer *out) {
  uint32_t needs = 0;
  *w = (moons__batch_writer){.out = out, .start = out->n_bytes, .segment = NO_SEGMENT};
  return moons__buffer_append(out, &needs, sizeof needs);
}

void moons__batch_needs(moons__batch_writer *w, uint32_t needs) {
  memcpy(w->out->bytes + w->start, &needs, sizeof needs);
}

static void write_count(moons__batch_writer *w) {
  memcpy(w->out->bytes + w->count_at, &w->n_items, sizeof w->n_items);
}

static void add_to_count(moons__batch_writer *w, uint32_t n_items) {
  w->n_items += n_items;
  write_count(w);
}

/* Opens a segment of this kind, or goes on with the one that is open. Makes room for `n_bytes` of an item before it puts
** anything, so that what follows cannot fail. A segment that stays empty does no harm: readers pass over it. */
static int need_segment(moons__batch_writer *w, int kind, size_t n_bytes) {
  uint32_t count = 0;
  int error = moons__buffer_reserve(w->out, 1 + sizeof count + n_bytes);
  if (error || w->segment == kind) return error;
  w->out->bytes[w->out->n_bytes++] = (char)kind;
  w->segment = kind;
  w->n_items = 0;
  w->count_at = w->out->n_bytes;
  return moons__buffer_append(w->out, &count, sizeof count);
}

static int put_plain(moons__batch_writer *w, int kind, const void *value) {
  int error = need_segment(w, kind, 8);
  if (error) return error;
  add_to_count(w, 1);
  return moons__buffer_append(w->out, value, 8);
}

int moons__batch_integer(moons__batch_writer *w, int64_t n) { return put_plain(w, INTEGERS, &n); }

int moons__batch_float(moons__batch_writer *w, double n) { return put_plain(w, FLOATS, &n); }

int moons__batch_boolean(moons__batch_writer *w, int64_t is_true) {
  return put_plain(w, BOOLEANS, &is_true);
}

int moons__batch_nil(moons__batch_writer *w) {
  int64_t nothing = 0;
  return put_plain(w, NILS, &nothing);
}

int moons__batch_plain_begin(moons__batch_writer *w, moons__item_kind kind, uint32_t n_most,
                             char **room) {
  int error = need_segment(w, (int)kind, (size_t)n_most * 8);
  if (!error) *room = w->out->bytes + w->out->n_bytes;
  return error;
}

void moons__batch_plain_end(moons__batch_writer *w, uint32_t n_items) {
  w->out->n_bytes += (size_t)n_items * 8;
  add_to_count(w, n_items);
}

/* A segment of its own: each range has another rule, which stands before its items. */
static int put_range(moons__batch_writer *w, int kind, const void *rule, size_t n_bytes,
                     uint32_t n_items) {
  w->segment = NO_SEGMENT;
  int error = need_segment(w, kind, n_bytes);
  if (error) return error;
  add_to_count(w, n_items);
  w->segment = NO_SEGMENT;
  return moons__buffer_append(w->out, rule, n_bytes);
}

int moons__batch_integer_range(moons__batch_writer *w, int64_t first, int64_t step,
                               uint32_t n_items) {
  int64_t rule[] = {first, step};
  return put_range(w, INTEGER_RANGE, rule, sizeof rule, n_items);
}

int moons__batch_float_range(moons__batch_writer *w, double first, double step, uint64_t n_before,
                             uint32_t n_items) {
  char rule[24];
  memcpy(rule, &first, 8);
  memcpy(rule + 8, &step, 8);
  memcpy(rule + 16, &n_before, 8);
  return put_range(w, FLOAT_RANGE, rule, sizeof rule, n_items);
}

int moons__batch_array(moons__batch_writer *w, const moons__batch_part *part, uint32_t n_items) {
  return put_range(w, OF_ARRAY, part, sizeof *part, n_items);
}

int moons__batch_stored(moons__batch_writer *w, uint32_t n_items) {
  int error = need_segment(w, STORED, 0);
  if (!error) add_to_count(w, n_items);
  return error;
}

static int segment_of(moons__item_kind kind) {
  switch (kind) {
  case MOONS__ITEM_STRING: return STRINGS;
  case MOONS__ITEM_ERROR: return ERRORS;
  case MOONS__ITEM_USAGE: return USAGES;
  default: return MESSAGES;
  }
}

/* The length is filled in at the end of the item; until then the count does not know of it, so a reader would not either. */
int moons__batch_item_begin(moons__batch_writer *w, moons__item_kind kind) {
  uint64_t n_bytes = 0;
  int error = need_segment(w, segment_of(kind), sizeof n_bytes);
  if (error) return error;
  w->item_at = w->out->n_bytes;
  return moons__buffer_append(w->out, &n_bytes, sizeof n_bytes);
}

void moons__batch_item_end(moons__batch_writer *w) {
  uint64_t n_bytes = w->out->n_bytes - w->item_at - sizeof n_bytes;
  memcpy(w->out->bytes + w->item_at, &n_bytes, sizeof n_bytes);
  add_to_count(w, 1);
}

int moons__batch_bytes(moons__batch_writer *w, moons__item_kind kind, const void *bytes,
                       size_t n_bytes) {
  uint64_t length = n_bytes;
  int error = need_segment(w, segment_of(kind), sizeof length + n_bytes);
  if (error) return error;
  moons__buffer_append(w->out, &length, sizeof length);
  moons__buffer_append(w->out, bytes, n_bytes);
  add_to_count(w, 1);
  return 0;
}

int moons__batch_usage(moons__batch_writer *w, const moons__usage *usage) {
  return moons__batch_bytes(w, MOONS__ITEM_USAGE, usage, sizeof *usage);
}

/* Its segment stays: the count has not been raised yet. */
void moons__batch_item_drop(moons__batch_writer *w) { w->out->n_bytes = w->item_at; }

/* Reading. */

static size_t left(const moons__batch_reader *r) { return (size_t)(r->end - r->at); }

/* Reads `n_bytes` into `to`; returns 0 where fewer are left. */
static int take(moons__batch_reader *r, void *to, size_t n_bytes) {
  if (n_bytes > left(r)) return 0;
  memcpy(to, r->at, n_bytes);
  r->at += n_bytes;
  return 1;
}

void moons__batch_open(moons__batch_reader *r, const void *bytes, size_t n_bytes) {
  *r = (moons__batch_reader){.at = bytes, .segment = NO_SEGMENT};
  r->end = r->at + n_bytes;
  if (!take(r, &r->needs, sizeof r->needs)) r->at = r->end;
}

/* Whether the bytes can be such a part: they may come from anywhere. */
static int is_part(const moons__batch_part *part) {
  if (part->type >= MOONS__N_ELEMENTS) return 0;
  if (part->kind == MOONS__ITEM_ROW || part->kind == MOONS__ITEM_NUMBERS) return 1;
  int is_float = moons__element_is_float((moons__element)part->type);
  return part->columns == 1 && part->kind == (is_float ? MOONS__ITEM_FLOAT : MOONS__ITEM_INTEGER);
}

/* Finds where the items lie; all of them must lie in the block. */
static int open_array(moons__batch_reader *r) {
  moons__batch_part *part = &r->part;
  size_t end;
  if (!take(r, part, sizeof *part) || !is_part(part)) return 0;
  const moons__shared *block = moons__shared_list_find(r->shared, part->block);
  size_t size = moons__element_bytes((moons__element)part->type);
  if (block == NULL || __builtin_mul_overflow(part->columns, size, &r->item_bytes)) return 0;
  if (__builtin_add_overflow(part->first, r->n_left, &end)) return 0;
  if (__builtin_mul_overflow(end, r->item_bytes, &end) || end > block->n_bytes) return 0;
  r->number_at = block->bytes + part->first * r->item_bytes;
  return 1;
}

/* A range keeps its rule in the reader, which counts along: nothing of it is left in the bytes. */
static int open_range(moons__batch_reader *r) {
  if (r->segment == INTEGER_RANGE) return take(r, &r->integer, 8) && take(r, &r->integer_step, 8);
  if (r->segment == FLOAT_RANGE)
    return take(r, &r->number_first, 8) && take(r, &r->number_step, 8) && take(r, &r->n_before, 8);
  return r->segment != OF_ARRAY || open_array(r);
}

/* Opens the next segment; returns 0, with the reader where it was, where there is none. A reader that stands before bytes
** that are left tells malformed ones from the end. */
static int open_segment(moons__batch_reader *r) {
  const char *start = r->at;
  unsigned char kind;
  if (take(r, &kind, 1) && kind <= STORED && take(r, &r->n_left, sizeof r->n_left)) {
    r->segment = kind;
    if (open_range(r)) return 1;
  }
  r->at = start;
  r->n_left = 0;
  return 0;
}

static moons__item_kind next_bytes(moons__batch_reader *r, moons__item *item) {
  uint64_t n_bytes;
  if (!take(r, &n_bytes, sizeof n_bytes) || n_bytes > left(r)) return MOONS__ITEM_MALFORMED;
  item->bytes = r->at;
  item->n_bytes = (size_t)n_bytes;
  r->at += n_bytes;
  switch (r->segment) {
  case STRINGS: return MOONS__ITEM_STRING;
  case ERRORS: return MOONS__ITEM_ERROR;
  case USAGES: return n_bytes == sizeof(moons__usage) ? MOONS__ITEM_USAGE : MOONS__ITEM_MALFORMED;
  default: return MOONS__ITEM_MESSAGE;
  }
}

moons__usage moons__item_usage(const moons__item *item) {
  moons__usage usage;
  memcpy(&usage, item->bytes, sizeof usage);
  return usage;
}

/* An item of an array lies in its block, where it is read when the call begins. */
static moons__item_kind next_of_array(moons__batch_reader *r, moons__item *item) {
  const char *at = r->number_at;
  r->number_at += r->item_bytes;
  item->type = (moons__element)r->part.type;
  item->bytes = at;
  item->n_bytes = r->item_bytes;
  if (r->part.kind == MOONS__ITEM_FLOAT)
    item->number = moons__element_float(item->type, at);
  else if (r->part.kind == MOONS__ITEM_INTEGER)
    item->integer = moons__element_integer(item->type, at);
  return (moons__item_kind)r->part.kind;
}

static moons__item_kind next_of_segment(moons__batch_reader *r, moons__item *item) {
  switch (r->segment) {
  case INTEGERS: return take(r, &item->integer, 8) ? MOONS__ITEM_INTEGER : MOONS__ITEM_MALFORMED;
  case FLOATS: return take(r, &item->number, 8) ? MOONS__ITEM_FLOAT : MOONS__ITEM_MALFORMED;
  case BOOLEANS: return take(r, &item->integer, 8) ? MOONS__ITEM_BOOLEAN : MOONS__ITEM_MALFORMED;
  case NILS: return take(r, &item->integer, 8) ? MOONS__ITEM_NIL : MOONS__ITEM_MALFORMED;
  case INTEGER_RANGE: /* wraps around as Lua's integers do */
    item->integer = r->integer;
    r->integer = (int64_t)((uint64_t)r->integer + (uint64_t)r->integer_step);
    return MOONS__ITEM_INTEGER;
  case FLOAT_RANGE: /* multiplies, as the caller's range does: sums would be rounded in another way */
    item->number = r->number_first + (double)r->n_before++ * r->number_step;
    return MOONS__ITEM_FLOAT;
  case OF_ARRAY: return next_of_array(r, item);
  case STORED: return MOONS__ITEM_STORED;
  default: return next_bytes(r, item);
  }
}

/* Opens segments up to one that has items; returns 0 where there is none. */
static int find_items(moons__batch_reader *r) {
  while (r->n_left == 0)
    if (!open_segment(r)) return 0;
  return 1;
}

static void copy_integer_range(const moons__batch_reader *r, char *to, uint32_t n) {
  uint64_t integer = (uint64_t)r->integer;
  for (; n > 0; n--, to += sizeof integer, integer += (uint64_t)r->integer_step)
    memcpy(to, &integer, sizeof integer);
}

/* As next_of_segment computes them: not by adding the step. */
static void copy_float_range(const moons__batch_reader *r, char *to, uint32_t n) {
  for (uint32_t i = 0; i < n; i++, to += sizeof(double)) {
    double number = r->number_first + (double)(r->n_before + i) * r->number_step;
    memcpy(to, &number, sizeof number);
  }
}

static uint32_t copy_plain(const moons__batch_reader *r, void *to, uint32_t n) {
  if (n > left(r) / 8) n = (uint32_t)(left(r) / 8);
  memcpy(to, r->at, (size_t)n * 8);
  return n;
}

/* Notes the addresses of the next n strings, as far as they are whole. */
static uint32_t find_strings(moons__batch_reader r, uint64_t *to, uint32_t n) {
  moons__item item;
  for (uint32_t i = 0; i < n; i++) {
    to[i] = (uint64_t)(uintptr_t)r.at;
    if (next_bytes(&r, &item) != MOONS__ITEM_STRING) return i;
  }
  return n;
}

static uint32_t copy_part(const moons__batch_reader *r, char *to, uint32_t n) {
  if (r->part.kind <= MOONS__ITEM_FLOAT)
    moons__element_widen((moons__element)r->part.type, r->number_at, n, to);
  return n;
}

/* The segment is one of plain values, a range, an array or one of strings, for the last item was of such a one. */
uint32_t moons__batch_look_ahead(const moons__batch_reader *r, uint64_t *to, uint32_t n_most) {
  uint32_t n = r->n_left < n_most ? r->n_left : n_most;
  switch (r->segment) {
  case INTEGER_RANGE: copy_integer_range(r, (char *)to, n); return n;
  case FLOAT_RANGE: copy_float_range(r, (char *)to, n); return n;
  case STRINGS: return find_strings(*r, to, n);
  case OF_ARRAY: return copy_part(r, (char *)to, n);
  default: return copy_plain(r, to, n);
  }
}

const char *moons__batch_string(uint64_t found, size_t *n_bytes) {
  uint64_t length;
  const char *at =
      (const char *)(uintptr_t)found; /* NOLINT(performance-no-int-to-ptr): it was one */
  memcpy(&length, at, sizeof length);
  *n_bytes = (size_t)length;
  return at + sizeof length;
}

/* Skips what a look ahead has told. Unsigned, for signed numbers must not wrap around in C. */
void moons__batch_skip(moons__batch_reader *r, uint32_t n) {
  moons__item item;
  r->n_left -= n;
  switch (r->segment) {
  case INTEGER_RANGE:
    r->integer = (int64_t)((uint64_t)r->integer + n * (uint64_t)r->integer_step);
    break;
  case FLOAT_RANGE: r->n_before += n; break;
  case STRINGS:
    while (n-- > 0)
      next_bytes(r, &item);
    break;
  case OF_ARRAY: r->number_at += n * r->item_bytes; break;
  case STORED: break;
  default: r->at += (size_t)n * 8;
  }
}

uint32_t moons__batch_plain_next(moons__batch_reader *r, moons__item_kind *kind) {
  if (!find_items(r)) return 0;
  if (r->segment == STORED) {
    *kind = MOONS__ITEM_STORED;
    return r->n_left;
  }
  if (r->segment > NILS) return 0;
  *kind = (moons__item_kind)r->segment;
  /* No more than there are bytes for, so that each can be read without a check. */
  return r->n_left <= left(r) / 8 ? r->n_left : (uint32_t)(left(r) / 8);
}

void moons__batch_next(moons__batch_reader *r, moons__item *item) {
  if (!find_items(r)) {
    item->kind = left(r) == 0 ? MOONS__ITEM_END : MOONS__ITEM_MALFORMED;
    return;
  }
  r->n_left--;
  item->kind = next_of_segment(r, item);
}

static int copy_item(moons__batch_writer *w, const moons__item *item) {
  switch (item->kind) {
  case MOONS__ITEM_INTEGER: return moons__batch_integer(w, item->integer);
  case MOONS__ITEM_FLOAT: return moons__batch_float(w, item->number);
  case MOONS__ITEM_BOOLEAN: return moons__batch_boolean(w, item->integer);
  case MOONS__ITEM_NIL: return moons__batch_nil(w);
  case MOONS__ITEM_STRING:
  case MOONS__ITEM_MESSAGE: return moons__batch_bytes(w, item->kind, item->bytes, item->n_bytes);
  default: return MOONS_EINVAL;
  }
}

int moons__batch_copy_one(moons__buffer *out, const void *bytes, size_t n_bytes,
                          uint32_t n_before) {
  moons__batch_reader reader;
  moons__batch_writer writer;
  moons__item item = {.kind = MOONS__ITEM_END};
  moons__batch_open(&reader, bytes, n_bytes);
  if (moons__batch_begin(&writer, out)) return MOONS_ENOMEM;
  moons__batch_needs(&writer, reader.needs);
  do
    moons__batch_next(&reader, &item);
  while (n_before-- > 0 && item.kind < MOONS__ITEM_END);
  return copy_item(&writer, &item);
}
