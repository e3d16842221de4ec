/*
** How the module comes into a state. It is named early and loaded late: the Lua half is read when it is used first,
** from bytecode that the runtime keeps for all its states.
*/
#include "module/errors.h"
#include "module/hooks.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <string.h>

#include "backend/host_list.h"
#include "base/lua_sources.h"
#include "sizes.h"
#include "state/pristine.h"
#include "wire/traceback.h"
#include "worker/rights.h"

static int core_cpus(lua_State *L) {
  const moons__state_data *state = moons__push_state(L);
  lua_pushinteger(L, (lua_Integer)moons__runtime_cpus(state->runtime));
  return 1;
}

/* core.workers(): how many workers a job uses that does not say. */
static int core_workers(lua_State *L) {
  const moons__state_data *state = moons__push_state(L);
  lua_pushinteger(L, (lua_Integer)moons__runtime_workers(state->runtime));
  return 1;
}

/* core.runs_when_asked(workers | nil): whether calls run on the thread that waits for them or asks, now. */
static int core_runs_when_asked(lua_State *L) {
  const moons_runtime *runtime =
      lua_isnoneornil(L, 1) ? moons__push_state(L)->runtime : moons__check_workers(L, 1)->runtime;
  lua_pushboolean(L, moons__runtime_runs_when_asked(runtime));
  return 1;
}

/* core.is_worker() */
static int core_is_worker(lua_State *L) {
  lua_pushboolean(L, moons__is_worker(L));
  return 1;
}

/* core.original(name): what a standard library had before the script changed it, as a table; nothing where that is not
** known. */
static int core_original(lua_State *L) {
  return moons__pristine_push_library(L, luaL_checkstring(L, 1));
}

/* core.is_callable(value) */
static int core_is_callable(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, lua_isfunction(L, 1) || luaL_getmetafield(L, 1, "__call") != LUA_TNIL);
  return 1;
}

/* core.caller(): the place in the script from which the module was called; nil where there is none. */
static int core_caller(lua_State *L) { return moons__push_caller(L); }

/* core.blame(text): raises it as an error of the line that has called the module. */
static int core_blame(lua_State *L) {
  luaL_checkstring(L, 1);
  luaL_where(L, moons__caller_level(L));
  lua_pushvalue(L, 1);
  lua_concat(L, 2);
  return lua_error(L);
}

/* core.raise(err): raises it; an error value tells from then on where the script was. */
static int core_raise(lua_State *L) {
  lua_settop(L, 1);
  return moons__raise(L);
}

/* The loader of "parallel.core". */
static int open_core(lua_State *L) {
  moons__pristine_note_standard(L);
  static const luaL_Reg FUNCTIONS[] = {
      {"job", moons__core_job},
      {"call", moons__core_call},
      {"map", moons__core_map},
      {"apply", moons__core_apply},
      {"are_plain", moons__core_are_plain},
      {"prove_after", moons__core_prove_after},
      {"array", moons__core_array},
      {"array_kind", moons__core_array_kind},
      {"why_not_use", moons__core_why_not_use},
      {"cpus", core_cpus},
      {"workers", core_workers},
      {"is_worker", core_is_worker},
      {"runs_when_asked", core_runs_when_asked},
      {"now", moons__core_now},
      {"sleep", moons__core_sleep},
      {"original", core_original},
      {"is_callable", core_is_callable},
      {"caller", core_caller},
      {"blame", core_blame},
      {"raise", core_raise},
      {"array_parts", moons__core_array_parts},
      {"array_of_parts", moons__core_array_of_parts},
      {"captures", moons__core_captures},
      {"draw_seed", moons__core_draw_seed},
      {"note_computed", moons__core_note_computed},
      {"protect", moons__core_protect},
      {"ended_by_hook", moons__core_ended_by_hook},
      {"next", moons__core_next},
      {"new_workers", moons__core_new_workers},
      {"why_no_hosts", moons__core_why_no_hosts},
      {"columns", moons__core_columns},
      {"say", moons__core_say},
      {"show", moons__core_show},
      {"hide", moons__core_hide},
      {NULL, NULL},
  };
  moons__make_state_type(L);
  moons__make_pool_types(L);
  moons__make_job_types(L);
  luaL_newlib(L, FUNCTIONS);
  luaL_newmetatable(L, MOONS__ERROR_TYPE);
  lua_setfield(L, -2, "error_type");
  lua_pushinteger(L, MOONS_MAX_WORKERS);
  lua_setfield(L, -2, "max_workers");
  lua_pushstring(L, moons__launch_by_slurm);
  lua_setfield(L, -2, "launch_by_slurm");
  lua_pushinteger(L, MOONS_CHUNK_MAX_CALLS);
  lua_setfield(L, -2, "max_chunk");
  lua_pushinteger(L, MOONS_CHUNKS_PER_WORKER);
  lua_setfield(L, -2, "chunks_per_worker");
  moons__push_pause(L);
  lua_setfield(L, -2, "pause");
  return 1;
}

/* {== The Lua half ============================================================================ */

static const moons__lua_source *find_source(lua_State *L, const char *name) {
  const moons__lua_source *source = moons__lua_sources;
  while (source->name != NULL && strcmp(source->name, name) != 0)
    source++;
  if (source->name == NULL) luaL_error(L, "no such part of the module: '%s'", name);
  return source;
}

/* What all states of the runtime share of what they have compiled; NULL where the state was given none. */
static moons__kept *shared_code(lua_State *L) {
  moons__kept *code = NULL;
  if (lua_getfield(L, LUA_REGISTRYINDEX, MOONS__KEY_RUNTIME) == LUA_TLIGHTUSERDATA)
    code = moons__runtime_kept(lua_touserdata(L, -1));
  lua_pop(L, 1);
  return code;
}

static int append(lua_State *L, const void *bytes, size_t n_bytes, void *buffer) {
  (void)L;
  return moons__buffer_append(buffer, bytes, n_bytes);
}

/* Keeps the function on top as bytecode, which is read five times as fast as its source. */
static void keep(lua_State *L, moons__kept *code, const moons__lua_source *source) {
  moons__buffer bytes = {.beside = code->beside};
  if (lua_dump(L, append, &bytes, 0) == 0)
    moons__kept_add(code, source, bytes.bytes, bytes.n_bytes);
  moons__buffer_free(&bytes);
}

/* Pushes the function that a source is. */
static void load_source(lua_State *L, const char *name) {
  const moons__lua_source *source = find_source(L, name);
  const char *chunk = lua_pushfstring(L, "=%s", name);
  moons__kept *code = shared_code(L);
  size_t n_bytes = source->n_bytes;
  const void *bytes = code != NULL ? moons__kept_find(code, source, &n_bytes) : NULL;
  int is_compiled = bytes != NULL;
  if (!is_compiled) bytes = source->bytes;
  if (luaL_loadbufferx(L, bytes, n_bytes, chunk, is_compiled ? "b" : "t") != LUA_OK) lua_error(L);
  if (code != NULL && !is_compiled) keep(L, code, source);
  lua_remove(L, -2);
}

/* The loader of a part of the module. A state that has had no use for it yet has noted nothing either. */
static int open_part(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  moons__pristine_note_standard(L);
  load_source(L, name);
  moons__pristine_push_environment(L);
  lua_setupvalue(L, -2, 1);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* Puts the parts of the module where `require` finds them. */
static void preload_parts(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (const moons__lua_source *source = moons__lua_sources + 1; source->name != NULL; source++) {
    lua_pushcfunction(L, open_part);
    lua_setfield(L, -2, source->name);
  }
  lua_pushcfunction(L, open_core);
  lua_setfield(L, -2, "parallel.core");
  lua_pop(L, 1);
}

/* What the module makes its calls with, whatever the script has made of `require`. */
static int give_calls(lua_State *L) {
  static const char NAME[] = "parallel.calls";
  luaL_requiref(L, NAME, open_part, 0);
  return 1;
}

/* The module is made of these libraries, of which a host may have opened only some. */
static void check_libraries(lua_State *L) {
  static const char *const NEEDED[] = {LUA_GNAME, LUA_LOADLIBNAME, LUA_STRLIBNAME, LUA_TABLIBNAME,
                                       LUA_MATHLIBNAME};
  for (size_t i = 0; i < sizeof NEEDED / sizeof NEEDED[0]; i++) {
    const char *name = NEEDED[i], *function = i == 0 ? "base" : name;
    if (moons__libraries_push_loaded(L, name) != LUA_TTABLE)
      luaL_error(
          L,
          "the module 'parallel' needs the library '%s', which this state has not: open it with "
          "luaL_requiref(L, \"%s\", luaopen_%s, 1)",
          name, name, function);
    lua_pop(L, 1);
  }
}

/* Takes a field out of the module, which is on top, where a right is missing. */
static void take_out(lua_State *L, const char *name, uint32_t right) {
  if (moons__rights_of(L) & right) return;
  lua_pushnil(L);
  lua_setfield(L, -2, name);
}

/* The loader of "parallel" in a state that knows its runtime. */
static int open_parallel(lua_State *L) {
  check_libraries(L);
  preload_parts(L);
  load_source(L, "parallel");
  lua_pushliteral(L, "Moons " MOONS_VERSION);
  lua_pushcfunction(L, give_calls);
  lua_call(L, 2, 1);
  take_out(L, "pool", MOONS_MAY_POOLS);
  take_out(L, "clock", MOONS_MAY_CLOCKS);
  return 1;
}

static const char EXPERIMENT[] = "parallel.experiment";

/* The loader of "parallel.experiment" where nothing has loaded "parallel" yet, which `open` does. */
static int open_experiment(lua_State *L, lua_CFunction open) {
  luaL_requiref(L, "parallel", open, 0);
  lua_settop(L, 0);
  lua_pushcfunction(L, open_part);
  lua_pushstring(L, EXPERIMENT);
  lua_call(L, 1, 1);
  return 1;
}

static int open_preloaded_experiment(lua_State *L) { return open_experiment(L, open_parallel); }

void moons__preload(lua_State *L, moons_runtime *runtime) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushlightuserdata(L, runtime);
  lua_setfield(L, LUA_REGISTRYINDEX, MOONS__KEY_RUNTIME);
  lua_pushlightuserdata(L, runtime); /* it is a block, and stays as long as the state */
  lua_setfield(L, LUA_REGISTRYINDEX, MOONS__KEY_BESIDE);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_parallel);
  lua_setfield(L, -2, "parallel");
  lua_pushcfunction(L, open_preloaded_experiment);
  lua_setfield(L, -2, EXPERIMENT);
  lua_pop(L, 1);
}

int luaopen_parallel(lua_State *L) {
  luaL_checkversion(L);
  check_libraries(L);
  moons__pristine_note_standard(L);
  return open_parallel(L);
}

int luaopen_parallel_experiment(lua_State *L) { return open_experiment(L, luaopen_parallel); }
