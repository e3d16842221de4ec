/*
** Jobs as their owners see them: chunks go in, are run by the backend as far as the job wants, and come home. Each change is
** made under the mutex of the job; whoever must know of it is rung, and chunks are submitted, after it is free again, for
** threads that wake up want it. Of two locks the job's is taken first, then the runtime's, the backend's or the queue's; a backend
** holds none when it calls `done`. A job whose owner has gone is freed by the last of its chunks.
*/
#include <stdlib.h>

#include "backend/cargo.h"
#include "base/allocate.h"
#include "base/errors.h"
#include "base/hash.h"
#include "schedule/counts.h"
#include "schedule/inside.h"
#include "schedule/line.h"
#include "schedule/runtime.h"
#include "system/place.h"

void moons__job_options_init(moons__job_options *options) {
  *options = (moons__job_options){.fresh = 1};
}

/* While a job has plans, and chunks run, their blocks are in use. */
static void begin_use(const moons__plan *plan) {
  const moons__sink *sink = &plan->luggage.sink;
  moons__shared_list_begin_reading(plan->luggage.shared);
  if (sink->block == NULL) return;
  moons__shared_change(sink->block);
  atomic_fetch_add_explicit(&sink->block->n_writers, 1, memory_order_relaxed);
}

/* Release: who finds a block in no use reads what was written, and writes after all that was read. */
static void end_use(moons__plan *plan) {
  const moons__sink *sink = &plan->luggage.sink;
  moons__shared_list_end_reading(plan->luggage.shared);
  if (sink->block != NULL)
    atomic_fetch_sub_explicit(&sink->block->n_writers, 1, memory_order_release);
  moons__plan_release(plan);
}

static void job_destroy(moons_job *job) {
  if (job->is_client) moons__client_remove(job->runtime, &job->client);
  uv_mutex_destroy(&job->mutex);
  for (unsigned i = 0; i < job->n_plans; i++)
    end_use(job->plans[i]);
  moons__free(job);
}

/* The set-up of an earlier job with this hash and size, shared, or NULL. The bytes may be many, so they are not compared here
** under the runtime's mutex. */
static moons__setup *find_setup(moons_runtime *r, uint64_t hash, size_t n_bytes) {
  moons__setup *found = NULL;
  uv_mutex_lock(&r->mutex);
  for (unsigned i = 0; i < MOONS_SETUPS_KEPT && found == NULL; i++)
    if (r->setups[i] != NULL && r->setups[i]->hash == hash && r->setups[i]->n_bytes == n_bytes)
      found = moons__setup_share(r->setups[i]);
  uv_mutex_unlock(&r->mutex);
  return found;
}

/* Keeps a set-up for the jobs to come, as the first of those that are kept; of the others the last go where they
** are too large together. They are released without the mutex: freeing much takes long. */
static void keep_setup(moons_runtime *r, moons__setup *setup) {
  moons__setup *dropped[MOONS_SETUPS_KEPT] = {NULL};
  size_t n_bytes = 0;
  uv_mutex_lock(&r->mutex);
  dropped[0] = r->setups[MOONS_SETUPS_KEPT - 1];
  memmove(&r->setups[1], &r->setups[0], (MOONS_SETUPS_KEPT - 1) * sizeof r->setups[0]);
  r->setups[0] = moons__setup_share(setup);
  for (unsigned i = 1; i < MOONS_SETUPS_KEPT; i++) {
    if (r->setups[i] != NULL) n_bytes += r->setups[i]->n_bytes;
    if (n_bytes <= MOONS_IMAGES_BYTES) continue;
    dropped[i] = r->setups[i];
    r->setups[i] = NULL;
  }
  uv_mutex_unlock(&r->mutex);
  for (unsigned i = 0; i < MOONS_SETUPS_KEPT; i++)
    moons__setup_release(dropped[i]);
}

/* The set-up with these bytes, shared with jobs before that have the same. NULL: no memory. */
static moons__setup *share_setup(moons_runtime *r, const void *bytes, size_t n_bytes) {
  uint64_t hash = moons__hash(MOONS__HASH_START, bytes, n_bytes);
  moons__setup *setup = find_setup(r, hash, n_bytes);
  if (setup != NULL && moons__setup_is(setup, bytes, n_bytes, hash)) return setup;
  moons__setup_release(setup);
  setup = r->functions->runs_elsewhere ? moons__cargo_setup(r, bytes, n_bytes, hash)
                                       : moons__setup_new(r, bytes, n_bytes, hash);
  if (setup != NULL) keep_setup(r, setup);
  return setup;
}

moons__plan *moons__plan_make(moons_runtime *r, const moons__job_options *options,
                              const moons__luggage *luggage, moons__scope *scope, int is_foreign) {
  moons__setup *setup = luggage->setup != NULL
                            ? moons__setup_share(luggage->setup)
                            : share_setup(r, options->setup, options->setup_bytes);
  if (setup == NULL) return NULL;
  moons__plan *plan = moons__plan_new(options, setup, luggage, scope, is_foreign);
  moons__setup_release(setup);
  if (plan == NULL || !r->functions->runs_elsewhere) return plan;
  if (moons__place_tell(&plan->place) == 0 && moons__cargo_show_plan(plan) == 0) return plan;
  moons__plan_release(plan);
  return NULL;
}

/* The call in which the job is made, if any, is that of all its plans: its terms and limits hold for them, and its end ends
** them. */
static moons__plan *make_first_plan(moons_runtime *r, const moons__job_options *options,
                                    const moons__luggage *luggage) {
  moons__scope *scope;
  int is_foreign;
  moons__luggage own_luggage = *luggage;
  moons__job_options own = *options;
  if (moons__runtime_find_scope(r, &scope, &is_foreign)) return NULL;
  const moons__luggage *outer = moons__runtime_luggage(r);
  if (outer != NULL) own_luggage.terms = outer->terms;
  if (outer != NULL) own_luggage.call_data = outer->call_data;
  moons__terms_bound(own_luggage.terms, &own);
  moons__plan *plan = moons__plan_make(r, &own, &own_luggage, scope, is_foreign);
  moons__scope_release(scope);
  return plan;
}

/* As many as are asked for, but no more than the terms allow. In a worker process nobody knows how many of the others the
** program's calls have: a call there runs its maps by itself, in the place that it has. */
static unsigned max_running(const moons_runtime *r, const moons__plan *plan) {
  unsigned n_asked = plan->options.n_workers,
           n_most = moons__terms_of(plan->luggage.terms)->max_running;
  if (n_most > 0 && moons__runtime_is_served(r)) n_most = 1;
  unsigned n = n_asked > 0 ? n_asked : moons__runtime_workers(r);
  return n_most > 0 && n_most < n ? n_most : n;
}

/* The first few, as many as run at once: so a set-up is loaded, and its `init` run, on no more of them, and what a job keeps is where
** its next calls come. Those that have places may be any of the workers: the first few may be busy with other programs, or with calls
** that ask again and again whether these are done. */
unsigned moons__job_workers(const moons_job *job) {
  unsigned n_asked = job->plans[0]->options.n_workers, n = moons__runtime_workers(job->runtime);
  if (job->line == NULL) return job->chunks.max_running;
  return n_asked > n ? n_asked : n;
}

static void add_client(moons_job *job);

int moons_job_new(moons_job **job, moons_runtime *r, const moons__job_options *options) {
  moons__shortage shortage;
  return moons__job_make(job, r, options, &(moons__luggage){0}, &shortage);
}

/* Only a job that is made outside of calls adds workers: a map within a call uses those that there are. Depth is counted on
** this runtime for the workers, whose states are one for each depth, and with the parents' to bound the nesting. */
int moons__job_make(moons_job **job, moons_runtime *r, const moons__job_options *options,
                    const moons__luggage *luggage, moons__shortage *shortage) {
  *job = NULL;
  if (moons__runtime_is_forked(r)) return MOONS_EFORKED;
  unsigned depth = moons__runtime_own_depth(r);
  unsigned whole_depth = moons__runtime_depth(r);
  int is_outer = whole_depth == 0;
  if (whole_depth >= MOONS_MAX_DEPTH) return MOONS_EDEPTH;
  int error = depth > 0 ? 0 : moons__runtime_grow(r, options->n_workers, shortage);
  if (!error && is_outer) error = moons__runtime_check_open(r);
  if (error) return error;
  moons_job *new = moons__allocate_zeros(r, sizeof *new);
  if (new == NULL) return MOONS_ENOMEM;
  new->plans[0] = make_first_plan(r, options, luggage);
  if (new->plans[0] == NULL || uv_mutex_init(&new->mutex)) {
    moons__plan_release(new->plans[0]);
    moons__free(new);
    return MOONS_ENOMEM;
  }
  begin_use(new->plans[0]);
  new->n_plans = 1;
  new->runtime = r;
  new->depth = depth + 1;
  new->chunks.collect = options->collect;
  new->chunks.max_running = max_running(r, new->plans[0]);
  new->line = moons__line_find(r, new->plans[0]->luggage.terms);
  if (is_outer) add_client(new);
  *job = new;
  return 0;
}

const char *moons__job_take_unproved(moons_job *job) {
  return moons__setup_take_unproved(job->plans[0]->setup);
}

void moons__job_prove_after(moons_job *job, unsigned n_calls) {
  job->plans[0]->prove_after = n_calls;
}

/* What a chunk's bytes count with: the call that the job is part of. All plans of a job have its scope. */
static moons__budget *budget_of(const moons__chunk *chunk) {
  const moons_job *job = chunk->owner;
  return moons__scope_budget(job->plans[0]->scope);
}

static int count_bytes(moons__chunk *chunk, size_t n_bytes) {
  if (moons__budget_take(budget_of(chunk), n_bytes, 0)) return MOONS_ENOMEM;
  chunk->counted_bytes += n_bytes;
  return 0;
}

/* Takes bytes out of the chunk's count; returns how many of these were counted. */
static size_t uncount(moons__chunk *chunk, size_t n_bytes) {
  if (n_bytes > chunk->counted_bytes) n_bytes = chunk->counted_bytes;
  chunk->counted_bytes -= n_bytes;
  return n_bytes;
}

/* Gives the call back what is freed. */
static void uncount_bytes(moons__chunk *chunk, size_t n_bytes) {
  moons__budget_give(budget_of(chunk), uncount(chunk, n_bytes));
}

static void chunk_free(moons__chunk *chunk) {
  uncount_bytes(chunk, SIZE_MAX);
  moons__chunk_drop_arguments(chunk);
  moons__buffer_free(&chunk->results);
  moons__shared_list_release(chunk->given);
  moons__free(chunk);
}

moons__chunk_list moons__chunks_start(moons_job *job) {
  moons__chunk_list started = {0};
  moons__chunk *chunk;
  while ((chunk = moons__job_start(&job->chunks)) != NULL)
    moons__chunk_append(&started, chunk);
  if (job->line == NULL)
    atomic_fetch_add_explicit(&job->runtime->n_given, started.n, memory_order_relaxed);
  return started;
}

/* The backend has one of the job's no longer. Lines count what is theirs. Relaxed: it is a number to look at. */
static void count_back(const moons_job *job) {
  if (job->line == NULL) atomic_fetch_sub_explicit(&job->runtime->n_given, 1, memory_order_relaxed);
}

void moons__chunks_submit(moons_runtime *r, moons__chunk_list *started, int has_line) {
  moons__chunk *chunk;
  if (has_line) {
    moons__lines_put(r, started);
    return;
  }
  while ((chunk = moons__chunk_take(started)) != NULL)
    r->functions->submit(r->backend, chunk, NULL);
}

moons__chunk *moons__chunks_withdraw(moons_job *job) {
  if (job->chunks.running == NULL) return NULL;
  return job->runtime->functions->withdraw(job->runtime->backend, job->chunks.running);
}

/* Whom to ring when there is something new to take: they are shared under the mutex, which keeps them alive, and rung
** without it. */
typedef struct listeners {
  moons__waiter *waiter, *reader;
} listeners;

static listeners share_listeners(moons_job *job) {
  listeners l = {.waiter = moons__waiter_share(job->waiter)};
  if (job->queue != NULL) l.reader = moons__queue_put(job->queue, &job->news);
  return l;
}

static void ring(listeners l) {
  moons__waiter_ring(l.waiter);
  moons__waiter_ring(l.reader);
}

/* Takes back a chunk that no worker has begun, wherever it is, or returns NULL. The mutex is held. */
static moons__chunk *take_unbegun(moons_job *job) {
  moons__chunk *chunk = moons__chunks_withdraw(job), *running = job->chunks.running;
  if (job->line == NULL || running == NULL) return chunk;
  if (chunk == NULL) return moons__line_withdraw(job->line, running);
  moons__line_give_back(chunk);
  return chunk;
}

/* Frees the chunks of a stopped job that have not been begun. The mutex is held. `cancelled` goes first: a chunk that a worker
** takes in between then begins no call. Places that are given back wait for moons__lines_go_on. */
static void drop_waiting(moons_job *job) {
  moons__chunk *chunk;
  const moons_runtime *r = job->runtime;
  for (unsigned i = 0; i < job->n_plans; i++)
    atomic_store_explicit(&job->plans[i]->cancelled, 1, memory_order_relaxed);
  while ((chunk = take_unbegun(job)) != NULL) {
    moons__job_return(&job->chunks, chunk);
    count_back(job);
    chunk_free(chunk);
  }
  if (r->functions->stop != NULL && job->chunks.n_running > 0) r->functions->stop(r->backend, job);
  while ((chunk = moons__job_drop(&job->chunks)) != NULL)
    chunk_free(chunk);
}

/* Puts the calls of a chunk that were not made, because one before them was given up, into a chunk of their own, which is
** next. Without memory for that they count as lost. The mutex is held. */
static void put_rest(moons_job *job, moons__chunk *chunk) {
  if (!chunk->is_given_up || chunk->n_run == chunk->n_calls || chunk->bytes == NULL) return;
  moons__chunk *rest = moons__chunk_cut(chunk, chunk->n_run, chunk->bytes);
  if (rest == NULL) return;
  rest->n_tries = chunk->n_tries;
  rest->counted_bytes = uncount(chunk, chunk->n_bytes);
  chunk->bytes = NULL;
  chunk->n_bytes = 0;
  moons__job_put_rest(&job->chunks, rest);
}

/* The chunk whose call has run this one while it waited for it; NULL: none has, or it was given up together with this one, on another
** thread. */
static moons__chunk *outer_of(const moons_runtime *r, const moons__chunk *chunk) {
  if (chunk->has_place || r->functions->here == NULL) return NULL;
  const moons__station *station = r->functions->here(r->backend);
  return station != NULL ? station->chunk : NULL;
}

static void count_done(moons_runtime *r, moons__chunk *chunk) {
  moons__chunk *outer = chunk->line != NULL ? outer_of(r, chunk) : NULL;
  uv_mutex_lock(&r->mutex);
  moons__count_chunk(r, chunk);
  if (chunk->line != NULL) moons__line_done(chunk, outer);
  uv_mutex_unlock(&r->mutex);
}

/* Runs on the worker's thread or, where a call was given up, on the watcher's. The order:
**
** - Statistics first, so that whoever sees the results sees the calls counted.
** - What was not run is put back before the arguments are freed, which it takes over.
** - After unlocking, the job may be touched only where this was the last chunk of an orphan. An orphan was cancelled, so
**   nothing was started either, and nobody else knows it any more. */
static void chunk_done(moons__chunk *chunk) {
  moons_job *job = chunk->owner;
  moons_runtime *r = job->runtime;
  int has_line = job->line != NULL;
  moons__chunk_leave_scope(chunk);
  count_done(r, chunk);
  uv_mutex_lock(&job->mutex);
  put_rest(job, chunk);
  moons__chunk_drop_arguments(chunk);
  uncount_bytes(chunk, chunk->n_bytes);
  moons__job_finish(&job->chunks, chunk);
  count_back(job);
  if (job->chunks.stopped) drop_waiting(job);
  moons__chunk_list started = moons__chunks_start(job);
  int is_last = job->is_orphan && job->chunks.n_running == 0;
  listeners l = share_listeners(job);
  uv_mutex_unlock(&job->mutex);
  moons__chunks_submit(r, &started, has_line);
  ring(l);
  if (!is_last) return;
  while ((chunk = moons__job_take(&job->chunks)) != NULL)
    chunk_free(chunk);
  job_destroy(job);
}

/* Puts back calls that a worker has given away before it began them: they are next. On a thread of the backend. The chunk runs
** on, so the job stays. */
static void chunk_parted(moons__chunk *chunk, moons__chunk *rest) {
  moons_job *job = chunk->owner;
  uv_mutex_lock(&job->mutex);
  moons__job_put_rest(&job->chunks, rest);
  if (job->chunks.stopped) drop_waiting(job);
  moons__chunk_list started = moons__chunks_start(job);
  uv_mutex_unlock(&job->mutex);
  moons__chunks_submit(job->runtime, &started, job->line != NULL);
}

/* Stops it and ends what runs; then, without a lock, moons__lines_go_on is due. The mutex is held. */
static listeners cancel(moons_job *job) {
  moons_runtime *r = job->runtime;
  moons__job_stop(&job->chunks);
  drop_waiting(job);
  if (job->chunks.n_running > 0) r->functions->cancel(r->backend, job);
  return share_listeners(job);
}

static int is_under_way(const moons_job *job) {
  return job->chunks.waiting.n + job->chunks.n_running > 0;
}

static void go_on(const moons_job *job) {
  if (job->line != NULL) moons__lines_go_on(job->runtime);
}

/* What the close of the runtime leaves undone is no result. The mutex is held. */
static listeners end_for_close(moons_job *job) {
  job->is_closed = 1;
  return cancel(job);
}

int moons__job_is_forked(const moons_job *job) { return moons__runtime_is_forked(job->runtime); }

int moons_job_extend(moons_job *job, const void *setup, size_t setup_bytes) {
  return moons__job_extend(job, setup, setup_bytes, &(moons__luggage){0});
}

int moons__job_extend(moons_job *job, const void *setup, size_t setup_bytes,
                      const moons__luggage *luggage) {
  if (moons__job_is_forked(job)) return MOONS_EFORKED;
  if (job->n_plans == MOONS_SETUPS_PER_JOB) return MOONS_EINVAL;
  moons__job_options options = job->plans[0]->options;
  options.setup = setup;
  options.setup_bytes = setup_bytes;
  const moons__plan *first = job->plans[0];
  moons__luggage own = *luggage;
  own.terms = first->luggage.terms;
  own.call_data = first->luggage.call_data;
  moons__plan *plan =
      moons__plan_make(job->runtime, &options, &own, first->scope, first->is_foreign);
  if (plan == NULL) return MOONS_ENOMEM;
  begin_use(plan);
  plan->prove_after = first->prove_after;
  uv_mutex_lock(&job->mutex); /* `cancelled` changes under it, in all plans at once */
  atomic_init(&plan->cancelled, atomic_load(&job->plans[0]->cancelled));
  job->plans[job->n_plans++] = plan;
  uv_mutex_unlock(&job->mutex);
  return 0;
}

/* Why a chunk cannot be put, or 0 with memory for it. */
static int new_chunk(const moons_job *job, uint32_t n_calls, moons__chunk **chunk) {
  *chunk = NULL;
  if (moons__job_is_forked(job)) return MOONS_EFORKED;
  if (n_calls > MOONS_CHUNK_MAX_CALLS) return MOONS_EINVAL;
  *chunk = moons__allocate_zeros(job, sizeof **chunk);
  return *chunk != NULL ? 0 : MOONS_ENOMEM;
}

int moons__job_lends(const moons_job *job) {
  return job->runtime->lends && job->line == NULL && moons__runtime_depth(job->runtime) == 0;
}

int moons__job_lend(moons_job *job, int wants) {
  job->is_lent = wants && moons__job_lends(job);
  return job->is_lent;
}

int moons__job_help(moons_job *job) {
  const moons_runtime *r = job->runtime;
  if (!job->is_lent) return 0;
  uv_mutex_lock(&job->mutex);
  moons__chunk *chunk = moons__chunks_withdraw(job);
  uv_mutex_unlock(&job->mutex);
  if (chunk == NULL) return 0;
  if (r->functions->run_here(r->backend, chunk)) return 1;
  r->functions->submit(r->backend, chunk, NULL);
  return 0;
}

/* Runs the chunk that was put on this thread, where that is lent. Returns 0 where it does not. */
static int run_new(const moons_job *job, moons__chunk *chunk) {
  const moons_runtime *r = job->runtime;
  return job->is_lent && r->functions->run_here(r->backend, chunk);
}

/* Submits the chunk that was put, where it can run: whoever waits for it shall learn that no thread can be started. Returns
** that error, with the chunk dropped. */
static int submit_new(moons_job *job, moons__chunk_list *started, moons__shortage *shortage) {
  moons_runtime *r = job->runtime;
  moons__chunk *chunk = moons__chunk_take(started);
  if (chunk == NULL || run_new(job, chunk)) return 0;
  *shortage = (moons__shortage){.n_wanted = atomic_load(&r->n_started)};
  int error = job->line != NULL ? moons__line_put(chunk, &shortage->n_had)
                                : r->functions->submit(r->backend, chunk, &shortage->n_had);
  if (!error) return 0;
  uv_mutex_lock(&job->mutex);
  moons__job_return(&job->chunks, chunk);
  count_back(job);
  uv_mutex_unlock(&job->mutex);
  chunk_free(chunk);
  return error;
}

int moons_job_put(moons_job *job, uint64_t first, uint32_t n_calls, void *bytes, size_t n_bytes) {
  moons__shortage shortage;
  return moons__job_put_with(job, first, n_calls, bytes, n_bytes, NULL, &shortage);
}

/* Of the chunks of a job that may run, all have been started but that which comes now. */
int moons__job_put_with(moons_job *job, uint64_t first, uint32_t n_calls, void *bytes,
                        size_t n_bytes, moons__shared_list *shared, moons__shortage *shortage) {
  moons__chunk *chunk;
  listeners l = {0};
  int error = new_chunk(job, n_calls, &chunk);
  if (error) {
    moons__free(bytes);
    moons__shared_list_release(shared);
    return error;
  }
  chunk->owner = job;
  chunk->done = chunk_done;
  chunk->parted = chunk_parted;
  chunk->n_workers = moons__job_workers(job);
  chunk->depth = job->depth;
  chunk->line = job->line;
  chunk->plan = job->plans[job->n_plans - 1];
  chunk->first = first;
  chunk->n_calls = n_calls;
  chunk->bytes = bytes;
  chunk->n_bytes = n_bytes;
  chunk->shared = shared;
  if (job->runtime->functions->runs_elsewhere) moons__cargo_show(shared);
  moons__shared_list_begin_reading(shared);
  if (count_bytes(chunk, n_bytes)) {
    chunk_free(chunk);
    return MOONS_ENOMEM;
  }
  uv_mutex_lock(&job->mutex);
  if (moons__runtime_phase(job->runtime) >= MOONS__ENDING) l = end_for_close(job);
  int is_stopped = job->chunks.stopped;
  if (!is_stopped) moons__job_put(&job->chunks, chunk);
  moons__chunk_list started = moons__chunks_start(job);
  uv_mutex_unlock(&job->mutex);
  ring(l);
  if (!is_stopped) return submit_new(job, &started, shortage);
  go_on(job);
  chunk_free(chunk);
  return MOONS__ESTOPPED;
}

/* Gives what a finished chunk holds to the taker. */
static void hand_over(moons__chunk *from, moons_chunk *to, moons__shared_list **given, int is_cut) {
  *to = (moons_chunk){.first = from->first,
                      .n_calls = from->n_calls,
                      .bytes = from->results.bytes,
                      .n_bytes = from->results.n_bytes,
                      .is_cut = is_cut,
                      .busy_ns = from->busy_ns,
                      .host = from->host};
  from->results = (moons__buffer){0};
  *given = from->given;
  from->given = NULL;
  chunk_free(from);
}

/* None is in between: a chunk goes from one of these to the next under the mutex. */
unsigned moons__chunks_pending(const moons_job *job) {
  return job->chunks.waiting.n + job->chunks.n_running + job->chunks.finished.n;
}

/* News from before count too, or the queue's owner would wait for a job that has finished. */
void moons__job_report_to(moons_job *job, moons__queue *queue) {
  moons__waiter *reader = NULL;
  if (moons__job_is_forked(job)) return;
  uv_mutex_lock(&job->mutex);
  job->queue = queue;
  job->news.job = job;
  if (job->chunks.finished.n > 0) reader = moons__queue_put(queue, &job->news);
  uv_mutex_unlock(&job->mutex);
  moons__waiter_ring(reader);
}

/* One thread uses a job at a time, so what it has waited for is still there. */
int moons__job_take_ready(moons_job *job, moons_chunk *chunk, moons__shared_list **given) {
  uv_mutex_lock(&job->mutex);
  moons__chunk *finished = moons__job_take(&job->chunks);
  int is_cut = job->chunks.stopped;
  uv_mutex_unlock(&job->mutex);
  if (finished == NULL) return MOONS_EEND;
  hand_over(finished, chunk, given, is_cut);
  return 0;
}

int moons_job_take(moons_job *job, int64_t timeout_ns, moons_chunk *chunk) {
  moons__shared_list *given = NULL;
  int error = moons_job_wait(job, timeout_ns);
  if (!error) error = moons__job_take_ready(job, chunk, &given);
  moons__shared_list_release(given);
  return error;
}

unsigned moons_job_pending(moons_job *job) {
  if (moons__job_is_forked(job)) return 0;
  uv_mutex_lock(&job->mutex);
  unsigned n = moons__chunks_pending(job);
  uv_mutex_unlock(&job->mutex);
  return n;
}

unsigned moons_job_ready(moons_job *job) {
  if (moons__job_is_forked(job)) return 0;
  uv_mutex_lock(&job->mutex);
  unsigned n = job->chunks.finished.n;
  uv_mutex_unlock(&job->mutex);
  return n;
}

void moons_job_cancel(moons_job *job) {
  if (moons__job_is_forked(job)) return;
  uv_mutex_lock(&job->mutex);
  int was_under_way = is_under_way(job);
  listeners l = cancel(job);
  uv_mutex_unlock(&job->mutex);
  if (was_under_way) go_on(job);
  ring(l);
}

/* {== Closing the runtime ===================================================================== */

static int client_is_busy(moons__client *client) {
  moons_job *job = (moons_job *)(void *)client;
  uv_mutex_lock(&job->mutex);
  int busy = is_under_way(job);
  uv_mutex_unlock(&job->mutex);
  return busy;
}

/* An orphan was cancelled by its owner. Whoever closes goes on. */
static int client_end(moons__client *client) {
  moons_job *job = (moons_job *)(void *)client;
  listeners l = {0};
  uv_mutex_lock(&job->mutex);
  if (is_under_way(job) && !job->is_orphan) l = end_for_close(job);
  uv_mutex_unlock(&job->mutex);
  ring(l);
  return 0;
}

static void add_client(moons_job *job) {
  job->client = (moons__client){.is_busy = client_is_busy, .end = client_end};
  job->is_client = 1;
  moons__client_add(job->runtime, &job->client);
}

int moons__job_is_closed(moons_job *job) {
  if (moons__runtime_phase(job->runtime) < MOONS__ENDING) return 0;
  uv_mutex_lock(&job->mutex);
  int is_closed = job->is_closed;
  uv_mutex_unlock(&job->mutex);
  return is_closed;
}

/* Whether chunks still run is looked at under the same lock as the job becomes an orphan: either they end before, and it is
** destroyed here, or the last of them sees that it is one. */
void moons_job_free(moons_job *job) {
  if (job == NULL || moons__job_is_forked(job)) return;
  moons_job_cancel(job);
  uv_mutex_lock(&job->mutex);
  moons__chunk *chunk;
  while ((chunk = moons__job_take(&job->chunks)) != NULL)
    chunk_free(chunk);
  if (job->queue != NULL) moons__queue_remove(job->queue, &job->news);
  job->queue = NULL;
  int is_over = job->chunks.n_running == 0;
  job->is_orphan = 1;
  uv_mutex_unlock(&job->mutex);
  if (is_over) job_destroy(job);
}
