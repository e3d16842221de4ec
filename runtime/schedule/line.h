/*
** Lines: what waits for workers under the terms of one program, or of a Lua state whose terms bound how many of its calls run at
** once. That is calls of the host (tasks.h), and chunks of maps within calls. Lines of programs take turns, and next is the one that
** workers have spent the least time on: so a program with many calls, with long ones, or with large maps within calls, does not
** keep others waiting. Of lines that take turns no more is with the backend than there are workers.
**
** What has left its line has a place, until it is done: `max_running` of the terms bounds how many there are. A thread that waits
** within a call has that of its call, and runs chunks of the map that it waits for in that place, straight from the line.
*/
#ifndef MOONS_SCHEDULE_LINE_H
#define MOONS_SCHEDULE_LINE_H

#include <stdint.h>

#include "base/pairing.h"
#include "moons.h"
#include "schedule/runtime.h"
#include "worker/chunk.h"

/* The runtime's mutex guards it. */
typedef struct moons__line {
  moons__pairing_node turn; /* in the heap of those whose chunks can begin; the first field */
  int is_in_turn;           /* it is there */
  int takes_turns;         /* with those of programs; 0: what is bounded begins as soon as it may */
  moons_runtime *runtime;  /* outlives what waits and runs */
  moons__chunk_list tasks; /* calls of the host that wait */
  moons__chunk_list inner; /* chunks of maps that wait */
  int was_task;            /* what has begun last */
  unsigned n_running;      /* places that are taken */
  unsigned max_running;    /* of these; 0: no bound */
  unsigned max_waiting;    /* tasks that may wait; 0: no bound */
  uint64_t used_ns; /* how long workers have spent on it, on the clock by which lines take turns */
  uint64_t task_ns, inner_ns; /* how long one takes, as was measured last */
  moons_stats stats;          /* of its tasks, counted so far (counts.h) */
} moons__line;

/* Gives terms an empty line on this runtime, with their bounds, which goes when they go. Returns 0 or MOONS_ENOMEM. Any thread. */
int moons__line_open(moons__terms *terms, moons_runtime *runtime, int takes_turns);

/* That of calls under these terms (NULL: the defaults), where chunks of their maps on this runtime wait in it; NULL: they need not,
** for they run on the thread that waits for them, or in a pool that scripts have made. */
moons__line *moons__line_find(const moons_runtime *runtime, const moons__terms *terms);

/* How many of its chunks can run at once. Any thread. */
unsigned moons__line_workers(const moons__line *line);

/* What its tasks have done by now. Any thread, but not in the child of a fork. */
void moons__line_stats(moons__line *line, moons_stats *stats);

/* {== Of one chunk; the mutex is held ========================================================= */

/* Puts a chunk with a line to the end of that, or to its start. */
void moons__line_add(moons__chunk *chunk);
void moons__line_add_first(moons__chunk *chunk);

/* Takes a chunk out that waits. */
void moons__line_remove(moons__chunk *chunk);

/* A chunk with a line has run: in its place, which is given back; or in that of a call that has waited for it, in the chunk `outer`:
** NULL: that has ended with it. */
void moons__line_done(moons__chunk *chunk, moons__chunk *outer);

/* {== Of all lines of a runtime =============================================================== */

/* Takes what can begin now; submit gives that to the backend. The mutex is held. */
moons__chunk_list moons__lines_begin(moons_runtime *runtime);

/* The same, until so many tasks have begun. */
moons__chunk_list moons__lines_begin_most(moons_runtime *runtime, unsigned n_most);

/* Whoever has put `own` (NULL: nobody) learns that no worker can be started for it, where it is among what has begun: then that is
** the caller's again, and MOONS_ENOMEM or MOONS_ETHREAD is returned, with how many there are in *n_had. No lock is held. */
int moons__lines_submit(moons_runtime *runtime, moons__chunk_list *begun, const moons__chunk *own,
                        unsigned *n_had);

/* Begins what can begin, after places were given back. Any thread; no lock is held. */
void moons__lines_go_on(moons_runtime *runtime);

/* {== Chunks of jobs; without the mutex ======================================================= */

/* Puts a chunk, and begins what can. Returns as submit does. */
int moons__line_put(moons__chunk *chunk, unsigned *n_had);

/* The same of a list, which may be empty, after places were given back. Where no thread can be started, those that run take what
** has begun. */
void moons__lines_put(moons_runtime *runtime, moons__chunk_list *chunks);

/* Takes the last of a chain (`next_of_owner`) that waits, or returns NULL; or only says whether there is one. Nobody changes the
** chain meanwhile. */
moons__chunk *moons__line_withdraw(moons__line *line, moons__chunk *chain);
int moons__line_holds(moons__line *line, moons__chunk *chain);

/* Gives back the place of a chunk that nobody has begun; moons__lines_go_on is due then. */
void moons__line_give_back(moons__chunk *chunk);

/* Whether more of it may begin now: otherwise what waits may be waiting for those who ask for it. Whether a worker is idle the
** backend knows. */
int moons__line_can_begin(moons__line *line);

#endif
