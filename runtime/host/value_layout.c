/*
** Nodes to plain values in one block: values first, then numbers, then the bytes of strings. First what a value holds is gone
** through without recursion, for scripts nest as deeply as they like: that finds the sizes, what contains itself, and an order in
** which each table comes after all that it holds. In that order they are laid out, each once, however often it is referred to.
*/
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "host/node.h"

typedef struct layout {
  moons__nodes *nodes;
  moons__node_id first, last;          /* in the order of laying out */
  size_t n_values, n_numbers, n_bytes; /* that the block has room for; then, that are left */
  moons_value *values;
  int64_t *numbers; /* or doubles */
  char *bytes;
} layout;

static moons__node *at(const layout *l, moons__node_id id) { return moons__node_at(l->nodes, id); }

/* What a node stands for. What is referred to was there before, so this ends. */
static moons__node_id resolve(const layout *l, moons__node_id id) {
  while (at(l, id)->kind == MOONS__NODE_REF)
    id = at(l, id)->target;
  return id;
}

/* {== Going through =========================================================================== */

static void append(layout *l, moons__node_id id) {
  if (l->last != 0)
    at(l, l->last)->after = id;
  else
    l->first = id;
  l->last = id;
  at(l, id)->phase = MOONS__NODE_SEEN;
}

static int has_bytes(const moons__node *node) {
  return node->kind == MOONS__NODE_PLAIN &&
         (node->value.type == MOONS_STRING || node->value.type == MOONS_OTHER);
}

/* The numbers of a table that is a sequence of these alone: MOONS_INTEGERS or MOONS_FLOATS; else MOONS_NIL. */
static moons_type kind_of_numbers(const layout *l, const moons__node *table) {
  if (table->n_elements == 0 || table->n_pairs > 0) return MOONS_NIL;
  moons_type kind = at(l, table->first)->value.type;
  for (moons__node_id id = table->first; id != 0; id = at(l, id)->next) {
    const moons__node *part = at(l, id);
    if (part->kind != MOONS__NODE_RUN && part->kind != MOONS__NODE_WIDE) return MOONS_NIL;
    if (part->value.type != kind) return MOONS_NIL;
  }
  return kind;
}

/* Makes room for what a table holds itself. All of it has taken memory already, so the sums fit. */
static void count_table(layout *l, const moons__node *table) {
  if (kind_of_numbers(l, table) != MOONS_NIL)
    l->n_numbers += table->n_elements;
  else if (table->n_pairs > 0)
    l->n_values += 2 * (table->n_elements + table->n_pairs);
  else
    l->n_values += table->n_elements;
}

/* Looks at the next part of a table, or leaves it where there is none. Returns the table to go on with. */
static moons__node_id go_on(layout *l, moons__node_id table, int *error) {
  moons__node *t = at(l, table);
  if (t->at == 0) {
    append(l, table);
    return t->outer;
  }
  moons__node_id id = resolve(l, t->at);
  moons__node *part = at(l, id);
  t->at = at(l, t->at)->next;
  if (part->phase == MOONS__NODE_OPEN) *error = MOONS_EDEPTH;
  if (part->phase != MOONS__NODE_UNSEEN) return table;
  if (has_bytes(part)) {
    l->n_bytes += part->value.n + 1;
    append(l, id);
  }
  if (part->kind != MOONS__NODE_TABLE) return table;
  count_table(l, part);
  part->phase = MOONS__NODE_OPEN;
  part->outer = table;
  part->at = part->first;
  return id;
}

/* The values of the message are gone through as if node 0 were a table of them. */
static int go_through(layout *l) {
  int error = 0;
  moons__node *root = at(l, 0);
  root->kind = MOONS__NODE_TABLE;
  root->at = l->nodes->first;
  l->n_values = l->nodes->n_values;
  for (moons__node_id table = 0; !error && (table != 0 || root->at != 0);)
    table = go_on(l, table, &error);
  return error;
}

/* {== Laying out ============================================================================== */

static moons_value *take_values(layout *l, size_t n) {
  moons_value *taken = l->values;
  l->values += n;
  return taken;
}

/* A name of the wire has a zero byte at each step down (names.h), where Lua has a point. */
static void write_points(char *name, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i++)
    if (name[i] == '\0') name[i] = '.';
}

static void lay_out_bytes(layout *l, moons__node *node) {
  char *to = l->bytes;
  if (node->value.n > 0) memcpy(to, node->value.as.string, node->value.n);
  if (node->value.type == MOONS_OTHER) write_points(to, node->value.n);
  to[node->value.n] = '\0';
  l->bytes += node->value.n + 1;
  node->value.as.string = to;
}

static void copy_run(const moons__node *part, int64_t *to) {
  if (part->kind == MOONS__NODE_WIDE)
    moons__element_widen(part->element, part->value.as.string, part->value.n, (char *)to);
  else if (part->value.n > 0)
    memcpy(to, part->value.as.string, part->value.n * 8);
}

static void lay_out_numbers(layout *l, moons__node *table, moons_type kind) {
  int64_t *start = l->numbers;
  for (moons__node_id id = table->first; id != 0; id = at(l, id)->next) {
    copy_run(at(l, id), l->numbers);
    l->numbers += at(l, id)->value.n;
  }
  table->value = moons_integers(start, table->n_elements);
  table->value.type = kind;
}

/* The i-th number of a run, as a value. */
static moons_value number_of(const moons__node *run, size_t i) {
  int64_t integer;
  double number;
  const char *bytes = run->value.as.string + i * 8;
  if (run->kind == MOONS__NODE_WIDE)
    bytes = run->value.as.string + i * moons__element_bytes(run->element);
  if (run->kind == MOONS__NODE_WIDE && run->value.type == MOONS_FLOATS)
    return moons_number(moons__element_float(run->element, bytes));
  if (run->kind == MOONS__NODE_WIDE)
    return moons_integer(moons__element_integer(run->element, bytes));
  memcpy(&integer, bytes, sizeof integer);
  memcpy(&number, bytes, sizeof number);
  return run->value.type == MOONS_FLOATS ? moons_number(number) : moons_integer(integer);
}

static moons_value value_of(const layout *l, moons__node_id id) {
  return at(l, resolve(l, id))->value;
}

static int is_run(const moons__node *part) {
  return part->kind == MOONS__NODE_RUN || part->kind == MOONS__NODE_WIDE;
}

static void put_element(moons_value **to, int has_keys, size_t *key, moons_value value) {
  ++*key;
  if (has_keys && value.type == MOONS_NIL) return; /* a hole */
  if (has_keys) *(*to)++ = moons_integer((int64_t)*key);
  *(*to)++ = value;
}

/* Puts the elements, with their keys where there are pairs too. Returns the part after them. */
static moons__node_id put_elements(layout *l, const moons__node *table, moons_value **to) {
  moons__node_id id = table->first;
  size_t key = 0;
  for (size_t i = 0; i < table->n_element_nodes; i++, id = at(l, id)->next) {
    const moons__node *part = at(l, id);
    if (!is_run(part)) put_element(to, table->n_pairs > 0, &key, value_of(l, id));
    for (size_t j = 0; is_run(part) && j < part->value.n; j++)
      put_element(to, table->n_pairs > 0, &key, number_of(part, j));
  }
  return id;
}

static int compare_bytes(const moons_value *a, const moons_value *b) {
  size_t n = a->n < b->n ? a->n : b->n;
  int order = n > 0 ? memcmp(a->as.string, b->as.string, n) : 0;
  return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

/* Numbers are first, then strings, then others as they have come. */
static int rank_of(const moons_value *key) {
  if (key->type == MOONS_INTEGER || key->type == MOONS_FLOAT) return 0;
  return key->type == MOONS_STRING ? 1 : 2;
}

static int compare_keys(const void *left, const void *right) {
  const moons_value *a = left, *b = right;
  int rank_a = rank_of(a), rank_b = rank_of(b);
  if (rank_a != rank_b) return rank_a - rank_b;
  if (rank_a == 1) return compare_bytes(a, b);
  if (rank_a == 2) return 0;
  if (a->type == MOONS_INTEGER && b->type == MOONS_INTEGER)
    return (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
  double x = moons_to_number(a, 0), y = moons_to_number(b, 0);
  return (x > y) - (x < y);
}

static void lay_out_pairs(layout *l, moons__node *table) {
  moons_value *start = take_values(l, 2 * (table->n_elements + table->n_pairs)), *to = start;
  moons__node_id id = put_elements(l, table, &to);
  for (; id != 0; id = at(l, id)->next)
    *to++ = value_of(l, id);
  size_t n_pairs = (size_t)(to - start) / 2;
  qsort(start, n_pairs, 2 * sizeof *start, compare_keys);
  table->value = moons_table(start, n_pairs);
}

static void lay_out_table(layout *l, moons__node *table) {
  moons_type kind = kind_of_numbers(l, table);
  if (kind != MOONS_NIL) {
    lay_out_numbers(l, table, kind);
  } else if (table->n_pairs > 0) {
    lay_out_pairs(l, table);
  } else if (table->n_elements > 0) {
    moons_value *start = take_values(l, table->n_elements), *to = start;
    put_elements(l, table, &to);
    table->value = moons_list(start, table->n_elements);
  }
}

static void lay_out(layout *l) {
  moons_value *to = take_values(l, l->nodes->n_values);
  for (moons__node_id id = l->first; id != 0; id = at(l, id)->after) {
    moons__node *node = at(l, id);
    if (node->kind == MOONS__NODE_TABLE)
      lay_out_table(l, node);
    else
      lay_out_bytes(l, node);
  }
  for (moons__node_id id = l->nodes->first; id != 0; id = at(l, id)->next)
    *to++ = value_of(l, id);
}

/* Room for at least one value, so that NULL is want of memory. */
static int take_block(layout *l) {
  size_t n_values = l->n_values > 0 ? l->n_values : 1;
  if (n_values > (SIZE_MAX / 2 - l->n_bytes) / sizeof(moons_value) - l->n_numbers)
    return MOONS_ENOMEM;
  l->values = moons__allocate(l->nodes->list.beside,
                              n_values * sizeof(moons_value) + l->n_numbers * 8 + l->n_bytes);
  if (l->values == NULL) return MOONS_ENOMEM;
  l->numbers = (int64_t *)(void *)(l->values + n_values);
  l->bytes = (char *)(l->numbers + l->n_numbers);
  return 0;
}

int moons__values_read(moons__values *values, const void *beside, const void *bytes, size_t n_bytes,
                       const moons__shared_list *shared) {
  *values = (moons__values){.n_values = 0};
  moons__nodes nodes = {.list = {.beside = beside}};
  int error = moons__nodes_read(&nodes, bytes, n_bytes, shared);
  layout l = {.nodes = &nodes};
  if (!error) error = go_through(&l);
  if (!error) error = take_block(&l);
  if (!error) {
    *values = (moons__values){l.values, nodes.n_values};
    lay_out(&l);
  }
  moons__nodes_free(&nodes);
  return error;
}

void moons__values_free(moons__values *values) {
  moons__free(values->values);
  *values = (moons__values){.n_values = 0};
}
