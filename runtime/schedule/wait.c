/*
** Waiting for a job. A worker's thread that waits runs chunks of the job itself, so that no wait depends on another
** thread; others wait to be rung, and have what others have not begun shared when it takes long. In a call the wait is
** cut into moments, for the call may have to end; so it is where the host lends threads, of which this may be one.
*/
#include "base/errors.h"
#include "schedule/inside.h"
#include "schedule/line.h"
#include "schedule/runtime.h"

/* Whether the thread that waits is in a call of the line's: what it runs has that call's place. */
static int has_place(const moons_job *job) { return job->line != NULL && job->depth > 1; }

/* Takes a chunk of the job that no worker has begun, to run it on this thread; NULL: there is none. */
static moons__chunk *take_chunk(moons_job *job) {
  int needs_none = has_place(job);
  uv_mutex_lock(&job->mutex);
  moons__chunk *chunk = moons__chunks_withdraw(job), *running = job->chunks.running;
  int may_wait = needs_none && chunk == NULL && running != NULL;
  if (may_wait) chunk = moons__line_withdraw(job->line, running);
  uv_mutex_unlock(&job->mutex);
  if (chunk == NULL || !needs_none || may_wait) return chunk;
  moons__line_give_back(chunk);
  moons__lines_go_on(job->runtime);
  return chunk;
}

static int waits_in_line(moons_job *job) {
  if (job->line == NULL) return 0;
  uv_mutex_lock(&job->mutex);
  int waits = moons__line_holds(job->line, job->chunks.running);
  uv_mutex_unlock(&job->mutex);
  return waits;
}

/* A thread that the host could lend waits for what waits for others, of which it may be the only one to run any. Returns 1 where it
** did. */
static int run_another(moons_job *job) {
  const moons_runtime *r = job->runtime;
  if (r->functions->lend == NULL || !waits_in_line(job)) return 0;
  return r->functions->lend(r->backend, 1) > 0;
}

/* Runs one chunk of the job on this thread, where it can and one waits. Returns 1 where it did. */
static int run_one(moons_job *job) {
  moons_runtime *r = job->runtime;
  int can = r->functions->can_run != NULL ? r->functions->can_run(r->backend) : 0;
  if (can != 1) return can;
  moons__chunk *chunk = take_chunk(job);
  if (chunk == NULL) return run_another(job);
  r->functions->run(r->backend, chunk);
  return 1;
}

/* Waiting. */

int moons__runtime_wait(moons_runtime *r, moons__waiter *w, uint64_t deadline_ns) {
  uint64_t start_ns = uv_hrtime(), end_ns;
  const moons__backend_functions *functions = r->functions;
  int spins = functions->make_way != NULL && moons__spin_pays(&r->patience) &&
              functions->make_way(r->backend);
  int error = moons__waiter_wait(w, deadline_ns, spins, &end_ns);
  moons__spin_learn(&r->patience, end_ns > start_ns ? end_ns - start_ns : 0);
  return error;
}

static void set_waiter(moons_job *job, moons__waiter *w) {
  uv_mutex_lock(&job->mutex);
  job->waiter = w;
  uv_mutex_unlock(&job->mutex);
}

/* Whether there is something to take, or nothing more will come. */
static int is_ready(moons_job *job) {
  uv_mutex_lock(&job->mutex);
  int ready = job->chunks.finished.n > 0 || moons__chunks_pending(job) == 0;
  uv_mutex_unlock(&job->mutex);
  return ready;
}

/* Lets workers of the job that have nothing to do share the calls that others have not begun. */
static void share_calls(moons_job *job) {
  moons_runtime *r = job->runtime;
  moons__chunk *rest;
  if (r->functions->share == NULL) return;
  uv_mutex_lock(&job->mutex);
  for (unsigned n = moons__job_idle(&job->chunks); n > 0; n--) {
    if ((rest = r->functions->share(r->backend, job, n + 1)) == NULL) break;
    moons__job_put_rest(&job->chunks, rest);
  }
  moons__chunk_list started = moons__chunks_start(job);
  uv_mutex_unlock(&job->mutex);
  moons__chunks_submit(r, &started, job->line != NULL);
}

/* Waits as moons__runtime_wait does; the job's calls are shared after some time, and then now and then. */
static int wait_and_share(moons_job *job, moons__waiter *w, uint64_t deadline_ns) {
  moons_runtime *r = job->runtime;
  uint64_t patience_ns = MOONS_SHARE_NS, share_ns;
  while ((share_ns = uv_hrtime() + patience_ns) < deadline_ns) {
    if (moons__runtime_wait(r, w, share_ns) == 0) return 0;
    share_calls(job);
    patience_ns = MOONS_LOOK_NS;
  }
  return moons__runtime_wait(r, w, deadline_ns);
}

/* A call may have been told to end; for a thread that the host could lend there may be a desk by now, and nobody else who runs what
** it waits for. */
static int waits_in_moments(const moons_runtime *r) {
  return r->functions->lend != NULL || moons__runtime_depth(r) > 0;
}

/* Waits until rung, `deadline_ns`, or a moment has passed after which more than that is to be looked at. Returns 0, MOONS_ETIMEDOUT
** or MOONS__ESTOPPED. */
static int wait_in(moons_job *job, moons__waiter *w, uint64_t deadline_ns) {
  moons_runtime *r = job->runtime;
  if (!waits_in_moments(r)) return wait_and_share(job, w, deadline_ns);
  uint64_t moment_ns = uv_hrtime() + MOONS_LOOK_NS;
  if (moment_ns > deadline_ns) moment_ns = deadline_ns;
  int error = wait_and_share(job, w, moment_ns);
  if (moons__runtime_is_ending(r)) return MOONS__ESTOPPED;
  return moment_ns < deadline_ns ? 0 : error;
}

/* Runs a chunk of the job on this thread, or waits to be rung. Returns 0, MOONS_ETIMEDOUT or another error. */
static int run_or_wait(moons_job *job, moons__waiter *w, uint64_t deadline_ns) {
  moons_runtime *r = job->runtime;
  int ran = run_one(job);
  if (ran < 0) return ran;
  if (ran == 0) return wait_in(job, w, deadline_ns);
  return moons__runtime_is_ending(r) ? MOONS__ESTOPPED : 0;
}

static int wait_for(moons_job *job, uint64_t deadline_ns) {
  int error = 0;
  moons__waiter *w = moons__waiter_new(job);
  if (w == NULL) return MOONS_ENOMEM;
  set_waiter(job, w);
  while (!error && !is_ready(job))
    error = run_or_wait(job, w, deadline_ns);
  set_waiter(job, NULL);
  moons__waiter_release(w);
  return error == MOONS_ETIMEDOUT && is_ready(job) ? 0 : error;
}

/* In a call of a worker process there may be nobody else to run any; nor in any call where all workers are busy, with calls that may
** ask like this one, or where the line has all that it may have. */
static int runs_when_asked(const moons_runtime *r, unsigned n_workers) {
  if (r->functions->runs_when_asked || r->is_served) return 1;
  if (moons__runtime_own_depth(r) == 0) return 0;
  const moons__luggage *outer = moons__runtime_luggage(r);
  moons__line *line = outer != NULL ? moons__line_find(r, outer->terms) : NULL;
  if (line != NULL && !moons__line_can_begin(line)) return 1;
  return r->functions->is_full != NULL && r->functions->is_full(r->backend, n_workers);
}

int moons__runtime_runs_when_asked(const moons_runtime *r) {
  return runs_when_asked(r, MOONS_MAX_WORKERS);
}

static int wait_for_chunk(moons_job *job, int64_t timeout_ns) {
  if (is_ready(job)) return 0;
  if (timeout_ns == 0 && !runs_when_asked(job->runtime, moons__job_workers(job)))
    return MOONS_ETIMEDOUT;
  int ran = run_one(job);
  if (ran < 0) return ran;
  if (ran == 1 && (is_ready(job) || moons__runtime_is_ending(job->runtime))) return 0;
  return timeout_ns == 0 ? MOONS_ETIMEDOUT : wait_for(job, moons__clock_after(timeout_ns));
}

/* Calls that end with the one that waits for them are not taken for its results. */
int moons_job_wait(moons_job *job, int64_t timeout_ns) {
  if (moons__job_is_forked(job)) return MOONS_EFORKED;
  int error = wait_for_chunk(job, timeout_ns);
  if (moons__runtime_is_ending(job->runtime)) return MOONS__ESTOPPED;
  return moons__job_is_closed(job) ? MOONS_ECLOSED : error;
}

int moons__queue_next(moons__queue *queue, moons_job *awaited, int64_t timeout_ns,
                      moons_job **job) {
  uint64_t deadline_ns = moons__clock_after(timeout_ns);
  int error = timeout_ns == 0 ? MOONS_ETIMEDOUT : 0;
  while ((*job = moons__queue_take(queue)) == NULL && !error)
    error = run_or_wait(awaited, moons__queue_waiter(queue), deadline_ns);
  if (*job != NULL && moons__runtime_is_ending((*job)->runtime)) return MOONS__ESTOPPED;
  return *job != NULL ? 0 : error;
}
