/*
** The clock of everything here, and a seed that nobody can foresee.
*/
#ifndef MOONS_SYSTEM_CLOCK_H
#define MOONS_SYSTEM_CLOCK_H

#include <stdint.h>

/* Nanoseconds of a clock that only goes forward. Any thread. */
uint64_t moons__clock_ns(void);

/* That time from now, UINT64_MAX where it is negative: never. Any thread. */
uint64_t moons__clock_after(int64_t timeout_ns);

/* A seed from the system's source of random numbers. Any thread. */
uint64_t moons__random_seed(void);

#endif
