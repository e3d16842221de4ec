/*
** A job is made in two steps that may raise: what the arguments say is read first, then the set-up is encoded. Where that cannot
** be done, the error is an error value. The userdata holds nothing that the collector must find in C: functions, items and
** errors are its user values.
*/
#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "module/errors.h"
#include "module/hooks.h"
#include "module/sending.h"
#include "sizes.h"
#include "system/machine.h"
#include "wire/traceback.h"
#include "worker/plan.h"
#include "worker/rights.h"

/* Where things stand while a job is made: first what all have, then what a map has, or a call. */
enum {
  JOB = 1,
  OPTIONS,
  POOL,
  FUNCTION,
  ITEMS,
  IS_ROWS,
  N_ITEMS,
  FIRST,
  STEP,
  CHUNK,
  LAST_OF_MAP = CHUNK
};
enum { IS_AWAITED = FUNCTION + 1, FIRST_ARGUMENT };

/* The longest timeout; lua/parallel/check.lua refuses longer ones. */
static const lua_Number MOST_SECONDS = 1e8;

_Static_assert(LAST_OF_MAP == 1 + MOONS__N_OF_MAP, "arguments of a map, and the job");

/* Pushes an option, most of which are not given; returns its type. */
static int push_option(lua_State *L, const char *name) {
  if (!lua_isnil(L, OPTIONS)) return lua_getfield(L, OPTIONS, name);
  lua_pushnil(L);
  return LUA_TNIL;
}

/* Integers, and flags, that are not given are 0. A script can come here past the Lua half: what would not fit is refused. */
static lua_Integer integer_option(lua_State *L, const char *name, lua_Integer most) {
  lua_Integer n = push_option(L, name) == LUA_TNIL ? 0 : lua_tointeger(L, -1);
  lua_pop(L, 1);
  if (n < 0 || n > most) luaL_error(L, "option '%s' is out of range", name);
  return n;
}

static int flag_option(lua_State *L, const char *name) {
  int is_set = push_option(L, name) != LUA_TNIL && lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_set;
}

/* Keeps an option as a user value of the job; returns its type. */
static int keep_option(lua_State *L, const char *name, int which) {
  int type = push_option(L, name);
  lua_setiuservalue(L, JOB, which);
  return type;
}

static uint64_t timeout_of(lua_Number seconds) {
  if (!(seconds > 0)) return 0;
  return (uint64_t)ceil((seconds < MOST_SECONDS ? seconds : MOST_SECONDS) * 1e9);
}

/* Options that are not given are 0. An empty table of them is asked for none. */
static void read_options(lua_State *L, moons__job_options *options) {
  moons__job_options_init(options);
  lua_pushnil(L);
  if (!lua_next(L, OPTIONS)) {
    lua_pushnil(L);
    lua_replace(L, OPTIONS);
    return;
  }
  options->fresh = lua_getfield(L, OPTIONS, "fresh") == LUA_TNIL || lua_toboolean(L, -1);
  lua_getfield(L, OPTIONS, "errors");
  options->collect = lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), "collect") == 0;
  lua_getfield(L, OPTIONS, "timeout");
  options->timeout_ns = timeout_of(lua_tonumber(L, -1));
  lua_pop(L, 5);
  options->pack = flag_option(L, "pack");
  options->until = flag_option(L, "until");
  options->memory_bytes = (size_t)integer_option(L, "memory", LUA_MAXINTEGER);
  options->n_retries = (unsigned)integer_option(L, "retries", INT_MAX);
  options->n_workers = (unsigned)integer_option(L, "workers", MOONS_MAX_WORKERS);
}

/* Reads the rule of items that follow one; returns whether they do. */
static int read_rule(lua_State *L, moons__job_data *j) {
  if (lua_isnil(L, FIRST)) return 0;
  if (lua_isinteger(L, FIRST)) {
    j->source = MOONS__FROM_INTEGERS;
    j->first = lua_tointeger(L, FIRST);
    j->step = lua_tointeger(L, STEP);
  } else {
    j->source = MOONS__FROM_FLOATS;
    j->number_first = lua_tonumber(L, FIRST);
    j->number_step = lua_tonumber(L, STEP);
  }
  return 1;
}

/* How many calls are to travel together; 0: that is measured. */
static uint32_t read_chunk(lua_State *L) {
  lua_Integer n = lua_tointeger(L, CHUNK);
  if (n < 0 || n > MOONS_CHUNK_MAX_CALLS) luaL_error(L, "option 'chunk' is out of range");
  return (uint32_t)n;
}

/* Items that are no array and follow no rule: elements of a table, or what a function gives. */
static void read_list(lua_State *L, moons__job_data *j) {
  j->source = j->n < 0 ? MOONS__FROM_ITERATOR : MOONS__FROM_TABLE;
  if (j->n >= 0 && !lua_istable(L, ITEMS))
    luaL_error(L, "items of a map are no %s", luaL_typename(L, ITEMS));
}

/* Where the items of a map come from. */
static void read_items(lua_State *L, moons__job_data *j) {
  lua_pushvalue(L, ITEMS);
  lua_setiuservalue(L, JOB, MOONS__VALUE_SOURCE);
  j->chunker.fixed = read_chunk(L);
  j->is_rows = lua_toboolean(L, IS_ROWS);
  j->n = lua_isnil(L, N_ITEMS) ? (lua_Integer)lua_rawlen(L, ITEMS) : lua_tointeger(L, N_ITEMS);
  if (lua_isuserdata(L, ITEMS))
    moons__use_items(L, j, ITEMS);
  else if (!read_rule(L, j))
    read_list(L, j);
  j->has_ended = j->n == 0;
}

/* The same for a job of one call, whose first argument errors show. */
static void read_call(lua_State *L, moons__job_data *j) {
  j->source = MOONS__FROM_CALL;
  j->n = 1;
  j->is_awaited = lua_toboolean(L, IS_AWAITED);
  if (lua_gettop(L) < FIRST_ARGUMENT) return;
  lua_pushvalue(L, FIRST_ARGUMENT);
  lua_setiuservalue(L, JOB, MOONS__VALUE_SOURCE);
}

/* Keeps the workers. Raises an error where they are closed. */
static void read_pool(lua_State *L) {
  if (lua_isnil(L, POOL)) return;
  moons__check_workers(L, POOL);
  lua_pushvalue(L, POOL);
  lua_setiuservalue(L, JOB, MOONS__VALUE_POOL);
}

/* The workers that were given, or NULL. */
static moons__workers_data *given_workers(lua_State *L) { return lua_touserdata(L, POOL); }

/* When a proof is tried, where a test has said that. */
static void choose_proof(const moons__job_data *j) {
  if (j->state->says_when_to_prove) moons__job_prove_after(j->job, j->state->prove_after);
}

/* core.prove_after(n): of tests: after how many calls in a state a proof is tried (plan.h) in the jobs that are made from now on;
** math.maxinteger: never. */
int moons__core_prove_after(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  moons__state_data *state = moons__push_state(L);
  state->says_when_to_prove = 1;
  state->prove_after = n < MOONS__PROVE_NEVER ? (unsigned)n : MOONS__PROVE_NEVER;
  return 0;
}

/* That of the workers that were given or, where none were, the state's. */
static moons_runtime *runtime_of(lua_State *L, const moons__job_data *j) {
  const moons__workers_data *workers = given_workers(L);
  return workers != NULL ? workers->runtime : j->state->runtime;
}

/* Makes the job with the set-up that was encoded. */
static void start_job(lua_State *L, moons__job_data *j, moons__job_options *options) {
  options->setup = j->setup.bytes;
  options->setup_bytes = j->setup.n_bytes;
  moons__workers_data *workers = given_workers(L);
  if (workers != NULL && workers->is_closed) /* as encoding may have done */
    moons__blame(L, "the pool is closed");
  moons__shortage shortage = {0};
  moons__luggage luggage;
  int error = moons__pack_luggage(j, &luggage);
  if (!error) error = moons__job_make(&j->job, runtime_of(L, j), options, &luggage, &shortage);
  moons__shared_list_release(luggage.shared);
  moons__check_made(L, error, &shortage);
  moons__leave_setup(j);
  choose_proof(j);
  if (workers != NULL) moons__link_job(j, workers);
}

/* A number for the function; 0 for what is none, and for those of the module, which stand for any other. It is told by
** where its code stands: what it captures may be another each time. */
static uint64_t function_number(lua_State *L, int fresh) {
  if (lua_iscfunction(L, FUNCTION)) {
    lua_CFunction function = lua_tocfunction(L, FUNCTION);
    return moons__costs_number(&function, sizeof function, (uint64_t)fresh);
  }
  if (!lua_isfunction(L, FUNCTION)) return 0;
  lua_Debug info;
  lua_pushvalue(L, FUNCTION);
  lua_getinfo(L, ">S", &info);
  if (strncmp(info.source, MOONS__MODULE_CHUNKS, sizeof MOONS__MODULE_CHUNKS - 1) == 0) return 0;
  uint64_t place = (uint64_t)info.linedefined << 33 | (uint64_t)info.lastlinedefined << 1;
  return moons__costs_number(info.short_src, strlen(info.short_src), place | (uint64_t)fresh);
}

/* The seed of the job's calls. A pool counts those too that have a seed of their own. */
static void choose_seed(lua_State *L, moons__job_data *j, moons__job_options *options) {
  moons__seeds *seeds = moons__seeds_of(j->state, given_workers(L));
  if (seeds != NULL) {
    j->n_seeds_before = moons__seeds_take(L, seeds, j->n);
    j->is_uncounted = j->n < 0;
  }
  if (push_option(L, "seed") != LUA_TNIL) {
    options->seed = (uint64_t)lua_tointeger(L, -1);
  } else if (seeds != NULL) {
    options->seed = seeds->seed;
    options->seed_offset = j->n_seeds_before;
  } else {
    options->seed = moons__draw_seed(L);
  }
  lua_pop(L, 1);
}

/* Takes the entries of the job before out of the table on top, which would be taken for those of this one. */
static void empty_report(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, -2);) {
    lua_pop(L, 1);
    if (!lua_isinteger(L, -1)) continue;
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, -4);
  }
}

/* Notes where the job is to report. A report of all that a pool does goes by the numbers of the pool's calls. */
static void choose_report(lua_State *L, moons__job_data *j, moons__job_options *options) {
  char host[MOONS_HOST_BYTES];
  options->report = keep_option(L, "report", MOONS__VALUE_REPORT) == LUA_TTABLE;
  if (!options->report) return;
  moons__machine_host(host, sizeof host);
  lua_pushstring(L, host);
  lua_setiuservalue(L, JOB, MOONS__VALUE_HOST);
  if (flag_option(L, "reports_all")) {
    j->n_reported_before = j->n_seeds_before;
    return;
  }
  lua_getiuservalue(L, JOB, MOONS__VALUE_REPORT);
  empty_report(L);
  lua_pop(L, 1);
}

/* What is known of how long its calls take decides how many travel together. */
static void choose_chunks(lua_State *L, moons__job_data *j, const moons__job_options *options) {
  j->function = function_number(L, options->fresh);
  const moons__cost *cost = NULL;
  if (j->function != 0) cost = moons__costs_find(&j->state->costs, j->function);
  moons__chunker_init(&j->chunker, options->n_workers, 0, cost);
}

/* A call on this thread has a state as new, since a kept one is a worker's, as what `init` has set up is; and nothing looks after
** its time, or reports which worker it had. */
static void choose_thread(lua_State *L, moons__job_data *j, const moons__job_options *options) {
  int has_init = push_option(L, "init") != LUA_TNIL;
  lua_pop(L, 1);
  j->suits_caller = options->fresh && !has_init && options->timeout_ns == 0 && !options->report &&
                    !options->until;
}

static void read_arguments(lua_State *L, moons__job_data *j, int is_map,
                           moons__job_options *options) {
  read_options(L, options);
  if (options->n_workers == 0) options->n_workers = moons__runtime_workers(j->state->runtime);
  j->pack = options->pack;
  j->collects = options->collect;
  j->keeps = !options->fresh;
  choose_chunks(L, j, options);
  read_pool(L);
  const moons_runtime *runtime = runtime_of(L, j);
  moons__chunker_aim(&j->chunker, moons__runtime_handover_ns(runtime));
  j->leaves_process = moons__runtime_is_abroad(runtime);
  push_option(L, "into");
  int into = lua_gettop(L);
  if (is_map) {
    moons__check_arrays(L, ITEMS, into);
    read_items(L, j);
    moons__use_into(L, j, into);
  } else {
    read_call(L, j);
  }
  lua_pop(L, 1);
  choose_seed(L, j, options);
  choose_report(L, j, options);
  choose_thread(L, j, options);
}

static void make_first_setup(lua_State *L, moons__job_data *j) {
  lua_pushvalue(L, FUNCTION);
  lua_setiuservalue(L, JOB, MOONS__VALUE_FUNCTION);
  keep_option(L, "init", MOONS__VALUE_INIT);
  lua_pushnil(L);
  moons__make_setup(L, j, 0);
  j->n_setups = 1;
  j->classes.n_known = j->classes.n_numbers;
}

/* Makes the job at 1 of what stands above it. */
static moons__job_data *make(lua_State *L, int is_map) {
  moons__job_data *j = lua_touserdata(L, JOB);
  moons__job_options options;
  read_arguments(L, j, is_map, &options);
  j->n_workers = options.n_workers;
  make_first_setup(L, j);
  start_job(L, j, &options);
  return j;
}

static int make_map(lua_State *L) {
  make(L, 1);
  return 0;
}

static int make_call(lua_State *L) {
  moons__job_data *j = make(L, 0);
  moons__feed_call(L, j, FIRST_ARGUMENT);
  moons__leave_encoder(j);
  return 0;
}

/* Puts the job on top to the bottom of the stack, and has it made of what stood below it. */
static moons__job_data *make_job(lua_State *L, lua_CFunction make_it) {
  int n_arguments = lua_gettop(L) - 1;
  moons__job_data *j = lua_touserdata(L, -1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushcfunction(L, make_it);
  lua_pushvalue(L, -2);
  lua_rotate(L, JOB, 3);
  if (j->is_own) lua_toclose(L, JOB);
  int status = moons__call_passing_hooks(L, j->state, 1 + n_arguments, 0);
  if (status != LUA_OK) moons__raise_of_making(L, j, status);
  return j;
}

moons__job_data *moons__make_map(lua_State *L) { return make_job(L, make_map); }

moons__job_data *moons__make_call(lua_State *L) { return make_job(L, make_call); }

/* core.job(options, pool, f, items, is_rows, n, first, step, chunk): a job that makes a map:
**   options      as a script gives them; the Lua half has checked them, and this one what it relies on
**   pool         whose the workers are, as core.new_workers makes them; nil: the state's
**   items        a table, an array, or the function that gives them
**   is_rows      they are rows of arguments
**   n            how many there are; -1: nobody knows; nil: they are a plain list
**   first, step  where they follow a rule
**   chunk        how many calls travel together; nil: by measurement
** Returns the job, and how many workers it uses. */
int moons__core_job(lua_State *L) {
  lua_settop(L, MOONS__N_OF_MAP);
  luaL_checktype(L, 1, LUA_TTABLE);
  moons__push_job(L);
  lua_pushinteger(L, moons__make_map(L)->n_workers);
  return 2;
}

void moons__check_call(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, IS_AWAITED - 1);
}

/* core.call(options, pool, f, is_awaited, ...): a job of one call with these arguments, which is under way.
**   is_awaited   nothing else is done before its values are taken */
int moons__core_call(lua_State *L) {
  moons__check_call(L);
  moons__push_job(L);
  moons__make_call(L);
  return 1;
}
