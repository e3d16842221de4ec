/*
** Runtimes and jobs from inside: what runtime.c, owner.c and wait.c share. Private to these.
*/
#ifndef MOONS_SCHEDULE_INSIDE_H
#define MOONS_SCHEDULE_INSIDE_H

#include <stdatomic.h>
#include <uv.h>

#include "backend/backend.h"
#include "base/kept.h"
#include "base/pairing.h"
#include "moons.h"
#include "schedule/client.h"
#include "schedule/job.h"
#include "schedule/jobs.h"
#include "schedule/news.h"
#include "schedule/queue.h"
#include "sizes.h"
#include "system/child.h"
#include "system/console.h"
#include "system/spin.h"
#include "system/trace.h"
#include "system/waiter.h"

struct moons__shortage;

/* Lines of what waits for workers (line.h). */
typedef struct moons__lines {
  moons__pairing turns;  /* of the lines whose chunks can begin, by their clocks */
  moons__pairing others; /* of those that take no turns */
  unsigned n_waiting;    /* chunks, in all of them */
  unsigned n_started;    /* chunks of the former that the backend has */
  unsigned n_beside;     /* and of the latter */
  uint64_t now_ns;       /* the clock of the line whose turn it was last */
  uint64_t last_ns;      /* that of the line that is ahead of all */
} moons__lines;

/* A thread that tells the host something: what it would wait for in there may wait for it. */
typedef struct moons__telling {
  uv_thread_t thread;
  struct moons__telling *next;
} moons__telling;

/* Its mutex is taken before all others of a runtime, and held by nobody who calls functions of the host. */
typedef struct moons__closing {
  uv_mutex_t mutex; /* guards the list, and each change of the phase */
  moons__client *first;
  moons_runtime *pools;    /* that scripts have made */
  moons__telling *telling; /* threads that tell the host something now; on their stacks */
  atomic_int
      phase; /* a moons__phase; only grows. Who reads it with the lock of is_busy is seen, or sees it */
} moons__closing;

/* What a runtime shares with the pools that scripts make on it. */
typedef struct commons {
  moons__budget states;       /* of all their states */
  atomic_uint n_threads;      /* of pools that calls have made */
  atomic_uint n_brought;      /* workers that scripts have brought about */
  atomic_uint n_lost;         /* threads with calls that were given up and go on */
  unsigned max_brought;       /* the most of these; 0: any number */
  moons__kept kept;           /* what is alike in all states */
  moons__roster roster;       /* of all their workers */
  moons__seats seats;         /* of the threads of these */
  moons__trace *trace;        /* of all they run; NULL: none */
  struct moons__world *world; /* of MPI; NULL: there is none */
  atomic_uint n_pools;        /* made so far */
  moons__closing closing;     /* of all of them */
  atomic_uint n_users;
} commons;

struct moons_runtime {
  const moons__backend_functions *functions;
  moons__backend *backend;
  moons_options options;
  char *program, *thread_name, *hosts, *launch; /* of these; owned */
  size_t host_states_bytes; /* `states_bytes` of these before it was what suits this machine */
  unsigned n_wanted;        /* `n_workers` of these, as it was given, or as hosts have said */
  unsigned fork_number;     /* of the process that made it */
  commons *commons;
  const moons_runtime *parent; /* that a script, or a call, has made this one on; NULL: none */
  moons_runtime *next_pool,
      *pool_before;        /* in the list of these; guarded by the mutex of the closing */
  int has_ended;           /* its workers have; the same */
  int is_served;           /* it makes the calls of another process */
  unsigned n_cores;        /* that its host may use, where that was told; else 0 */
  unsigned n_threads;      /* that count as those of pools of calls */
  atomic_uint n_brought;   /* of its workers */
  int lends;               /* the thread that waits may run calls */
  moons__console *console; /* the parent's, where there is one; NULL: another process has it */
  void (*write)(void *data, int stream, const char *bytes, size_t n_bytes);
  void *write_data; /* of it */
  moons__children *children;
  atomic_uint n_started;    /* workers; only grows */
  atomic_uint n_given;      /* chunks of jobs that the backend has */
  atomic_uint n_holders;    /* the last of them closes it */
  moons__patience patience; /* of threads that wait for results */

  uv_mutex_t mutex; /* guards what follows */
  moons_stats stats;
  moons__lines lines;
  moons__setup *setups[MOONS_SETUPS_KEPT]; /* of the last jobs, the last one first; NULL: none */
};

/* Freed by its owner, or by the last of its chunks that runs when the owner has gone. */
struct moons_job {
  moons__client client; /* of the runtime, where it is of no call; the first field */
  int is_client;
  moons_runtime *runtime;
  moons__plan *plans[MOONS_SETUPS_PER_JOB]; /* as made, and as extended */
  unsigned n_plans;
  unsigned depth; /* 1, or one more than that of the call in which the job was made */
  int is_lent;    /* chunks that are put run at once on the thread that puts them; its own */
  struct moons__line *line; /* in which its chunks wait for workers; NULL: they need not */

  uv_mutex_t mutex;      /* guards all that follows */
  moons__waiter *waiter; /* told of each chunk that finishes; NULL: nobody waits */
  moons__queue *queue;   /* the same, until the owner has gone; NULL: none */
  moons__news news;
  moons__job chunks;
  int is_orphan; /* the owner has gone */
  int is_closed; /* the close of the runtime has ended it */
};

/* How many workers may run its chunks: the first so many. */
unsigned moons__job_workers(const moons_job *job);

/* Around what tells the host. No lock is held. */
void moons__telling_begin(moons_runtime *runtime, moons__telling *here);
void moons__telling_end(moons_runtime *runtime, const moons__telling *here);

/* Whether the calling thread is within that. */
int moons__telling_is_here(const moons_runtime *runtime);

/* Whether the calling thread is one of the backend's own, in a call or not. */
int moons__runtime_is_thread(const moons_runtime *runtime);

/* How deep in calls the calling thread is, those of the parents' included: 0: in none. */
unsigned moons__runtime_depth(const moons_runtime *runtime);

/* The same, of calls on workers of this runtime alone. */
unsigned moons__runtime_own_depth(const moons_runtime *runtime);

/* Whether a call that the calling thread runs must end. */
int moons__runtime_is_ending(const moons_runtime *runtime);

/* The innermost call that the calling thread runs, shared, NULL in none; `is_foreign`: it runs on workers of another runtime.
** Returns 0 or MOONS_ENOMEM. */
int moons__runtime_find_scope(const moons_runtime *runtime, moons__scope **scope, int *is_foreign);

/* Adds workers where a job asks for more than there are. Returns 0, MOONS_EINVAL, or MOONS_ETHREAD with the shortage. */
int moons__runtime_grow(moons_runtime *runtime, unsigned n_workers,
                        struct moons__shortage *shortage);

/* Counts workers that a script brings about, and takes that back. Returns 0, or MOONS_ETHREAD with the shortage. */
int moons__runtime_bring(moons_runtime *runtime, unsigned n, struct moons__shortage *shortage);
void moons__runtime_unbring(moons_runtime *runtime, unsigned n);

/* A plan with these options, whose set-up is shared where an earlier job has the same, or that of the luggage. NULL: no memory. */
moons__plan *moons__plan_make(moons_runtime *runtime, const moons__job_options *options,
                              const moons__luggage *luggage, moons__scope *scope, int is_foreign);

/* Waits to be rung until `deadline_ns`, at first busily where that pays. Returns 0 or MOONS_ETIMEDOUT. */
int moons__runtime_wait(moons_runtime *runtime, moons__waiter *waiter, uint64_t deadline_ns);

/* Whether this is the child of a fork: a thread that is not there may hold a lock of the job for ever. */
int moons__job_is_forked(const moons_job *job);

/* Whether the close of its runtime has ended it before all had come home. */
int moons__job_is_closed(moons_job *job);

/* Takes the chunks that can run into a list, under the job's mutex; submits them without it, since threads that wake up then
** want it: where the job has a line, by that, and goes on with others whose places were given back. Where no thread can be started
** for one, those that run take it. */
moons__chunk_list moons__chunks_start(moons_job *job);
void moons__chunks_submit(moons_runtime *runtime, moons__chunk_list *started, int has_line);

/* Takes back a chunk that the backend has and has not begun, or NULL. The mutex is held. */
moons__chunk *moons__chunks_withdraw(moons_job *job);

/* How many chunks wait, run, or have finished. The mutex is held. */
unsigned moons__chunks_pending(const moons_job *job);

#endif
