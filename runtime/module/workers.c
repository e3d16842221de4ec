/*
** Workers that a script makes are a runtime beside that of its state. Closing one that still has jobs only marks it:
** the last job that is closed frees it.
*/
#include "module/errors.h"

#include <lauxlib.h>
#include <stdio.h>

#include "backend/host_list.h"
#include "schedule/counts.h"
#include "schedule/queue.h"
#include "schedule/runtime.h"
#include "sizes.h"
#include "wire/traceback.h"
#include "worker/rights.h"

static const char POOL_TYPE[] = "parallel.workers";

/* Raises an error value of no call. */
static void raise_failure(lua_State *L, moons__failure_kind kind, const char *text) {
  moons__failure failure = moons__failure_of(kind, text);
  moons__push_error(L, NULL, 0, &failure);
  moons__raise(L);
}

void moons__check_made(lua_State *L, int error, const moons__shortage *shortage) {
  char text[MOONS__SHORTAGE_BYTES];
  if (error == MOONS_ETHREAD)
    raise_failure(L, MOONS__FAILURE_SYSTEM, moons__shortage_text(shortage, text));
  if (error == MOONS_EFORKED || error == MOONS_ECLOSED)
    raise_failure(L, MOONS__FAILURE_SYSTEM, moons_error_text(error));
  if (error == MOONS_EDEPTH) {
    snprintf(text, sizeof text,
             "%s: more than %d within each other; does a function that maps call itself?",
             moons_error_text(error), MOONS_MAX_DEPTH);
    raise_failure(L, MOONS__FAILURE_ERROR, text);
  }
  moons__check(L, error);
}

moons__workers_data *moons__check_workers(lua_State *L, int index) {
  moons__workers_data *workers = luaL_checkudata(L, index, POOL_TYPE);
  if (workers->is_closed) moons__blame(L, "the pool is closed");
  return workers;
}

void moons__workers_let_go(moons__workers_data *workers) {
  if (!workers->is_closed || workers->jobs != NULL) return;
  moons_runtime_free(workers->runtime);
  workers->runtime = NULL;
}

/* workers:close(): takes no more jobs. Those that are open keep the runtime until they are closed; where there are none,
** waits for the calls that run. */
static int pool_close(lua_State *L) {
  moons__workers_data *workers = luaL_checkudata(L, 1, POOL_TYPE);
  workers->is_closed = 1;
  moons__workers_let_go(workers);
  return 0;
}

/* workers:terminate(): closes them, and the jobs that are open. */
static int pool_terminate(lua_State *L) {
  moons__workers_data *workers = luaL_checkudata(L, 1, POOL_TYPE);
  while (workers->jobs != NULL)
    moons__close_job(L, workers->jobs);
  workers->is_closed = 1;
  moons__workers_let_go(workers);
  return 0;
}

/* A pool that nobody has closed, or that could not be made. */
static int pool_gc(lua_State *L) {
  const moons__workers_data *workers = luaL_checkudata(L, 1, POOL_TYPE);
  if (!workers->is_closed && workers->runtime != NULL)
    lua_warning(L, "parallel: a pool was dropped that was not closed", 0);
  return pool_terminate(L);
}

static void set_number(lua_State *L, const char *field, lua_Number n) {
  lua_pushnumber(L, n);
  lua_setfield(L, -2, field);
}

static void set_count(lua_State *L, const char *field, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, field);
}

static void push_host_stats(lua_State *L, const moons__host_stats *stats) {
  lua_createtable(L, 0, 8);
  lua_pushstring(L, stats->name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, stats->state);
  lua_setfield(L, -2, "state");
  set_count(L, "workers", stats->n_workers);
  set_count(L, "running", stats->n_running);
  set_count(L, "losses", stats->n_losses);
  set_count(L, "done", stats->n_done);
  set_count(L, "failed", stats->n_failed);
  set_number(L, "busy", (lua_Number)stats->busy_ns / 1e9);
}

/* Sets what each host has done in the table on top, where there are hosts. */
static void set_hosts(lua_State *L, moons_runtime *runtime) {
  moons__host_stats stats;
  unsigned n = 0;
  for (; moons__runtime_host_stats(runtime, n, &stats); n++) {
    if (n == 0) lua_newtable(L);
    push_host_stats(L, &stats);
    lua_rawseti(L, -2, (lua_Integer)n + 1);
  }
  if (n > 0) lua_setfield(L, -2, "hosts");
}

/* workers:stats() */
static int pool_stats(lua_State *L) {
  moons_stats stats;
  moons_runtime *runtime = moons__check_workers(L, 1)->runtime;
  moons__runtime_stats(runtime, &stats);
  lua_createtable(L, 0, 11);
  set_count(L, "workers", stats.n_workers);
  set_count(L, "done", stats.n_done);
  set_count(L, "failed", stats.n_failed);
  set_count(L, "retried", stats.n_retried);
  set_count(L, "lost", stats.n_lost);
  set_number(L, "busy", (lua_Number)stats.busy_ns / 1e9);
  set_count(L, "sent", stats.sent_bytes);
  set_count(L, "received", stats.received_bytes);
  set_count(L, "restored", stats.n_restored);
  set_count(L, "proved", stats.n_proved);
  set_hosts(L, runtime);
  return 1;
}

/* Names of hosts at a stack index, which may be in a file. */
static const char *check_names(lua_State *L, int index) {
  const char *hosts = luaL_checkstring(L, index);
  if (hosts[0] == '@' && (moons__rights_of(L) & MOONS_MAY_FILES) == 0)
    luaL_error(L, "this call may read no files");
  return hosts;
}

/* core.why_no_hosts(names, command | nil): what is wrong with them; nil: nothing. */
int moons__core_why_no_hosts(lua_State *L) {
  char why[MOONS__LIST_WHY_BYTES];
  moons__host_list list;
  const char *launch = luaL_optstring(L, 2, moons__launch_by_ssh);
  if (moons__host_list_read(&list, NULL, check_names(L, 1), why)) {
    lua_pushstring(L, why);
    return 1;
  }
  moons__host_list_free(&list);
  if (moons__launch_is_valid(launch)) return 0;
  lua_pushliteral(L, "'launch' is a command with {host} and {moons} in it");
  return 1;
}

/* What makes a worker process or reaches a host is a program, and of `launch` a command of the script's. */
static void check_right_to_programs(lua_State *L) {
  if ((moons__rights_of(L) & MOONS_MAY_PROCESSES) == 0)
    raise_failure(L, MOONS__FAILURE_SYSTEM,
                  "this call may start no programs, and so no worker processes: make the pool "
                  "without the options 'backend' and 'hosts'");
}

/* Worker processes start no others, or there would be no end of them; and they have no functions of a host unless it is one. */
static void check_processes(lua_State *L, const moons_runtime *runtime, const moons__terms *terms) {
  if (moons__runtime_is_served(runtime))
    raise_failure(L, MOONS__FAILURE_SYSTEM,
                  "a call in a worker process cannot start worker processes: make the pool without "
                  "the options 'backend' and 'hosts', or a map, which runs in this process");
  if (moons__terms_host(terms) != 0 && moons__runtime_options(runtime)->program == NULL)
    raise_failure(L, MOONS__FAILURE_SYSTEM,
                  "worker processes have none of the functions that this program offers to calls: "
                  "have its main call moons_worker_main, and name it as 'program' in its options");
}

/* Other machines have none at all of what a host offers. */
static void check_hosts(lua_State *L, const moons_runtime *runtime, moons_backend backend,
                        const moons__terms *terms) {
  if (moons__terms_host(terms) != 0)
    raise_failure(L, MOONS__FAILURE_SYSTEM,
                  "hosts have none of the functions that this program offers to calls");
  if (backend == MOONS_MPI && !moons__runtime_has_world(runtime))
    raise_failure(L, MOONS__FAILURE_SYSTEM,
                  "the backend 'mpi' wants a script that was started with it: "
                  "mpirun -n 4 moons -b mpi script.lua");
  if (backend == MOONS_HOSTS && moons__runtime_options(runtime)->hosts == NULL &&
      lua_isnoneornil(L, 4))
    raise_failure(L, MOONS__FAILURE_SYSTEM,
                  "the backend 'hosts' wants hosts: parallel.pool {hosts = {\"node1:16\"}}");
}

/* Whether a pool has workers of its own. Not in a call under terms that bound how many the program's calls have. */
static int may_have_own(const moons__state_data *state) {
  return !moons__runtime_is_worker(state->runtime) ||
         moons__terms_of(moons__luggage_of(state)->terms)->max_running == 0;
}

/* The backend that was asked for, at this index, or that of the state. */
static moons_backend choose_backend(lua_State *L, int index, const moons__state_data *state) {
  const moons_runtime *runtime = state->runtime;
  moons_backend backend = moons__runtime_options(runtime)->backend;
  if (backend == MOONS_LENT) /* a pool has threads of its own, but not in a worker process */
    backend = moons__runtime_is_served(runtime) ? MOONS_INLINE : MOONS_THREADS;
  const char *name = luaL_optstring(L, index, NULL);
  if (name != NULL && !moons__backend_of_name(name, &backend)) moons__check(L, MOONS_EINVAL);
  const moons__terms *terms = moons__luggage_of(state)->terms;
  int is_far = backend == MOONS_HOSTS || backend == MOONS_MPI;
  if (is_far || backend == MOONS_PROCESSES) {
    check_right_to_programs(L);
    check_processes(L, runtime, terms);
  }
  if (is_far) check_hosts(L, runtime, backend, terms);
  return may_have_own(state) ? backend : MOONS_INLINE;
}

/* How many a pool has that does not say; 0: as many as its hosts have, or as there are cores. */
static unsigned default_workers(const moons_runtime *runtime, int has_hosts) {
  return has_hosts ? 0 : moons__runtime_told_workers(runtime);
}

/* core.new_workers(n, seed | nil, backend | nil, hosts | nil, command | nil): workers like those of the state, but n of them; 0:
** as many as the state has, or its hosts. They share its console. Returns them, and how many there are. */
int moons__core_new_workers(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  const char *hosts = lua_isnoneornil(L, 4) ? NULL : check_names(L, 4),
             *launch = luaL_optstring(L, 5, NULL);
  luaL_argcheck(L, n >= 0 && n <= MOONS_MAX_WORKERS, 1, "out of range");
  lua_settop(L, 5);
  if ((moons__rights_of(L) & MOONS_MAY_POOLS) == 0)
    raise_failure(L, MOONS__FAILURE_SYSTEM,
                  "this call may make no pools: make a map, which uses the "
                  "workers that there are");
  const moons__state_data *state = moons__push_state(L);
  moons_backend backend = choose_backend(L, 3, state);
  moons__workers_data *workers = lua_newuserdatauv(L, sizeof *workers, 1);
  *workers = (moons__workers_data){.seeds.has_seed = !lua_isnil(L, 2),
                                   .seeds.seed = (uint64_t)lua_tointeger(L, 2)};
  luaL_setmetatable(L, POOL_TYPE);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  if (moons__runtime_is_forked(state->runtime)) moons__check_made(L, MOONS_EFORKED, NULL);
  moons_options options = *moons__runtime_options(state->runtime);
  options.n_workers = n > 0 ? (unsigned)n : default_workers(state->runtime, hosts != NULL);
  options.backend = backend;
  if (hosts != NULL) options.hosts = hosts;
  if (launch != NULL) options.launch = launch;
  moons__surroundings around = {.parent = state->runtime};
  moons__shortage shortage;
  moons__check_made(L, moons__runtime_make(&workers->runtime, &options, &around, &shortage),
                    &shortage);
  lua_pushinteger(L, moons__runtime_workers(workers->runtime));
  return 2;
}

void moons__make_pool_types(lua_State *L) {
  static const luaL_Reg METHODS[] = {
      {"close", pool_close}, {"terminate", pool_terminate}, {"stats", pool_stats}, {NULL, NULL}};
  luaL_newmetatable(L, POOL_TYPE);
  lua_pushcfunction(L, pool_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, METHODS);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
