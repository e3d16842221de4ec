/*
** The clock of everything here, and a seed that nobody can foresee.
*/
#ifndef MOONS_SYSTEM_CLOCK_H
#define MOONS_SYSTEM_CLOCK_H

#include <stdint.h>

/* Nanoseconds of a clock that only goes forward. Any thread. */
uint64_t moons__clock_ns(void);

/* A seed from the system's source of random numbers. Any thread. */
uint64_t moons__random_seed(void);

#endif
