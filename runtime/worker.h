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

/* Returns 0 or MOONS_ENOMEM. The config is copied. */
int moons__worker_open(moons__worker **worker, const moons__worker_config *config);

/* Closes its states. Accepts NULL. */
void moons__worker_close(moons__worker *worker);

/* Runs a task, whose results are empty, and fills in the rest of it. Never fails: errors of calls
** are results; out of memory for these, fewer are there than calls. */
void moons__worker_run(moons__worker *worker, moons__task *task);

/* A hash for setup_hash (FNV-1a, 64 bits, over words). */
uint64_t moons__hash(const void *bytes, size_t n_bytes);

#endif
