/*
** Those who use terms are programs and Lua states of the host, plans of jobs, and states that are kept, since closing one of these
** runs what it has of the host. A state that is put back runs nothing any more, so it holds none; it is known by their number.
*/
#include "worker/terms.h"

#include <stdlib.h>

#include "base/allocate.h"
#include "base/sized.h"

static const moons_terms DEFAULTS = {.struct_bytes = sizeof DEFAULTS, .rights = MOONS_MAY_ALL};

void moons_terms_init_sized(moons_terms *terms, size_t struct_bytes) {
  moons__sized_fill(terms, struct_bytes, &DEFAULTS, sizeof DEFAULTS);
}

static int check(const moons_terms *terms) {
  return terms->rights & ~(uint32_t)MOONS_MAY_ALL ? MOONS_EINVAL : 0;
}

static void tell_gone(const moons_terms *terms) {
  if (terms->gone != NULL) terms->gone(terms->data);
}

static atomic_uint_least64_t last_number;

/* Longer than any process lives, and short enough to be added to the time of a clock. */
static const uint64_t MOST_NS = INT64_MAX / 2;

static moons__terms *copy(const void *beside, const moons_terms *given) {
  moons__terms *terms = moons__allocate(beside, sizeof *terms);
  if (terms == NULL) return NULL;
  terms->given = *given;
  if (given->timeout_ns > MOST_NS) terms->given.timeout_ns = MOST_NS;
  terms->line = NULL;
  terms->number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
  atomic_init(&terms->n_users, 1);
  return terms;
}

int moons__terms_new(moons__terms **terms, const void *beside, const moons_terms *given) {
  moons_terms own = DEFAULTS;
  *terms = NULL;
  if (given == NULL) return 0;
  int error = moons__sized_copy(&own, sizeof own, given);
  if (error == MOONS_EINVAL) return error;
  if (!error) error = check(&own);
  if (!error && (*terms = copy(beside, &own)) == NULL) error = MOONS_ENOMEM;
  if (error) tell_gone(&own);
  return error;
}

/* Relaxed: whoever shares is, or stands beside, a user already, so they cannot go meanwhile. */
moons__terms *moons__terms_share(moons__terms *terms) {
  if (terms != NULL) atomic_fetch_add_explicit(&terms->n_users, 1, memory_order_relaxed);
  return terms;
}

/* Releasing orders what each user did before what the last one tells. */
void moons__terms_release(moons__terms *terms) {
  if (terms == NULL) return;
  if (atomic_fetch_sub_explicit(&terms->n_users, 1, memory_order_acq_rel) > 1) return;
  tell_gone(&terms->given);
  moons__free(terms->line);
  moons__free(terms);
}

const moons_terms *moons__terms_of(const moons__terms *terms) {
  return terms != NULL ? &terms->given : &DEFAULTS;
}

uint64_t moons__terms_host(const moons__terms *terms) {
  return terms != NULL && terms->given.open != NULL ? terms->number : 0;
}

/* 0 of a limit is none. */
static uint64_t least(uint64_t a, uint64_t b) {
  if (a == 0 || b == 0) return a + b;
  return a < b ? a : b;
}

void moons__terms_bound(const moons__terms *terms, moons__job_options *options) {
  if (terms == NULL) return;
  options->timeout_ns = least(options->timeout_ns, terms->given.timeout_ns);
  options->memory_bytes = (size_t)least(options->memory_bytes, terms->given.memory_bytes);
}
