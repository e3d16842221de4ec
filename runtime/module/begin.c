/*
** A job is made in two steps that may raise: options first, then the set-up, which is encoded. The userdata holds nothing
** that the collector must find in C: functions, items and errors are its user values.
*/
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "module/errors.h"
#include "module/sending.h"
#include "system/machine.h"

/* The arguments of core.job and core.call, after which the job comes to stand at stack index 1. */
enum {
  ARG_FUNCTION = 2,
  ARG_OPTIONS,
  ARG_WORKERS,
  ARG_POOL,
  ARG_CHUNK, /* of core.call: the first argument of the call */
  ARG_SOURCE,
  ARG_IS_ROWS,
  ARG_N,
  ARG_FIRST,
  ARG_STEP
};

static lua_Integer option_integer(lua_State *L, const char *name) {
  lua_getfield(L, ARG_OPTIONS, name);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

/* Options that are not given are 0. */
static void read_options(lua_State *L, moons_job_options *options) {
  options->fresh = lua_getfield(L, ARG_OPTIONS, "fresh") == LUA_TNIL || lua_toboolean(L, -1);
  lua_getfield(L, ARG_OPTIONS, "pack");
  options->pack = lua_toboolean(L, -1);
  lua_getfield(L, ARG_OPTIONS, "errors");
  options->collect = lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), "collect") == 0;
  lua_getfield(L, ARG_OPTIONS, "timeout");
  options->timeout_ns = (uint64_t)ceil(lua_tonumber(L, -1) * 1e9);
  lua_getfield(L, ARG_OPTIONS, "until");
  options->until = lua_toboolean(L, -1);
  lua_pop(L, 5);
  options->memory_bytes = (size_t)option_integer(L, "memory");
  options->n_retries = (unsigned)option_integer(L, "retries");
  options->n_workers = (unsigned)luaL_checkinteger(L, ARG_WORKERS);
}

static void read_source(lua_State *L, moons__job_data *j) {
  j->is_rows = lua_toboolean(L, ARG_IS_ROWS);
  j->n = luaL_checkinteger(L, ARG_N);
  j->has_ended = j->n == 0;
  lua_pushvalue(L, ARG_SOURCE);
  lua_setiuservalue(L, 1, MOONS__VALUE_SOURCE);
  if (lua_isinteger(L, ARG_FIRST)) {
    j->source = MOONS__FROM_INTEGERS;
    j->first = lua_tointeger(L, ARG_FIRST);
    j->step = luaL_checkinteger(L, ARG_STEP);
  } else if (!lua_isnil(L, ARG_FIRST)) {
    j->source = MOONS__FROM_FLOATS;
    j->number_first = luaL_checknumber(L, ARG_FIRST);
    j->number_step = luaL_checknumber(L, ARG_STEP);
  } else if (j->n < 0) {
    j->source = MOONS__FROM_ITERATOR;
  } else {
    luaL_checktype(L, ARG_SOURCE, LUA_TTABLE);
  }
}

/* The workers that were given, or NULL. */
static moons__workers_data *given_workers(lua_State *L) {
  return lua_isnil(L, ARG_POOL) ? NULL : moons__check_workers(L, ARG_POOL);
}

/* Makes the job with the set-up that was encoded, for the workers that were given or, where none were, the
** state's. */
static void start_job(lua_State *L, moons__job_data *j, moons_job_options *options) {
  options->setup = j->setup.bytes;
  options->setup_bytes = j->setup.n_bytes;
  moons__workers_data *workers = given_workers(L); /* which encoding may have closed */
  moons_runtime *runtime = workers != NULL ? workers->runtime : j->state->runtime;
  moons__shortage shortage;
  moons__check_made(L, moons__job_make(&j->job, runtime, options, &shortage), &shortage);
  moons__leave_setup(j);
  if (workers != NULL) moons__link_job(j, workers);
}

/* A number for the function at ARG_FUNCTION; 0 for what is none, and for those of the module, which
** stand for any other. It is told by where its code stands: what it captures may be another each
** time. */
static uint64_t function_number(lua_State *L, int fresh) {
  if (lua_iscfunction(L, ARG_FUNCTION)) {
    lua_CFunction function = lua_tocfunction(L, ARG_FUNCTION);
    return moons__costs_number(&function, sizeof function, (uint64_t)fresh);
  }
  if (!lua_isfunction(L, ARG_FUNCTION)) return 0;
  lua_Debug info;
  lua_pushvalue(L, ARG_FUNCTION);
  lua_getinfo(L, ">S", &info);
  if (strncmp(info.source, "=parallel.", 10) == 0) return 0;
  uint64_t place = (uint64_t)info.linedefined << 33 | (uint64_t)info.lastlinedefined << 1;
  return moons__costs_number(info.short_src, strlen(info.short_src), place | (uint64_t)fresh);
}

/* The seed of the job's `n` calls, -1: nobody knows how many. A pool counts those too that have a seed of their
** own. */
static void choose_seed(lua_State *L, moons__job_data *j, moons_job_options *options,
                        lua_Integer n) {
  moons__workers_data *workers = given_workers(L);
  if (workers != NULL) {
    j->n_seeds_before = moons__seeds_take(L, &workers->seeds, n);
    j->is_uncounted = n < 0;
  }
  if (lua_getfield(L, ARG_OPTIONS, "seed") != LUA_TNIL) {
    options->seed = (uint64_t)lua_tointeger(L, -1);
  } else if (workers != NULL) {
    options->seed = workers->seeds.seed;
    options->seed_offset = j->n_seeds_before;
  } else {
    options->seed = moons__draw_seed(L);
  }
  lua_pop(L, 1);
}

/* Notes where the job is to report. A report of all that a pool does goes by the numbers of the pool's calls. */
static void choose_report(lua_State *L, moons__job_data *j, moons_job_options *options) {
  char host[MOONS_HOST_BYTES];
  options->report = lua_getfield(L, ARG_OPTIONS, "report") == LUA_TTABLE;
  lua_setiuservalue(L, 1, MOONS__VALUE_REPORT);
  if (!options->report) return;
  moons__machine_host(host, sizeof host);
  lua_pushstring(L, host);
  lua_setiuservalue(L, 1, MOONS__VALUE_HOST);
  lua_getfield(L, ARG_OPTIONS, "reports_all");
  if (lua_toboolean(L, -1)) j->n_reported_before = j->n_seeds_before;
  lua_pop(L, 1);
}

/* Makes a job of `n` calls, -1: nobody knows how many, from the arguments up to ARG_POOL, and puts it below
** them. */
static moons__job_data *open_job(lua_State *L, lua_Integer n) {
  moons__job_data *j = moons__push_job(L);
  lua_insert(L, 1);
  moons_job_options options;
  moons_job_options_init(&options);
  read_options(L, &options);
  choose_seed(L, j, &options, n);
  choose_report(L, j, &options);
  j->pack = options.pack;
  j->collects = options.collect;
  j->keeps = !options.fresh;
  j->function = function_number(L, options.fresh);
  const moons__cost *cost = NULL;
  if (j->function != 0) cost = moons__costs_find(&j->state->costs, j->function);
  moons__chunker_init(&j->chunker, options.n_workers, 0, cost);
  lua_pushvalue(L, ARG_FUNCTION);
  lua_setiuservalue(L, 1, MOONS__VALUE_FUNCTION);
  lua_getfield(L, ARG_OPTIONS, "init");
  lua_setiuservalue(L, 1, MOONS__VALUE_INIT);
  lua_pushvalue(L, ARG_POOL);
  lua_setiuservalue(L, 1, MOONS__VALUE_POOL);
  lua_pushnil(L);
  moons__make_setup(L, j, 0);
  j->n_setups = 1;
  j->classes.n_known = j->classes.n_numbers;
  start_job(L, j, &options);
  return j;
}

/* core.job(f, options, workers, pool | nil, chunk, source, is_rows, n, first, step): a map over the
** `n` elements of a table, or over what an iterator gives, then n is -1, or, where `first` is there, over
** evenly spaced numbers; in chunks of `chunk` calls, 0: by measurement. The options are as a script
** gives them, and have been checked: `fresh`, `init`, `pack`, `errors`, `timeout`, `memory`, `retries`.
** Returns a job. */
int moons__core_job(lua_State *L) {
  lua_settop(L, ARG_STEP - 1);
  moons__job_data *j = open_job(L, luaL_checkinteger(L, ARG_N - 1));
  j->chunker.fixed = (uint32_t)luaL_checkinteger(L, ARG_CHUNK);
  read_source(L, j);
  lua_settop(L, 1);
  return 1;
}

/* core.call(f, options, workers, pool | nil, ...): a job of one call with these arguments, which is
** under way. */
int moons__core_call(lua_State *L) {
  luaL_checkany(L, ARG_POOL - 1);
  moons__job_data *j = open_job(L, 1);
  j->n = 1;
  j->source = MOONS__FROM_CALL;
  if (lua_gettop(L) >= ARG_CHUNK) lua_pushvalue(L, ARG_CHUNK);
  if (lua_gettop(L) >= ARG_CHUNK) lua_setiuservalue(L, 1, MOONS__VALUE_SOURCE);
  moons__feed_call(L, j, ARG_CHUNK);
  moons__leave_encoder(j);
  lua_settop(L, 1);
  return 1;
}
