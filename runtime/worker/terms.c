/*
** Set-ups are counted apart from terms: many maps in a row have the same.
*/
#include "worker/terms.h"

#include <stdlib.h>
#include <string.h>

moons__setup *moons__setup_new(const void *bytes, size_t n_bytes, uint64_t hash) {
  moons__setup *setup = malloc(sizeof *setup + n_bytes);
  if (setup == NULL) return NULL;
  atomic_init(&setup->n_users, 1);
  setup->hash = hash;
  setup->n_bytes = n_bytes;
  if (n_bytes > 0) memcpy(setup->bytes, bytes, n_bytes);
  return setup;
}

int moons__setup_is(const moons__setup *setup, const void *bytes, size_t n_bytes, uint64_t hash) {
  return setup->hash == hash && setup->n_bytes == n_bytes &&
         (n_bytes == 0 || memcmp(setup->bytes, bytes, n_bytes) == 0);
}

moons__setup *moons__setup_share(moons__setup *setup) {
  atomic_fetch_add_explicit(&setup->n_users, 1, memory_order_relaxed);
  return setup;
}

/* Releasing orders what each user did before what the last one frees. */
void moons__setup_release(moons__setup *setup) {
  if (setup == NULL) return;
  if (atomic_fetch_sub_explicit(&setup->n_users, 1, memory_order_acq_rel) > 1) return;
  free(setup);
}

moons__terms *moons__terms_new(const moons_job_options *options, moons__setup *setup,
                               moons__scope *scope, int is_foreign) {
  moons__terms *terms = calloc(1, sizeof *terms);
  if (terms == NULL) return NULL;
  terms->setup = moons__setup_share(setup);
  terms->scope = moons__scope_share(scope);
  terms->is_foreign = is_foreign;
  terms->options = *options;
  terms->options.setup = setup->bytes;
  terms->options.setup_bytes = setup->n_bytes;
  atomic_init(&terms->n_users, 1);
  return terms;
}

int moons__terms_have_same_setup(const moons__terms *a, const moons__terms *b) {
  if (a->setup == b->setup) return 1;
  return moons__setup_is(a->setup, b->setup->bytes, b->setup->n_bytes, b->setup->hash);
}

void moons__terms_share(moons__terms *terms) {
  atomic_fetch_add_explicit(&terms->n_users, 1, memory_order_relaxed);
}

void moons__terms_release(moons__terms *terms) {
  if (terms == NULL) return;
  if (atomic_fetch_sub_explicit(&terms->n_users, 1, memory_order_acq_rel) > 1) return;
  moons__setup_release(terms->setup);
  moons__scope_release(terms->scope);
  free(terms);
}
