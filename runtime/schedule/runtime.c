/*
** Runtimes: made of a backend and what its workers share. One that a script or a call makes has a parent, with which it
** shares what all of them may hold together (`commons`). What a runtime has is freed when its backend has gone, and that may be
** long after moons_runtime_free: where a call was given up, when that call ends. So nothing here is freed by close itself.
*/
#include "schedule/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/agent.h"
#include "backend/serve.h"
#include "base/allocate.h"
#include "base/sized.h"
#include "schedule/inside.h"
#include "system/fork.h"
#include "system/machine.h"
#include "system/thread.h"
#include "worker/interrupt.h"

const char *moons_version(void) { return MOONS_VERSION; }

int moons_version_number(void) { return MOONS_VERSION_NUMBER; }

/* Runtimes. */

void moons_options_init_sized(moons_options *options, size_t struct_bytes) {
  moons_options all = {.backend = MOONS_THREADS};
  moons__sized_fill(options, struct_bytes, &all, sizeof all);
}

/* All backends there are. A new one has its row here. */
static const moons__backend_functions *const BACKENDS[] = {&moons__backend_threads,
                                                           &moons__backend_inline,
                                                           &moons__backend_processes,
                                                           &moons__backend_hosts,
                                                           &moons__backend_mpi,
                                                           &moons__backend_lent,
                                                           NULL};

static const moons__backend_functions *find_backend(moons_backend backend) {
  unsigned i = 0;
  while (BACKENDS[i] != NULL && BACKENDS[i]->backend != backend)
    i++;
  return BACKENDS[i];
}

int moons__backend_of_name(const char *name, moons_backend *backend) {
  unsigned i = 0;
  while (BACKENDS[i] != NULL && strcmp(BACKENDS[i]->name, name) != 0)
    i++;
  if (BACKENDS[i] == NULL || BACKENDS[i]->lend != NULL) return 0; /* only a host has such threads */
  *backend = BACKENDS[i]->backend;
  return 1;
}

void moons__runtime_cancel_here(void) { moons__worker_cancel_here(); }

int moons__runtime_is_forked(const moons_runtime *r) {
  return r->fork_number != moons__fork_number();
}

/* Workers give their states the module, bound to this runtime. They get a function for it, since their floor knows neither
** runtimes nor the module. */
static void preload(struct lua_State *L, void *runtime) { moons__preload(L, runtime); }

/* Those of `parent`, or new ones. NULL: no memory. A parent is a user itself, so the count cannot fall to 0 meanwhile. */
static commons *get_commons(const moons_runtime *r, const moons__surroundings *around) {
  const moons_runtime *parent = r->parent;
  size_t states_bytes = r->options.states_bytes;
  commons *c = parent != NULL ? parent->commons : moons__allocate_zeros(r, sizeof *c);
  if (c == NULL) return NULL;
  if (parent == NULL && uv_mutex_init(&c->closing.mutex)) {
    moons__free(c);
    return NULL;
  }
  if (parent == NULL) c->trace = around->trace;
  if (parent == NULL) c->world = around->world;
  if (parent == NULL) c->kept.beside = c;
  if (parent == NULL) c->states.max_bytes = states_bytes;
  if (parent == NULL) c->states.last_bytes = states_bytes / MOONS_LAST_SHARE;
  atomic_fetch_add_explicit(&c->n_users, 1, memory_order_relaxed);
  return c;
}

/* Releasing orders what each user did before what the last one frees. */
static void release_commons(commons *c) {
  if (atomic_fetch_sub_explicit(&c->n_users, 1, memory_order_acq_rel) > 1) return;
  moons__kept_free(&c->kept);
  moons__roster_free(&c->roster);
  uv_mutex_destroy(&c->closing.mutex);
  moons__free(c);
}

static void free_runtime(moons_runtime *r) {
  moons__free(r->program);
  moons__free(r->thread_name);
  moons__free(r->hosts);
  moons__free(r->launch);
  moons__free(r);
}

/* Called when the last that uses the runtime has gone, a call that was given up included; also in place of that by a making
** that fails. Each close accepts what is not there. */
static void runtime_destroy(void *data) {
  moons_runtime *r = data;
  if (r->parent == NULL) moons__console_close(r->console);
  for (unsigned i = 0; i < MOONS_SETUPS_KEPT; i++)
    moons__setup_release(r->setups[i]);
  moons__children_release(r->children);
  moons__interrupt_close(r->options.stop_signal);
  atomic_fetch_sub(&r->commons->n_threads, r->n_threads);
  atomic_fetch_sub(&r->commons->n_brought, atomic_load(&r->n_brought));
  release_commons(r->commons);
  uv_mutex_destroy(&r->mutex);
  free_runtime(r);
}

/* `wanted` of the backend. */
static void want(void *runtime) {
  moons_runtime *r = runtime;
  moons__telling here;
  moons__telling_begin(r, &here);
  r->options.wanted(r->options.wanted_data);
  moons__telling_end(r, &here);
}

static int open_backend(moons_runtime *r, unsigned *n_had) {
  moons__backend_config config = {
      .n_workers = r->options.n_workers,
      .n_wanted = r->n_wanted,
      .n_cores = moons_cpus(),
      .n_told_cores = r->n_cores,
      .is_served = r->is_served,
      .max_lost = r->options.max_lost,
      .n_lost = &r->commons->n_lost,
      .stack_bytes = r->options.stack_bytes,
      .stop_signal = r->options.stop_signal,
      .program = r->options.program,
      .hosts = r->options.hosts,
      .launch = r->options.launch,
      .world = r->commons->world,
      .host_states_bytes = r->host_states_bytes,
      .wanted = r->options.wanted != NULL ? want : NULL,
      .wanted_data = r,
      .thread_name = r->thread_name,
      .thread = r->options.thread,
      .thread_data = r->options.thread_data,
      .worker = {.beside = r->commons,
                 .state_bytes = r->options.states_bytes,
                 .images_bytes = r->options.images_bytes,
                 .states = &r->commons->states,
                 .trace = r->commons->trace,
                 .pool = atomic_fetch_add(&r->commons->n_pools, 1),
                 .seats = &r->commons->seats,
                 .roster = &r->commons->roster,
                 .stop_signal = r->options.stop_signal,
                 .write = r->write,
                 .flush = r->console != NULL ? moons__console_flush : NULL,
                 .write_data = r->write_data,
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

/* Where a system does not tell its memory, one state's worth must do for all. */
static size_t default_states_bytes(void) {
  size_t n_bytes = moons__machine_memory() / MOONS_STATES_SHARE;
  return n_bytes > 0 ? n_bytes : MOONS_ARENA_BYTES;
}

/* What the calling thread runs on workers of this runtime alone; NULL: no call. */
static const moons__station *here(const moons_runtime *r) {
  const moons__station *station =
      r->functions->here != NULL ? r->functions->here(r->backend) : NULL;
  return station != NULL && station->depth > 0 ? station : NULL;
}

int moons__runtime_is_thread(const moons_runtime *r) {
  const moons__backend_functions *f = r->functions;
  return !f->runs_when_asked && f->here != NULL && f->here(r->backend) != NULL;
}

/* The next runtime whose calls the calling thread may be in. A thread of a backend is in none but those of its own, and may
** outlive the parent where it was given up. */
static const moons_runtime *next_of(const moons_runtime *r) {
  return moons__runtime_is_thread(r) ? NULL : r->parent;
}

unsigned moons__runtime_own_depth(const moons_runtime *r) {
  const moons__station *station = here(r);
  return station != NULL ? station->depth : 0;
}

/* Calls of parents that the thread is in count too: it has one C stack. */
unsigned moons__runtime_depth(const moons_runtime *r) {
  unsigned depth = 0;
  for (; r != NULL; r = next_of(r))
    depth += moons__runtime_own_depth(r);
  return depth;
}

/* What a call has started may have ended for its timeout before the watcher has ended the call itself: so the call looks at
** the time here, and fails for its timeout and not for what it has started. */
int moons__runtime_is_ending(const moons_runtime *r) {
  for (; r != NULL; r = next_of(r)) {
    const moons__station *station = here(r);
    if (station == NULL) continue;
    moons__worker_notice(station->worker);
    if (moons__worker_is_ending(station->worker)) return 1;
  }
  return 0;
}

int moons__runtime_find_scope(const moons_runtime *r, moons__scope **scope, int *is_foreign) {
  *scope = NULL;
  *is_foreign = 0;
  for (const moons_runtime *own = r; r != NULL; r = next_of(r)) {
    const moons__station *station = here(r);
    if (station == NULL) continue;
    *scope = moons__worker_scope(station->worker);
    *is_foreign = r != own;
    return *scope != NULL ? 0 : MOONS_ENOMEM;
  }
  return 0;
}

const char *moons__shortage_text(const moons__shortage *s, char text[MOONS__SHORTAGE_BYTES]) {
  if (s->n_most > 0) {
    snprintf(
        text, MOONS__SHORTAGE_BYTES,
        "too many workers: scripts may bring about %u, of which there are %u, and %u more are too "
        "many; close pools, or ask for fewer (max_workers of the host's options)",
        s->n_most, s->n_had, s->n_wanted);
    return text;
  }
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
** looks after them. They are counted before they are compared, so that of two pools made at once not both pass; what was
** counted in vain runtime_destroy takes back. */
static int count_threads(moons_runtime *r) {
  moons__scope *scope;
  int is_foreign, error = moons__runtime_find_scope(r->parent, &scope, &is_foreign);
  if (error || scope == NULL) return error;
  moons__scope_release(scope);
  unsigned n = r->functions->runs_when_asked ? 1 : r->options.n_workers + 1;
  r->n_threads = n;
  return atomic_fetch_add(&r->commons->n_threads, n) + n > MOONS_POOL_THREADS ? MOONS_ETHREAD : 0;
}

/* The parts of it that runtime_destroy must find. Whatever fails after these can be taken back in one way. */
static int open_parts(moons_runtime *r, const moons__surroundings *around) {
  r->commons = get_commons(r, around);
  if (r->commons == NULL) return MOONS_ENOMEM;
  int error = open_process(r);
  if (error) release_commons(r->commons);
  if (!error && r->parent == NULL) r->commons->max_brought = r->options.max_workers;
  return error;
}

/* What calls print goes to the console, unless a worker process passes it on. A pool has what the runtime has that it was made
** on. */
static int open_console(moons_runtime *r, const moons__surroundings *around) {
  const moons_runtime *parent = r->parent;
  int is_own = parent == NULL && around->write == NULL;
  int error = is_own ? moons__console_open(&r->console, r, r->thread_name) : 0;
  if (parent != NULL) r->console = parent->console;
  r->write = parent != NULL ? parent->write : is_own ? moons__console_write : around->write;
  r->write_data = parent != NULL ? parent->write_data : is_own ? r->console : around->write_data;
  return error;
}

/* What workers share, and then the workers. */
static int open_workers(moons_runtime *r, const moons__surroundings *around, unsigned *n_had) {
  int error = open_console(r, around);
  if (error) return error;
  if (r->parent != NULL)
    r->children = moons__children_share(r->parent->children);
  else
    error = moons__children_open(&r->children, r);
  return error ? error : open_backend(r, n_had);
}

/* What cannot be. */
static int check_options(const moons_options *options) {
  if (options->backend == MOONS_HOSTS && options->hosts == NULL) return MOONS_EINVAL;
  if (find_backend(options->backend) == NULL || options->n_workers > MOONS_MAX_WORKERS ||
      options->stack_bytes > SIZE_MAX / 2)
    return MOONS_EINVAL;
  return 0;
}

/* In place of what was left to the library. */
static void resolve_options(moons_options *options) {
  if (options->n_workers == 0) options->n_workers = default_workers();
  if (options->max_lost == 0) options->max_lost = options->n_workers;
  if (options->stack_bytes == 0)
    options->stack_bytes =
        options->backend == MOONS_LENT ? MOONS_LENT_STACK_BYTES : MOONS_STACK_BYTES;
  if (options->stack_bytes < MOONS_STACK_MIN_BYTES) options->stack_bytes = MOONS_STACK_MIN_BYTES;
  if (options->images_bytes == 0) options->images_bytes = MOONS_IMAGES_BYTES;
  if (options->thread_name == NULL) options->thread_name = MOONS__THREAD_NAME;
  if (options->states_bytes == 0) options->states_bytes = default_states_bytes();
}

/* Has *text point to a copy, which is freed as *copy. */
static int copy_text(const moons_runtime *r, const char **text, char **copy) {
  if (*text == NULL) return 0;
  *text = *copy = moons__allocate_copy(r, *text);
  return *copy != NULL ? 0 : MOONS_ENOMEM;
}

/* A runtime that nobody uses yet; NULL: no memory. */
static moons_runtime *begin_runtime(const moons_options *options,
                                    const moons__surroundings *around) {
  const moons_runtime *parent = around->parent;
  moons_runtime *r = parent != NULL
                         ? moons__allocate_zeros(parent, sizeof *r)
                         : moons__allocate_by(options->alloc, options->alloc_data, sizeof *r);
  if (r == NULL) return NULL;
  r->functions = find_backend(options->backend);
  r->fork_number = moons__fork_number();
  r->parent = parent;
  r->is_served = around->is_served;
  r->n_cores = around->n_cores;
  r->lends = parent != NULL && parent->lends && r->functions->run_here != NULL;
  r->options = *options;
  resolve_options(&r->options);
  atomic_init(&r->n_started, r->options.n_workers);
  atomic_init(&r->n_holders, 1);
  r->n_wanted = options->n_workers;
  r->host_states_bytes = parent != NULL ? parent->host_states_bytes : options->states_bytes;
  if (copy_text(r, &r->options.program, &r->program) == 0 &&
      copy_text(r, &r->options.thread_name, &r->thread_name) == 0 &&
      copy_text(r, &r->options.hosts, &r->hosts) == 0 &&
      copy_text(r, &r->options.launch, &r->launch) == 0)
    return r;
  free_runtime(r);
  return NULL;
}

int moons__options_copy(moons_options *options, const moons_options *given) {
  moons_options_init(options);
  return moons__sized_copy(options, sizeof *options, given);
}

/* Where a host does not say how many workers its scripts may bring about. */
static unsigned most_brought(unsigned n_workers) {
  if (n_workers == 0) n_workers = default_workers();
  return n_workers < MOONS_BROUGHT_AT_LEAST ? MOONS_BROUGHT_AT_LEAST : n_workers;
}

/* How many workers the hosts have. */
static unsigned workers_of_hosts(const moons_runtime *r) {
  unsigned n_cores = r->functions->cores(r->backend);
  return n_cores < MOONS_MAX_WORKERS ? n_cores : MOONS_MAX_WORKERS;
}

/* There are as many workers as the hosts say. The runtime of a command asks them when that is needed. */
static void count_hosts(moons_runtime *r) {
  if (r->functions->cores == NULL || r->n_wanted > 0) return;
  r->options.n_workers = r->n_wanted = workers_of_hosts(r);
  atomic_store(&r->n_started, r->options.n_workers);
}

int moons_runtime_new(moons_runtime **runtime, const moons_options *options) {
  static const moons__surroundings NOWHERE = {0};
  moons__shortage shortage;
  moons_options own;
  if (runtime == NULL) return MOONS_EINVAL;
  *runtime = NULL;
  int error = moons__options_copy(&own, options);
  if (own.max_workers == 0) own.max_workers = most_brought(own.n_workers);
  if (!error) error = moons__runtime_make(runtime, &own, &NOWHERE, &shortage);
  if (!error) count_hosts(*runtime);
  return error;
}

unsigned moons__runtime_cpus(const moons_runtime *r) {
  if (r->n_cores > 0) return r->n_cores;
  return r->functions->cores != NULL ? r->functions->cores(r->backend) : moons_cpus();
}

int moons__runtime_make(moons_runtime **runtime, const moons_options *options,
                        const moons__surroundings *around, moons__shortage *shortage) {
  *runtime = NULL;
  int error = check_options(options);
  if (!error && around->parent != NULL) error = moons__runtime_check_open(around->parent);
  if (error) return error;
  moons_runtime *r = begin_runtime(options, around);
  if (r == NULL) return MOONS_ENOMEM;
  error = open_parts(r, around);
  if (error) {
    free_runtime(r);
    return error;
  }
  *shortage = (moons__shortage){.n_wanted = r->options.n_workers};
  error = count_threads(r);
  shortage->is_bound = error == MOONS_ETHREAD;
  if (!error && around->parent != NULL)
    error = moons__runtime_bring(r, r->options.n_workers, shortage);
  if (!error) error = open_workers(r, around, &shortage->n_had);
  if (error) {
    runtime_destroy(r);
    return error;
  }
  if (r->parent != NULL) {
    count_hosts(r);
    moons__pool_add(r);
  }
  *runtime = r;
  return 0;
}

/* Relaxed: whoever shares is, or stands beside, a holder already, so it cannot go meanwhile. */
moons_runtime *moons__runtime_share(moons_runtime *r) {
  atomic_fetch_add_explicit(&r->n_holders, 1, memory_order_relaxed);
  return r;
}

/* In the child of a fork the threads are not there, and their locks may be held for ever: it is left as it is. Releasing orders
** what each holder did before the close. */
void moons_runtime_free(moons_runtime *r) {
  if (r == NULL || moons__runtime_is_forked(r)) return;
  if (atomic_fetch_sub_explicit(&r->n_holders, 1, memory_order_acq_rel) > 1) return;
  if (r->parent != NULL) moons__pool_remove(r);
  r->functions->close(r->backend);
}

int moons__runtime_check_terms(const moons_runtime *r, const moons__terms *terms) {
  int lacks_host =
      r->functions->cores != NULL || (r->functions->runs_elsewhere && r->program == NULL);
  return lacks_host && moons__terms_host(terms) != 0 ? MOONS_EUNSUPPORTED : 0;
}

const moons__luggage *moons__runtime_luggage(const moons_runtime *r) {
  for (; r != NULL; r = next_of(r)) {
    const moons__station *station = here(r);
    if (station != NULL) return moons__worker_luggage(station->worker);
  }
  return NULL;
}

void moons__runtime_print(const moons_runtime *r, const moons__luggage *luggage, int stream,
                          const char *bytes, size_t n_bytes) {
  const moons_terms *terms = moons__terms_of(luggage->terms);
  if (terms->write != NULL)
    terms->write(terms->data, luggage->call_data, stream, bytes, n_bytes);
  else
    r->write(r->write_data, stream, bytes, n_bytes);
}

int moons__runtime_is_worker(const moons_runtime *r) { return moons__runtime_depth(r) > 0; }

int moons__runtime_may_wait(const moons_runtime *r) {
  if (moons__runtime_is_worker(r)) return 0;
  return r->functions->runs_when_asked ||
         (!moons__runtime_is_thread(r) && !moons__telling_is_here(r));
}

void moons__runtime_lend(moons_runtime *r) { r->lends = r->functions->run_here != NULL; }

int moons_lend(moons_runtime *r) {
  if (r == NULL) return MOONS_EINVAL;
  if (moons__runtime_is_forked(r)) return MOONS_EFORKED;
  if (r->functions->lend == NULL) return MOONS_EINVAL;
  if (moons__runtime_phase(r) == MOONS__CLOSED) return MOONS_ECLOSED;
  return r->functions->lend(r->backend, -1);
}

unsigned moons__runtime_told_workers(const moons_runtime *r) {
  return r->functions->cores == NULL || r->n_wanted > 0 ? r->options.n_workers : 0;
}

unsigned moons__runtime_workers(const moons_runtime *r) {
  unsigned n = moons__runtime_told_workers(r);
  return n > 0 ? n : workers_of_hosts(r);
}

int moons__runtime_serve(moons_runtime *r, struct moons__server *server) {
  moons__children_stay(r->children);
  return moons__server_run(server, r->backend);
}

int moons__runtime_represent(moons_runtime *r, struct moons__agent *agent) {
  return moons__agent_run(agent, r->functions, r->backend);
}

int moons__runtime_is_served(const moons_runtime *r) {
  while (r->parent != NULL)
    r = r->parent;
  return r->is_served;
}

int moons__runtime_has_world(const moons_runtime *r) { return r->commons->world != NULL; }

int moons__runtime_is_abroad(const moons_runtime *r) { return r->functions->runs_elsewhere; }

double moons__runtime_handover_ns(const moons_runtime *r) { return r->functions->handover_ns; }

const moons_options *moons__runtime_options(const moons_runtime *r) { return &r->options; }

const moons__roster *moons__runtime_share_roster(const moons_runtime *r) {
  atomic_fetch_add_explicit(&r->commons->n_users, 1, memory_order_relaxed);
  return &r->commons->roster;
}

moons__kept *moons__runtime_kept(const moons_runtime *r) { return &r->commons->kept; }

moons__console *moons__runtime_console(const moons_runtime *r) { return r->console; }

moons__children *moons__runtime_children(const moons_runtime *r) { return r->children; }
