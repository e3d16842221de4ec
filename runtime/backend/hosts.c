/*
** Chunks run on other machines, by worker processes of an agent on each: whatever a call does to its process costs that call
** alone, and a host that is lost costs no result.
**
** A chunk waits in one queue until a host has a worker for it: none is sent ahead, so that what one host has is little, and hosts of
** unlike speed end together. Of the hosts that have a worker to spare the one is woken that sends nothing at the moment, and has the
** least to do.
**
** Hosts are connected when there is work for them, or when somebody asks for their cores, which not all lists tell.
**
** The backend "mpi" is the same with ranks of MPI for hosts, whose streams go by letters (world.h).
*/
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "backend/host.h"
#include "backend/world.h"
#include "base/allocate.h"
#include "system/machine.h"
#include "system/thread.h"
#include "wire/failure.h"
#include "worker/outcome.h"

struct moons__backend {
  hosts hosts;
};

enum { HOST_STACK_BYTES = 1 << 20 };

/* {== Opening ================================================================================= */

/* Of ranks of MPI only the own machine has one. */
static char *make_command(const hosts *b, const moons__host_name *name) {
  const char *launch = b->config.launch != NULL ? b->config.launch : moons__launch_by_ssh;
  return b->world != NULL ? moons__launch_here(b->hosts, b->program)
                          : moons__launch_command(b->hosts, launch, name->name, b->program);
}

static int open_host(hosts *b, host *h, const moons__host_name *name) {
  h->backend = b;
  h->name = name;
  h->n_works = name->n_workers;
  h->command = make_command(b, name);
  if (h->command == NULL || uv_cond_init(&h->wake)) {
    moons__free(h->command);
    return MOONS_ENOMEM;
  }
  h->text.beside = h->stored.beside = h->running.beside = b->hosts;
  moons__trace_join(&h->traced, b->config.worker.trace);
  b->n_hosts++;
  return 0;
}

static void host_free(host *h) {
  moons__trace_leave(&h->traced);
  uv_cond_destroy(&h->wake);
  moons__outbox_close(&h->outbox);
  moons__buffer_free(&h->text);
  moons__buffer_free(&h->stored);
  moons__buffer_free(&h->running);
  moons__free(h->works);
  moons__free(h->command);
}

/* The writer first, which waits for the reader to bring up the host. */
static int start_threads(host *h) {
  sigset_t blocked;
  moons__thread_blocks(&blocked, 0);
  h->has_writer =
      h->has_writer || moons__thread_start(&h->writer, h->backend->hosts, HOST_STACK_BYTES,
                                           &blocked, moons__host_write, h) == 0;
  if (!h->has_writer) return MOONS_ETHREAD;
  h->has_reader = moons__thread_start(&h->reader, h->backend->hosts, HOST_STACK_BYTES, &blocked,
                                      moons__host_read, h) == 0;
  return h->has_reader ? 0 : MOONS_ETHREAD;
}

/* Connects those that are not, or are not about to be: all, or those whose number of workers nobody has told. Returns 0, or
** MOONS_ETHREAD: some could not be. The mutex is held. */
static int connect_hosts(hosts *b, int all) {
  int error = 0;
  if (b->n_connected == b->n_hosts || b->closing) return 0;
  for (unsigned i = 0; i < b->n_hosts; i++) {
    host *h = &b->hosts[i];
    if (h->has_reader || (!all && h->n_works > 0)) continue;
    if (start_threads(h))
      error = MOONS_ETHREAD;
    else
      b->n_connected++;
  }
  return error;
}

static void end_threads(hosts *b) {
  uv_mutex_lock(&b->mutex);
  b->closing = 1;
  for (unsigned i = 0; i < b->n_hosts; i++)
    uv_cond_signal(&b->hosts[i].wake);
  uv_cond_broadcast(&b->news);
  uv_mutex_unlock(&b->mutex);
  for (unsigned i = 0; i < b->n_hosts; i++) {
    if (b->hosts[i].has_writer) uv_thread_join(&b->hosts[i].writer);
    if (b->hosts[i].has_reader) uv_thread_join(&b->hosts[i].reader);
    b->hosts[i].has_writer = b->hosts[i].has_reader = 0;
  }
}

static void close_parts(hosts *b) {
  for (unsigned i = 0; i < b->n_hosts; i++)
    host_free(&b->hosts[i]);
  moons__host_list_free(&b->list);
  uv_cond_destroy(&b->news);
  uv_mutex_destroy(&b->mutex);
  moons__free(b->hosts);
  moons__free(b->refusal);
  moons__free(b->program);
}

/* The first whose number of workers nobody has told yet, and that may still say it; NULL: there is none. The mutex is held. */
static const host *find_untold(const hosts *b) {
  for (unsigned i = 0; i < b->n_hosts; i++)
    if (b->hosts[i].n_works == 0 && b->hosts[i].phase != PHASE_OUT) return &b->hosts[i];
  return NULL;
}

/* Asks those. Where one cannot be connected for want of threads, it is left out. The mutex is held. */
static void await_numbers(hosts *b) {
  if (find_untold(b) == NULL || connect_hosts(b, 0)) return;
  while (find_untold(b) != NULL)
    uv_cond_wait(&b->news, &b->mutex);
}

static int read_names(hosts *b) {
  char why[MOONS__LIST_WHY_BYTES];
  const void *beside = b->config.worker.beside;
  if (b->world != NULL)
    return moons__world_hosts(b->world, &b->list, beside, b->config.n_wanted, &b->n_cores);
  return moons__host_list_read(&b->list, beside, b->config.hosts, why) ? MOONS_EINVAL : 0;
}

static int open_parts(hosts *b) {
  const void *beside = b->config.worker.beside;
  char program[MOONS_PATH_BYTES];
  int error = read_names(b);
  moons__machine_find_command(b->config.program, program, sizeof program);
  b->program = error ? NULL : moons__allocate_copy(beside, program);
  b->hosts = error ? NULL : moons__allocate_zeros(beside, b->list.n * sizeof *b->hosts);
  if (!error && (b->program == NULL || b->hosts == NULL)) error = MOONS_ENOMEM;
  for (unsigned i = 0; i < b->list.n && !error; i++)
    error = open_host(b, &b->hosts[i], &b->list.hosts[i]);
  return error;
}

static unsigned count_workers(moons__backend *backend) {
  hosts *b = &backend->hosts;
  unsigned n = 0;
  if (b->n_cores > 0) return b->n_cores;
  uv_mutex_lock(&b->mutex);
  await_numbers(b);
  for (unsigned i = 0; i < b->n_hosts; i++)
    n += b->hosts[i].n_works;
  uv_mutex_unlock(&b->mutex);
  return n > 0 ? n : 1;
}

static int tell_host(moons__backend *backend, unsigned i, moons__host_stats *stats) {
  static const char *const STATES[] = {"starting", "up", "out"};
  hosts *b = &backend->hosts;
  if (i >= b->n_hosts) return 0;
  uv_mutex_lock(&b->mutex);
  const host *h = &b->hosts[i];
  *stats = h->stats;
  stats->name = h->name->name;
  stats->state = STATES[h->phase];
  stats->n_workers = h->n_works;
  stats->n_running = h->n_running;
  uv_mutex_unlock(&b->mutex);
  return 1;
}

static int open_locks(hosts *b) {
  if (uv_mutex_init(&b->mutex)) return -1;
  if (uv_cond_init(&b->news) == 0) return 0;
  uv_mutex_destroy(&b->mutex);
  return -1;
}

/* `tell` of the teller. */
static void tell(void *backend, moons__take_running *take, void *taker) {
  moons__hosts_tell(backend, take, taker);
}

static int open_backend(moons__backend **backend, const moons__backend_config *config,
                        moons__world *world) {
  moons__backend *new = moons__allocate_zeros(config->worker.beside, sizeof *new);
  if (new == NULL || open_locks(&new->hosts)) {
    moons__free(new);
    return MOONS_ENOMEM;
  }
  hosts *b = &new->hosts;
  b->config = *config;
  b->world = world;
  int error = open_parts(b);
  if (error) {
    close_parts(b);
    moons__free(new);
    return error;
  }
  b->teller = (moons__teller){.tell = tell, .data = b};
  b->entry = moons__roster_join_teller(config->worker.roster, &b->teller);
  *backend = new;
  return 0;
}

static int open_hosts(moons__backend **backend, const moons__backend_config *config) {
  return config->hosts != NULL ? open_backend(backend, config, NULL) : MOONS_EINVAL;
}

static int open_ranks(moons__backend **backend, const moons__backend_config *config) {
  return config->world != NULL ? open_backend(backend, config, config->world) : MOONS_EINVAL;
}

static void end(moons__backend *backend) { end_threads(&backend->hosts); }

static void close_hosts(moons__backend *backend) {
  moons__backend_config config = backend->hosts.config;
  moons__roster_leave(backend->hosts.entry);
  end_threads(&backend->hosts);
  close_parts(&backend->hosts);
  moons__free(backend);
  config.gone(config.gone_data);
}

/* {== What a backend does ===================================================================== */

/* Who is to be woken for a chunk that only the first `n_workers` may run; NULL: those that have no worker for it now look when
** they have. One that was woken a moment ago may be meant for another chunk: so who takes one calls the next
** (moons__hosts_call). The mutex is held. */
static host *choose(hosts *b, unsigned n_workers) {
  host *best = NULL;
  unsigned least = UINT_MAX;
  for (unsigned i = 0; i < b->n_hosts; i++) {
    host *h = &b->hosts[i];
    unsigned number = moons__host_next_worker(h);
    if (number >= n_workers) continue;
    if (best != NULL &&
        (h->is_writing > best->is_writing || (h->is_writing == best->is_writing && number > least)))
      continue;
    best = h;
    least = number;
  }
  return best;
}

void moons__hosts_call(hosts *b) {
  host *h = b->queue.n > 0 ? choose(b, UINT_MAX) : NULL;
  if (h != NULL && !h->is_writing) uv_cond_signal(&h->wake);
}

/* Those that could be connected suffice; where none could, the chunk is refused. */
static int submit(moons__backend *backend, moons__chunk *chunk, unsigned *n_had) {
  hosts *b = &backend->hosts;
  uv_mutex_lock(&b->mutex);
  int error = connect_hosts(b, 1);
  if (b->n_connected > 0) error = 0;
  if (!error) moons__chunk_enqueue(&b->queue, chunk);
  host *h = b->refusal != NULL ? &b->hosts[0] : choose(b, chunk->n_workers);
  uv_mutex_unlock(&b->mutex);
  if (h != NULL) uv_cond_signal(&h->wake);
  if (!error) return 0;
  if (n_had != NULL) {
    *n_had = 0;
    return error;
  }
  moons__chunk_refuse(chunk, MOONS__FAILURE_SYSTEM, moons_error_text(error));
  chunk->done(chunk);
  return 0;
}

static moons__chunk *withdraw(moons__backend *backend, moons__chunk *chain) {
  hosts *b = &backend->hosts;
  uv_mutex_lock(&b->mutex);
  moons__chunk *chunk = moons__chunk_withdraw(&b->queue, chain);
  uv_mutex_unlock(&b->mutex);
  return chunk;
}

/* The next work of this owner behind `w`, or the first (NULL), and whose it is; NULL: there is none. The mutex is held. */
static work *next_work(const hosts *b, const void *owner, work *w, host **of) {
  host *h = w != NULL ? *of : b->hosts, *end = b->hosts + b->n_hosts;
  for (w = w != NULL ? w + 1 : h->works; h < end; w = ++h < end ? h->works : NULL)
    for (; h->works != NULL && w < h->works + h->n_works; w++) {
      if (w->chunk == NULL || w->chunk->owner != owner) continue;
      *of = h;
      return w;
    }
  return NULL;
}

static void cancel(moons__backend *backend, const void *owner) {
  hosts *b = &backend->hosts;
  host *h = NULL;
  uv_mutex_lock(&b->mutex);
  for (work *w = NULL; (w = next_work(b, owner, w, &h)) != NULL;) {
    if (w->is_cancelled) continue;
    w->is_cancelled = w->wants_cancel = 1;
    uv_cond_signal(&h->wake);
  }
  uv_mutex_unlock(&b->mutex);
}

static void stop(moons__backend *backend, const void *owner) {
  hosts *b = &backend->hosts;
  host *h = NULL;
  uv_mutex_lock(&b->mutex);
  for (work *w = NULL; (w = next_work(b, owner, w, &h)) != NULL;) {
    if (w->is_cancelled || w->is_stopped) continue;
    w->is_stopped = w->wants_stop = 1;
    uv_cond_signal(&h->wake);
  }
  uv_mutex_unlock(&b->mutex);
}

/* Of chunks that were not asked lately the one with the most calls is. What it gives comes later, if it has any. */
static moons__chunk *share(moons__backend *backend, const void *owner, unsigned n_sharers) {
  hosts *b = &backend->hosts;
  host *h = NULL, *host_of_most = NULL;
  work *most = NULL;
  uint64_t now_ns = uv_hrtime();
  uv_mutex_lock(&b->mutex);
  for (work *w = NULL; (w = next_work(b, owner, w, &h)) != NULL;) {
    int was_asked = w->asked_ns != 0 && now_ns < w->asked_ns + MOONS_HOST_ASK_NS;
    if (was_asked || w->chunk->n_calls < 2) continue;
    if (most != NULL && w->chunk->n_calls <= most->chunk->n_calls) continue;
    most = w;
    host_of_most = h;
  }
  if (most != NULL) {
    most->asked_ns = now_ns;
    most->wants_part = n_sharers;
    uv_cond_signal(&host_of_most->wake);
  }
  uv_mutex_unlock(&b->mutex);
  return NULL;
}

/* Measured over ssh on one machine: there and back some 400 us, most of it waiting. */
#define HANDOVER_NS 50000

const moons__backend_functions moons__backend_hosts = {
    .backend = MOONS_HOSTS,
    .name = "hosts",
    .runs_elsewhere = 1,
    .handover_ns = HANDOVER_NS,
    .open = open_hosts,
    .close = close_hosts,
    .end = end,
    .cores = count_workers,
    .tell_host = tell_host,
    .submit = submit,
    .withdraw = withdraw,
    .cancel = cancel,
    .stop = stop,
    .share = share,
};

/* They differ in where hosts come from. */
const moons__backend_functions moons__backend_mpi = {
    .backend = MOONS_MPI,
    .name = "mpi",
    .runs_elsewhere = 1,
    .handover_ns = HANDOVER_NS,
    .open = open_ranks,
    .close = close_hosts,
    .end = end,
    .cores = count_workers,
    .tell_host = tell_host,
    .submit = submit,
    .withdraw = withdraw,
    .cancel = cancel,
    .stop = stop,
    .share = share,
};
