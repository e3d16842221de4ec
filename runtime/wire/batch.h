/*
** The calls of one chunk as bytes, and their results: plain values, which are numbers, booleans and nil, side by side as
** a block where they are of one kind, evenly spaced numbers as a rule, strings as their bytes, all else as messages (wire.h)
** and errors; before a result may stand what its call has used. Items of an array are read where they lie, in a block beside
** the bytes; results that are put into one leave but their number here. Knows no Lua.
**
** batch   = needs:u32 segment*
** segment = kind:byte n_items:u32, then by kind: 8 bytes an item; first, step and, of floats, the items before, 8 bytes
**           each; for each item a length:u64 and that many bytes; of an array, a moons__batch_part; nothing
*/
#ifndef MOONS_WIRE_BATCH_H
#define MOONS_WIRE_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/element.h"
#include "system/shared.h"

typedef enum moons__item_kind {
  MOONS__ITEM_INTEGER,
  MOONS__ITEM_FLOAT,
  MOONS__ITEM_BOOLEAN, /* `integer` is 0 or 1 */
  MOONS__ITEM_NIL,
  MOONS__ITEM_STRING,
  MOONS__ITEM_MESSAGE,
  MOONS__ITEM_ERROR,
  MOONS__ITEM_USAGE,   /* no result: of the call whose result comes next */
  MOONS__ITEM_ROW,     /* `bytes` are numbers of an array, of `type`: a table of these */
  MOONS__ITEM_NUMBERS, /* the same, each an argument */
  MOONS__ITEM_STORED, /* the result lies in an array; while it is none yet, `bytes` are its numbers there */
  MOONS__ITEM_END,      /* no more items */
  MOONS__ITEM_MALFORMED /* the bytes are no batch */
} moons__item_kind;

typedef struct moons__item {
  moons__item_kind kind;
  int64_t integer;
  double number;
  const char *bytes; /* into the batch, or an array */
  size_t n_bytes;
  moons__element type; /* of an array's */
} moons__item;

/* What a call has used, its last try where there were several. */
typedef struct moons__usage {
  uint64_t wall_ns;
  uint64_t cpu_ns;       /* of its thread; MOONS__UNKNOWN: it was given up */
  uint64_t memory_bytes; /* the most that its state held (arena.h); MOONS__UNKNOWN: the same */
  uint32_t worker;       /* which, from 1; 0: there was none */
  uint32_t n_tries;
} moons__usage;
#define MOONS__UNKNOWN UINT64_MAX

/* {== Writing ================================================================================= */

typedef struct moons__batch_writer {
  moons__buffer *out;
  size_t start;     /* of the batch in out */
  int segment;      /* kind of the open segment; -1: none */
  uint32_t n_items; /* in it */
  size_t count_at;  /* where in out that number stands */
  size_t item_at;   /* where the length of the item being written stands */
} moons__batch_writer;

/* A range of floats is first + i * step, i from n_before on.
** All return 0 or MOONS_ENOMEM, and leave `out` as it was on failure. */
int moons__batch_begin(moons__batch_writer *writer, moons__buffer *out);
int moons__batch_integer(moons__batch_writer *writer, int64_t n);
int moons__batch_float(moons__batch_writer *writer, double n);
int moons__batch_boolean(moons__batch_writer *writer, int64_t is_true);
int moons__batch_nil(moons__batch_writer *writer);
int moons__batch_integer_range(moons__batch_writer *writer, int64_t first, int64_t step,
                               uint32_t n_items);
int moons__batch_float_range(moons__batch_writer *writer, double first, double step,
                             uint64_t n_before, uint32_t n_items);

/* Items of an array: numbers one by one (kind INTEGER or FLOAT, as its type is), or rows (kind ROW or NUMBERS). */
typedef struct moons__batch_part {
  uint64_t block;   /* its id */
  uint64_t first;   /* item, from 0 */
  uint64_t columns; /* numbers an item */
  uint32_t type;
  uint32_t kind;
} moons__batch_part;
int moons__batch_array(moons__batch_writer *writer, const moons__batch_part *part,
                       uint32_t n_items);

/* Results that lie in an array. */
int moons__batch_stored(moons__batch_writer *writer, uint32_t n_items);

/* Plain values of one kind side by side: begin makes room for up to `n_most` at *room, the user puts some there, 8 bytes
** each, and end says how many. */
int moons__batch_plain_begin(moons__batch_writer *writer, moons__item_kind kind, uint32_t n_most,
                             char **room);
void moons__batch_plain_end(moons__batch_writer *writer, uint32_t n_items);

/* An item of bytes. */
int moons__batch_bytes(moons__batch_writer *writer, moons__item_kind kind, const void *bytes,
                       size_t n_bytes);

/* An item that says what the call has used whose result comes next. */
int moons__batch_usage(moons__batch_writer *writer, const moons__usage *usage);

/* An item of bytes that are made on the spot: begin, append to `out`, then either end it or drop it. */
int moons__batch_item_begin(moons__batch_writer *writer, moons__item_kind kind);
void moons__batch_item_end(moons__batch_writer *writer);
void moons__batch_item_drop(moons__batch_writer *writer);

/* Notes what the items need on the other side: bits for the user to choose. */
void moons__batch_needs(moons__batch_writer *writer, uint32_t needs);

/* Writes a batch of its own of one item, that behind the first `n_before`, which is a plain value or has bytes. Returns 0, or
** MOONS_ENOMEM, or MOONS_EINVAL where it is another one; `out` may hold a part then. */
int moons__batch_copy_one(moons__buffer *out, const void *bytes, size_t n_bytes, uint32_t n_before);

/* {== Reading ================================================================================= */

typedef struct moons__batch_reader {
  const char *at, *end;
  int segment;
  uint32_t n_left;                  /* items of the segment */
  int64_t integer, integer_step;    /* the next of a range of integers */
  double number_first, number_step; /* a range of floats */
  uint64_t n_before;                /* of the next item of it */
  const moons__shared_list *shared; /* where the blocks of arrays are; NULL: nowhere */
  const char *number_at;            /* the next item of an array */
  size_t item_bytes;                /* from one of them to the next */
  moons__batch_part part;
  uint32_t needs;
} moons__batch_reader;

/* The bytes must live as long as the reader and the items. Where they may speak of arrays, the user then sets `shared`, which
** must live as long too. */
void moons__batch_open(moons__batch_reader *reader, const void *bytes, size_t n_bytes);

/* Copies the plain values that follow the last item and are of its kind, 8 bytes each, without reading them; of strings the
** addresses, for moons__batch_string; at most `n_most`. Returns how many. The last item was a plain value or a string; or a row, and then
** those that follow are counted, and not copied: they lie one behind the other. */
uint32_t moons__batch_look_ahead(const moons__batch_reader *reader, uint64_t *to, uint32_t n_most);

/* The bytes of a string that a look ahead has found. They lie in the batch. */
const char *moons__batch_string(uint64_t found, size_t *n_bytes);

/* Reads n of them. */
void moons__batch_skip(moons__batch_reader *reader, uint32_t n_items);

/* Reads the next item: its kind, and what belongs to that. Total: any bytes give items, END or
** MALFORMED. */
void moons__batch_next(moons__batch_reader *reader, moons__item *item);

/* The usage that an item of that kind holds. */
moons__usage moons__item_usage(const moons__item *item);

/* How many plain values of one kind come next, side by side, and which kind; 0 where something else comes. That many can
** then be read by the functions below; those of nil, and results that lie in an array, which count here too, are skipped. */
uint32_t moons__batch_plain_next(moons__batch_reader *reader, moons__item_kind *kind);

static inline void moons__batch_plain(moons__batch_reader *reader, void *value) {
  memcpy(value, reader->at, 8);
  reader->at += 8;
  reader->n_left--;
}

static inline int64_t moons__batch_next_integer(moons__batch_reader *reader) {
  int64_t n;
  moons__batch_plain(reader, &n);
  return n;
}

static inline double moons__batch_next_float(moons__batch_reader *reader) {
  double n;
  moons__batch_plain(reader, &n);
  return n;
}

#endif
