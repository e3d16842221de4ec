/*
** A bit for each. What is done with a seat before it was given back is done for whoever takes it next: releasing, and acquiring.
*/
#include "base/seats.h"

static unsigned lowest_free(uint64_t word) {
  unsigned n = 0;
  while (word >> n & 1)
    n++;
  return n;
}

static unsigned take_of_word(atomic_uint_least64_t *word) {
  uint64_t taken = atomic_load_explicit(word, memory_order_relaxed);
  while (taken != UINT64_MAX) {
    unsigned bit = lowest_free(taken);
    if (atomic_compare_exchange_weak_explicit(word, &taken, taken | UINT64_C(1) << bit,
                                              memory_order_acquire, memory_order_relaxed))
      return bit;
  }
  return MOONS__SEATS;
}

unsigned moons__seats_take(moons__seats *seats) {
  for (unsigned i = 0; i < MOONS__SEAT_WORDS; i++) {
    unsigned bit = take_of_word(&seats->taken[i]);
    if (bit < MOONS__SEATS) return 64 * i + bit;
  }
  return MOONS__SEATS;
}

void moons__seats_give(moons__seats *seats, unsigned seat) {
  if (seat >= MOONS__SEATS) return;
  atomic_fetch_and_explicit(&seats->taken[seat / 64], ~(UINT64_C(1) << seat % 64),
                            memory_order_release);
}
