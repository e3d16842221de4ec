/*
** What a backend promises.
**
** A backend has workers (worker.h) and runs chunks on them. Chunks are begun in the order in which they were submitted,
** each by one worker, and each is passed to its `done` exactly once, unless it was withdrawn before it was begun: on the
** thread that ran it, or, where a call in it did not end though it had to, on another; such a chunk is marked
** `is_given_up`. A backend knows no jobs: which chunk comes next is the submitter's affair, and `owner` only says which
** chunks belong together. Workers are numbered from 0, and a chunk may ask for the first few of them only.
**
** A thread that is none of the backend's may have a worker for a moment, to run short calls itself (run_here).
**
** A call may submit chunks and wait for them (a map within a map). The waiting thread then asks whether it can run
** chunks itself, withdraws what has not been begun, and runs it, so that it never waits for what nobody has begun.
**
** All functions may be called on any thread, but close, which needs the others to be over. The optional ones are NULL
** where a backend has no use for them.
*/
#ifndef MOONS_BACKEND_BACKEND_H
#define MOONS_BACKEND_BACKEND_H

#include <stdatomic.h>
#include <stddef.h>

#include "backend/stack.h"
#include "base/errors.h"
#include "moons.h"

typedef struct moons__backend moons__backend;

typedef struct moons__backend_config {
  unsigned n_workers;
  unsigned n_wanted;     /* the same, where somebody has said it; else 0 */
  unsigned n_cores;      /* that all threads together may use */
  unsigned n_told_cores; /* that the host may use, where its caller says so; else 0 */
  unsigned
      max_lost; /* threads that were given up and go on, of which each has another in its place */
  atomic_uint *n_lost; /* how many do, of all backends that share the count; outlives the backend */
  size_t stack_bytes;  /* C stack of each worker thread */
  int stop_signal;     /* that worker threads do not block, or 0 */
  const char *program; /* of worker processes, as in moons_options; copied */
  const char *hosts, *launch; /* as there; they stay */
  struct moons__world *world; /* of MPI; NULL: there is none */
  size_t host_states_bytes;   /* `states_bytes` there, as it was given: 0 leaves it to each host */
  void (*thread)(void *data, unsigned seat, int begins); /* as in moons_options */
  void *thread_data;
  void (*wanted)(void *data); /* as in moons_options */
  void *wanted_data;
  int is_served;           /* this is a worker process (helpers.h) */
  const char *thread_name; /* with which the names of threads begin; lives until `gone` */
  moons__worker_config worker;

  unsigned *n_had; /* where open fails for want of threads: how many workers there is room for */

  /* The backend is gone, and what its workers used may go too: at its close, or where a call that was
  ** given up goes on, when that ends. Any thread. */
  void (*gone)(void *data);
  void *gone_data;
} moons__backend_config;

/* What one of several machines has done. */
typedef struct moons__host_stats {
  const char *name;   /* stays as long as the backend */
  const char *state;  /* "up", "starting" or "out" */
  unsigned n_workers; /* that it may have; 0: it has not said yet */
  unsigned n_running; /* chunks that it has now */
  unsigned n_losses;  /* how often it was lost */
  uint64_t n_done, n_failed, busy_ns;
} moons__host_stats;

typedef struct moons__backend_functions {
  moons_backend backend;
  const char *name;

  /* Chunks run on the thread that waits for them: asking whether they are done has to run some. */
  int runs_when_asked;

  /* Calls are made in other processes, where what the host offers is not. */
  int runs_elsewhere;

  /* What handing over a chunk and its results takes, about, where that is more than waking a thread: chunks are longer then. */
  double handover_ns;

  /* Workers start when there are chunks for them; at once only where the process may have so little address space that
  ** their states would take what they need. Returns 0, MOONS_ENOMEM or MOONS_ETHREAD, where there is no room for so many, with
  ** nothing left behind; `gone` is not called then. */
  int (*open)(moons__backend **backend, const moons__backend_config *config);

  /* Ends the workers, after the chunks that run; does not wait for calls that do not end though they must. No chunk may
  ** wait. */
  void (*close)(moons__backend *backend);

  /* Takes a chunk to run, and starts a worker for it where none is idle and there may be more. Where that cannot be started,
  ** returns MOONS_ENOMEM or MOONS_ETHREAD without the chunk, and puts how many workers have started into *n_had. With `n_had`
  ** NULL it takes the chunk all the same, for those that run, and returns 0. */
  int (*submit)(moons__backend *backend, moons__chunk *chunk, unsigned *n_had);

  /* Gives back the last of a chain of chunks (`next_of_owner`) that has not begun, or NULL. Nobody changes the chain
  ** meanwhile. */
  moons__chunk *(*withdraw)(moons__backend *backend, moons__chunk *chain);

  /* Ends the chunks of this owner that run: their running calls are cancelled, and no more begin. */
  void (*cancel)(moons__backend *backend, const void *owner);

  /* {== Optional ============================================================================== */

  /* Has room for at least n_workers from now on; NULL: there are never more than at its opening. Returns 0, MOONS_ENOMEM or
  ** MOONS_ETHREAD with as many as there were, and puts how many there is room for into *n_had. */
  int (*grow)(moons__backend *backend, unsigned n_workers, unsigned *n_had);

  /* Where workers are not on this machine: how many calls may run at once there, at least 1. Asks hosts for it where nobody has
  ** told, and waits for their answers; no lock is held. */
  unsigned (*cores)(moons__backend *backend);

  /* What host number `i`, from 0 on, has done. Returns 0 where there are not so many. */
  int (*tell_host)(moons__backend *backend, unsigned i, moons__host_stats *stats);

  /* Where workers cannot see `cancelled` of a plan: begins no more calls of the chunks of this owner that run. */
  void (*stop)(moons__backend *backend, const void *owner);

  /* Takes calls that have not begun from a chunk of this owner that runs, so that n_sharers share them. NULL:
  ** there are none to be had now; where workers are asked and answer later, these come by `parted` of the chunk, on a thread
  ** of the backend, before that is `done`. */
  moons__chunk *(*share)(moons__backend *backend, const void *owner, unsigned n_sharers);

  /* Gives what worker processes run to `take`, for a person who asks. */
  void (*tell)(moons__backend *backend, moons__take_running *take, void *taker);

  /* Whether none of the first `n_workers` has nothing to do, or could be started: what was submitted for these waits until one has
  ** ended what it runs. It may just have changed. */
  int (*is_full)(moons__backend *backend, unsigned n_workers);

  /* Where no worker uses one of the cores, returns 1: the calling thread may wait busily. A worker that was woken and has
  ** not begun gets the calling thread's core. */
  int (*make_way)(moons__backend *backend);

  /* Runs a chunk that was not submitted on the calling thread, which is none of the backend's, and passes it to its `done`.
  ** Calls there cannot be given up, and nobody looks after their time. Returns 0, with nothing done, where as many chunks run and
  ** wait as there are workers, another thread does the same, or there is no memory. */
  int (*run_here)(moons__backend *backend, moons__chunk *chunk);

  /* Runs chunks that were submitted on the calling thread, which the host lends; as many as wait, or one. `n_most` is 1, or -1: then
  ** the thread is one that the host was asked for. Returns how many. */
  int (*lend)(moons__backend *backend, int n_most);

  /* Ends the workers, as close does, but the backend stays, and takes no more chunks; once. */
  void (*end)(moons__backend *backend);

  /* The innermost worker of the calling thread, of depth 0 where it makes no calls; NULL: the thread has none of this
  ** backend. */
  const moons__station *(*here)(moons__backend *backend);

  /* Whether the calling thread can run any chunk while it waits: 1, 0, or an error: MOONS_EDEPTH where it has no stack
  ** left for it, MOONS__ESTOPPED where it was given up. */
  int (*can_run)(moons__backend *backend);

  /* Runs a chunk on the calling thread, and passes it to its `done`. */
  void (*run)(moons__backend *backend, moons__chunk *chunk);
} moons__backend_functions;

extern const moons__backend_functions moons__backend_inline;

extern const moons__backend_functions moons__backend_threads;
extern const moons__backend_functions moons__backend_processes;
extern const moons__backend_functions moons__backend_hosts;
extern const moons__backend_functions moons__backend_mpi;
extern const moons__backend_functions moons__backend_lent;

#endif
