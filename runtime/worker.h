/*
** A worker: bytes in, calls run, bytes out. It keeps its states and images from task to task.
** A worker is used by one thread at a time, and knows nothing of threads.
*/
#ifndef MOONS_WORKER_H
#define MOONS_WORKER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

struct lua_State;

/* What the states of a worker are like. */
typedef struct moons__worker_config {
  size_t state_bytes; /* the most that one state may hold; 0: half of the machine's memory */
  void (*open)(struct lua_State *L, void *data); /* adds what the host offers; NULL: nothing */
  void *open_data;
  void (*write)(void *data, int stream, const char *bytes, size_t n_bytes); /* NULL: C's stdio */
  void *write_data;
  uint64_t (*clock_ns)(void);                       /* a clock that only goes forward */
  void (*preload)(struct lua_State *L, void *data); /* gives the state the module `parallel` */
  void *preload_data;
} moons__worker_config;

/* What the calls of a job have in common. Lives as long as its tasks. */
typedef struct moons__terms {
  const char *setup; /* setup.h */
  size_t setup_bytes;
  uint64_t setup_hash;
  int fresh, pack, collect;
  uint64_t seed;
  uint64_t timeout_ns;  /* one call may run so long; 0: for ever */
  size_t memory_bytes;  /* one call's state may hold so much; 0: as the state may */
  unsigned n_retries;   /* a failed call is tried again so often */
  atomic_int cancelled; /* set by anyone: calls that have not begun are not begun */
} moons__terms;

/* Some calls, one after the other. */
typedef struct moons__task {
  moons__terms *terms;
  uint64_t first; /* number of the first call */
  uint32_t n_calls;
  const char *bytes; /* arguments (batch.h) */
  size_t n_bytes;

  moons__buffer results; /* batch.h; as many as calls were run */
  uint32_t n_run;
  uint32_t n_failed, n_retried, n_restored;
  int failed; /* a call failed */
  uint64_t first_failed;
} moons__task;

typedef struct moons__worker moons__worker;

/* Returns 0 or MOONS_ENOMEM. The config is copied. `outer` is the worker whose call this one's calls
** are made in, or NULL: when that call is to end, so are these. */
int moons__worker_open(moons__worker **worker, const moons__worker_config *config,
                       const moons__worker *outer);

/* Closes its states. Accepts NULL. */
void moons__worker_close(moons__worker *worker);

/* Tells the thread that watches that calls with this timeout are about to run; to be called, and that
** thread nudged, before they are run. */
void moons__worker_expect(moons__worker *worker, uint64_t timeout_ns);

/* Runs a task, whose results are empty, and fills in the rest of it. Never fails: errors of calls
** are results; out of memory for these, fewer are there than calls. */
void moons__worker_run(moons__worker *worker, moons__task *task);

/* {== From any thread ========================================================================= */

/* Ends the call that runs and begins no more of the task; `on` 0 takes that back. Between tasks this
** has to be off. The call ends at its next instruction in Lua after the next watch. */
void moons__worker_cancel(moons__worker *worker, int on);

/* Ends the call that runs where it is to be cancelled, or its time is over. Returns the time at which
** to look again, UINT64_MAX where there is nothing to expect. */
uint64_t moons__worker_watch(moons__worker *worker, uint64_t now_ns);

/* Whether the call that runs is to end. */
int moons__worker_is_ending(const moons__worker *worker);

/* A hash for setup_hash (FNV-1a, 64 bits, over words). */
uint64_t moons__hash(const void *bytes, size_t n_bytes);

#endif
