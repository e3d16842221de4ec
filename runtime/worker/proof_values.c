/*
** Values of the proof. Sets of objects, and strings, are kept once each and known by number, so that a value is small and
** compared as it is: functions have many registers before many instructions, and most of these hold the same.
*/
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "base/hash.h"
#include "worker/proof_inside.h"

enum { MAX_SETS = 4096, MAX_KEYS = 4096, N_SLOTS = 8192, FIRST_SETS = 64 };

typedef struct key {
  const char *bytes; /* NULL: of the first, which is none */
  size_t n_bytes;
} key;

/* Sets. */

static uint64_t *set_at(const prover *x, uint32_t set) { return x->sets + (size_t)set * SET_WORDS; }

/* Makes room for one more. */
static void need_set(prover *x) {
  if (x->set_table == NULL) x->set_table = moons__proof_take(x, N_SLOTS * sizeof *x->set_table);
  if (x->n_sets < x->n_sets_room) return;
  uint32_t n_room = x->n_sets_room > 0 ? x->n_sets_room * 2 : FIRST_SETS;
  if (n_room > MAX_SETS) moons__proof_fail(x, "leads to too many values");
  uint64_t *sets =
      moons__reallocate(x->models->beside, x->sets, (size_t)n_room * SET_WORDS * sizeof *sets);
  if (sets == NULL) moons__proof_fail(x, "takes more memory to look at than there is");
  if (x->sets == NULL) memset(sets, 0, SET_WORDS * sizeof *sets);
  if (x->sets == NULL) x->n_sets = 1;
  x->sets = sets;
  x->n_sets_room = n_room;
}

/* The number of the set that was made behind the last one: that of an earlier one where it has the same objects. */
static uint32_t keep_set(prover *x) {
  const size_t n_bytes = SET_WORDS * sizeof *x->sets;
  size_t slot = moons__hash(MOONS__HASH_START, set_at(x, x->n_sets), n_bytes) % N_SLOTS;
  while (x->set_table[slot] != 0 &&
         memcmp(set_at(x, x->set_table[slot]), set_at(x, x->n_sets), n_bytes) != 0)
    slot = (slot + 1) % N_SLOTS;
  if (x->set_table[slot] == 0) x->set_table[slot] = x->n_sets++;
  return x->set_table[slot];
}

/* The set with the objects of both. */
static uint32_t join_sets(prover *x, uint32_t a, uint32_t b) {
  if (a == b || b == 0) return a;
  if (a == 0) return b;
  need_set(x);
  uint64_t *to = set_at(x, x->n_sets);
  for (size_t i = 0; i < SET_WORDS; i++)
    to[i] = set_at(x, a)[i] | set_at(x, b)[i];
  return keep_set(x);
}

value moons__value_of_object(prover *x, uint32_t number) {
  need_set(x);
  uint64_t *to = set_at(x, x->n_sets);
  memset(to, 0, SET_WORDS * sizeof *to);
  to[number / 64] = UINT64_C(1) << number % 64;
  return (value){.set = keep_set(x)};
}

value moons__value_part(prover *x, value v, unsigned object_kinds, uint32_t kinds) {
  value part = {.kinds = v.kinds & kinds, .key = (v.kinds & kinds) == v.kinds ? v.key : 0};
  EACH_OBJECT(x, v, number) {
    if ((object_kinds >> moons__object(x, number)->kind & 1) != 0)
      part.set = join_sets(x, part.set, moons__value_of_object(x, number).set);
  }
  return part;
}

/* Numbers of objects begin at 1, so what was found is never 0. */
uint32_t moons__set_next(const prover *x, uint32_t set, unsigned *at) {
  if (set == 0) return 0;
  for (unsigned i = *at; i < MAX_OBJECTS; i = i / 64 * 64 + 64) {
    uint64_t left = set_at(x, set)[i / 64] >> i % 64;
    if (left == 0) continue;
    unsigned found = i + (unsigned)__builtin_ctzll(left);
    *at = found + 1;
    return found;
  }
  *at = MAX_OBJECTS;
  return 0;
}

/* Strings. */

static void need_keys(prover *x) {
  if (x->keys != NULL) return;
  x->keys = moons__proof_take(x, MAX_KEYS * sizeof *x->keys);
  x->key_table = moons__proof_take(x, N_SLOTS * sizeof *x->key_table);
  x->n_keys = 1;
}

/* Keys may hold zero bytes. */
static int is_key(const key *k, const char *bytes, size_t n_bytes) {
  return k->n_bytes == n_bytes && memcmp(k->bytes, bytes, n_bytes) == 0;
}

uint32_t moons__key_of(prover *x, const char *bytes, size_t n_bytes) {
  need_keys(x);
  size_t slot = moons__hash(MOONS__HASH_START, bytes, n_bytes) % N_SLOTS;
  while (x->key_table[slot] != 0 && !is_key(&x->keys[x->key_table[slot]], bytes, n_bytes))
    slot = (slot + 1) % N_SLOTS;
  if (x->key_table[slot] != 0) return x->key_table[slot];
  if (x->n_keys == MAX_KEYS) return 0;
  char *copy = moons__proof_take(x, n_bytes + 1);
  memcpy(copy, bytes, n_bytes);
  x->keys[x->n_keys] = (key){copy, n_bytes};
  return x->key_table[slot] = x->n_keys++;
}

const char *moons__key_bytes(const prover *x, uint32_t number, size_t *n_bytes) {
  *n_bytes = x->keys[number].n_bytes;
  return x->keys[number].bytes;
}

value moons__value_of_string(prover *x, const char *bytes, size_t n_bytes) {
  return (value){.kinds = STRING, .key = moons__key_of(x, bytes, n_bytes)};
}

/* Joining. */

int moons__value_join(prover *x, value *v, value more) {
  value before = *v;
  if (is_nothing(more)) return 0;
  if (is_nothing(before)) {
    *v = more;
    return 1;
  }
  v->kinds |= more.kinds;
  v->set = join_sets(x, v->set, more.set);
  if (before.key != more.key) v->key = 0;
  return v->kinds != before.kinds || v->set != before.set || v->key != before.key;
}

void moons__value_grow(prover *x, value *v, value more) {
  if (moons__value_join(x, v, more)) x->version++;
}

/* Tuples. */

/* Beyond the places that there are, values are told apart no more. */
void moons__tuple_add(prover *x, tuple *t, value v) {
  if (t->n < TUPLE_VALUES && is_nothing(t->rest))
    t->at[t->n++] = v;
  else
    moons__value_join(x, &t->rest, v);
}

value moons__tuple_get(prover *x, const tuple *t, unsigned i) {
  if (i < t->n) return t->at[i];
  value v = VALUE_SCALAR;
  moons__value_join(x, &v, t->rest);
  return v;
}

value moons__tuple_all(prover *x, const tuple *t, unsigned from) {
  value v = t->rest;
  for (unsigned i = from; i < t->n; i++)
    moons__value_join(x, &v, t->at[i]);
  return v;
}
