/*
** A line has a clock that goes on as its tasks run, and the line whose clock is behind comes next. While a task runs it counts
** with what the last one took, and with what it really took once it is done. A line that comes with its first task begins where
** the others are: who has waited for long has no claim for that. After each change as many tasks are with the backend as there
** are workers, or no line has one that can begin.
**
** The runtime's mutex is taken before the backend's, and is free when tasks are submitted, and when they are handed over.
*/
#include "schedule/tasks.h"

#include <stdlib.h>

#include "backend/cargo.h"
#include "schedule/counts.h"
#include "schedule/inside.h"
#include "worker/outcome.h"

/* A task counts with this at least, so that lines with the shortest calls take turns too. */
enum { LEAST_TASK_NS = 1000 };

void moons__line_open(moons__line *line, moons_runtime *runtime, const moons_terms *terms) {
  *line = (moons__line){.runtime = runtime,
                        .max_running = terms->max_running,
                        .max_waiting = terms->max_waiting,
                        .task_ns = LEAST_TASK_NS};
}

moons__plan *moons__task_plan(moons_runtime *r, const moons__job_options *options,
                              const moons__luggage *luggage) {
  moons__job_options own = *options;
  moons__terms_bound(luggage->terms, &own);
  return moons__plan_make(r, &own, luggage, NULL, 0);
}

static moons__task *task_of(moons__chunk *chunk) { return (moons__task *)(void *)chunk; }

/* {== Turns; the mutex is held ================================================================ */

/* Whether a task of it can begin. */
static int can_begin(const moons__line *line) {
  return line->waiting.n > 0 && (line->max_running == 0 || line->n_running < line->max_running);
}

static void enter_turn(moons__line *line) {
  moons__lines *lines = &line->runtime->lines;
  if (line->is_in_turn || !can_begin(line)) return;
  if (line->used_ns < lines->now_ns) line->used_ns = lines->now_ns;
  moons__pairing_put(&lines->turns, &line->turn, line->used_ns);
  line->is_in_turn = 1;
}

static void leave_turn(moons__line *line) {
  if (line->is_in_turn) moons__pairing_remove(&line->runtime->lines.turns, &line->turn);
  line->is_in_turn = 0;
}

/* Where nothing waits or runs, all lines are even. */
static void make_even(moons__lines *lines) {
  if (lines->n_started == 0 && lines->turns.least == NULL) lines->now_ns = lines->last_ns;
}

static void use_time(moons__line *line, uint64_t ns) {
  moons__lines *lines = &line->runtime->lines;
  line->used_ns += ns;
  if (line->used_ns > lines->last_ns) lines->last_ns = line->used_ns;
}

/* Takes the task whose turn it is. There is one. */
static moons__chunk *start_next(moons__lines *lines) {
  moons__line *line = (moons__line *)(void *)lines->turns.least;
  lines->now_ns = line->turn.key;
  leave_turn(line);
  moons__chunk *chunk = moons__chunk_take(&line->waiting);
  task_of(chunk)->is_started = 1;
  line->n_running++;
  lines->n_waiting--;
  lines->n_started++;
  use_time(line, line->task_ns);
  enter_turn(line);
  return chunk;
}

/* Takes as many tasks as can begin now. */
static moons__chunk_list start(moons_runtime *r, unsigned n_most) {
  moons__chunk_list started = {0};
  while (r->lines.n_started < n_most && r->lines.turns.least != NULL)
    moons__chunk_append(&started, start_next(&r->lines));
  return started;
}

/* Those that run on the thread that waits begin when it does. */
static moons__chunk_list start_all(moons_runtime *r) {
  return start(r, r->functions->runs_when_asked ? 0 : r->options.n_workers);
}

/* The backend has it no longer. */
static void end_started(const moons__task *task) {
  task->line->n_running--;
  task->line->runtime->lines.n_started--;
  enter_turn(task->line);
}

/* What was counted beforehand is set right. */
static void measure(moons__line *line, uint64_t busy_ns) {
  uint64_t counted_ns = line->task_ns;
  line->task_ns = busy_ns > LEAST_TASK_NS ? busy_ns : LEAST_TASK_NS;
  if (line->task_ns > counted_ns)
    use_time(line, line->task_ns - counted_ns);
  else
    line->used_ns -= counted_ns - line->task_ns;
}

/* {== There and back ========================================================================== */

/* Whether its calls were not made because the worker was lost before: they are next. */
static int is_left(const moons__chunk *chunk) {
  return chunk->is_given_up && chunk->n_run == 0 && chunk->bytes != NULL;
}

static void put_back(moons__task *task) {
  moons__chunk *chunk = &task->chunk;
  moons__buffer_free(&chunk->results);
  chunk->is_given_up = 0;
  task->is_started = 0;
  task->put_ns = uv_hrtime();
  moons__chunk_prepend(&task->line->waiting, chunk);
  task->line->runtime->lines.n_waiting++;
  enter_turn(task->line);
}

/* The thread goes on with the next task when this one is taken home, so others get theirs first. */
static void task_done(moons__chunk *chunk) {
  moons__task *task = task_of(chunk);
  moons_runtime *r = task->line->runtime;
  int comes_again = is_left(chunk);
  uv_mutex_lock(&r->mutex);
  moons__count_task(r, &task->line->stats, chunk, task->put_ns);
  measure(task->line, chunk->busy_ns);
  end_started(task);
  if (comes_again) put_back(task);
  moons__chunk_list started = start_all(r);
  uv_mutex_unlock(&r->mutex);
  moons__chunks_submit(r, &started);
  if (!comes_again) task->done(task);
}

static void give_up(const moons__task *task) {
  moons_runtime *r = task->line->runtime;
  uv_mutex_lock(&r->mutex);
  end_started(task);
  uv_mutex_unlock(&r->mutex);
}

void moons__tasks_go_on(moons_runtime *r) {
  uv_mutex_lock(&r->mutex);
  moons__chunk_list started = start_all(r);
  uv_mutex_unlock(&r->mutex);
  moons__chunks_submit(r, &started);
}

/* Whoever puts a task shall learn that no worker can be started for it. What was started is that task or none: another one that
** could begin would have. Where it cannot be given to the backend, it is nobody's. */
static int submit_new(moons_runtime *r, moons__chunk_list *started) {
  unsigned n_had;
  moons__chunk *chunk = moons__chunk_take(started);
  if (chunk == NULL) return 0;
  int error = r->functions->submit(r->backend, chunk, &n_had);
  if (!error) return 0;
  give_up(task_of(chunk));
  moons__tasks_go_on(r); /* what others have put meanwhile must not wait for it */
  return error;
}

static int is_full(const moons__line *line) {
  return line->max_waiting > 0 && line->waiting.n >= line->max_waiting;
}

/* The mutex is held. */
static void add(moons__line *line, moons__task *task) {
  moons_runtime *r = line->runtime;
  moons__chunk *chunk = &task->chunk;
  task->line = line;
  task->put_ns = uv_hrtime();
  chunk->done = task_done;
  chunk->n_workers = r->options.n_workers;
  chunk->depth = 1;
  make_even(&r->lines);
  moons__chunk_append(&line->waiting, chunk);
  r->lines.n_waiting++;
  enter_turn(line);
}

int moons__task_put(moons__line *line, moons__task *task) {
  moons_runtime *r = line->runtime;
  moons__chunk_list started = {0};
  uv_mutex_lock(&r->mutex);
  int is_refused = is_full(line);
  if (!is_refused) add(line, task);
  if (!is_refused) started = start_all(r);
  uv_mutex_unlock(&r->mutex);
  return is_refused ? MOONS_EBUSY : submit_new(r, &started);
}

void moons__task_add(moons__line *line, moons__task *task) {
  uv_mutex_lock(&line->runtime->mutex);
  add(line, task);
  uv_mutex_unlock(&line->runtime->mutex);
}

int moons__line_is_full(moons__line *line) {
  uv_mutex_lock(&line->runtime->mutex);
  int full = is_full(line);
  uv_mutex_unlock(&line->runtime->mutex);
  return full;
}

unsigned moons__line_workers(const moons__line *line) {
  unsigned n = line->runtime->options.n_workers;
  return line->max_running > 0 && line->max_running < n ? line->max_running : n;
}

void moons__line_stats(moons__line *line, moons_stats *stats) {
  uv_mutex_lock(&line->runtime->mutex);
  *stats = line->stats;
  stats->n_running = line->n_running;
  stats->n_waiting = line->waiting.n;
  uv_mutex_unlock(&line->runtime->mutex);
  stats->n_workers = moons__line_workers(line);
}

/* {== Ending ================================================================================== */

/* Takes back a task that waits in its line. */
static int take_waiting(moons__task *task) {
  moons__line *line = task->line;
  uv_mutex_lock(&line->runtime->mutex);
  int waits = !task->is_started;
  if (waits) moons__chunk_remove(&line->waiting, &task->chunk);
  if (waits) line->runtime->lines.n_waiting--;
  if (line->waiting.n == 0) leave_turn(line);
  uv_mutex_unlock(&line->runtime->mutex);
  return waits;
}

/* `cancelled` goes first: a worker that takes the chunk in between then begins no call. */
int moons__task_cancel(moons__task *task) {
  moons_runtime *r = task->line->runtime;
  atomic_store_explicit(&task->chunk.plan->cancelled, 1, memory_order_relaxed);
  if (take_waiting(task)) return 1;
  if (r->functions->withdraw(r->backend, &task->chunk) == NULL) {
    r->functions->cancel(r->backend, task->chunk.owner);
    return 0;
  }
  give_up(task);
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
  moons__chunk_list started = start(r, r->lines.n_started + 1);
  uv_mutex_unlock(&r->mutex);
  moons__chunk *chunk = moons__chunk_take(&started);
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

/* A thread that waits as long as it takes lends itself: the host may need it to lend any. */
static int runs_one(moons_runtime *r, uint64_t deadline_ns) {
  return deadline_ns == UINT64_MAX && r->functions->lend != NULL &&
         r->functions->lend(r->backend, 1) > 0;
}

int moons__tasks_wait(moons_runtime *r, moons__waiter *waiter, uint64_t deadline_ns) {
  if (deadline_ns == 0 && !r->functions->runs_when_asked) return MOONS_ETIMEDOUT;
  if (!r->functions->runs_when_asked)
    return runs_one(r, deadline_ns) ? 0 : moons__runtime_wait(r, waiter, deadline_ns);
  int error = run_next(r);
  return !error && moons__clock_ns() >= deadline_ns ? MOONS_ETIMEDOUT : error;
}
