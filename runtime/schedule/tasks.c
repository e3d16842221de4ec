/*
** Tasks wait in the line of their program until it is their turn (line.h). They are taken home on the thread that has run them.
*/
#include "schedule/tasks.h"

#include <stdlib.h>

#include "backend/cargo.h"
#include "schedule/counts.h"
#include "schedule/inside.h"
#include "worker/outcome.h"

moons__plan *moons__task_plan(moons_runtime *r, const moons__job_options *options,
                              const moons__luggage *luggage) {
  moons__job_options own = *options;
  moons__terms_bound(luggage->terms, &own);
  return moons__plan_make(r, &own, luggage, NULL, 0);
}

static moons__task *task_of(moons__chunk *chunk) { return (moons__task *)(void *)chunk; }

/* {== There and back ========================================================================== */

/* Whether its calls were not made because the worker was lost before: they are next. */
static int is_left(const moons__chunk *chunk) {
  return chunk->is_given_up && chunk->n_run == 0 && chunk->bytes != NULL;
}

static void put_back(moons__task *task) {
  moons__chunk *chunk = &task->chunk;
  moons__buffer_free(&chunk->results);
  chunk->is_given_up = 0;
  task->put_ns = uv_hrtime();
  moons__line_add_first(chunk);
}

/* The thread goes on with the next chunk when this one is taken home, so others get theirs first. */
static void task_done(moons__chunk *chunk) {
  moons__task *task = task_of(chunk);
  moons__line *line = chunk->line;
  moons_runtime *r = line->runtime;
  int comes_again = is_left(chunk);
  uv_mutex_lock(&r->mutex);
  moons__count_task(r, &line->stats, chunk, task->put_ns);
  moons__line_done(chunk, NULL);
  if (comes_again) put_back(task);
  moons__chunk_list begun = moons__lines_begin(r);
  uv_mutex_unlock(&r->mutex);
  if (begun.n > 0) moons__lines_submit(r, &begun, NULL, NULL);
  if (!comes_again) task->done(task);
}

static int is_full(const moons__line *line) {
  return line->max_waiting > 0 && line->tasks.n >= line->max_waiting;
}

int moons__line_is_full(moons__line *line) {
  uv_mutex_lock(&line->runtime->mutex);
  int full = is_full(line);
  uv_mutex_unlock(&line->runtime->mutex);
  return full;
}

/* The mutex is held. */
static void add(moons__line *line, moons__task *task) {
  moons__chunk *chunk = &task->chunk;
  task->put_ns = uv_hrtime();
  chunk->done = task_done;
  chunk->n_workers = line->runtime->options.n_workers;
  chunk->depth = 1;
  chunk->line = line;
  chunk->is_task = 1;
  moons__line_add(chunk);
}

int moons__task_put(moons__line *line, moons__task *task) {
  moons_runtime *r = line->runtime;
  moons__chunk_list begun = {0};
  unsigned n_had;
  uv_mutex_lock(&r->mutex);
  int is_refused = is_full(line);
  if (!is_refused) add(line, task);
  if (!is_refused) begun = moons__lines_begin(r);
  uv_mutex_unlock(&r->mutex);
  if (is_refused) return MOONS_EBUSY;
  return begun.n > 0 ? moons__lines_submit(r, &begun, &task->chunk, &n_had) : 0;
}

void moons__task_add(moons__line *line, moons__task *task) {
  uv_mutex_lock(&line->runtime->mutex);
  add(line, task);
  uv_mutex_unlock(&line->runtime->mutex);
}

/* {== Ending ================================================================================== */

/* Takes back a task that waits in its line. */
static int take_waiting(moons__task *task) {
  moons__chunk *chunk = &task->chunk;
  moons_runtime *r = chunk->line->runtime;
  uv_mutex_lock(&r->mutex);
  int waits = chunk->is_in_line;
  if (waits) moons__line_remove(chunk);
  uv_mutex_unlock(&r->mutex);
  return waits;
}

/* `cancelled` goes first: a worker that takes the chunk in between then begins no call. */
int moons__task_cancel(moons__task *task) {
  moons__chunk *chunk = &task->chunk;
  const moons_runtime *r = chunk->line->runtime;
  atomic_store_explicit(&chunk->plan->cancelled, 1, memory_order_relaxed);
  if (take_waiting(task)) return 1;
  if (r->functions->withdraw(r->backend, chunk) == NULL) {
    r->functions->cancel(r->backend, chunk->owner);
    return 0;
  }
  moons__line_give_back(chunk);
  return 1;
}

void moons__task_clear(moons__task *task) {
  moons__chunk *chunk = &task->chunk;
  moons__chunk_drop_arguments(chunk);
  moons__buffer_free(&chunk->results);
  moons__shared_list_release(chunk->given);
  chunk->given = NULL;
}

void moons__task_close(moons__task *task) {
  moons__task_clear(task);
  moons__plan_release(task->chunk.plan);
  task->chunk.plan = NULL;
}

/* {== Waiting ================================================================================= */

int moons__tasks_run_when_asked(const moons_runtime *r) { return r->functions->runs_when_asked; }

int moons__tasks_run_elsewhere(const moons_runtime *r) {
  return !r->functions->runs_when_asked && r->functions->lend == NULL;
}

/* Runs the next task on this thread. Where there is none, nobody else would do anything either. */
static int run_next(moons_runtime *r) {
  unsigned n_had;
  int can = r->functions->can_run(r->backend);
  if (can < 0) return can;
  uv_mutex_lock(&r->mutex);
  moons__chunk_list begun = moons__lines_begin_most(r, r->lines.n_started + 1);
  uv_mutex_unlock(&r->mutex);
  moons__chunk *chunk = moons__chunk_take(&begun);
  if (chunk == NULL) return MOONS_ETIMEDOUT;
  int error = r->functions->submit(r->backend, chunk, &n_had);
  if (!error) {
    r->functions->run(r->backend, r->functions->withdraw(r->backend, chunk));
    return 0;
  }
  moons__chunk_refuse(chunk, MOONS__FAILURE_SYSTEM, moons_error_text(error));
  chunk->done(chunk);
  return 0;
}

/* A thread that waits as long as it takes lends itself: the host may need it to lend any. Where no chunk is for it, one may come that
** finds no thread, when whoever has a desk now leaves it: so it looks again soon. */
static void lend_or_wait(moons_runtime *r, moons__waiter *waiter) {
  if (r->functions->lend(r->backend, 1) == 0)
    moons__runtime_wait(r, waiter, moons__clock_after(MOONS_LOOK_NS));
}

static int wait_for_others(moons_runtime *r, moons__waiter *waiter, uint64_t deadline_ns) {
  if (deadline_ns == 0) return MOONS_ETIMEDOUT;
  if (deadline_ns < UINT64_MAX || r->functions->lend == NULL)
    return moons__runtime_wait(r, waiter, deadline_ns);
  lend_or_wait(r, waiter);
  return 0;
}

int moons__tasks_wait(moons_runtime *r, moons__waiter *waiter, uint64_t deadline_ns) {
  if (!r->functions->runs_when_asked) return wait_for_others(r, waiter, deadline_ns);
  int error = run_next(r);
  return !error && moons__clock_ns() >= deadline_ns ? MOONS_ETIMEDOUT : error;
}
