/*
** Runtimes as the project's own clients make them: with what is said where one cannot be made, and with what they
** share.
*/
#ifndef MOONS_SCHEDULE_RUNTIME_H
#define MOONS_SCHEDULE_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "base/kept.h"
#include "moons.h"
#include "schedule/client.h"
#include "schedule/jobs.h"
#include "worker/plan.h"

struct moons__console;
struct moons__children;
struct moons__roster;
struct moons__trace;
struct moons__server;
struct moons__agent;
struct moons__world;

/* Why threads were missing. */
typedef struct moons__shortage {
  unsigned n_wanted; /* workers in all */
  unsigned n_had;    /* of them */
  unsigned n_most;   /* that scripts may bring about, where that is why; 0: it is not */
  int is_bound;      /* the pools of calls have as many as they may */
} moons__shortage;

/* Gives a state the module, as moons_open does, but takes no note of globals. It is the module's (module/module.c): workers get
** the function from the runtime, for their floor does not know it. May raise memory errors. */
void moons__preload(struct lua_State *L, moons_runtime *runtime);

/* Whether the process was forked after the runtime was made: then nothing of it that has locks may be used. */
int moons__runtime_is_forked(const moons_runtime *runtime);

/* Adds a holder, who gives it up with moons_runtime_free. Any thread that knows of a holder. */
moons_runtime *moons__runtime_share(moons_runtime *runtime);

/* Whether the calling thread is in a call of the runtime. */
int moons__runtime_is_worker(const moons_runtime *runtime);

/* Whether the calling thread may wait for calls of the runtime: none that runs such itself, whatever it does just now, for those may
** be what it would wait for. The thread that runs those of the backend "inline" may. */
int moons__runtime_may_wait(const moons_runtime *runtime);

/* Finds the backend of that name; returns 0 where there is none. Any thread. */
int moons__backend_of_name(const char *name, moons_backend *backend);

/* Cancels what runs on this thread: calls of the backend "inline", of whatever runtime with a `stop_signal`. Its map
** lacks results afterwards, so whoever collects them raises an error. For signal handlers. */
void moons__runtime_cancel_here(void);

/* Copies the options of a program; NULL: the defaults. Returns 0 or as moons__sized_copy does. */
int moons__options_copy(moons_options *options, const moons_options *given);

/* What a runtime is made in. */
typedef struct moons__surroundings {
  const moons_runtime *parent; /* on which a script, or a call, makes this one; NULL: none */
  struct moons__trace
      *trace; /* where what runs is noted, unless the parent says so; it stays; NULL: nowhere */
  struct moons__world
      *world; /* that of MPI, unless the parent says so; it stays; NULL: there is none */
  void (*write)(
      void *data, int stream, const char *bytes,
      size_t
          n_bytes); /* takes what calls print whose terms do not say who does; NULL: C's streams, by a console */
  void *write_data;
  int is_served;    /* it makes the calls of another process (serve.h) */
  unsigned n_cores; /* what moons__runtime_cpus says; 0: what there is */
} moons__surroundings;

/* Does what moons_runtime_new does, with options that were copied, and fills in the shortage where it returns MOONS_ETHREAD.
** With a `parent`, the states of both runtimes together may hold what the parent's may, and both share the list of programs that
** calls have started. Where a call makes the runtime, calls on it have that call's limits, and end with it. The parent outlives
** the runtime. */
int moons__runtime_make(moons_runtime **runtime, const moons_options *options,
                        const moons__surroundings *around, moons__shortage *shortage);

/* Whether calls under these terms can be made on it: MOONS_EUNSUPPORTED where they use functions of a host, and worker processes
** would not have them. Any thread. */
int moons__runtime_check_terms(const moons_runtime *runtime, const moons__terms *terms);

/* The luggage, with the terms, of the call that the calling thread runs; NULL: it runs none. It lives as long as the call. */
const moons__luggage *moons__runtime_luggage(const moons_runtime *runtime);

/* Gives a text to whoever takes what is printed (stream 1 or 2) under these terms. */
void moons__runtime_print(const moons_runtime *runtime, const moons__luggage *luggage, int stream,
                          const char *bytes, size_t n_bytes);

/* Does what moons_job_new does, and fills in the shortage in the same way. The job shares the luggage. */
int moons__job_make(moons_job **job, moons_runtime *runtime, const moons__job_options *options,
                    const moons__luggage *luggage, moons__shortage *shortage);

/* Do what moons_job_extend, moons_job_put (whose shortage is filled in too) and moons_job_take do, with blocks that the bytes
** speak of: luggage as that of make; a list that belongs to the job from here on; one that the caller releases, which stays as
** it was where nothing was taken. The last does not wait: moons_job_wait has just returned 0. */
int moons__job_extend(moons_job *job, const void *setup, size_t setup_bytes,
                      const moons__luggage *luggage);
int moons__job_put_with(moons_job *job, uint64_t first, uint32_t n_calls, void *bytes,
                        size_t n_bytes, moons__shared_list *shared, moons__shortage *shortage);
int moons__job_take_ready(moons_job *job, moons_chunk *chunk, moons__shared_list **given);

/* A line for a person, once for a function that is called often: why each of its calls needs a state that was put back. NULL:
** there is none. It lives as long as the job. */
const char *moons__job_take_unproved(moons_job *job);

/* How many calls a state makes before a proof is tried that they leave nothing behind (plan.h); for tests. Before the first
** chunk is put. */
void moons__job_prove_after(moons_job *job, unsigned n_calls);

/* Says in words what was missing, and what a person can do about it. Ends with a zero byte; returns `text`. */
enum { MOONS__SHORTAGE_BYTES = 320 };
const char *moons__shortage_text(const moons__shortage *shortage, char text[MOONS__SHORTAGE_BYTES]);

/* From now on the thread that waits for calls of this runtime, or of those that are made on it, may run short ones itself. It is
** one thread, it has room for a call on its C stack, and a signal handler on it that ends what it waits for calls
** moons__runtime_cancel_here; the runtime has a `stop_signal`. */
void moons__runtime_lend(moons_runtime *runtime);

/* Where `wants`, chunks that are put from now on run at once on the calling thread, if it may run calls and is in none. Nobody
** gives up a call there. Otherwise they run on workers. Returns whether they run here. */
int moons__job_lend(moons_job *job, int wants);

/* Whether it would. */
int moons__job_lends(const moons_job *job);

/* Runs a chunk here that no worker has begun, where the last one was put for this thread. Returns 0 where there is none. */
int moons__job_help(moons_job *job);

/* Whether asking if calls are done has to run some, on the calling thread: on the backend "inline", in a worker process, and in a
** program's call of which no other worker could run any now. Any thread. */
int moons__runtime_runs_when_asked(const moons_runtime *runtime);

/* How many workers a job uses that does not ask for any number: as many as the options say. Any thread. */
unsigned moons__runtime_workers(const moons_runtime *runtime);

/* The same, but 0 where hosts have to be asked. Any thread. */
unsigned moons__runtime_told_workers(const moons_runtime *runtime);

/* The options that it was made with, with defaults resolved. Any thread. */
const moons_options *moons__runtime_options(const moons_runtime *runtime);

/* What is alike in all its states, and in those of runtimes made on it, so that it is found out once: the module, compiled, and
** the functions of this Lua. The runtime's. Any thread. */
moons__kept *moons__runtime_kept(const moons_runtime *runtime);

/* Its workers, and those of runtimes made on it (roster.h). It stays to the end of the process, for handlers that do.
** Any thread. */
const struct moons__roster *moons__runtime_share_roster(const moons_runtime *runtime);

/* Makes calls for the process that has started this one (serve.h), on a runtime of MOONS_LENT that is served, until no more will
** come. Returns 0, MOONS_ENOMEM or MOONS_ETHREAD. */
int moons__runtime_serve(moons_runtime *runtime, struct moons__server *server);

/* Makes calls for the caller of this agent (agent.h), on a runtime of the backend "processes", in the same way. */
int moons__runtime_represent(moons_runtime *runtime, struct moons__agent *agent);

/* Whether it, or the one that it was made on, makes calls for the process that has started this one: then it may start no worker
** processes. Any thread. */
int moons__runtime_is_served(const moons_runtime *runtime);

/* Whether it was made in a world of MPI. Any thread. */
int moons__runtime_has_world(const moons_runtime *runtime);

/* Whether its workers are other processes. Any thread. */
int moons__runtime_is_abroad(const moons_runtime *runtime);

/* How many calls may run at once where its workers are: the cores of this machine, or of its hosts; on a host, as many as that may
** use. Any thread. */
unsigned moons__runtime_cpus(const moons_runtime *runtime);

/* What handing a chunk over to its workers takes, about, where that is more than waking a thread. Any thread. */
double moons__runtime_handover_ns(const moons_runtime *runtime);

/* The console of a runtime, which lives as long as it, and its parent; NULL where another `write` takes what is printed. */
struct moons__console *moons__runtime_console(const moons_runtime *runtime);

/* The programs of its calls, and of those beside it (child.h). The runtime has a share. */
struct moons__children *moons__runtime_children(const moons_runtime *runtime);

/* Adds what can have calls, and takes it out, so that nobody looks at it any more. Any thread; no lock is held. */
void moons__client_add(moons_runtime *runtime, moons__client *client);
void moons__client_remove(moons_runtime *runtime, moons__client *client);

/* Adds a pool to those of the runtime that it was made on, and takes it out, before it is closed. */
void moons__pool_add(moons_runtime *pool);
void moons__pool_remove(moons_runtime *pool);

/* How far it, or the one that it was made on, is closed. Any thread. */
moons__phase moons__runtime_phase(const moons_runtime *runtime);

/* MOONS_ECLOSED where it takes no more calls; otherwise 0. Any thread. */
int moons__runtime_check_open(const moons_runtime *runtime);

#endif
