/*
** Counts with one atomic number, in steps of some pages. The last share of it is for small takers, so that a few large
** ones cannot make all others fail.
*/
#include "state/budget.h"

#include "moons.h"
#include "sizes.h"

static void note_peak(moons__budget *b, size_t used) {
  size_t peak = atomic_load_explicit(&b->peak_bytes, memory_order_relaxed);
  while (used > peak &&
         !atomic_compare_exchange_weak_explicit(&b->peak_bytes, &peak, used, memory_order_relaxed,
                                                memory_order_relaxed))
    ;
}

/* Nothing but the number itself depends on it, so the order among threads does not matter. */
static int take(moons__budget *b, size_t n_bytes, size_t has_bytes) {
  size_t most = b->max_bytes;
  size_t used = atomic_load_explicit(&b->used_bytes, memory_order_relaxed);
  size_t small = most / MOONS_SMALL_SHARE;
  if (n_bytes > small || has_bytes > small - n_bytes) most -= b->last_bytes;
  do
    if (n_bytes > most || used > most - n_bytes) return MOONS_ENOMEM;
  while (!atomic_compare_exchange_weak_explicit(&b->used_bytes, &used, used + n_bytes,
                                                memory_order_relaxed, memory_order_relaxed));
  note_peak(b, used + n_bytes);
  return 0;
}

static void give(moons__budget *b, size_t n_bytes) {
  atomic_fetch_sub_explicit(&b->used_bytes, n_bytes, memory_order_relaxed);
}

/* Each budget on the way out must have it. Where one refuses, those within have it back. */
int moons__budget_take(moons__budget *budget, size_t n_bytes, size_t has_bytes) {
  for (moons__budget *b = budget; b != NULL; b = b->outer) {
    if (!take(b, n_bytes, has_bytes)) continue;
    for (moons__budget *taken = budget; taken != b; taken = taken->outer)
      give(taken, n_bytes);
    return MOONS_ENOMEM;
  }
  return 0;
}

/* Only a guess: others take and give meanwhile. */
int moons__budget_is_short(const moons__budget *budget, size_t has_bytes) {
  if (budget == NULL || has_bytes <= budget->max_bytes / MOONS_SMALL_SHARE) return 0;
  return atomic_load_explicit(&budget->used_bytes, memory_order_relaxed) > budget->max_bytes / 2;
}

void moons__budget_begin(moons__budget *budget, size_t used_bytes) {
  atomic_store_explicit(&budget->used_bytes, used_bytes, memory_order_relaxed);
}

void moons__budget_force(moons__budget *budget, size_t n_bytes) {
  for (moons__budget *b = budget; b != NULL; b = b->outer)
    note_peak(b,
              n_bytes + atomic_fetch_add_explicit(&b->used_bytes, n_bytes, memory_order_relaxed));
}

void moons__budget_give(moons__budget *budget, size_t n_bytes) {
  for (moons__budget *b = budget; b != NULL; b = b->outer)
    give(b, n_bytes);
}
