/*
** A thread that calls a function when the function has asked for it, and at once when it is nudged; it sleeps in between. It
** knows nothing of calls: what to look after is the function's affair. It is started once there is something to look after.
*/
#ifndef MOONS_SYSTEM_ALARM_H
#define MOONS_SYSTEM_ALARM_H

#include <stdint.h>

typedef struct moons__alarm moons__alarm;

/* The function: called first when nudged; returns the time at which to call it again, UINT64_MAX: when nudged. */
typedef uint64_t (*moons__look)(void *data, uint64_t now_ns);

/* Its memory is made beside that block (allocate.h). The thread's name begins with `whose`, which must outlive the alarm. Returns 0
** or MOONS_ENOMEM. */
int moons__alarm_open(moons__alarm **alarm, const void *beside, const char *whose, moons__look look,
                      void *data);

/* Starts the thread, where that was not done before. Returns 0 or MOONS_ETHREAD. Any thread. */
int moons__alarm_start(moons__alarm *alarm);

/* Ends the thread: nothing is looked after any more, and nudging does nothing. */
void moons__alarm_stop(moons__alarm *alarm);

/* Stops and frees. */
void moons__alarm_close(moons__alarm *alarm);

/* Calls the function at once, or as soon as the thread is started. Any thread. */
void moons__alarm_nudge(moons__alarm *alarm);

#endif
