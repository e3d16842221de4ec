/*
** A message of the wire to nodes: the twin of wire/decode.c, without Lua. Trusts nothing that it reads. What is not data is passed
** over, its bytes all the same looked at, for what comes later may refer to what is in there.
*/
#include <limits.h>
#include <string.h>

#include "base/errors.h"
#include "host/node.h"
#include "sizes.h"
#include "wire/format.h"

/* What an encoder makes is less deep; so it is for wire/decode.c. */
enum { MAX_DEPTH = MOONS_WIRE_DEPTH + 64 };

/* What is referred to later, under the offset of its tag. */
typedef struct kept {
  uint64_t offset;
  moons__node_id node;
} kept;

/* The first error stays; from then on nothing is left to read, so all loops end. */
typedef struct reader {
  moons__nodes *nodes;
  const char *start, *at, *end;
  const moons__shared_list *shared;
  int error, depth;
  moons__buffer kept;     /* of kept */
  moons__buffer deferred; /* of node numbers */
  size_t n_done;          /* of these */
  moons__buffer keys;     /* of all shapes: of node numbers */
  moons__buffer ends;     /* of each shape: the number of keys up to its last, as size_t */
} reader;

static moons__node_id read_value(reader *r);
static void read_later(reader *r);

/* {== Bytes =================================================================================== */

static void fail(reader *r, int error) {
  if (!r->error && error) r->error = error;
  if (error) r->at = r->end;
}

static size_t left(const reader *r) { return (size_t)(r->end - r->at); }

/* NULL where there are not as many. */
static const char *take(reader *r, uint64_t n_bytes) {
  if (r->error || n_bytes > left(r)) {
    fail(r, MOONS__EMALFORMED);
    return NULL;
  }
  const char *taken = r->at;
  r->at += n_bytes;
  return taken;
}

/* Reads something of a size; it is 0 after an error. */
static void take_into(reader *r, void *to, size_t n_bytes) {
  const char *bytes = take(r, n_bytes);
  if (bytes != NULL)
    memcpy(to, bytes, n_bytes);
  else
    memset(to, 0, n_bytes);
}

static unsigned take_byte(reader *r) {
  unsigned char byte;
  take_into(r, &byte, 1);
  return byte;
}

static uint64_t take_varint(reader *r) {
  uint64_t n = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    unsigned byte = take_byte(r);
    n |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) return n;
  }
  fail(r, MOONS__EMALFORMED);
  return 0;
}

/* Whether the next byte is this; the end is MOONS__EMALFORMED, and counts as it. */
static int is_next(reader *r, unsigned tag) {
  if (left(r) == 0) fail(r, MOONS__EMALFORMED);
  return r->error || (unsigned char)*r->at == tag;
}

/* {== Nodes =================================================================================== */

/* Adds one; 0 after an error. */
static moons__node_id add(reader *r, moons__node_kind kind, moons_value value) {
  moons__node node = {.kind = kind, .value = value};
  moons__buffer *list = &r->nodes->list;
  if (r->error) return 0;
  fail(r, moons__buffer_append(list, &node, sizeof node));
  return r->error ? 0 : list->n_bytes / sizeof node - 1;
}

static moons__node *node_at(reader *r, moons__node_id id) { return moons__node_at(r->nodes, id); }

static moons__node_id add_plain(reader *r, moons_value value) {
  return add(r, MOONS__NODE_PLAIN, value);
}

static moons__node_id add_other(reader *r, const char *name, size_t n_bytes) {
  moons_value value = moons_bytes(name, n_bytes);
  value.type = MOONS_OTHER;
  return add_plain(r, value);
}

static moons__node_id add_named(reader *r, const char *name) {
  return add_other(r, name, strlen(name));
}

static moons__node_id add_ref(reader *r, moons__node_id target) {
  moons__node_id id = add(r, MOONS__NODE_REF, moons_nil());
  if (!r->error) node_at(r, id)->target = target;
  return r->error ? 0 : id;
}

/* Appends a part to what holds it. */
static void append_part(reader *r, moons__node_id table, moons__node_id part) {
  if (r->error) return;
  moons__node *t = node_at(r, table);
  if (t->last != 0)
    node_at(r, t->last)->next = part;
  else
    t->first = part;
  t->last = part;
}

/* Keeps a node where something refers to it later, in the order of offsets, in which most come: only what is kept once it is
** whole comes after what is in it. */
static void keep(reader *r, unsigned tag, const char *at, moons__node_id id) {
  kept k = {(uint64_t)(at - r->start), id};
  if (r->error || !(tag & WIRE_SHARED)) return;
  fail(r, moons__buffer_append(&r->kept, &k, sizeof k));
  if (r->error) return;
  kept *all = (kept *)(void *)r->kept.bytes;
  size_t i = r->kept.n_bytes / sizeof k - 1;
  for (; i > 0 && all[i - 1].offset > k.offset; i--)
    all[i] = all[i - 1];
  all[i] = k;
}

static moons__node_id find_kept(reader *r, uint64_t offset) {
  const kept *all = (const kept *)(const void *)r->kept.bytes;
  size_t low = 0, high = r->kept.n_bytes / sizeof *all;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (all[middle].offset < offset)
      low = middle + 1;
    else
      high = middle;
  }
  if (low < r->kept.n_bytes / sizeof *all && all[low].offset == offset) return all[low].node;
  fail(r, MOONS__EMALFORMED);
  return 0;
}

static moons__node_id read_ref(reader *r) { return add_ref(r, find_kept(r, take_varint(r))); }

/* {== Tables ================================================================================== */

static void append_element(reader *r, moons__node_id table, moons__node_id part, size_t n) {
  append_part(r, table, part);
  if (r->error) return;
  node_at(r, table)->n_element_nodes++;
  node_at(r, table)->n_elements += n;
}

static size_t read_run(reader *r, moons__node_id table, size_t n_most) {
  unsigned tag = take_byte(r);
  uint32_t n;
  take_into(r, &n, sizeof n);
  if (n > n_most) fail(r, MOONS__EMALFORMED);
  const char *bytes = take(r, (uint64_t)n * 8);
  moons_value value = moons_bytes(bytes, n);
  value.type = tag == WIRE_FLOATS ? MOONS_FLOATS : MOONS_INTEGERS;
  append_element(r, table, add(r, MOONS__NODE_RUN, value), n);
  return n;
}

static void read_elements(reader *r, moons__node_id table) {
  uint32_t n;
  take_into(r, &n, sizeof n);
  while (n > 0 && !r->error) {
    if (is_next(r, WIRE_INTEGERS) || is_next(r, WIRE_FLOATS)) {
      n -= (uint32_t)read_run(r, table, n);
      continue;
    }
    append_element(r, table, read_value(r), 1);
    n--;
  }
}

/* A key is a value that is no nil; what refers to one is no nil either. */
static void append_pair(reader *r, moons__node_id table, moons__node_id key, moons__node_id value) {
  if (r->error) return;
  moons__node *k = node_at(r, key);
  if (k->kind == MOONS__NODE_PLAIN && !moons__value_is_key(&k->value)) fail(r, MOONS__EMALFORMED);
  append_part(r, table, key);
  append_part(r, table, value);
  if (!r->error) node_at(r, table)->n_pairs++;
}

static void read_pairs(reader *r, moons__node_id table) {
  while (!r->error && !is_next(r, WIRE_END)) {
    moons__node_id key = read_value(r);
    append_pair(r, table, key, read_value(r));
  }
  take_byte(r);
}

/* Metatables and classes say how a value behaves in Lua: they are passed over. */
static void read_rest(reader *r, moons__node_id table, unsigned flags) {
  if (flags & WIRE_HASH_MASK) read_pairs(r, table);
  if (flags & WIRE_HAS_METATABLE) read_value(r);
  if (flags & WIRE_HAS_CLASS) take_varint(r);
}

static moons__node_id begin_table(reader *r, unsigned tag, const char *at) {
  moons__node_id table = add(r, MOONS__NODE_TABLE, moons_table(NULL, 0));
  keep(r, tag, at, table);
  return table;
}

static moons__node_id read_table(reader *r, unsigned tag, const char *at, int is_array) {
  moons__node_id table = begin_table(r, tag, at);
  unsigned flags = take_byte(r);
  if (is_array) read_elements(r, table);
  read_rest(r, table, flags);
  return table;
}

static size_t n_shapes(const reader *r) { return r->ends.n_bytes / sizeof(size_t); }

/* How many keys the shapes before this one have. */
static size_t shape_end(const reader *r, size_t shape) {
  return shape == 0 ? 0 : ((const size_t *)(const void *)r->ends.bytes)[shape - 1];
}

static void read_shape(reader *r) {
  unsigned n = take_byte(r);
  for (; n > 0 && !r->error; n--) {
    moons__node_id key = read_value(r);
    if (!r->error && node_at(r, key)->kind != MOONS__NODE_PLAIN) fail(r, MOONS__EMALFORMED);
    if (!r->error && node_at(r, key)->value.type != MOONS_STRING) fail(r, MOONS__EMALFORMED);
    if (!r->error) fail(r, moons__buffer_append(&r->keys, &key, sizeof key));
  }
  size_t end = r->keys.n_bytes / sizeof(moons__node_id);
  if (!r->error) fail(r, moons__buffer_append(&r->ends, &end, sizeof end));
}

/* The keys of a shape are read once; each record refers to them. */
static void read_fields(reader *r, moons__node_id table, size_t shape) {
  for (size_t i = shape_end(r, shape); i < shape_end(r, shape + 1) && !r->error; i++) {
    if (is_next(r, WIRE_NIL)) {
      take_byte(r);
      continue;
    }
    moons__node_id key = add_ref(r, ((const moons__node_id *)(const void *)r->keys.bytes)[i]);
    append_pair(r, table, key, read_value(r));
  }
}

static moons__node_id read_record(reader *r, unsigned tag, const char *at, int is_new) {
  moons__node_id table = begin_table(r, tag, at);
  if (is_new) read_shape(r);
  size_t shape = is_new ? n_shapes(r) - 1 : take_byte(r);
  if (r->error || shape >= n_shapes(r)) {
    fail(r, MOONS__EMALFORMED);
    return 0;
  }
  unsigned flags = take_byte(r);
  read_fields(r, table, shape);
  read_pairs(r, table);
  read_rest(r, table, flags & ~(unsigned)WIRE_HASH_MASK);
  return table;
}

/* {== What is no data ========================================================================= */

static void defer(reader *r, moons__node_id id) {
  if (!r->error) fail(r, moons__buffer_append(&r->deferred, &id, sizeof id));
}

static void read_upvalues(reader *r, unsigned n) {
  for (; n > 0 && !r->error; n--) {
    unsigned tag = take_byte(r);
    if (tag == WIRE_JOIN)
      take_varint(r);
    else if (tag == WIRE_UPVALUE)
      read_value(r);
    else
      fail(r, MOONS__EMALFORMED);
  }
}

static moons__node_id read_function(reader *r, unsigned tag, const char *at, int is_late) {
  moons__node_id function = add_named(r, "function");
  keep(r, tag, at, function);
  unsigned n_upvalues = take_byte(r);
  uint64_t n_bytes;
  take_into(r, &n_bytes, sizeof n_bytes);
  take(r, n_bytes);
  if (r->error) return 0;
  node_at(r, function)->n_upvalues = n_upvalues;
  if (is_late)
    defer(r, function);
  else
    read_upvalues(r, n_upvalues);
  return function;
}

static moons__node_id read_marshalled(reader *r, unsigned tag, const char *at) {
  uint64_t n = take_varint(r);
  for (; n > 0 && !r->error; n--)
    read_value(r);
  read_later(r);
  moons__node_id id = add_named(r, "value with __marshal");
  keep(r, tag, at, id);
  return id;
}

/* The name is that of wire/names.h: "string.format". */
static moons__node_id read_named(reader *r) {
  uint64_t n_bytes = take_varint(r);
  return add_other(r, take(r, n_bytes), (size_t)n_bytes);
}

static moons__node_id read_class(reader *r) {
  take_varint(r);
  return add_named(r, "class");
}

/* {== Arrays ================================================================================== */

typedef struct array {
  moons__element type;
  int is_matrix;
  uint64_t rows, columns;
  const moons__shared *block;
} array;

static int is_whole(const array *a) {
  if (a->block == NULL || a->type >= MOONS__N_ELEMENTS) return 0;
  uint64_t n_bytes = a->block->n_bytes, columns = a->is_matrix ? a->columns : 1;
  uint64_t n = n_bytes / moons__element_bytes(a->type);
  if (columns == 0) return n_bytes == 0;
  return n % columns == 0 && n / columns == a->rows && n * moons__element_bytes(a->type) == n_bytes;
}

static void take_array(reader *r, array *a) {
  uint64_t place = take_varint(r), id;
  take_into(r, &id, sizeof id);
  a->type = (moons__element)take_byte(r);
  a->is_matrix = (take_byte(r) & WIRE_IS_MATRIX) != 0;
  a->rows = take_varint(r);
  a->columns = take_varint(r);
  a->block = r->shared != NULL && place < r->shared->n ? r->shared->blocks[place] : NULL;
  if (a->block != NULL && a->block->id != id) a->block = NULL;
  if (!is_whole(a)) fail(r, MOONS__EMALFORMED);
}

/* Adds a table of some of its numbers. */
static moons__node_id add_numbers(reader *r, const array *a, uint64_t first, uint64_t n) {
  moons__node_id table = add(r, MOONS__NODE_TABLE, moons_table(NULL, 0));
  if (r->error || n == 0) return table;
  moons_value value =
      moons_bytes(a->block->bytes + first * moons__element_bytes(a->type), (size_t)n);
  value.type = moons__element_is_float(a->type) ? MOONS_FLOATS : MOONS_INTEGERS;
  moons__node_id wide = add(r, MOONS__NODE_WIDE, value);
  if (!r->error) node_at(r, wide)->element = a->type;
  append_element(r, table, wide, (size_t)n);
  return table;
}

static moons__node_id add_rows(reader *r, const array *a) {
  moons__node_id table = add(r, MOONS__NODE_TABLE, moons_table(NULL, 0));
  for (uint64_t i = 0; a->columns > 0 && i < a->rows && !r->error; i++)
    append_element(r, table, add_numbers(r, a, i * a->columns, a->columns), 1);
  return table;
}

/* An array comes home as the sequence of its numbers, a matrix as the list of its rows. */
static moons__node_id read_array(reader *r, unsigned tag, const char *at) {
  array a = {0};
  take_array(r, &a);
  moons__node_id id = r->error ? 0 : a.is_matrix ? add_rows(r, &a) : add_numbers(r, &a, 0, a.rows);
  keep(r, tag, at, id);
  return id;
}

/* The rows of an array are what it comes home as. */
static moons__node_id read_rows(reader *r, unsigned tag, const char *at) {
  moons__node_id id = read_value(r);
  keep(r, tag, at, id);
  return id;
}

/* {== Values ================================================================================== */

static moons__node_id read_string(reader *r, unsigned tag, const char *at, uint64_t n_bytes) {
  moons__node_id id = add_plain(r, moons_bytes(take(r, n_bytes), (size_t)n_bytes));
  keep(r, tag, at, id);
  return id;
}

static moons__node_id read_number(reader *r, unsigned tag) {
  int8_t small;
  int32_t medium;
  int64_t integer = 0;
  double number;
  switch (tag) {
  case WIRE_INT8: take_into(r, &small, sizeof small); return add_plain(r, moons_integer(small));
  case WIRE_INT32: take_into(r, &medium, sizeof medium); return add_plain(r, moons_integer(medium));
  case WIRE_INT64:
    take_into(r, &integer, sizeof integer);
    return add_plain(r, moons_integer(integer));
  default: take_into(r, &number, sizeof number); return add_plain(r, moons_number(number));
  }
}

static moons__node_id read_pointer(reader *r) {
  void *pointer;
  take_into(r, &pointer, sizeof pointer);
  return add_plain(r, moons_pointer(pointer));
}

static moons__node_id read_late_table(reader *r, unsigned tag, const char *at) {
  moons__node_id table = begin_table(r, tag, at);
  defer(r, table);
  return table;
}

static moons__node_id read_compound(reader *r, unsigned tag, const char *at) {
  unsigned kind = tag & ~(unsigned)WIRE_SHARED;
  switch (kind) {
  case WIRE_TABLE:
  case WIRE_ARRAY: return read_table(r, tag, at, kind == WIRE_ARRAY);
  case WIRE_RECORD:
  case WIRE_SHAPE: return read_record(r, tag, at, kind == WIRE_SHAPE);
  case WIRE_DEFERRED: return read_late_table(r, tag, at);
  case WIRE_FUNCTION:
  case WIRE_DEFERRED_FUNCTION: return read_function(r, tag, at, kind == WIRE_DEFERRED_FUNCTION);
  case WIRE_MARSHAL: return read_marshalled(r, tag, at);
  case WIRE_NUMBERS: return read_array(r, tag, at);
  case WIRE_ROWS: return read_rows(r, tag, at);
  default: fail(r, MOONS__EMALFORMED); return 0;
  }
}

static moons__node_id read_deeper(reader *r, unsigned tag, const char *at) {
  if (r->depth >= MAX_DEPTH) fail(r, MOONS__EMALFORMED);
  r->depth++;
  moons__node_id id = r->error ? 0 : read_compound(r, tag, at);
  r->depth--;
  return id;
}

/* Reads what has a name on both sides. */
static moons__node_id read_known(reader *r, unsigned tag, const char *at) {
  unsigned kind = tag & ~(unsigned)WIRE_SHARED;
  moons__node_id id = kind == WIRE_GLOBALS ? add_named(r, "globals")
                      : kind == WIRE_NAMED ? read_named(r)
                                           : read_class(r);
  keep(r, tag, at, id);
  return id;
}

static moons__node_id read_value(reader *r) {
  const char *at = r->at;
  unsigned tag = take_byte(r);
  if (r->error) return 0;
  switch (tag & ~(unsigned)WIRE_SHARED) {
  case WIRE_NIL: return add_plain(r, moons_nil());
  case WIRE_FALSE: return add_plain(r, moons_boolean(0));
  case WIRE_TRUE: return add_plain(r, moons_boolean(1));
  case WIRE_INT8:
  case WIRE_INT32:
  case WIRE_INT64:
  case WIRE_FLOAT: return read_number(r, tag & ~(unsigned)WIRE_SHARED);
  case WIRE_STRING8: return read_string(r, tag, at, take_byte(r));
  case WIRE_STRING: return read_string(r, tag, at, take_varint(r));
  case WIRE_REF: return read_ref(r);
  case WIRE_POINTER: return read_pointer(r);
  case WIRE_GLOBALS:
  case WIRE_NAMED:
  case WIRE_CLASS: return read_known(r, tag, at);
  default: return read_deeper(r, tag, at);
  }
}

/* {== Messages ================================================================================ */

static void read_content(reader *r) {
  if (r->n_done >= r->deferred.n_bytes / sizeof(moons__node_id)) {
    fail(r, MOONS__EMALFORMED);
    return;
  }
  moons__node_id id = ((const moons__node_id *)(const void *)r->deferred.bytes)[r->n_done++];
  if (node_at(r, id)->kind == MOONS__NODE_TABLE) {
    unsigned flags = take_byte(r);
    read_elements(r, id);
    read_rest(r, id, flags);
  } else {
    read_upvalues(r, node_at(r, id)->n_upvalues);
  }
}

/* Where something lies in a Lua state says nothing here. */
static void read_place(reader *r) {
  take_byte(r);
  read_value(r);
  read_value(r);
}

static void read_later(reader *r) {
  while (!r->error) {
    switch (take_byte(r)) {
    case WIRE_CONTENT: read_content(r); break;
    case WIRE_PLACE: read_place(r); break;
    case WIRE_END: return;
    default: fail(r, MOONS__EMALFORMED);
    }
  }
}

static void append_value(reader *r, moons__node_id id) {
  moons__nodes *nodes = r->nodes;
  if (r->error) return;
  if (nodes->last != 0)
    node_at(r, nodes->last)->next = id;
  else
    nodes->first = id;
  nodes->last = id;
  nodes->n_values++;
}

static void read_message(reader *r) {
  add(r, MOONS__NODE_PLAIN, moons_nil()); /* number 0 is nobody's */
  take_byte(r);                           /* what a state needs for lists */
  uint64_t n_values = take_varint(r);
  while (!r->error && left(r) > 0 && is_next(r, WIRE_PLACE)) {
    take_byte(r);
    read_place(r);
  }
  for (; n_values > 0 && !r->error; n_values--)
    append_value(r, read_value(r));
  read_later(r);
  if (!r->error && r->at != r->end) fail(r, MOONS__EMALFORMED);
}

int moons__nodes_read(moons__nodes *nodes, const void *bytes, size_t n_bytes,
                      const moons__shared_list *shared) {
  reader r = {.nodes = nodes, .start = bytes, .at = bytes, .shared = shared};
  r.kept.beside = r.deferred.beside = r.keys.beside = r.ends.beside = nodes->list.beside;
  r.end = r.start + n_bytes;
  read_message(&r);
  moons__buffer_free(&r.kept);
  moons__buffer_free(&r.deferred);
  moons__buffer_free(&r.keys);
  moons__buffer_free(&r.ends);
  return r.error;
}

void moons__nodes_free(moons__nodes *nodes) { moons__buffer_free(&nodes->list); }
