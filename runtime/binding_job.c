#include "binding_job.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "limits.h"
#include "pristine.h"
#include "setup.h"

static const char JOB_TYPE[] = "parallel.job";

/* {== Errors of calls ========================================================================= */

static void set_text(lua_State *L, const char *field, const char *text, size_t n_bytes) {
  lua_pushlstring(L, text, n_bytes);
  lua_setfield(L, -2, field);
}

void moons__push_error(lua_State *L, lua_Integer index, const moons__failure *failure) {
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, index);
  lua_setfield(L, -2, "index");
  lua_pushstring(L, moons__failure_name(failure->kind));
  lua_setfield(L, -2, "kind");
  set_text(L, "message", failure->message, failure->message_bytes);
  set_text(L, "traceback", failure->traceback, failure->traceback_bytes);
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
  lua_pushliteral(L, "(the error cannot be told: telling it raised another)");
}

void moons__push_own_error(lua_State *L, moons__job_data *j, lua_Integer index, int status) {
  moons__failure failure = {.kind = MOONS__FAILURE_MARSHAL, .traceback = ""};
  if (status == LUA_ERRMEM) failure.kind = MOONS__FAILURE_MEMORY;
  push_text(L, j);
  failure.message = lua_tolstring(L, -1, &failure.message_bytes);
  moons__push_error(L, index, &failure);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "value");
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* {== Making jobs ============================================================================= */

moons__job_data *moons__check_job(lua_State *L, int index) {
  moons__job_data *j = luaL_checkudata(L, index, JOB_TYPE);
  if (j->job == NULL) luaL_error(L, "the job is closed");
  return j;
}

int moons__call_in_use(lua_State *L, moons__job_data *j, int n_arguments, int n_results) {
  int is_in_use = j->is_in_use;
  j->is_in_use = 1;
  int status = lua_pcall(L, n_arguments, n_results, 0);
  j->is_in_use = is_in_use;
  return status;
}

static int job_close(lua_State *L) {
  moons__job_data *j = luaL_checkudata(L, 1, JOB_TYPE);
  if (j->is_in_use) return luaL_error(L, "a map cannot be ended by what it reads or sends");
  moons_job_free(j->job);
  j->job = NULL;
  moons__encoder_end(&j->encoder);
  moons__classes_free(&j->classes);
  moons__buffer_free(&j->setup);
  moons__buffer_free(&j->bytes);
  free(j->taken.bytes);
  j->taken.bytes = NULL;
  return 0;
}

/* Pushes a job without its set-up, for the workers at stack index `pool` or, where there are none, the
** state's. */
static moons__job_data *push_job(lua_State *L, int pool) {
  moons__push_state(L); /* is finalized after the jobs, for it is made before */
  lua_pop(L, 1);
  moons__job_data *j = lua_newuserdatauv(L, sizeof *j, MOONS__N_VALUES);
  *j = (moons__job_data){0};
  luaL_setmetatable(L, JOB_TYPE);
  int job = lua_gettop(L);
  j->state = moons__push_state(L);
  lua_setiuservalue(L, job, MOONS__VALUE_STATE);
  lua_pushvalue(L, pool);
  lua_setiuservalue(L, job, MOONS__VALUE_POOL);
  lua_newtable(L);
  lua_setiuservalue(L, job, MOONS__VALUE_CLASSES);
  lua_newtable(L);
  lua_setiuservalue(L, job, MOONS__VALUE_SENT);
  moons__pristine_push_globals(L);
  lua_setiuservalue(L, job, MOONS__VALUE_PRISTINE);
  return j;
}

moons__encoder *moons__begin_encoding(lua_State *L, moons__job_data *j, int job) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  moons__encoder *e = &j->encoder;
  e->L = L;
  e->out = &j->bytes;
  e->names = &j->state->names;
  e->names_refreshed = 0;
  e->classes = &j->classes;
  e->needs = 0;
  lua_getiuservalue(L, job, MOONS__VALUE_CLASSES);
  e->class_index = lua_gettop(L);
  lua_getiuservalue(L, job, MOONS__VALUE_SENT);
  e->sent_index = lua_gettop(L);
  lua_getiuservalue(L, job, MOONS__VALUE_PRISTINE);
  e->pristine_index = lua_gettop(L);
  moons__encoder_begin(e);
  return e;
}

/* Encodes a set-up that brings at least these libraries, with all that goes with them. */
static void encode_setup(lua_State *L, moons__job_data *j, int job, moons__libraries libraries) {
  int top = lua_gettop(L);
  lua_newtable(L);
  lua_setiuservalue(L, job, MOONS__VALUE_SENT);
  moons__encoder *e = moons__begin_encoding(L, j, job);
  e->out = &j->setup;
  e->needs = libraries;
  e->marks_sent = 1;
  j->setup.n_bytes = 0;
  j->classes.n_known = 0;
  lua_getiuservalue(L, job, MOONS__VALUE_FUNCTION);
  lua_getiuservalue(L, job, MOONS__VALUE_INIT);
  moons__setup_encode(e, lua_gettop(L) - 1, lua_gettop(L));
  e->marks_sent = 0;
  j->libraries = e->needs;
  lua_settop(L, top);
}

/* Arguments: the job, the libraries. */
static int extend_setup(lua_State *L) {
  moons__job_data *j = lua_touserdata(L, 1);
  uint32_t n_known = j->classes.n_known;
  encode_setup(L, j, 1, (moons__libraries)lua_tointeger(L, 2));
  j->classes.n_known = n_known;
  return 0;
}

void moons__need_libraries(lua_State *L, moons__job_data *j, int job, moons__libraries needs) {
  if ((needs & ~j->libraries) == 0 || j->is_extended) return;
  lua_pushcfunction(L, extend_setup);
  lua_pushvalue(L, job);
  lua_pushinteger(L, (lua_Integer)(needs | MOONS__LIBRARIES_ALL));
  if (moons__call_in_use(L, j, 2, 0) != LUA_OK) lua_error(L);
  j->is_extended = 1;
  moons__check(L, moons_job_extend(j->job, j->setup.bytes, j->setup.n_bytes));
  moons__buffer_free(&j->setup);
}

static lua_Integer option_integer(lua_State *L, const char *name) {
  lua_getfield(L, 3, name);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

static int option_boolean(lua_State *L, const char *name) {
  lua_getfield(L, 3, name);
  int is_true = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_true;
}

/* core.job(f, init | nil, options, workers | nil, n): a map of `n` items, -1 where nobody knows. The options have been checked and are complete:
** `workers`, `chunk` (0: measured), `fresh`, `pack`, `collect`, `seed`, `timeout_ns` (0: none), `memory`
** in bytes (0: no limit of its own), `retries`. Returns a job. */
int moons__core_job(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 5);
  lua_settop(L, 4);
  moons__job_data *j = push_job(L, 4);
  j->n_results = n > 0 ? n : 0;
  int job = lua_gettop(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, job, MOONS__VALUE_FUNCTION);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, job, MOONS__VALUE_INIT);
  encode_setup(L, j, job, 0);
  j->classes.n_known = j->classes.n_numbers;
  moons_runtime *runtime = lua_isnil(L, 4) ? j->state->runtime : moons__check_workers(L, 4);
  moons_job_options options;
  moons_job_options_init(&options);
  options.setup = j->setup.bytes;
  options.setup_bytes = j->setup.n_bytes;
  options.n_workers = (unsigned)option_integer(L, "workers");
  options.fresh = option_boolean(L, "fresh");
  options.pack = j->pack = option_boolean(L, "pack");
  options.collect = option_boolean(L, "collect");
  options.seed = (uint64_t)option_integer(L, "seed");
  options.timeout_ns = (uint64_t)option_integer(L, "timeout_ns");
  options.memory_bytes = (size_t)option_integer(L, "memory");
  options.n_retries = (unsigned)option_integer(L, "retries");
  moons__check(L, moons_job_new(&j->job, runtime, &options));
  moons__buffer_free(&j->setup);
  moons__chunker_init(&j->chunker, options.n_workers, (uint32_t)option_integer(L, "chunk"), 0);
  return 1;
}

/* job:pending(): chunks that were put and not collected. job:ready(): those that can be collected
** without waiting. */
static int job_pending(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moons_job_pending(moons__check_job(L, 1)->job));
  return 1;
}

static int job_ready(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moons_job_ready(moons__check_job(L, 1)->job));
  return 1;
}

void moons__make_job_types(lua_State *L) {
  static const luaL_Reg METHODS[] = {
      {"feed", moons__core_feed},
      {"feed_range", moons__core_feed_range},
      {"collect", moons__core_collect},
      {"pending", job_pending},
      {"ready", job_ready},
      {"close", job_close},
      {NULL, NULL},
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
