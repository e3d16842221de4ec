/*
** Numbers from 0 that threads have, each a number of its own, the lowest that is free.
*/
#ifndef MOONS_BASE_SEATS_H
#define MOONS_BASE_SEATS_H

#include <stdatomic.h>
#include <stdint.h>

enum { MOONS__SEAT_WORDS = 64, MOONS__SEATS = 64 * MOONS__SEAT_WORDS };

/* Zero-initialised: all are free. */
typedef struct moons__seats {
  atomic_uint_least64_t taken[MOONS__SEAT_WORDS];
} moons__seats;

/* Takes one; MOONS__SEATS where none is free. Any thread. */
unsigned moons__seats_take(moons__seats *seats);

/* Gives one back that was taken; does nothing with MOONS__SEATS. Any thread. */
void moons__seats_give(moons__seats *seats, unsigned seat);

#endif
