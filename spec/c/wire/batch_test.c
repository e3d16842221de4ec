#include "wire/batch.h"

#include "check.h"
#include "moons.h"

static moons__item next_item(moons__batch_reader *r) {
  moons__item item = {0};
  moons__batch_next(r, &item);
  return item;
}

static int same_bits(double a, double b) {
  uint64_t bits_of_a, bits_of_b;
  memcpy(&bits_of_a, &a, sizeof a);
  memcpy(&bits_of_b, &b, sizeof b);
  return bits_of_a == bits_of_b;
}

static moons__batch_reader open_batch(const moons__buffer *out) {
  moons__batch_reader r;
  moons__batch_open(&r, out->bytes, out->n_bytes);
  return r;
}

static void check_end(moons__batch_reader *r) {
  CHECK(next_item(r).kind == MOONS__ITEM_END);
  CHECK(next_item(r).kind == MOONS__ITEM_END);
}

static void check_integer(moons__batch_reader *r, int64_t n) {
  moons__item item = next_item(r);
  CHECK(item.kind == MOONS__ITEM_INTEGER && item.integer == n);
}

static void check_float(moons__batch_reader *r, double n) {
  moons__item item = next_item(r);
  CHECK(item.kind == MOONS__ITEM_FLOAT && same_bits(item.number, n));
}

static void put_bytes(moons__batch_writer *w, moons__item_kind kind, const void *bytes, size_t n) {
  CHECK(moons__batch_item_begin(w, kind) == 0);
  CHECK(moons__buffer_append(w->out, bytes, n) == 0);
  moons__batch_item_end(w);
}

static void empty_ends(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0);
  moons__batch_reader r = open_batch(&out);
  CHECK(r.needs == 0);
  check_end(&r);
  moons__buffer_free(&out);
}

static void numbers(void) {
  static const int64_t INTEGERS[] = {0, 1, -1, INT64_MIN, INT64_MAX, 1 << 20};
  static const double FLOATS[] = {0.0, -0.0, 1e300, 5e-324, 0.1};
  uint64_t nan_bits = UINT64_C(0xFFF8000000000123);
  double nan;
  memcpy(&nan, &nan_bits, sizeof nan);
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0);
  for (int i = 0; i < 6; i++)
    CHECK(moons__batch_integer(&w, INTEGERS[i]) == 0);
  for (int i = 0; i < 5; i++)
    CHECK(moons__batch_float(&w, FLOATS[i]) == 0);
  CHECK(moons__batch_float(&w, nan) == 0);
  CHECK(moons__batch_integer(&w, 7) == 0);
  moons__batch_needs(&w, 0xABCD);
  moons__batch_reader r = open_batch(&out);
  CHECK(r.needs == 0xABCD);
  for (int i = 0; i < 6; i++)
    check_integer(&r, INTEGERS[i]);
  for (int i = 0; i < 5; i++)
    check_float(&r, FLOATS[i]);
  check_float(&r, nan);
  check_integer(&r, 7);
  check_end(&r);
  moons__buffer_free(&out);
}

/* Puts `n` numbers of one kind side by side, with room for more. */
static void put_numbers(moons__batch_writer *w, moons__item_kind kind, const void *numbers,
                        uint32_t n, uint32_t n_most) {
  char *room;
  CHECK(moons__batch_plain_begin(w, kind, n_most, &room) == 0);
  memset(room, 0x55, (size_t)n_most * 8); /* all of it is there to be written to */
  if (n > 0) memcpy(room, numbers, (size_t)n * 8);
  moons__batch_plain_end(w, n);
}

static void numbers_side_by_side(void) {
  static const int64_t INTEGERS[] = {5, -6, INT64_MIN};
  static const double FLOATS[] = {0.5, -0.0, 1e300, 4};
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0);
  put_numbers(&w, MOONS__ITEM_INTEGER, INTEGERS, 3, 1000);
  put_numbers(&w, MOONS__ITEM_INTEGER, INTEGERS, 2, 2);
  put_numbers(&w, MOONS__ITEM_FLOAT, NULL, 0, 7);
  put_numbers(&w, MOONS__ITEM_FLOAT, FLOATS, 4, 4);
  put_bytes(&w, MOONS__ITEM_MESSAGE, "x", 1);
  put_numbers(&w, MOONS__ITEM_INTEGER, NULL, 0, 50);
  CHECK(moons__batch_float(&w, 9) == 0);
  moons__batch_reader r = open_batch(&out);
  for (int i = 0; i < 5; i++)
    check_integer(&r, INTEGERS[i % 3]);
  for (int i = 0; i < 4; i++)
    check_float(&r, FLOATS[i]);
  CHECK(next_item(&r).kind == MOONS__ITEM_MESSAGE);
  check_float(&r, 9);
  check_end(&r);
  moons__buffer_free(&out);
}

static void reads_side_by_side(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  moons__item_kind kind;
  CHECK(moons__batch_begin(&w, &out) == 0);
  for (int i = 0; i < 100; i++)
    CHECK(moons__batch_float(&w, i) == 0);
  for (int i = 0; i < 50; i++)
    CHECK(moons__batch_integer(&w, -i) == 0);
  put_bytes(&w, MOONS__ITEM_MESSAGE, "x", 1);
  CHECK(moons__batch_integer_range(&w, 1, 1, 5) == 0);
  moons__batch_reader r = open_batch(&out);
  CHECK(moons__batch_plain_next(&r, &kind) == 100 && kind == MOONS__ITEM_FLOAT);
  for (int i = 0; i < 60; i++)
    CHECK(same_bits(moons__batch_next_float(&r), i));
  CHECK(moons__batch_plain_next(&r, &kind) == 40 && kind == MOONS__ITEM_FLOAT);
  for (int i = 60; i < 100; i++)
    check_float(&r, i);
  CHECK(moons__batch_plain_next(&r, &kind) == 50 && kind == MOONS__ITEM_INTEGER);
  for (int i = 0; i < 50; i++)
    CHECK(moons__batch_next_integer(&r) == -i);
  CHECK(moons__batch_plain_next(&r, &kind) == 0);
  CHECK(next_item(&r).kind == MOONS__ITEM_MESSAGE);
  CHECK(moons__batch_plain_next(&r, &kind) == 0); /* a range lies not side by side */
  for (int i = 1; i <= 5; i++)
    check_integer(&r, i);
  CHECK(moons__batch_plain_next(&r, &kind) == 0);
  check_end(&r);
  moons__buffer_free(&out);
}

static void ranges(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0);
  CHECK(moons__batch_integer(&w, 100) == 0);
  CHECK(moons__batch_integer_range(&w, 5, -3, 1000) == 0);
  CHECK(moons__batch_integer_range(&w, INT64_MAX - 1, 2, 3) == 0);
  CHECK(moons__batch_float_range(&w, 0.1, 0.1, 0, 1000) == 0);
  CHECK(moons__batch_float_range(&w, 0.1, 0.1, 1000, 1000) == 0);
  CHECK(moons__batch_integer(&w, 200) == 0);
  CHECK(out.n_bytes < 300); /* however many items */
  moons__batch_reader r = open_batch(&out);
  check_integer(&r, 100);
  for (int64_t i = 0; i < 1000; i++)
    check_integer(&r, 5 - 3 * i);
  check_integer(&r, INT64_MAX - 1);
  check_integer(&r, INT64_MIN); /* wraps around as Lua's integers do */
  check_integer(&r, INT64_MIN + 2);
  for (int i = 0; i < 2000; i++)
    check_float(&r, 0.1 + i * 0.1);
  check_integer(&r, 200);
  check_end(&r);
  moons__buffer_free(&out);
}

/* What is looked at ahead is what is read then, also where only some of it is passed over. */
static void check_ahead(moons__batch_reader *r, uint32_t n_expected, uint32_t n_skipped) {
  uint64_t ahead[8];
  moons__item first = next_item(r);
  CHECK(first.kind <= MOONS__ITEM_FLOAT);
  CHECK(moons__batch_look_ahead(r, ahead, 8) == n_expected);
  CHECK(moons__batch_look_ahead(r, ahead, 2) == (n_expected < 2 ? n_expected : 2));
  moons__batch_skip(r, n_skipped);
  for (uint32_t i = n_skipped; i < n_expected; i++) {
    moons__item item = next_item(r);
    CHECK(item.kind == first.kind);
    if (item.kind == MOONS__ITEM_INTEGER)
      CHECK(memcmp(&item.integer, &ahead[i], 8) == 0);
    else
      CHECK(memcmp(&item.number, &ahead[i], 8) == 0);
  }
}

static void looks_ahead(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0);
  for (int i = 1; i <= 4; i++)
    CHECK(moons__batch_integer(&w, i * i) == 0);
  for (int i = 1; i <= 3; i++)
    CHECK(moons__batch_float(&w, i * 0.1) == 0);
  CHECK(moons__batch_integer_range(&w, INT64_MAX - 1, 3, 5) == 0);
  CHECK(moons__batch_float_range(&w, 0.1, 0.3, 7, 4) == 0);
  CHECK(moons__batch_integer(&w, 7) == 0);
  for (uint32_t n_skipped = 0; n_skipped <= 2; n_skipped++) {
    moons__batch_reader r = open_batch(&out);
    check_ahead(&r, 3, n_skipped);
    check_ahead(&r, 2, n_skipped);
    check_ahead(&r, 4, n_skipped);
    check_ahead(&r, 3, n_skipped);
    check_ahead(&r, 0, 0);
    check_end(&r);
  }
  moons__batch_reader cut;
  moons__batch_open(&cut, out.bytes,
                    4 + 5 + 2 * 8 + 3); /* the second of four numbers is the last */
  check_ahead(&cut, 1, 1);
  CHECK(next_item(&cut).kind == MOONS__ITEM_MALFORMED);
  moons__buffer_free(&out);
}

static void messages(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__buffer_append(&out, "before", 6) == 0); /* a batch may begin anywhere */
  CHECK(moons__batch_begin(&w, &out) == 0);
  put_bytes(&w, MOONS__ITEM_MESSAGE, "one", 3);
  put_bytes(&w, MOONS__ITEM_MESSAGE, "", 0);
  put_bytes(&w, MOONS__ITEM_ERROR, "two", 3);
  put_bytes(&w, MOONS__ITEM_MESSAGE, "three", 5);
  moons__batch_needs(&w, 3);
  moons__batch_reader r;
  moons__batch_open(&r, out.bytes + 6, out.n_bytes - 6);
  CHECK(r.needs == 3 && memcmp(out.bytes, "before", 6) == 0);
  static const char *const TEXTS[] = {"one", "", "two", "three"};
  for (int i = 0; i < 4; i++) {
    moons__item item = next_item(&r);
    CHECK(item.kind == (i == 2 ? MOONS__ITEM_ERROR : MOONS__ITEM_MESSAGE));
    CHECK(item.n_bytes == strlen(TEXTS[i]) && memcmp(item.bytes, TEXTS[i], item.n_bytes) == 0);
  }
  check_end(&r);
  moons__buffer_free(&out);
}

static void check_string(moons__batch_reader *r, const char *text) {
  moons__item item = next_item(r);
  CHECK(item.kind == MOONS__ITEM_STRING && item.n_bytes == strlen(text));
  CHECK(memcmp(item.bytes, text, item.n_bytes) == 0);
}

static void strings(void) {
  static const char *const TEXTS[] = {"one", "", "three", "four"};
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0);
  for (int i = 0; i < 4; i++)
    CHECK(moons__batch_bytes(&w, MOONS__ITEM_STRING, TEXTS[i], strlen(TEXTS[i])) == 0);
  put_bytes(&w, MOONS__ITEM_MESSAGE, "one", 3);
  moons__batch_reader r = open_batch(&out);
  uint64_t found[8];
  check_string(&r, TEXTS[0]);
  CHECK(moons__batch_look_ahead(&r, found, 2) == 2);
  CHECK(moons__batch_look_ahead(&r, found, 8) == 3);
  for (int i = 0; i < 3; i++) {
    size_t n_bytes;
    const char *bytes = moons__batch_string(found[i], &n_bytes);
    CHECK(n_bytes == strlen(TEXTS[1 + i]) && memcmp(bytes, TEXTS[1 + i], n_bytes) == 0);
  }
  moons__batch_skip(&r, 2);
  check_string(&r, TEXTS[3]);
  CHECK(next_item(&r).kind == MOONS__ITEM_MESSAGE);
  check_end(&r);
  moons__batch_open(&r, out.bytes, 4 + 5 + 11 + 8 + 8 + 4); /* the third lacks a byte */
  check_string(&r, TEXTS[0]);
  CHECK(moons__batch_look_ahead(&r, found, 8) == 1);
  moons__buffer_free(&out);
}

static void drops(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0);
  for (int i = 0; i < 4; i++) {
    CHECK(moons__batch_item_begin(&w, i % 2 == 0 ? MOONS__ITEM_MESSAGE : MOONS__ITEM_ERROR) == 0);
    CHECK(moons__buffer_append(&out, "half an item", 12) == 0);
    moons__batch_item_drop(&w);
    CHECK(moons__batch_integer(&w, i) == 0);
    CHECK(moons__batch_item_begin(&w, MOONS__ITEM_MESSAGE) == 0);
    moons__batch_item_drop(&w);
    put_bytes(&w, MOONS__ITEM_MESSAGE, "whole", 5);
  }
  moons__batch_reader r = open_batch(&out);
  for (int i = 0; i < 4; i++) {
    check_integer(&r, i);
    moons__item item = next_item(&r);
    CHECK(item.kind == MOONS__ITEM_MESSAGE && item.n_bytes == 5);
  }
  check_end(&r);
  moons__buffer_free(&out);
}

/* What a random batch should give. */
typedef struct expected {
  moons__item_kind kind;
  int64_t integer;
  double number;
  size_t n_bytes;
} expected;

enum { MOST_ITEMS = 6000 };

static size_t expect(expected all[], size_t n, expected one) {
  CHECK(n < MOST_ITEMS);
  all[n] = one;
  return n + 1;
}

static size_t put_random(moons__batch_writer *w, uint64_t *random, expected all[], size_t n) {
  char bytes[100] = {0};
  int64_t integer = (int64_t)random_next(random), step = (int64_t)random_below(random, 10) - 5;
  uint32_t n_items = (uint32_t)random_below(random, 50);
  double number = (double)integer / 3;
  size_t n_bytes = random_below(random, sizeof bytes);
  switch (random_below(random, 9)) {
  case 0:
    CHECK(moons__batch_integer(w, integer) == 0);
    return expect(all, n, (expected){MOONS__ITEM_INTEGER, integer, 0, 0});
  case 1:
    CHECK(moons__batch_float(w, number) == 0);
    return expect(all, n, (expected){MOONS__ITEM_FLOAT, 0, number, 0});
  case 2:
    CHECK(moons__batch_integer_range(w, integer, step, n_items) == 0);
    for (uint64_t i = 0; i < n_items; i++) {
      int64_t item = (int64_t)((uint64_t)integer + i * (uint64_t)step);
      n = expect(all, n, (expected){MOONS__ITEM_INTEGER, item, 0, 0});
    }
    return n;
  case 3:
    CHECK(moons__batch_float_range(w, number, 0.3, 17, n_items) == 0);
    for (uint32_t i = 0; i < n_items; i++)
      n = expect(all, n, (expected){MOONS__ITEM_FLOAT, 0, number + (double)(17 + i) * 0.3, 0});
    return n;
  case 4:
    CHECK(moons__batch_boolean(w, step > 0) == 0);
    return expect(all, n, (expected){MOONS__ITEM_BOOLEAN, step > 0, 0, 0});
  case 5:
    CHECK(moons__batch_nil(w) == 0);
    return expect(all, n, (expected){MOONS__ITEM_NIL, 0, 0, 0});
  case 6:
    CHECK(moons__batch_bytes(w, MOONS__ITEM_STRING, bytes, n_bytes) == 0);
    return expect(all, n, (expected){MOONS__ITEM_STRING, 0, 0, n_bytes});
  case 7:
    put_bytes(w, MOONS__ITEM_ERROR, bytes, n_bytes);
    return expect(all, n, (expected){MOONS__ITEM_ERROR, 0, 0, n_bytes});
  default:
    put_bytes(w, MOONS__ITEM_MESSAGE, bytes, n_bytes);
    return expect(all, n, (expected){MOONS__ITEM_MESSAGE, 0, 0, n_bytes});
  }
}

static void round_trips(void) {
  static expected all[MOST_ITEMS];
  uint64_t random = 1;
  for (int round = 0; round < 200; round++) {
    moons__buffer out = {0};
    moons__batch_writer w;
    size_t n = 0;
    CHECK(moons__batch_begin(&w, &out) == 0);
    for (int i = 0; i < 100; i++)
      n = put_random(&w, &random, all, n);
    moons__batch_reader r = open_batch(&out);
    for (size_t i = 0; i < n; i++) {
      moons__item item = next_item(&r);
      CHECK(item.kind == all[i].kind);
      CHECK(item.kind != MOONS__ITEM_INTEGER || item.integer == all[i].integer);
      CHECK(item.kind != MOONS__ITEM_BOOLEAN || item.integer == all[i].integer);
      CHECK(item.kind != MOONS__ITEM_FLOAT || same_bits(item.number, all[i].number));
      CHECK(item.n_bytes == all[i].n_bytes);
    }
    check_end(&r);
    moons__buffer_free(&out);
  }
}

/* Reads plain values that lie side by side, as far as there are any. */
static void read_plain(moons__batch_reader *r) {
  moons__item_kind kind;
  uint32_t n = moons__batch_plain_next(r, &kind);
  if (n > 0 && kind == MOONS__ITEM_STORED) {
    moons__batch_skip(r, n);
    return;
  }
  for (; n > 0; n--)
    moons__batch_next_integer(r);
}

/* Reads what may be no batch, as far as a user would. */
static void read_anything(const char *bytes, size_t n_bytes) {
  char *copy = copy_exactly(bytes, n_bytes);
  volatile char sum = 0;
  moons__batch_reader r;
  moons__batch_open(&r, copy, n_bytes);
  for (int i = 0; i < 500; i++) {
    if (i % 3 == 2) read_plain(&r);
    moons__item item = next_item(&r);
    if (item.kind == MOONS__ITEM_END || item.kind == MOONS__ITEM_MALFORMED) break;
    uint64_t ahead[4];
    if (item.kind <= MOONS__ITEM_STRING)
      moons__batch_skip(&r, moons__batch_look_ahead(&r, ahead, 4) / 2);
    if (item.kind < MOONS__ITEM_STRING || item.kind > MOONS__ITEM_ERROR) continue;
    CHECK(item.bytes >= copy && item.bytes + item.n_bytes <= copy + n_bytes);
    if (item.n_bytes > 0) sum = (char)(sum + item.bytes[0] + item.bytes[item.n_bytes - 1]);
  }
  free(copy);
}

static void garbage(void) {
  static expected all[MOST_ITEMS];
  uint64_t random = 2;
  for (int round = 0; round < 300; round++) {
    moons__buffer out = {0};
    moons__batch_writer w;
    CHECK(moons__batch_begin(&w, &out) == 0);
    for (int i = 0; i < 6; i++)
      put_random(&w, &random, all, 0);
    for (size_t n = 0; n <= out.n_bytes; n++)
      read_anything(out.bytes, n);
    for (int i = 0; i < 100; i++) {
      size_t at = random_below(&random, out.n_bytes);
      char before = out.bytes[at];
      out.bytes[at] = (char)random_next(&random);
      read_anything(out.bytes, out.n_bytes);
      if (i % 3 > 0) out.bytes[at] = before;
    }
    moons__buffer_free(&out);
  }
  moons__batch_reader r;
  moons__batch_open(&r, NULL, 0);
  moons__item_kind kind = next_item(&r).kind;
  CHECK(kind == MOONS__ITEM_END || kind == MOONS__ITEM_MALFORMED);
}

static void truncated_is_malformed(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0);
  CHECK(moons__batch_integer(&w, 1) == 0);
  CHECK(moons__batch_integer(&w, 2) == 0);
  moons__batch_reader r;
  moons__batch_open(&r, out.bytes, out.n_bytes - 1);
  check_integer(&r, 1);
  CHECK(next_item(&r).kind == MOONS__ITEM_MALFORMED);
  moons__item_kind kind;
  moons__batch_open(&r, out.bytes, out.n_bytes - 1);
  CHECK(moons__batch_plain_next(&r, &kind) == 1 && moons__batch_next_integer(&r) == 1);
  CHECK(moons__batch_plain_next(&r, &kind) == 0 && next_item(&r).kind == MOONS__ITEM_MALFORMED);
  moons__batch_open(&r, out.bytes, sizeof(uint32_t) + 3); /* half of a segment's head */
  CHECK(moons__batch_plain_next(&r, &kind) == 0 && next_item(&r).kind == MOONS__ITEM_MALFORMED);
  moons__buffer_free(&out);
}

static void usages(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  moons__usage usage = {.wall_ns = 1, .cpu_ns = MOONS__UNKNOWN, .memory_bytes = 3, .n_tries = 5};
  CHECK(moons__batch_begin(&w, &out) == 0);
  for (uint32_t i = 0; i < 3; i++) {
    usage.worker = i;
    CHECK(moons__batch_usage(&w, &usage) == 0 && moons__batch_integer(&w, i) == 0);
  }
  moons__batch_reader r;
  moons__batch_open(&r, out.bytes, out.n_bytes);
  for (uint32_t i = 0; i < 3; i++) {
    moons__item_kind kind;
    CHECK(moons__batch_plain_next(&r, &kind) == 0);
    moons__item item = next_item(&r);
    CHECK(item.kind == MOONS__ITEM_USAGE);
    usage.worker = i;
    moons__usage read = moons__item_usage(&item);
    CHECK(memcmp(&read, &usage, sizeof usage) == 0);
    check_integer(&r, i);
  }
  CHECK(next_item(&r).kind == MOONS__ITEM_END);
  moons__buffer_free(&out);
}

static void usage_of_wrong_size(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0);
  CHECK(moons__batch_bytes(&w, MOONS__ITEM_USAGE, "short", 5) == 0);
  moons__batch_reader r;
  moons__batch_open(&r, out.bytes, out.n_bytes);
  CHECK(next_item(&r).kind == MOONS__ITEM_MALFORMED);
  moons__buffer_free(&out);
}

/* Items of an array: those of a block beside the bytes. */

static moons__shared_list *list_of(moons__shared *block) {
  moons__shared_list *list = NULL;
  CHECK(moons__shared_list_add(&list, block) == 0);
  return list;
}

static moons__shared *bytes_block(void) {
  moons__shared *block = moons__shared_new(NULL, 12);
  for (int i = 0; i < 12; i++)
    block->bytes[i] = (char)(i + 1);
  return block;
}

static moons__batch_reader open_part(moons__buffer *out, const moons__batch_part *part, uint32_t n,
                                     const moons__shared_list *list) {
  moons__batch_writer w;
  out->n_bytes = 0;
  CHECK(moons__batch_begin(&w, out) == 0 && moons__batch_array(&w, part, n) == 0);
  moons__batch_reader r = open_batch(out);
  r.shared = list;
  return r;
}

static void arrays_in_place(void) {
  moons__buffer out = {0};
  moons__shared *block = bytes_block();
  moons__shared_list *list = list_of(block);
  moons__batch_part part = {.block = block->id, .first = 2, .columns = 1, .type = MOONS__UINT8};
  part.kind = MOONS__ITEM_INTEGER;
  moons__batch_reader r = open_part(&out, &part, 4, list);
  uint64_t ahead[8];
  check_integer(&r, 3);
  CHECK(moons__batch_look_ahead(&r, ahead, 2) == 2 && ahead[0] == 4 && ahead[1] == 5);
  CHECK(moons__batch_look_ahead(&r, ahead, 8) == 3);
  moons__batch_skip(&r, 2);
  check_integer(&r, 6);
  check_end(&r);
  part = (moons__batch_part){.block = block->id, .first = 1, .columns = 3, .type = MOONS__UINT8};
  part.kind = MOONS__ITEM_ROW;
  r = open_part(&out, &part, 3, list);
  moons__item item = next_item(&r);
  CHECK(item.kind == MOONS__ITEM_ROW && item.n_bytes == 3 && item.bytes == block->bytes + 3);
  CHECK(moons__batch_look_ahead(&r, NULL, 9) == 2);
  moons__batch_skip(&r, 1);
  CHECK(next_item(&r).bytes == block->bytes + 9);
  check_end(&r);
  moons__shared_list_release(list);
  moons__shared_release(block);
  moons__buffer_free(&out);
}

static void arrays_are_checked(void) {
  moons__buffer out = {0};
  moons__shared *block = bytes_block();
  moons__shared_list *list = list_of(block);
  uint64_t id = block->id;
  const moons__batch_part WRONG[] = {
      {id, 9, 1, MOONS__UINT8, MOONS__ITEM_INTEGER},       /* beyond the end */
      {id, UINT64_MAX, 1, MOONS__UINT8, MOONS__ITEM_ROW},  /* wraps around */
      {id, 0, UINT64_MAX, MOONS__INT32, MOONS__ITEM_ROW},  /* the same */
      {id, 0, 1, MOONS__UINT8, MOONS__ITEM_FLOAT},         /* read as another type */
      {id, 0, 2, MOONS__UINT8, MOONS__ITEM_INTEGER},       /* rows as numbers */
      {id, 0, 1, MOONS__N_ELEMENTS, MOONS__ITEM_INTEGER},  /* no type */
      {id, 0, 1, MOONS__UINT8, MOONS__ITEM_MESSAGE},       /* no kind */
      {id + 1000, 0, 1, MOONS__UINT8, MOONS__ITEM_INTEGER} /* no block */
  };
  for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
    moons__batch_reader r = open_part(&out, &WRONG[i], 4, list);
    CHECK(next_item(&r).kind == MOONS__ITEM_MALFORMED);
  }
  moons__batch_part right = {id, 8, 1, MOONS__UINT8, MOONS__ITEM_INTEGER};
  moons__batch_reader r = open_part(&out, &right, 4, NULL);
  CHECK(next_item(&r).kind == MOONS__ITEM_MALFORMED);
  r = open_part(&out, &right, 4, list);
  check_integer(&r, 9);
  moons__shared_list_release(list);
  moons__shared_release(block);
  moons__buffer_free(&out);
}

static void stored_ones_are_counted(void) {
  moons__buffer out = {0};
  moons__batch_writer w;
  moons__item_kind kind;
  CHECK(moons__batch_begin(&w, &out) == 0);
  CHECK(moons__batch_stored(&w, 1) == 0 && moons__batch_stored(&w, 255) == 0);
  CHECK(moons__batch_integer(&w, 7) == 0 && moons__batch_stored(&w, 1) == 0);
  moons__batch_reader r = open_batch(&out);
  CHECK(moons__batch_plain_next(&r, &kind) == 256 && kind == MOONS__ITEM_STORED);
  moons__batch_skip(&r, 256);
  check_integer(&r, 7);
  CHECK(next_item(&r).kind == MOONS__ITEM_STORED);
  check_end(&r);
  moons__buffer_free(&out);
}

/* Each item of a batch, as a batch of its own. */
static void copies_one(void) {
  moons__buffer out = {0}, copy = {0};
  moons__batch_writer w;
  CHECK(moons__batch_begin(&w, &out) == 0 && moons__batch_integer(&w, 7) == 0);
  CHECK(moons__batch_float_range(&w, 0.5, 0.25, 2, 3) == 0 && moons__batch_nil(&w) == 0);
  put_bytes(&w, MOONS__ITEM_STRING, "text", 4);
  put_bytes(&w, MOONS__ITEM_MESSAGE, "message", 7);
  moons__batch_needs(&w, 5);
  for (uint32_t i = 0; i < 7; i++) {
    copy.n_bytes = 0;
    CHECK(moons__batch_copy_one(&copy, out.bytes, out.n_bytes, i) == 0);
    moons__batch_reader all = open_batch(&out), one = open_batch(&copy);
    moons__item original = {0};
    for (uint32_t k = 0; k <= i; k++)
      original = next_item(&all);
    moons__item item = next_item(&one);
    CHECK(one.needs == 5 && item.kind == original.kind && item.integer == original.integer);
    CHECK(same_bits(item.number, original.number) && item.n_bytes == original.n_bytes);
    CHECK(item.n_bytes == 0 || memcmp(item.bytes, original.bytes, item.n_bytes) == 0);
    check_end(&one);
  }
  copy.n_bytes = 0;
  CHECK(moons__batch_copy_one(&copy, out.bytes, out.n_bytes, 7) == MOONS_EINVAL);
  moons__buffer_free(&copy);
  moons__buffer_free(&out);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"an empty batch ends at once", empty_ends},
      {"numbers keep every bit", numbers},
      {"numbers are put side by side, with room for more than are put", numbers_side_by_side},
      {"numbers that lie side by side are told, and read at once", reads_side_by_side},
      {"ranges give what a loop computes, in a few bytes", ranges},
      {"numbers are looked at ahead of being read", looks_ahead},
      {"messages and errors keep their bytes", messages},
      {"strings keep their bytes, and are found ahead of being read", strings},
      {"an item that was dropped leaves no trace", drops},
      {"what calls have used stands before their results", usages},
      {"a usage of any other size is malformed", usage_of_wrong_size},
      {"any mixture of items comes back in order", round_trips},
      {"a batch that ends early is malformed", truncated_is_malformed},
      {"any bytes give items, the end or a refusal", garbage},
      {"items of an array are read in place", arrays_in_place},
      {"items of an array lie in its block, or are malformed", arrays_are_checked},
      {"results in an array are counted", stored_ones_are_counted},
      {"an item is copied into a batch of its own", copies_one},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
