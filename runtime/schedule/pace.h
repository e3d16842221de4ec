/*
** How fast things come home to a thread that takes them. Where many are to come, it dozes for a small share of the time in which they
** do, instead of being woken up for each: what comes meanwhile costs nobody a wake-up, and is taken in one go.
*/
#ifndef MOONS_SCHEDULE_PACE_H
#define MOONS_SCHEDULE_PACE_H

#include <stdint.h>

/* Of the thread that takes. Zero-initialised. */
typedef struct moons__pace {
  uint64_t since_ns; /* when it waited last */
  unsigned n_taken;  /* since then */
} moons__pace;

/* Something was taken. */
void moons__pace_note(moons__pace *pace);

/* The thread has to wait, at `now_ns`, while `n_more` are to come: how long it is to doze first; 0: not at all. */
uint64_t moons__pace_doze_ns(moons__pace *pace, uint64_t now_ns, unsigned n_more);

#endif
