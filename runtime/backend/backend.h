/*
** What a backend promises.
**
** A backend has workers (worker.h) and runs work (work.h) on them. Work is begun in the order in which
** it was submitted, each by one worker, and each is told `done` exactly once, unless it was withdrawn
** before it was begun: on the thread that ran it, or, where a call in it did not end though it was to,
** on another; such work has its task marked `is_given_up`. A backend knows no jobs: which work comes
** next is the submitter's affair, and `owner` only says which work belongs together. Workers are
** numbered from 0, and work may ask for the first few of them only.
**
** Work may submit work and wait for it (a map within a map). The waiting thread then asks whether it
** can run work itself, withdraws what has not been begun, and runs it, so that it never waits for
** work that nobody has begun.
**
** All functions may be called on any thread, but close, which needs the others to be over.
*/
#ifndef MOONS_BACKEND_BACKEND_H
#define MOONS_BACKEND_BACKEND_H

#include <stddef.h>

#include "backend/work.h"

typedef struct moons__backend moons__backend;

typedef struct moons__backend_config {
  unsigned n_workers;
  unsigned n_cores;   /* that all threads together may use */
  size_t stack_bytes; /* C stack of each worker thread */
  int stop_signal;    /* that worker threads do not block, or 0 */
  moons__worker_config worker;

  unsigned
      *n_had; /* where open fails for want of a thread: how many workers it had; else how many */

  /* The backend is gone, and what its workers used may go too: at its close, or where a call that was
  ** given up goes on, when that ends. Any thread. */
  void (*gone)(void *data);
  void *gone_data;
} moons__backend_config;

typedef struct moons__backend_functions {
  const char *name;

  /* Work runs on the thread that waits for it: asking whether it is done has to run some. */
  int runs_when_asked;

  /* Starts the workers. Returns 0, MOONS_ENOMEM or MOONS_ETHREAD with nothing left behind; `gone` is
  ** not told then. */
  int (*open)(moons__backend **backend, const moons__backend_config *config);

  /* Ends the workers, after the work that runs; does not wait for calls that do not end though they
  ** are to. No work may wait. */
  void (*close)(moons__backend *backend);

  /* Adds workers until there are at least n_workers. Returns 0, MOONS_ENOMEM or MOONS_ETHREAD
  ** with as many as could be had, which it puts into *n_had. */
  int (*grow)(moons__backend *backend, unsigned n_workers, unsigned *n_had);

  /* Takes work to run. */
  void (*submit)(moons__backend *backend, moons__work *work);

  /* Gives back the last of a chain of work (`next_of_owner`) that has not begun, or NULL. Nobody changes the chain
  ** meanwhile. */
  moons__work *(*withdraw)(moons__backend *backend, moons__work *chain);

  /* Takes calls that have not begun from work of this owner that runs, so that n_sharers share them; NULL
  ** where there are none to be had now. From malloc. */
  moons__work *(*share)(moons__backend *backend, const void *owner, unsigned n_sharers);

  /* Ends the work of this owner that runs: its calls that run are cancelled, and no more begin. */
  void (*cancel)(moons__backend *backend, const void *owner);

  /* Whether the work that the calling thread runs is to end. */
  int (*is_ending)(moons__backend *backend);

  /* The call that the calling thread runs (moons__worker_scope), where its depth is not 0. */
  moons__scope *(*scope)(moons__backend *backend);

  /* Whether there is a core that no worker uses: another thread may wait busily. */
  int (*has_idle_core)(moons__backend *backend);

  /* Lets a worker that was woken and has not begun have the core of the calling thread, which is about to
  ** wait busily. */
  void (*make_way)(moons__backend *backend);

  /* The depth of the work that the calling thread runs; 0: none. */
  unsigned (*depth)(moons__backend *backend);

  /* Whether the calling thread is one of its workers' own. */
  int (*is_worker)(moons__backend *backend);

  /* Whether the calling thread is one that can run work while it waits: 1, 0, or an error:
  ** MOONS_EDEPTH where it is but has no stack left for it, MOONS_ESTOPPED where it was given up. It
  ** may then run any work. */
  int (*can_run)(moons__backend *backend);

  /* Runs work on the calling thread, and calls its `done`. */
  void (*run)(moons__backend *backend, moons__work *work);
} moons__backend_functions;

extern const moons__backend_functions moons__backend_inline;
extern const moons__backend_functions moons__backend_threads;

#endif
