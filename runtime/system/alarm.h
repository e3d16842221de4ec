/*
** A thread that calls a function when the function has asked for it, and at once when it is nudged; it sleeps in between. It
** knows nothing of calls: what to look after is the function's affair.
*/
#ifndef MOONS_SYSTEM_ALARM_H
#define MOONS_SYSTEM_ALARM_H

#include <stdint.h>

typedef struct moons__alarm moons__alarm;

/* The function: called first when nudged; returns the time at which to call it again, UINT64_MAX: when nudged. */
typedef uint64_t (*moons__look)(void *data, uint64_t now_ns);

/* Returns 0, MOONS_ENOMEM or MOONS_ETHREAD. */
int moons__alarm_open(moons__alarm **alarm, moons__look look, void *data);

/* Ends the thread: nothing is looked after any more, and nudging does nothing. */
void moons__alarm_stop(moons__alarm *alarm);

/* Stops and frees. */
void moons__alarm_close(moons__alarm *alarm);

/* Calls the function at once. Any thread. */
void moons__alarm_nudge(moons__alarm *alarm);

#endif
