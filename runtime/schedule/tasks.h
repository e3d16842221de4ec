/*
** Calls that belong to no job, which hosts submit one by one: tasks. Those of a program wait in its line, in order.
*/
#ifndef MOONS_SCHEDULE_TASKS_H
#define MOONS_SCHEDULE_TASKS_H

#include <stdint.h>

#include "moons.h"
#include "schedule/line.h"
#include "schedule/runtime.h"
#include "system/waiter.h"
#include "worker/chunk.h"

/* A chunk in a line. Zero-initialised, but for what the user fills in: of the chunk the plan, the first call, how many calls,
** and the arguments; and `done`. */
typedef struct moons__task {
  moons__chunk chunk; /* the first field; its owner is for moons__task_cancel */
  uint64_t put_ns;    /* when it began to wait */

  /* Takes it back when it has run. On a thread of the backend, or that which waits in moons__tasks_wait; no lock is held. */
  void (*done)(struct moons__task *task);
} moons__task;

/* A plan for tasks with this luggage, which it shares; its terms bound the options. NULL: no memory. Any thread, but no worker's. */
moons__plan *moons__task_plan(moons_runtime *runtime, const moons__job_options *options,
                              const moons__luggage *luggage);

/* Puts a task into a line, which stays as long as the task is there. Returns 0; or with the task still the caller's MOONS_EBUSY
** where as many wait as may, MOONS_ENOMEM, or MOONS_ETHREAD where no worker can be started. Any thread. */
int moons__task_put(moons__line *line, moons__task *task);

/* Puts a task that must be taken; moons__lines_go_on is due then. Any thread. */
void moons__task_add(moons__line *line, moons__task *task);

/* Whether as many tasks wait as may. Any thread. */
int moons__line_is_full(moons__line *line);

/* Takes back a task that has not begun, and returns 1. Otherwise ends its calls, at their next instruction in Lua, and returns 0: it
** comes by `done`, if it has not come yet. The task stays meanwhile. Then, without the caller's locks, moons__lines_go_on is due.
** Any thread. */
int moons__task_cancel(moons__task *task);

/* Frees what its chunk has: arguments and results; or these and the plan, without which it can no longer be cancelled. */
void moons__task_clear(moons__task *task);
void moons__task_close(moons__task *task);

/* Waits until the waiter is rung, or `deadline_ns`; 0: not at all. Where tasks run on the thread that waits, runs one instead. A
** thread that may lend itself, and waits as long as it takes, runs one too, or waits for a moment. Returns 0, MOONS_ETIMEDOUT,
** MOONS_ENOMEM, or MOONS_EDEPTH. */
int moons__tasks_wait(moons_runtime *runtime, moons__waiter *waiter, uint64_t deadline_ns);

/* Whether tasks run on the thread that waits for them; and whether they run whatever that does. */
int moons__tasks_run_when_asked(const moons_runtime *runtime);
int moons__tasks_run_elsewhere(const moons_runtime *runtime);

#endif
