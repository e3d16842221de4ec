/*
** Where what was submitted comes home: a list of what is under way and one of what has finished, for one thread that waits, looks
** now and then, or is told.
*/
#ifndef MOONS_SCHEDULE_COMPLETIONS_H
#define MOONS_SCHEDULE_COMPLETIONS_H

#include <stdint.h>

#include "moons.h"

typedef struct moons__completions moons__completions;

/* Something under way, which lies in what it stands for. Zero-initialised. */
typedef struct moons__pending {
  moons__completions *home;
  struct moons__pending *next, *before; /* in one of its lists; the lock of home guards these */
  int is_under_way;                     /* the same */
} moons__pending;

typedef struct moons__completions_config {
  /* Ends something that is under way. Returns whether it is over with that; otherwise it arrives later. The lock of home is held. */
  int (*cancel)(moons__pending *pending);

  /* Frees what nobody will take. Any thread. */
  void (*drop)(moons__pending *pending);

  /* Is told when something can be taken where before there was nothing; NULL: nobody is. Any thread, without a lock. */
  void (*notify)(void *data);
  void *data;
} moons__completions_config;

/* An empty one, of a runtime that stays until it is closed. NULL: no memory. Any thread. */
moons__completions *moons__completions_new(moons_runtime *runtime,
                                           const moons__completions_config *config);

/* Cancels what is under way, drops what has finished, and waits for `notify` where that runs; what still runs is dropped when it
** arrives, even after the close. Not within `notify`. Accepts NULL. */
void moons__completions_close(moons__completions *completions);

/* Begins something, and takes that back where it could not be begun. Begin returns 0 or MOONS_ECLOSED. Any thread. */
int moons__completions_begin(moons__completions *completions, moons__pending *pending);

/* What was begun can be cancelled from now on, or was taken back. */
void moons__completions_begun(moons__completions *completions);
void moons__completions_unbegin(moons__pending *pending);

/* Something has finished. Any thread; no lock is held. */
void moons__completions_arrive(moons__pending *pending);

/* Cancels something that is there. Any thread. */
void moons__completions_cancel(moons__pending *pending);

/* Takes what has finished, the first first, and waits for it for up to `timeout_ns` (0: not at all; negative: for ever). Returns 0,
** MOONS_EEND where nothing is under way, or MOONS_ECLOSED where nothing can be, MOONS_ETIMEDOUT, or an error of
** moons__tasks_wait. One thread at a time. */
int moons__completions_take(moons__completions *completions, int64_t timeout_ns,
                            moons__pending **pending);

/* A descriptor that is readable while something can be taken, made when it is first asked for. Returns it, or MOONS_EUNSUPPORTED. */
int moons__completions_descriptor(moons__completions *completions);

#endif
