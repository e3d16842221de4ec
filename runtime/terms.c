#include "terms.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

moons__terms *moons__terms_new(const moons_job_options *options) {
  moons__terms *terms = calloc(1, sizeof *terms);
  char *setup = malloc(options->setup_bytes + 1);
  if (terms == NULL || setup == NULL) {
    free(terms);
    free(setup);
    return NULL;
  }
  if (options->setup_bytes > 0) memcpy(setup, options->setup, options->setup_bytes);
  terms->options = *options;
  terms->options.setup = setup;
  terms->setup_hash = moons__hash(MOONS__HASH_START, setup, options->setup_bytes);
  atomic_init(&terms->n_users, 1);
  return terms;
}

void moons__terms_share(moons__terms *terms) {
  atomic_fetch_add_explicit(&terms->n_users, 1, memory_order_relaxed);
}

/* Releasing orders what each user did before what the last one frees. */
void moons__terms_release(moons__terms *terms) {
  if (terms == NULL) return;
  if (atomic_fetch_sub_explicit(&terms->n_users, 1, memory_order_acq_rel) > 1) return;
  free((void *)terms->options.setup);
  free(terms);
}
