/*
** Set-ups are counted apart from plans: many maps in a row have the same. Neither is changed once it is made, but
** for `cancelled` and the counts, so any user may read them without a lock.
*/
#include "worker/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/allocate.h"
#include "sizes.h"
#include "worker/job_options.h"

/* With room for so many bytes of its own. */
static moons__setup *new_setup(const void *beside, size_t n_own, size_t n_bytes, uint64_t hash) {
  moons__setup *setup = moons__allocate(beside, sizeof *setup + n_own);
  if (setup == NULL) return NULL;
  atomic_init(&setup->n_users, 1);
  atomic_init(&setup->n_unproved, 0);
  atomic_init(&setup->is_unproved, 0);
  setup->hash = hash;
  setup->n_bytes = n_bytes;
  setup->bytes = setup->own;
  setup->block = NULL;
  return setup;
}

moons__setup *moons__setup_new(const void *beside, const void *bytes, size_t n_bytes,
                               uint64_t hash) {
  moons__setup *setup = new_setup(beside, n_bytes, n_bytes, hash);
  if (setup != NULL && bytes != NULL && n_bytes > 0) memcpy(setup->bytes, bytes, n_bytes);
  return setup;
}

moons__setup *moons__setup_of_block(moons__shared *block, uint64_t hash) {
  moons__setup *setup = new_setup(block, 0, block->n_bytes, hash);
  if (setup == NULL) {
    moons__shared_release(block);
    return NULL;
  }
  setup->bytes = block->bytes;
  setup->block = block;
  return setup;
}

/* The hash tells nearly all others apart; the bytes are compared to be certain, for a state that is taken for another would
** run another function. */
int moons__setup_is(const moons__setup *setup, const void *bytes, size_t n_bytes, uint64_t hash) {
  return setup->hash == hash && setup->n_bytes == n_bytes &&
         (n_bytes == 0 || memcmp(setup->bytes, bytes, n_bytes) == 0);
}

int moons__setup_is_same(const moons__setup *a, const moons__setup *b) {
  return a == b || moons__setup_is(a, b->bytes, b->n_bytes, b->hash);
}

/* One thread alone makes the count pass the mark, and writes the line; releasing it orders that before the reading. */
void moons__setup_note_unproved(moons__setup *setup, uint64_t n_calls, const char *position,
                                const char *reason) {
  unsigned long long before = atomic_fetch_add(&setup->n_unproved, n_calls);
  if (before >= MOONS_UNPROVED_CALLS || before + n_calls < MOONS_UNPROVED_CALLS) return;
  snprintf(setup->unproved, sizeof setup->unproved,
           "parallel: the state is put back after each call of %s: %s", position, reason);
  atomic_store_explicit(&setup->is_unproved, 1, memory_order_release);
}

const char *moons__setup_take_unproved(moons__setup *setup) {
  if (!atomic_load_explicit(&setup->is_unproved, memory_order_relaxed)) return NULL;
  return atomic_exchange_explicit(&setup->is_unproved, 0, memory_order_acquire) ? setup->unproved
                                                                                : NULL;
}

/* Relaxed: whoever shares is, or stands beside, a user already, so it cannot go meanwhile. */
moons__setup *moons__setup_share(moons__setup *setup) {
  atomic_fetch_add_explicit(&setup->n_users, 1, memory_order_relaxed);
  return setup;
}

/* Releasing orders what each user did before what the last one frees. */
void moons__setup_release(moons__setup *setup) {
  if (setup == NULL) return;
  if (atomic_fetch_sub_explicit(&setup->n_users, 1, memory_order_acq_rel) > 1) return;
  moons__shared_release(setup->block);
  moons__free(setup);
}

static atomic_uint_least64_t last_number;

moons__plan *moons__plan_new(const moons__job_options *options, moons__setup *setup,
                             const moons__luggage *luggage, moons__scope *scope, int is_foreign) {
  moons__plan *plan = moons__allocate_zeros(setup, sizeof *plan);
  if (plan == NULL) return NULL;
  plan->number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
  plan->setup = moons__setup_share(setup);
  plan->luggage = *luggage;
  moons__shared_list_share(luggage->shared);
  moons__terms_share(luggage->terms);
  plan->scope = moons__scope_share(scope);
  plan->is_foreign = is_foreign;
  plan->prove_after = MOONS_PROVE_AFTER;
  plan->options = *options;
  plan->options.setup = setup->bytes; /* the caller's bytes are gone when the calls run */
  plan->options.setup_bytes = setup->n_bytes;
  plan->place.beside = plan;
  atomic_init(&plan->n_users, 1);
  return plan;
}

void moons__plan_share(moons__plan *plan) {
  atomic_fetch_add_explicit(&plan->n_users, 1, memory_order_relaxed);
}

void moons__plan_release(moons__plan *plan) {
  if (plan == NULL) return;
  if (atomic_fetch_sub_explicit(&plan->n_users, 1, memory_order_acq_rel) > 1) return;
  moons__setup_release(plan->setup);
  moons__shared_list_release(plan->luggage.shared);
  moons__terms_release(plan->luggage.terms);
  moons__scope_release(plan->scope);
  moons__buffer_free(&plan->place);
  moons__free(plan);
}
