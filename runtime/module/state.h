/*
** What a Lua state has for the module: a runtime, and what its jobs share. The module's C half is module.c (its functions, and
** how it is loaded), state.c, workers.c (workers of a script's own), job.h (jobs as objects of a Lua state), clock.c, seed.c and
** terminal.c (what the caller's side shows there); the Lua half (lua/parallel) makes the calls of the module out of it.
*/
#ifndef MOONS_MODULE_STATE_H
#define MOONS_MODULE_STATE_H

#include <lua.h>
#include <stdint.h>

#include "moons.h"
#include "schedule/chunk_size.h"
#include "schedule/runtime.h"
#include "wire/names.h"
#include "wire/raise.h"
#include "wire/wire.h"

/* Keys in the registry. */
#define MOONS__KEY_STATE "moons.state"     /* a moons__state_data */
#define MOONS__KEY_RUNTIME "moons.runtime" /* light userdata, given by moons__preload */

/* What the calls of a pool draw their random numbers from, or those of a state whose terms have a seed. */
typedef struct moons__seeds {
  int has_seed;
  uint64_t seed;
  uint64_t n_taken; /* by calls so far */
} moons__seeds;

/* The user values of what the jobs of a Lua state share. */
enum { MOONS__VALUE_SPARE_JOB = 1, MOONS__N_STATE_VALUES = MOONS__VALUE_SPARE_JOB };

/* What the jobs of a Lua state share. */
typedef struct moons__state_data {
  moons_runtime *runtime;
  int owns_runtime;
  moons__luggage luggage; /* of all its jobs: the terms, which are those of the state (open.c) */
  uint64_t seed;          /* the last from the system; 0: none was */
  moons__seeds seeds;     /* of the terms, where they have one */
  uint64_t n_drawn;       /* seeds, from that one */
  moons__names names;
  moons__costs costs;

  struct moons__queue *queue; /* to which jobs report; NULL: none has yet; owned */

  /* Memory that the last job left for the next; owned. */
  int has_spare_encoder;
  moons__encoder spare_encoder;
  moons__buffer spare_setup;
  size_t setup_bytes; /* of the last set-up */

  int says_when_to_prove; /* a test has done that */
  unsigned prove_after;   /* how many calls in a state its proof is tried (plan.h) */

  int ended_by_hook; /* the error that ended what a job read or sent last was raised in a hook */
} moons__state_data;

/* Workers of a script's own. */
typedef struct moons__workers_data {
  moons_runtime *runtime; /* NULL: closed */
  moons__seeds seeds;
  struct moons__job_data *jobs; /* that are open */
  int is_closed;                /* no more are taken; the runtime goes with the last that is open */
} moons__workers_data;

/* Pushes the data of this state, made when it is needed first, with a runtime where it has none. */
moons__state_data *moons__push_state(lua_State *L);

/* The terms under which the state was opened; NULL: the defaults. The state's. */
moons__terms *moons__terms_of_state(lua_State *L);

/* Raises the error of making or using a runtime or a job: want of threads, of which `shortage` tells, and a process that was forked
** are error values of kind "system". */
void moons__check_made(lua_State *L, int error, const moons__shortage *shortage);

/* That under which the state makes calls: its own or, in a call, that of the call. */
const moons__luggage *moons__luggage_of(const moons__state_data *state);

/* The queue of a state, made when it is needed first. */
struct moons__queue *moons__queue_of(lua_State *L, moons__state_data *state);

/* Whether this is the state of a call that a worker runs, whatever the script has made of its registry. */
int moons__is_worker(lua_State *L);

/* The workers object at a stack index; raises an error where it is closed. */
moons__workers_data *moons__check_workers(lua_State *L, int index);

/* Frees the runtime of workers that are closed, once no job is open. */
void moons__workers_let_go(moons__workers_data *workers);

/* Closes a job; raises an error where what it runs wants that. Does nothing to one that is closed. */
void moons__close_job(lua_State *L, struct moons__job_data *job);

/* A seed from the script's math.random, so that its math.randomseed decides on the maps too, and within a call
** the outer map's seed does; from that of the terms where they have one; from the system where that gives no number. May run the
** script's code. */
uint64_t moons__draw_seed(lua_State *L);

/* Those of the workers, of the state where its terms have a seed, or NULL: each job draws one. `workers` may be NULL. */
moons__seeds *moons__seeds_of(moons__state_data *state, moons__workers_data *workers);

/* Takes the numbers of the next `n` calls, -1: nobody knows how many; returns how many were taken before. The
** seed of a pool that was given none is drawn at its first call. */
uint64_t moons__seeds_take(lua_State *L, moons__seeds *seeds, lua_Integer n);

/* Gives back what a map whose items nobody had counted, and which is over after `n` of them, has not used, unless
** others have come after it. */
void moons__seeds_settle(moons__seeds *seeds, uint64_t n_before, lua_Integer n);

/* Make the metatables of states, of workers, and of jobs. */
void moons__make_state_type(lua_State *L);
void moons__make_pool_types(lua_State *L);
void moons__make_job_types(lua_State *L);

/* Functions of the module "parallel.core". */
int moons__core_new_workers(lua_State *L);
int moons__core_why_no_hosts(lua_State *L);
int moons__core_job(lua_State *L);
int moons__core_call(lua_State *L);
int moons__core_map(lua_State *L);
int moons__core_apply(lua_State *L);
int moons__core_prove_after(lua_State *L);
int moons__core_are_plain(lua_State *L);
int moons__core_draw_seed(lua_State *L);
int moons__core_array(lua_State *L);
int moons__core_array_kind(lua_State *L);
int moons__core_array_of_parts(lua_State *L);
int moons__core_array_parts(lua_State *L);
int moons__core_captures(lua_State *L);
int moons__core_why_not_use(lua_State *L);
int moons__core_next(lua_State *L);
int moons__core_now(lua_State *L);
int moons__core_sleep(lua_State *L);
int moons__core_columns(lua_State *L);
int moons__core_say(lua_State *L);
int moons__core_show(lua_State *L);
int moons__core_hide(lua_State *L);

/* Methods of jobs. */
int moons__core_feed(lua_State *L);
int moons__core_collect(lua_State *L);
int moons__core_stored(lua_State *L);

#endif
