/*
** A job is made in two steps that may raise: options first, then the set-up, which is encoded once and again only where
** an argument needs more than it brings. The userdata holds nothing that the collector must find in C: functions, items
** and errors are its user values.
*/
#include "module/job.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schedule/queue.h"
#include "sizes.h"
#include "state/pristine.h"
#include "system/machine.h"
#include "wire/setup.h"
#include "wire/traceback.h"

static const char JOB_TYPE[] = "parallel.job";

/* Larger set-ups leave their memory to none. */
enum { MOST_SPARE_BYTES = 64 << 10 };

/* {== Errors of calls ========================================================================= */

static void set_text(lua_State *L, const char *field, const char *text, size_t n_bytes) {
  lua_pushlstring(L, text, n_bytes);
  lua_setfield(L, -2, field);
}

/* Pushes the row on top, which it pops, without its first value: calls that were noted hold their function there. */
static void push_arguments_of(lua_State *L) {
  int row = lua_gettop(L);
  lua_getfield(L, row, "n");
  lua_Integer n = lua_tointeger(L, -1);
  lua_createtable(L, (int)(n > 0 ? n - 1 : 0), 0);
  for (lua_Integer i = 2; i <= n; i++) {
    lua_rawgeti(L, row, i);
    lua_rawseti(L, -2, i - 1);
  }
  lua_replace(L, row);
  lua_settop(L, row);
}

/* Pushes the item with this number, as far as it can be had without running the script's code, or nil. */
static void push_item(lua_State *L, const moons__job_data *j, lua_Integer index) {
  int list = j->source == MOONS__FROM_ITERATOR ? MOONS__VALUE_ITEMS : MOONS__VALUE_SOURCE;
  switch (j->source) {
  case MOONS__FROM_INTEGERS:
    lua_pushinteger(L,
                    (lua_Integer)((uint64_t)j->first + (uint64_t)j->step * (uint64_t)(index - 1)));
    return;
  case MOONS__FROM_FLOATS:
    lua_pushnumber(L, j->number_first + (lua_Number)(index - 1) * j->number_step);
    return;
  case MOONS__FROM_CALL: lua_getiuservalue(L, 1, MOONS__VALUE_SOURCE); return;
  case MOONS__FROM_TABLE:
  case MOONS__FROM_ITERATOR:
    if (lua_getiuservalue(L, 1, list) != LUA_TTABLE) return;
    lua_rawgeti(L, -1, index);
    lua_remove(L, -2);
  }
}

/* Gives the error value on top what the caller's side knows of the call. */
static void add_call(lua_State *L, const moons__job_data *j, lua_Integer index) {
  int error = lua_gettop(L);
  lua_pushinteger(L, index);
  lua_setfield(L, error, "index");
  push_item(L, j, index);
  if (j->is_rows && j->function == 0 && lua_istable(L, -1)) push_arguments_of(L);
  lua_setfield(L, error, "item");
  if (lua_getiuservalue(L, 1, MOONS__VALUE_CALLER) != LUA_TNIL || moons__push_caller(L))
    lua_setfield(L, error, "caller");
  lua_settop(L, error);
}

void moons__push_error(lua_State *L, const moons__job_data *j, lua_Integer index,
                       const moons__failure *failure) {
  lua_createtable(L, 0, 8);
  if (index > 0) add_call(L, j, index);
  lua_pushstring(L, moons__failure_name(failure->kind));
  lua_setfield(L, -2, "kind");
  set_text(L, "message", failure->message, failure->message_bytes);
  set_text(L, "traceback", failure->traceback, failure->traceback_bytes);
  if (failure->unsent_bytes > 0) set_text(L, "unsent", failure->unsent, failure->unsent_bytes);
  luaL_setmetatable(L, MOONS__ERROR_TYPE);
}

static int describe(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Pushes the text of the error on top, which may run the script's code. */
static void push_text(lua_State *L, moons__job_data *j) {
  lua_pushcfunction(L, describe);
  lua_pushvalue(L, -2);
  if (moons__call_in_use(L, j, 1, 1) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushliteral(L, MOONS__FAILURE_UNTOLD);
}

void moons__push_own_error(lua_State *L, moons__job_data *j, lua_Integer index, int status) {
  moons__failure failure = {.traceback = ""};
  failure.kind = status == LUA_ERRMEM ? MOONS__FAILURE_MEMORY : MOONS__FAILURE_MARSHAL;
  push_text(L, j);
  failure.message = lua_tolstring(L, -1, &failure.message_bytes);
  moons__push_error(L, j, index, &failure);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "value");
  lua_replace(L, -3);
  lua_pop(L, 1);
}

int moons__raise(lua_State *L) {
  int error = lua_gettop(L);
  luaL_getmetatable(L, MOONS__ERROR_TYPE);
  if (lua_getmetatable(L, error) && lua_rawequal(L, -1, -2)) {
    lua_pushliteral(L, "caller_traceback");
    if (lua_rawget(L, error) == LUA_TNIL) {
      moons__push_traceback(L, L, NULL, 0);
      lua_setfield(L, error, "caller_traceback");
    }
  }
  lua_settop(L, error);
  return lua_error(L);
}

/* Pushes the table that is a user value of the job, made when it is needed first. */
static void push_table(lua_State *L, int which) {
  if (lua_getiuservalue(L, 1, which) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, which);
}

void moons__put_error(lua_State *L, moons__job_data *j, lua_Integer index) {
  push_table(L, MOONS__VALUE_ERRORS);
  lua_insert(L, -2);
  lua_rawseti(L, -2, index);
  lua_pop(L, 1);
  j->has_failed = 1;
}

/* {== Making jobs ============================================================================= */

moons__job_data *moons__check_job_at(lua_State *L, int index) {
  moons__job_data *j = luaL_checkudata(L, index, JOB_TYPE);
  if (j->job == NULL) luaL_error(L, "the job is closed");
  return j;
}

moons__job_data *moons__check_job(lua_State *L) {
  moons__job_data *j = moons__check_job_at(L, 1);
  if (j->is_in_use) luaL_error(L, "a map cannot be waited for by what it reads or sends");
  return j;
}

/* Functions between an error and the hook that it was raised in, at most: a hook in C and one in Lua raise it themselves,
** the latter by `error`. */
enum { HOOK_LEVELS = 3 };

static int is_in_hook(lua_State *L) {
  lua_Debug info;
  for (int level = 0; level < HOOK_LEVELS && lua_getstack(L, level, &info); level++)
    if (lua_getinfo(L, "n", &info) && strcmp(info.namewhat, "hook") == 0) return 1;
  return 0;
}

int moons__core_note_hook(lua_State *L) {
  if (is_in_hook(L)) {
    moons__push_state(L)->ended_by_hook = 1;
    lua_settop(L, 1);
  }
  return 1;
}

/* Leaves the job as it is between items, and passes the error on top on. */
static int pass_on(lua_State *L, moons__job_data *j) {
  if (j->item_is_open) moons__batch_item_drop(&j->writer);
  j->item_is_open = 0;
  j->encoder.is_setup = 0;
  return lua_error(L);
}

static int call_noting_hooks(lua_State *L, moons__state_data *state, int n_arguments,
                             int n_results) {
  int handler = lua_gettop(L) - n_arguments;
  state->ended_by_hook = 0;
  lua_pushcfunction(L, moons__core_note_hook);
  lua_insert(L, handler);
  int status = lua_pcall(L, n_arguments, n_results, handler);
  lua_remove(L, handler);
  return status;
}

void moons__do_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results) {
  int is_in_use = j->is_in_use;
  j->is_in_use = 1;
  int status = lua_pcall(L, n_arguments, n_results, 0);
  j->is_in_use = is_in_use;
  if (status != LUA_OK) lua_error(L);
}

int moons__call_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results) {
  int is_in_use = j->is_in_use;
  j->is_in_use = 1;
  int status = call_noting_hooks(L, j->state, n_arguments, n_results);
  j->is_in_use = is_in_use;
  return status != LUA_OK && j->state->ended_by_hook ? pass_on(L, j) : status;
}

int moons__call_passing_hooks(lua_State *L, moons__state_data *state, int n_arguments,
                              int n_results) {
  int status = call_noting_hooks(L, state, n_arguments, n_results);
  return status != LUA_OK && state->ended_by_hook ? lua_error(L) : status;
}

int moons__core_ended_by_hook(lua_State *L) {
  moons__state_data *state = moons__push_state(L);
  lua_pushboolean(L, state->ended_by_hook);
  state->ended_by_hook = 0;
  return 1;
}

/* Leaves the memory of the set-up, which the job has been given, to the next job's: where it is large, only to one of
** the same size, as of the next call of the same function. */
static void leave_setup(moons__job_data *j) {
  moons__state_data *state = j->state;
  int is_wanted = j->setup.capacity <= MOST_SPARE_BYTES || j->setup.n_bytes == state->setup_bytes;
  state->setup_bytes = j->setup.n_bytes;
  if (!is_wanted || state->spare_setup.bytes != NULL)
    moons__buffer_free(&j->setup);
  else
    state->spare_setup = j->setup;
  j->setup = (moons__buffer){0};
}

static void take_setup(moons__job_data *j) {
  j->setup = j->state->spare_setup;
  j->state->spare_setup = (moons__buffer){0};
}

/* The same for what encodes. */
static void leave_encoder(moons__job_data *j) {
  moons__state_data *state = j->state;
  if (state->has_spare_encoder)
    moons__encoder_end(&j->encoder);
  else
    state->spare_encoder = j->encoder;
  state->has_spare_encoder = 1;
  j->encoder = (moons__encoder){0};
}

static void take_encoder(moons__job_data *j) {
  if (!j->state->has_spare_encoder) return;
  j->state->has_spare_encoder = 0;
  j->encoder = j->state->spare_encoder;
  j->state->spare_encoder = (moons__encoder){0};
}

static void link_job(moons__job_data *j, moons__workers_data *workers) {
  j->workers = workers;
  j->next_of_workers = workers->jobs;
  if (workers->jobs != NULL) workers->jobs->before_of_workers = j;
  workers->jobs = j;
}

static void unlink_job(moons__job_data *j) {
  moons__job_data *next = j->next_of_workers, *before = j->before_of_workers;
  if (j->workers == NULL) return;
  *(before != NULL ? &before->next_of_workers : &j->workers->jobs) = next;
  if (next != NULL) next->before_of_workers = before;
  j->workers = NULL;
}

/* Notes how long calls took. */
static void tell_cost(const moons__job_data *j) {
  if (j->function != 0)
    moons__chunker_tell(&j->chunker, moons__costs_find(&j->state->costs, j->function));
}

void moons__close_job(lua_State *L, moons__job_data *j) {
  if (j->is_in_use) luaL_error(L, "a map cannot be ended by what it reads or sends");
  if (j->state == NULL) return;
  moons__workers_data *workers = j->workers;
  tell_cost(j);
  unlink_job(j);
  moons_job_free(j->job);
  j->job = NULL;
  if (workers != NULL) moons__workers_let_go(workers);
  leave_encoder(j);
  moons__buffer_free(&j->setup);
  moons__classes_free(&j->classes);
  moons__buffer_free(&j->bytes);
  free(j->taken.bytes);
  j->taken.bytes = NULL;
  j->state = NULL;
}

/* Results and errors stay. */
static int job_close(lua_State *L) {
  static const int DROPPED[] = {MOONS__VALUE_FUNCTION, MOONS__VALUE_INIT, MOONS__VALUE_SOURCE,
                                MOONS__VALUE_CLASSES,  MOONS__VALUE_SENT, MOONS__VALUE_ITEMS};
  moons__close_job(L, luaL_checkudata(L, 1, JOB_TYPE));
  for (size_t i = 0; i < sizeof DROPPED / sizeof DROPPED[0]; i++) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, DROPPED[i]);
  }
  return 0;
}

/* job:note_caller(): errors name the place in the script where it is now. */
static int job_note_caller(lua_State *L) {
  luaL_checkudata(L, 1, JOB_TYPE);
  if (moons__push_caller(L)) lua_setiuservalue(L, 1, MOONS__VALUE_CALLER);
  return 0;
}

/* Pushes a job without its set-up. */
static moons__job_data *push_job(lua_State *L) {
  moons__state_data *state = moons__push_state(L); /* is finalized after jobs: it is made before */
  moons__job_data *j = lua_newuserdatauv(L, sizeof *j, MOONS__N_VALUES);
  *j = (moons__job_data){.state = state, .next = 1};
  luaL_setmetatable(L, JOB_TYPE);
  take_encoder(j);
  take_setup(j);
  lua_replace(L, -2);
  return j;
}

moons__encoder *moons__begin_encoding(lua_State *L, moons__job_data *j) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  moons__encoder *e = &j->encoder;
  e->L = L;
  e->out = &j->bytes;
  e->names = &j->state->names;
  e->names_refreshed = 0;
  e->classes = &j->classes;
  e->needs = 0;
  e->put_first = NULL;
  e->put_more = NULL;
  e->may_want = j->n_setups < MOONS_SETUPS_PER_JOB;
  push_table(L, MOONS__VALUE_CLASSES);
  e->class_index = lua_gettop(L);
  push_table(L, MOONS__VALUE_SENT);
  e->sent_index = lua_gettop(L);
  moons__pristine_push_globals(L);
  e->pristine_index = lua_gettop(L);
  moons__encoder_begin(e);
  return e;
}

/* Arguments: the job, the libraries that the set-up brings at least, the modules that it brings, or nil. */
static int encode_setup(lua_State *L) {
  moons__job_data *j = lua_touserdata(L, 1);
  lua_pushnil(L);
  lua_setiuservalue(L, 1, MOONS__VALUE_SENT);
  moons__encoder *e = moons__begin_encoding(L, j);
  e->out = &j->setup;
  e->needs = (moons__libraries)lua_tointeger(L, 2);
  e->is_setup = 1;
  e->is_kept = j->keeps;
  j->setup.n_bytes = 0;
  j->classes.n_known = 0;
  lua_getiuservalue(L, 1, MOONS__VALUE_FUNCTION);
  lua_getiuservalue(L, 1, MOONS__VALUE_INIT);
  moons__setup_encode(e, lua_gettop(L) - 1, lua_gettop(L), 3);
  j->libraries = e->needs;
  return 0;
}

/* Makes the set-up, with at least these libraries and the modules in a table on top, or nil, which it pops. Where
** a module cannot go by value, it goes by name, and all is made again. */
static void make_setup(lua_State *L, moons__job_data *j, moons__libraries libraries) {
  int modules = lua_gettop(L);
  uint32_t n_known = j->classes.n_known;
  moons__names_forget_by_name(&j->state->names, L);
  for (;;) {
    lua_pushcfunction(L, encode_setup);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, (lua_Integer)libraries);
    lua_pushvalue(L, modules);
    int status = moons__call_in_use(L, j, 3, 0);
    j->encoder.is_setup = 0;
    j->classes.n_known = n_known;
    if (status == LUA_OK) break;
    j->encoder.L = L;
    if (!moons__wire_give_up_module(&j->encoder)) lua_error(L);
  }
  lua_settop(L, modules - 1);
}

/* The chunk's arguments need libraries which the set-up has not. */
static int lacks_libraries(lua_State *L, moons__job_data *j, moons__libraries needs) {
  needs &= ~j->libraries;
  if (needs == 0) return 0;
  if (!moons__setup_covers(L, needs)) return 1;
  j->libraries |= needs;
  return 0;
}

void moons__complete_setup(lua_State *L, moons__job_data *j) {
  moons__libraries needs = j->encoder.needs;
  int wants_modules = j->encoder.wants_modules;
  j->encoder.wants_modules = 0;
  if (j->n_setups == MOONS_SETUPS_PER_JOB) return;
  int lacks = lacks_libraries(L, j, needs);
  if (!lacks && !wants_modules) return;
  lua_getiuservalue(L, 1, MOONS__VALUE_SENT);
  make_setup(L, j, lacks ? needs | MOONS__LIBRARIES_ALL : j->libraries);
  j->n_setups++;
  moons__check(L, moons_job_extend(j->job, j->setup.bytes, j->setup.n_bytes));
}

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
  leave_setup(j);
  if (workers != NULL) link_job(j, workers);
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
  moons__job_data *j = push_job(L);
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
  make_setup(L, j, 0);
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
  leave_encoder(j);
  lua_settop(L, 1);
  return 1;
}

/* job:results(), job:errors(): the tables by number. The former has no room for all where it is asked for
** before the first are there. */
static int job_results(lua_State *L) {
  luaL_checkudata(L, 1, JOB_TYPE);
  push_table(L, MOONS__VALUE_RESULTS);
  return 1;
}

static int job_errors(lua_State *L) {
  luaL_checkudata(L, 1, JOB_TYPE);
  push_table(L, MOONS__VALUE_ERRORS);
  return 1;
}

/* Gives back numbers that the job has taken from its pool's and not used. The script sees that it is over: until
** then it may have begun other calls. */
static void settle_seeds(lua_State *L, moons__job_data *j) {
  if (!j->is_uncounted) return;
  j->is_uncounted = 0;
  lua_getiuservalue(L, 1, MOONS__VALUE_POOL);
  moons__workers_data *workers = lua_touserdata(L, -1);
  moons__seeds_settle(&workers->seeds, j->n_seeds_before, j->next - 1);
  lua_pop(L, 1);
}

/* job:settle(): the same, of one that is iterated over. */
static int job_settle(lua_State *L) {
  settle_seeds(L, luaL_checkudata(L, 1, JOB_TYPE));
  return 0;
}

/* Gives the table of errors on top its field `n`, how many there are: by its metatable, so that pairs gives the errors
** alone. */
static void set_n_errors(lua_State *L) {
  int errors = lua_gettop(L);
  lua_Integer n = 0;
  for (lua_pushnil(L); lua_next(L, errors); lua_pop(L, 1))
    n++;
  lua_createtable(L, 0, 1);
  lua_createtable(L, 0, 1);
  lua_pushinteger(L, n);
  lua_setfield(L, -2, "n");
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, errors);
}

/* job:outcome(): what a map returns: its results, with how many calls there were in `n`, and where they are
** collected, the errors, with how many they are in `n`. Also of a job that is closed. */
static int job_outcome(lua_State *L) {
  moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  settle_seeds(L, j);
  push_table(L, MOONS__VALUE_RESULTS);
  lua_pushinteger(L, j->next - 1);
  lua_setfield(L, -2, "n");
  if (!j->collects) return 1;
  push_table(L, MOONS__VALUE_ERRORS);
  set_n_errors(L);
  return 2;
}

/* job:is_stopped(): whether a failure has ended the map before its time. job:has_ended(): whether there are
** no more items to feed. Also of a job that is closed. */
static int job_is_stopped(lua_State *L) {
  const moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  lua_pushboolean(L, moons__is_stopped(j));
  return 1;
}

static int job_has_ended(lua_State *L) {
  const moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  lua_pushboolean(L, j->has_ended);
  return 1;
}

/* job:is_closed() */
static int job_is_closed(lua_State *L) {
  const moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  lua_pushboolean(L, j->job == NULL);
  return 1;
}

/* job:report(): has it appear in what core.next gives, each time that it has something to collect or nothing more
** is to come. Returns the value that stands for it there. */
static int job_report(lua_State *L) {
  moons__job_data *j = moons__check_job_at(L, 1);
  moons__job_report_to(j->job, moons__queue_of(L, j->state));
  lua_pushlightuserdata(L, j->job);
  return 1;
}

/* job:ready(): chunks that can be collected without waiting. */
static int job_ready(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moons_job_ready(moons__check_job_at(L, 1)->job));
  return 1;
}

/* job:pending(): chunks that were put and have not been collected. */
static int job_pending(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moons_job_pending(moons__check_job_at(L, 1)->job));
  return 1;
}

/* job:is_in_use(): whether what it reads or sends runs now: then it can be neither fed nor collected. */
static int job_is_in_use(lua_State *L) {
  lua_pushboolean(L, moons__check_job_at(L, 1)->is_in_use);
  return 1;
}

void moons__make_job_types(lua_State *L) {
  static const luaL_Reg METHODS[] = {
      {"feed", moons__core_feed},     {"collect", moons__core_collect},
      {"finish", moons__core_finish}, {"values", moons__core_values},
      {"results", job_results},       {"errors", job_errors},
      {"settle", job_settle},         {"outcome", job_outcome},
      {"is_stopped", job_is_stopped}, {"has_ended", job_has_ended},
      {"is_closed", job_is_closed},   {"report", job_report},
      {"ready", job_ready},           {"pending", job_pending},
      {"is_in_use", job_is_in_use},   {"note_caller", job_note_caller},
      {"close", job_close},           {NULL, NULL},
  };
  luaL_newmetatable(L, JOB_TYPE);
  lua_pushcfunction(L, job_close);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, job_close);
  lua_setfield(L, -2, "__close");
  luaL_newlib(L, METHODS);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
