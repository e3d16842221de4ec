/*
** moons.h, but for Lua's part: runtimes and jobs, made of backends, workers and chunks.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "backend/backend.h"
#include "base/hash.h"
#include "moons.h"
#include "schedule/job.h"
#include "schedule/news.h"
#include "schedule/queue.h"
#include "schedule/runtime.h"
#include "sizes.h"
#include "system/child.h"
#include "system/console.h"
#include "system/fork.h"
#include "system/machine.h"
#include "system/spin.h"
#include "system/waiter.h"
#include "worker/interrupt.h"

/* What a runtime shares with the pools that scripts make on it. */
typedef struct commons {
  moons__budget states;  /* of all their states */
  atomic_uint n_threads; /* of pools that calls have made */
  moons__kept code;      /* of the module, compiled */
  moons__roster roster;  /* of all their workers */
  atomic_uint n_users;
} commons;

struct moons_runtime {
  const moons__backend_functions *functions;
  moons__backend *backend;
  moons_options options;
  unsigned fork_number; /* of the process that made it */
  commons *commons;
  const moons_runtime *parent; /* that a script, or a call, has made this one on; NULL: none */
  unsigned n_threads;          /* that count as those of pools of calls */
  moons__console *console;     /* NULL: the host takes what is printed */
  moons__children *children;
  atomic_uint n_started;    /* workers; only grows */
  moons__patience patience; /* of threads that wait for results */

  uv_mutex_t mutex; /* guards what follows */
  moons_stats stats;
  moons__setup *setups[MOONS_SETUPS_KEPT]; /* of the last jobs, the last one first; NULL: none */
};

/* Freed by its owner, or by the last of its chunks that runs when the owner has gone. */
struct moons_job {
  moons_runtime *runtime;
  moons__terms *terms[MOONS_SETUPS_PER_JOB]; /* as made, and as extended */
  unsigned n_terms;
  unsigned depth; /* 1, or one more than that of the call in which the job was made */

  uv_mutex_t mutex;      /* guards all that follows */
  moons__waiter *waiter; /* told of each chunk that finishes; NULL: nobody waits */
  moons__queue *queue;   /* the same, until the owner has gone; NULL: none */
  moons__news news;
  moons__job chunks;
  int is_orphan; /* the owner has gone */
};

const char *moons_version(void) { return MOONS_VERSION; }

const char *moons_error_text(int error) {
  switch (error) {
#define MOONS_ERROR_TEXT(name, code, text)                                                         \
  case MOONS_##name: return text;
    MOONS_ERRORS(MOONS_ERROR_TEXT)
#undef MOONS_ERROR_TEXT
  default: return error == 0 ? "no error" : "unknown error";
  }
}

unsigned moons_cpus(void) { return moons__machine_cpus(); }

uint64_t moons_clock_ns(void) { return uv_hrtime(); }

uint64_t moons_random_seed(void) {
  uint64_t seed = uv_hrtime();
  uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL); /* where it fails, the time has to do */
  return seed;
}

/* Runtimes. */

void moons_options_init(moons_options *options) {
  *options = (moons_options){.backend = "threads", .stack_bytes = MOONS_STACK_BYTES};
}

static const moons__backend_functions *find_backend(const char *name) {
  static const moons__backend_functions *const BACKENDS[] = {&moons__backend_threads,
                                                             &moons__backend_inline};
  for (size_t i = 0; i < sizeof BACKENDS / sizeof BACKENDS[0]; i++)
    if (name != NULL && strcmp(name, BACKENDS[i]->name) == 0) return BACKENDS[i];
  return NULL;
}

void moons__runtime_cancel_here(void) { moons__worker_cancel_here(); }

int moons__runtime_is_forked(const moons_runtime *r) {
  return r->fork_number != moons__fork_number();
}

int moons__runtime_has_backend(const char *name) { return find_backend(name) != NULL; }

/* Workers give their states the module, bound to this runtime. */
static void preload(struct lua_State *L, void *runtime) { moons_preload(L, runtime); }

/* Those of `parent`, or new ones. NULL: no memory. */
static commons *get_commons(const moons_runtime *parent, size_t states_bytes) {
  commons *c = parent != NULL ? parent->commons : calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  if (parent == NULL) c->states.max_bytes = states_bytes;
  if (parent == NULL) c->states.last_bytes = states_bytes / MOONS_LAST_SHARE;
  atomic_fetch_add_explicit(&c->n_users, 1, memory_order_relaxed);
  return c;
}

/* Releasing orders what each user did before what the last one frees. */
static void release_commons(commons *c) {
  if (atomic_fetch_sub_explicit(&c->n_users, 1, memory_order_acq_rel) > 1) return;
  moons__kept_free(&c->code);
  moons__roster_free(&c->roster);
  free(c);
}

/* The last that uses the runtime, a call that was given up included, has gone. */
static void runtime_destroy(void *data) {
  moons_runtime *r = data;
  moons__console_close(r->console);
  for (unsigned i = 0; i < MOONS_SETUPS_KEPT; i++)
    moons__setup_release(r->setups[i]);
  moons__children_release(r->children);
  moons__interrupt_close(r->options.stop_signal);
  atomic_fetch_sub(&r->commons->n_threads, r->n_threads);
  release_commons(r->commons);
  uv_mutex_destroy(&r->mutex);
  free(r);
}

static int open_backend(moons_runtime *r, unsigned *n_had) {
  int is_console = r->console != NULL || r->options.write == moons__console_write;
  moons__backend_config config = {
      .n_workers = r->options.n_workers,
      .n_cores = moons_cpus(),
      .stack_bytes = r->options.stack_bytes,
      .stop_signal = r->options.stop_signal,
      .worker = {.state_bytes = r->options.state_bytes,
                 .states = &r->commons->states,
                 .roster = &r->commons->roster,
                 .open = r->options.open,
                 .open_data = r->options.open_data,
                 .stop_signal = r->options.stop_signal,
                 .write = r->console != NULL ? moons__console_write : r->options.write,
                 .flush = is_console ? moons__console_flush : NULL,
                 .write_data = r->console != NULL ? r->console : r->options.write_data,
                 .children = r->children,
                 .preload = preload,
                 .preload_data = r},
      .gone = runtime_destroy,
      .gone_data = r,
  };
  config.n_had = n_had;
  return r->functions->open(&r->backend, &config);
}

static unsigned default_workers(void) {
  unsigned n_cores = moons_cpus();
  return n_cores < MOONS_MAX_WORKERS ? n_cores : MOONS_MAX_WORKERS;
}

static size_t default_states_bytes(void) {
  size_t n_bytes = moons__machine_memory() / MOONS_STATES_SHARE;
  return n_bytes > 0 ? n_bytes : MOONS_ARENA_BYTES;
}

/* What one state may hold is no more than what all may. */
static void default_bytes(moons_options *options) {
  if (options->states_bytes == 0) options->states_bytes = default_states_bytes();
  if (options->state_bytes == 0 || options->state_bytes > options->states_bytes)
    options->state_bytes = options->states_bytes;
}

/* The next runtime whose calls the calling thread may be in. A worker is in none but those of its own runtime, and may
** outlive the parent where it was given up. */
static const moons_runtime *next_of(const moons_runtime *r) {
  return r->parent == NULL || r->functions->is_worker(r->backend) ? NULL : r->parent;
}

/* How deep in calls the calling thread is, those of the parents' included: 0: in none. */
static unsigned depth_of(const moons_runtime *r) {
  unsigned depth = 0;
  for (; r != NULL; r = next_of(r))
    depth += r->functions->depth(r->backend);
  return depth;
}

/* Whether a call that the calling thread runs is to end. */
static int is_ending(const moons_runtime *r) {
  for (; r != NULL; r = next_of(r))
    if (r->functions->is_ending(r->backend)) return 1;
  return 0;
}

/* The innermost call that the calling thread runs, NULL in none. Returns 0 or MOONS_ENOMEM. */
static int find_scope(const moons_runtime *r, moons__scope **scope, int *is_foreign) {
  *scope = NULL;
  *is_foreign = 0;
  for (const moons_runtime *own = r; r != NULL; r = next_of(r))
    if (r->functions->depth(r->backend) > 0) {
      *scope = r->functions->scope(r->backend);
      *is_foreign = r != own;
      return *scope != NULL ? 0 : MOONS_ENOMEM;
    }
  return 0;
}

const char *moons__shortage_text(const moons__shortage *s, char text[MOONS__SHORTAGE_BYTES]) {
  if (s->is_bound) {
    snprintf(
        text, MOONS__SHORTAGE_BYTES,
        "too many workers: the pools of all calls may have %u threads together, and %u workers "
        "more are too many; close pools, or make maps in the call, which use the workers that "
        "there are",
        MOONS_POOL_THREADS, s->n_wanted);
    return text;
  }
  snprintf(
      text, MOONS__SHORTAGE_BYTES,
      "%s: of %u workers the system has room for %u; use fewer, or raise its limits of threads "
      "(ulimit -u) and of address space (ulimit -v)",
      moons_error_text(MOONS_ETHREAD), s->n_wanted, s->n_had);
  return text;
}

/* What the runtime has of the process. */
static int open_process(moons_runtime *r) {
  if (uv_mutex_init(&r->mutex)) return MOONS_ENOMEM;
  int error = moons__interrupt_open(r->options.stop_signal);
  if (error) uv_mutex_destroy(&r->mutex);
  return error;
}

/* Calls within calls could make pools without end. Counts the threads of one that a call makes: its workers, and the one that
** looks after them. */
static int count_threads(moons_runtime *r) {
  moons__scope *scope;
  int is_foreign, error = find_scope(r->parent, &scope, &is_foreign);
  if (error || scope == NULL) return error;
  moons__scope_release(scope);
  unsigned n = r->functions->runs_when_asked ? 1 : r->options.n_workers + 1;
  r->n_threads = n;
  return atomic_fetch_add(&r->commons->n_threads, n) + n > MOONS_POOL_THREADS ? MOONS_ETHREAD : 0;
}

/* The parts of it that runtime_destroy takes back. */
static int open_parts(moons_runtime *r, const moons_runtime *parent) {
  r->commons = get_commons(parent, r->options.states_bytes);
  if (r->commons == NULL) return MOONS_ENOMEM;
  int error = open_process(r);
  if (error) release_commons(r->commons);
  return error;
}

/* What workers share, and then the workers. */
static int open_workers(moons_runtime *r, const moons_runtime *parent, unsigned *n_had) {
  int error = r->options.write == NULL ? moons__console_open(&r->console) : 0;
  if (error) return error;
  if (parent != NULL)
    r->children = moons__children_share(parent->children);
  else
    error = moons__children_open(&r->children);
  return error ? error : open_backend(r, n_had);
}

int moons_runtime_new(moons_runtime **runtime, const moons_options *options) {
  moons__shortage shortage;
  moons_options defaults;
  if (options == NULL) moons_options_init(&defaults);
  return moons__runtime_make(runtime, options == NULL ? &defaults : options, NULL, &shortage);
}

int moons__runtime_make(moons_runtime **runtime, const moons_options *options,
                        const moons_runtime *parent, moons__shortage *shortage) {
  *runtime = NULL;
  const moons__backend_functions *functions = find_backend(options->backend);
  unsigned n_workers = options->n_workers > 0 ? options->n_workers : default_workers();
  if (functions == NULL || n_workers > MOONS_MAX_WORKERS || options->stack_bytes > SIZE_MAX / 2)
    return MOONS_EINVAL;
  moons_runtime *r = calloc(1, sizeof *r);
  if (r == NULL) return MOONS_ENOMEM;
  r->functions = functions;
  r->fork_number = moons__fork_number();
  r->parent = parent;
  r->options = *options;
  r->options.backend = functions->name;
  if (r->options.stack_bytes == 0) r->options.stack_bytes = MOONS_STACK_BYTES;
  if (r->options.stack_bytes < MOONS_STACK_MIN_BYTES)
    r->options.stack_bytes = MOONS_STACK_MIN_BYTES;
  r->options.n_workers = n_workers;
  default_bytes(&r->options);
  atomic_init(&r->n_started, n_workers);
  int error = open_parts(r, parent);
  if (error) {
    free(r);
    return error;
  }
  *shortage = (moons__shortage){.n_wanted = n_workers};
  error = count_threads(r);
  shortage->is_bound = error == MOONS_ETHREAD;
  if (!error) error = open_workers(r, parent, &shortage->n_had);
  if (error) {
    runtime_destroy(r);
    return error;
  }
  *runtime = r;
  return 0;
}

void moons_runtime_free(moons_runtime *r) {
  if (r != NULL && !moons__runtime_is_forked(r)) r->functions->close(r->backend);
}

unsigned moons_runtime_workers(const moons_runtime *r) { return r->options.n_workers; }

const moons_options *moons_runtime_options(const moons_runtime *r) { return &r->options; }

const moons__roster *moons__runtime_share_roster(const moons_runtime *r) {
  atomic_fetch_add_explicit(&r->commons->n_users, 1, memory_order_relaxed);
  return &r->commons->roster;
}

moons__kept *moons__runtime_code(const moons_runtime *r) { return &r->commons->code; }

moons__console *moons__runtime_console(const moons_runtime *r) { return r->console; }

moons__children *moons__runtime_children(const moons_runtime *r) { return r->children; }

void moons_runtime_stats(moons_runtime *r, moons_stats *stats) {
  *stats = (moons_stats){.n_workers = 0};
  if (moons__runtime_is_forked(r)) return;
  uv_mutex_lock(&r->mutex);
  *stats = r->stats;
  uv_mutex_unlock(&r->mutex);
  stats->n_workers = atomic_load(&r->n_started);
}

static void count(moons_runtime *r, const moons__work *chunk) {
  const moons__task *task = &chunk->task;
  uv_mutex_lock(&r->mutex);
  r->stats.n_done += task->n_run;
  r->stats.n_failed += task->n_failed;
  r->stats.n_retried += task->n_retried;
  r->stats.n_lost += task->n_lost;
  r->stats.n_restored += task->n_restored;
  r->stats.busy_ns += chunk->busy_ns;
  r->stats.sent_bytes += task->n_bytes;
  r->stats.received_bytes += task->results.n_bytes;
  uv_mutex_unlock(&r->mutex);
}

/* Adds workers where a job asks for more than there are. */
static int grow(moons_runtime *r, unsigned n_workers, moons__shortage *shortage) {
  if (n_workers > MOONS_MAX_WORKERS) return MOONS_EINVAL;
  unsigned n_started = atomic_load(&r->n_started);
  if (n_workers <= n_started) return 0;
  *shortage = (moons__shortage){.n_wanted = n_workers};
  int error = r->functions->grow(r->backend, n_workers, &shortage->n_had);
  if (error) return error;
  while (n_started < n_workers &&
         !atomic_compare_exchange_weak(&r->n_started, &n_started, n_workers))
    ;
  return 0;
}

/* Jobs. */

void moons_job_options_init(moons_job_options *options) {
  *options = (moons_job_options){.fresh = 1};
}

static void job_destroy(moons_job *job) {
  uv_mutex_destroy(&job->mutex);
  for (unsigned i = 0; i < job->n_terms; i++)
    moons__terms_release(job->terms[i]);
  free(job);
}

/* The set-up of an earlier job with this hash and size, shared, or NULL. */
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
** are too large together. */
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
  setup = moons__setup_new(bytes, n_bytes, hash);
  if (setup != NULL) keep_setup(r, setup);
  return setup;
}

static moons__terms *make_terms(moons_runtime *r, const moons_job_options *options,
                                moons__scope *scope, int is_foreign) {
  moons__setup *setup = share_setup(r, options->setup, options->setup_bytes);
  if (setup == NULL) return NULL;
  moons__terms *terms = moons__terms_new(options, setup, scope, is_foreign);
  moons__setup_release(setup);
  return terms;
}

static moons__terms *make_first_terms(moons_runtime *r, const moons_job_options *options) {
  moons__scope *scope;
  int is_foreign;
  if (find_scope(r, &scope, &is_foreign)) return NULL;
  moons__terms *terms = make_terms(r, options, scope, is_foreign);
  moons__scope_release(scope);
  return terms;
}

int moons_job_new(moons_job **job, moons_runtime *r, const moons_job_options *options) {
  moons__shortage shortage;
  return moons__job_make(job, r, options, &shortage);
}

int moons__job_make(moons_job **job, moons_runtime *r, const moons_job_options *options,
                    moons__shortage *shortage) {
  *job = NULL;
  if (moons__runtime_is_forked(r)) return MOONS_EFORKED;
  unsigned depth = r->functions->depth(r->backend);
  if (depth_of(r) >= MOONS_MAX_DEPTH) return MOONS_EDEPTH;
  int error = depth > 0 ? 0 : grow(r, options->n_workers, shortage);
  if (error) return error;
  moons_job *new = calloc(1, sizeof *new);
  if (new == NULL) return MOONS_ENOMEM;
  new->terms[0] = make_first_terms(r, options);
  if (new->terms[0] == NULL || uv_mutex_init(&new->mutex)) {
    moons__terms_release(new->terms[0]);
    free(new);
    return MOONS_ENOMEM;
  }
  new->n_terms = 1;
  new->runtime = r;
  new->depth = depth + 1;
  new->chunks.collect = options->collect;
  new->chunks.max_running = options->n_workers > 0 ? options->n_workers : moons_runtime_workers(r);
  *job = new;
  return 0;
}

/* What a chunk's bytes count with: the call that the job is part of. */
static moons__budget *budget_of(const moons__work *chunk) {
  const moons_job *job = chunk->owner;
  return moons__scope_budget(job->terms[0]->scope);
}

static int count_bytes(moons__work *chunk, size_t n_bytes) {
  if (moons__budget_take(budget_of(chunk), n_bytes, 0)) return MOONS_ENOMEM;
  chunk->task.counted_bytes += n_bytes;
  return 0;
}

/* They are freed. */
static void uncount_bytes(moons__work *chunk, size_t n_bytes) {
  if (n_bytes > chunk->task.counted_bytes) n_bytes = chunk->task.counted_bytes;
  moons__budget_give(budget_of(chunk), n_bytes);
  chunk->task.counted_bytes -= n_bytes;
}

static void chunk_free(moons__work *chunk) {
  uncount_bytes(chunk, SIZE_MAX);
  free(chunk->task.bytes);
  moons__buffer_free(&chunk->task.results);
  free(chunk);
}

/* Takes the chunks that are to run into a list. The mutex is held; it is not when they are submitted,
** for who is woken up then will want it. */
static moons__work_list start_chunks(moons_job *job) {
  moons__work_list started = {0};
  moons__work *chunk;
  while ((chunk = moons__job_start(&job->chunks)) != NULL)
    moons__work_append(&started, chunk);
  return started;
}

static void submit_all(moons_runtime *r, moons__work_list *started) {
  moons__work *chunk;
  while ((chunk = moons__work_take(started)) != NULL)
    r->functions->submit(r->backend, chunk);
}

/* Takes back a chunk that was submitted and has not been begun, or NULL. The mutex is held. */
static moons__work *withdraw(moons_job *job) {
  if (job->chunks.running == NULL) return NULL;
  return job->runtime->functions->withdraw(job->runtime->backend, job->chunks.running);
}

/* Whom to ring for there is something new to take. The mutex is held; it is not when they are rung. */
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

/* Frees the chunks of a stopped job that have not been begun. The mutex is held. */
static void drop_waiting(moons_job *job) {
  moons__work *chunk;
  for (unsigned i = 0; i < job->n_terms; i++)
    atomic_store_explicit(&job->terms[i]->cancelled, 1, memory_order_relaxed);
  while ((chunk = withdraw(job)) != NULL) {
    moons__job_return(&job->chunks, chunk);
    chunk_free(chunk);
  }
  while ((chunk = moons__job_drop(&job->chunks)) != NULL)
    chunk_free(chunk);
}

/* Puts the calls of a chunk that were not made, for one before them was given up, into a chunk of
** their own, which is next. Without memory for that they count as lost. The mutex is held. */
static void put_rest(moons_job *job, moons__work *chunk) {
  moons__task *task = &chunk->task;
  if (!task->is_given_up || task->n_run == task->n_calls || task->bytes == NULL) return;
  moons__work *rest = calloc(1, sizeof *rest);
  if (rest == NULL) return;
  *rest = *chunk;
  rest->task = (moons__task){.terms = task->terms,
                             .first = task->first + task->n_run,
                             .n_calls = task->n_calls - task->n_run,
                             .n_skipped = task->n_skipped + task->n_run,
                             .n_tries = task->n_tries,
                             .bytes = task->bytes,
                             .n_bytes = task->n_bytes};
  task->n_calls = task->n_run;
  task->bytes = NULL;
  moons__job_put_rest(&job->chunks, rest);
}

/* Runs on the worker's thread, or where a call was given up, on that which watches. */
static void chunk_done(moons__work *chunk) {
  moons_job *job = chunk->owner;
  moons_runtime *r = job->runtime;
  count(r, chunk);
  uv_mutex_lock(&job->mutex);
  put_rest(job, chunk);
  free(chunk->task.bytes);
  chunk->task.bytes = NULL;
  uncount_bytes(chunk, chunk->task.n_bytes);
  moons__job_finish(&job->chunks, chunk);
  if (job->chunks.stopped) drop_waiting(job);
  moons__work_list started = start_chunks(job);
  int is_last = job->is_orphan && job->chunks.n_running == 0;
  listeners l = share_listeners(job);
  uv_mutex_unlock(&job->mutex);
  submit_all(r, &started);
  ring(l);
  if (!is_last) return;
  while ((chunk = moons__job_take(&job->chunks)) != NULL)
    chunk_free(chunk);
  job_destroy(job);
}

/* In the child of a fork somebody may have had a lock of the job who is not there. */
static int is_forked(const moons_job *job) { return moons__runtime_is_forked(job->runtime); }

int moons_job_extend(moons_job *job, const void *setup, size_t setup_bytes) {
  if (is_forked(job)) return MOONS_EFORKED;
  if (job->n_terms == MOONS_SETUPS_PER_JOB) return MOONS_EINVAL;
  moons_job_options options = job->terms[0]->options;
  options.setup = setup;
  options.setup_bytes = setup_bytes;
  const moons__terms *first = job->terms[0];
  moons__terms *terms = make_terms(job->runtime, &options, first->scope, first->is_foreign);
  if (terms == NULL) return MOONS_ENOMEM;
  uv_mutex_lock(&job->mutex); /* cancelled changes under it */
  atomic_init(&terms->cancelled, atomic_load(&job->terms[0]->cancelled));
  job->terms[job->n_terms++] = terms;
  uv_mutex_unlock(&job->mutex);
  return 0;
}

/* Why a chunk cannot be put, or 0 with memory for it. */
static int new_chunk(const moons_job *job, uint32_t n_calls, moons__work **chunk) {
  *chunk = NULL;
  if (is_forked(job)) return MOONS_EFORKED;
  if (n_calls > MOONS_CHUNK_MAX_CALLS) return MOONS_EINVAL;
  *chunk = calloc(1, sizeof **chunk);
  return *chunk != NULL ? 0 : MOONS_ENOMEM;
}

int moons_job_put(moons_job *job, uint64_t first, uint32_t n_calls, void *bytes, size_t n_bytes) {
  moons__work *chunk;
  int error = new_chunk(job, n_calls, &chunk);
  if (error) {
    free(bytes);
    return error;
  }
  chunk->owner = job;
  chunk->done = chunk_done;
  chunk->n_workers = job->chunks.max_running;
  chunk->depth = job->depth;
  chunk->task =
      (moons__task){.terms = job->terms[job->n_terms - 1], .first = first, .n_calls = n_calls};
  chunk->task.bytes = bytes;
  chunk->task.n_bytes = n_bytes;
  if (count_bytes(chunk, n_bytes)) {
    chunk_free(chunk);
    return MOONS_ENOMEM;
  }
  uv_mutex_lock(&job->mutex);
  int is_stopped = job->chunks.stopped;
  if (!is_stopped) moons__job_put(&job->chunks, chunk);
  moons__work_list started = start_chunks(job);
  uv_mutex_unlock(&job->mutex);
  submit_all(job->runtime, &started);
  if (is_stopped) chunk_free(chunk);
  return is_stopped ? MOONS_ESTOPPED : 0;
}

/* Gives what a finished chunk holds to the taker. */
static void hand_over(moons__work *work, moons_chunk *chunk, int is_cut) {
  *chunk = (moons_chunk){.first = work->task.first,
                         .n_calls = work->task.n_calls,
                         .bytes = work->task.results.bytes,
                         .n_bytes = work->task.results.n_bytes,
                         .is_cut = is_cut,
                         .busy_ns = work->busy_ns};
  work->task.results = (moons__buffer){0};
  chunk_free(work);
}

static unsigned pending(const moons_job *job) {
  return job->chunks.waiting.n + job->chunks.n_running + job->chunks.finished.n;
}

/* Runs one chunk of the job on this thread, where it can and one waits. Returns 1 where it did. */
static int run_one(moons_job *job) {
  moons_runtime *r = job->runtime;
  int can = r->functions->can_run(r->backend);
  if (can != 1) return can;
  uv_mutex_lock(&job->mutex);
  moons__work *chunk = withdraw(job);
  uv_mutex_unlock(&job->mutex);
  if (chunk == NULL) return 0;
  r->functions->run(r->backend, chunk);
  return 1;
}

/* Waiting. */

/* Waits to be rung until `deadline_ns`, at first busily where that pays. Returns 0 or MOONS_ETIMEDOUT. */
static int wait_on(moons_runtime *r, moons__waiter *w, uint64_t deadline_ns) {
  uint64_t start_ns = uv_hrtime();
  int spins = moons__spin_pays(&r->patience) && r->functions->has_idle_core(r->backend);
  if (spins) r->functions->make_way(r->backend);
  int error = moons__waiter_wait(w, deadline_ns, spins);
  moons__spin_learn(&r->patience, uv_hrtime() - start_ns);
  return error;
}

static void set_waiter(moons_job *job, moons__waiter *w) {
  uv_mutex_lock(&job->mutex);
  job->waiter = w;
  uv_mutex_unlock(&job->mutex);
}

/* Whether there is something to take, or nothing more is to come. */
static int is_ready(moons_job *job) {
  uv_mutex_lock(&job->mutex);
  int ready = job->chunks.finished.n > 0 || pending(job) == 0;
  uv_mutex_unlock(&job->mutex);
  return ready;
}

static uint64_t deadline_after(int64_t timeout_ns) {
  return timeout_ns < 0 ? UINT64_MAX : uv_hrtime() + (uint64_t)timeout_ns;
}

/* Has workers of the job that have nothing to do share the calls that others have not begun. */
static void share_calls(moons_job *job) {
  moons_runtime *r = job->runtime;
  moons__work *rest;
  uv_mutex_lock(&job->mutex);
  for (unsigned n = moons__job_idle(&job->chunks); n > 0; n--) {
    if ((rest = r->functions->share(r->backend, job, n + 1)) == NULL) break;
    moons__job_put_rest(&job->chunks, rest);
  }
  moons__work_list started = start_chunks(job);
  uv_mutex_unlock(&job->mutex);
  submit_all(r, &started);
}

/* Waits as wait_on does; the job's calls are shared after some time, and then now and then. */
static int wait_and_share(moons_job *job, moons__waiter *w, uint64_t deadline_ns) {
  moons_runtime *r = job->runtime;
  uint64_t patience_ns = MOONS_SHARE_NS, share_ns;
  while ((share_ns = uv_hrtime() + patience_ns) < deadline_ns) {
    if (wait_on(r, w, share_ns) == 0) return 0;
    share_calls(job);
    patience_ns = MOONS_LOOK_NS;
  }
  return wait_on(r, w, deadline_ns);
}

/* Waits until rung, `deadline_ns`, or, in a call, a moment has passed: it may have been told to end.
** Returns 0, MOONS_ETIMEDOUT or MOONS_ESTOPPED. */
static int wait_in(moons_job *job, moons__waiter *w, uint64_t deadline_ns) {
  moons_runtime *r = job->runtime;
  if (depth_of(r) == 0) return wait_and_share(job, w, deadline_ns);
  uint64_t moment_ns = uv_hrtime() + MOONS_LOOK_NS;
  if (moment_ns > deadline_ns) moment_ns = deadline_ns;
  int error = wait_and_share(job, w, moment_ns);
  if (is_ending(r)) return MOONS_ESTOPPED;
  return moment_ns < deadline_ns ? 0 : error;
}

/* Runs a chunk of the job on this thread, or waits to be rung. Returns 0, MOONS_ETIMEDOUT or another error. */
static int run_or_wait(moons_job *job, moons__waiter *w, uint64_t deadline_ns) {
  moons_runtime *r = job->runtime;
  int ran = run_one(job);
  if (ran < 0) return ran;
  if (ran == 0) return wait_in(job, w, deadline_ns);
  return is_ending(r) ? MOONS_ESTOPPED : 0;
}

static int wait_for(moons_job *job, uint64_t deadline_ns) {
  int error = 0;
  moons__waiter *w = moons__waiter_new();
  if (w == NULL) return MOONS_ENOMEM;
  set_waiter(job, w);
  while (!error && !is_ready(job))
    error = run_or_wait(job, w, deadline_ns);
  set_waiter(job, NULL);
  moons__waiter_release(w);
  return error == MOONS_ETIMEDOUT && is_ready(job) ? 0 : error;
}

static int wait_for_chunk(moons_job *job, int64_t timeout_ns) {
  if (is_ready(job)) return 0;
  if (timeout_ns != 0) return wait_for(job, deadline_after(timeout_ns));
  if (!job->runtime->functions->runs_when_asked) return MOONS_ETIMEDOUT;
  int ran = run_one(job);
  return ran < 0 ? ran : is_ready(job) ? 0 : MOONS_ETIMEDOUT;
}

/* Calls that end with the one that waits for them are not taken for its results. */
int moons_job_wait(moons_job *job, int64_t timeout_ns) {
  if (is_forked(job)) return MOONS_EFORKED;
  int error = wait_for_chunk(job, timeout_ns);
  return is_ending(job->runtime) ? MOONS_ESTOPPED : error;
}

void moons__job_report_to(moons_job *job, moons__queue *queue) {
  moons__waiter *reader = NULL;
  if (is_forked(job)) return;
  uv_mutex_lock(&job->mutex);
  job->queue = queue;
  job->news.job = job;
  if (job->chunks.finished.n > 0) reader = moons__queue_put(queue, &job->news);
  uv_mutex_unlock(&job->mutex);
  moons__waiter_ring(reader);
}

int moons__queue_next(moons__queue *queue, moons_job *awaited, int64_t timeout_ns,
                      moons_job **job) {
  uint64_t deadline_ns = deadline_after(timeout_ns);
  int error = timeout_ns == 0 ? MOONS_ETIMEDOUT : 0;
  while ((*job = moons__queue_take(queue)) == NULL && !error)
    error = run_or_wait(awaited, moons__queue_waiter(queue), deadline_ns);
  if (*job != NULL && is_ending((*job)->runtime)) return MOONS_ESTOPPED;
  return *job != NULL ? 0 : error;
}

int moons_job_take(moons_job *job, int64_t timeout_ns, moons_chunk *chunk) {
  int error = moons_job_wait(job, timeout_ns);
  if (error) return error;
  uv_mutex_lock(&job->mutex);
  moons__work *work = moons__job_take(&job->chunks);
  int is_cut = job->chunks.stopped;
  uv_mutex_unlock(&job->mutex);
  if (work == NULL) return MOONS_EEND;
  hand_over(work, chunk, is_cut);
  return 0;
}

unsigned moons_job_pending(moons_job *job) {
  if (is_forked(job)) return 0;
  uv_mutex_lock(&job->mutex);
  unsigned n = pending(job);
  uv_mutex_unlock(&job->mutex);
  return n;
}

unsigned moons_job_ready(moons_job *job) {
  if (is_forked(job)) return 0;
  uv_mutex_lock(&job->mutex);
  unsigned n = job->chunks.finished.n;
  uv_mutex_unlock(&job->mutex);
  return n;
}

void moons_job_cancel(moons_job *job) {
  moons_runtime *r = job->runtime;
  if (is_forked(job)) return;
  uv_mutex_lock(&job->mutex);
  moons__job_stop(&job->chunks);
  drop_waiting(job);
  if (job->chunks.n_running > 0) r->functions->cancel(r->backend, job);
  listeners l = share_listeners(job);
  uv_mutex_unlock(&job->mutex);
  ring(l);
}

void moons_job_free(moons_job *job) {
  if (job == NULL || is_forked(job)) return;
  moons_job_cancel(job);
  uv_mutex_lock(&job->mutex);
  moons__work *chunk;
  while ((chunk = moons__job_take(&job->chunks)) != NULL)
    chunk_free(chunk);
  if (job->queue != NULL) moons__queue_remove(job->queue, &job->news);
  job->queue = NULL;
  int is_over = job->chunks.n_running == 0;
  job->is_orphan = 1;
  uv_mutex_unlock(&job->mutex);
  if (is_over) job_destroy(job);
}
