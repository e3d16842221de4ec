#include "binding.h"

#include <lauxlib.h>

#include "console.h"

static const char STATE[] = "moons.state"; /* key in the registry: a moons__state_data */
static const char STATE_TYPE[] = "parallel.state";
static const char POOL_TYPE[] = "parallel.workers";

/* Workers of a script's own. */
typedef struct pool_data {
  moons_runtime *runtime; /* NULL: closed */
} pool_data;

void moons__check(lua_State *L, int error) {
  if (error) luaL_error(L, "%s", moons_error_text(error));
}

/* {== States ================================================================================== */

static int state_gc(lua_State *L) {
  moons__state_data *state = lua_touserdata(L, 1);
  moons__names_free(&state->names);
  if (state->owns_runtime) moons_runtime_free(state->runtime);
  state->runtime = NULL;
  return 0;
}

/* Makes a runtime for a state that was given none. */
static void own_runtime(lua_State *L, moons__state_data *state) {
  moons_options options;
  moons_options_init(&options);
  moons__check(L, moons_runtime_new(&state->runtime, &options));
  state->owns_runtime = 1;
}

/* Pushes the data of this state, made when it is needed first. */
moons__state_data *moons__push_state(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, STATE) == LUA_TUSERDATA) return lua_touserdata(L, -1);
  lua_pop(L, 1);
  moons__state_data *state = lua_newuserdatauv(L, sizeof *state, 0);
  *state = (moons__state_data){0};
  luaL_setmetatable(L, STATE_TYPE);
  if (lua_getfield(L, LUA_REGISTRYINDEX, MOONS__KEY_RUNTIME) == LUA_TLIGHTUSERDATA)
    state->runtime = lua_touserdata(L, -1);
  else
    own_runtime(L, state);
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, STATE);
  return state;
}

/* {== Workers of a script's own =============================================================== */

moons_runtime *moons__check_workers(lua_State *L, int index) {
  const pool_data *pool = luaL_checkudata(L, index, POOL_TYPE);
  if (pool->runtime == NULL) luaL_error(L, "%s", moons_error_text(MOONS_ECLOSED));
  return pool->runtime;
}

/* workers:close(): waits for the calls that run. All jobs must be closed. */
static int pool_close(lua_State *L) {
  pool_data *pool = luaL_checkudata(L, 1, POOL_TYPE);
  moons_runtime_free(pool->runtime);
  pool->runtime = NULL;
  return 0;
}

static void set_number(lua_State *L, const char *field, lua_Number n) {
  lua_pushnumber(L, n);
  lua_setfield(L, -2, field);
}

static void set_count(lua_State *L, const char *field, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, field);
}

static int push_stats(lua_State *L, moons_runtime *runtime) {
  moons_stats stats;
  moons_runtime_stats(runtime, &stats);
  lua_createtable(L, 0, 8);
  set_count(L, "workers", stats.n_workers);
  set_count(L, "done", stats.n_done);
  set_count(L, "failed", stats.n_failed);
  set_count(L, "retried", stats.n_retried);
  set_number(L, "busy", (lua_Number)stats.busy_ns / 1e9);
  set_count(L, "sent", stats.sent_bytes);
  set_count(L, "received", stats.received_bytes);
  set_count(L, "restored", stats.n_restored);
  return 1;
}

/* workers:stats() */
static int pool_stats(lua_State *L) { return push_stats(L, moons__check_workers(L, 1)); }

/* core.stats(): of the state's own workers. */
int moons__core_stats(lua_State *L) { return push_stats(L, moons__push_state(L)->runtime); }

/* core.new_workers(n): workers like those of the state, but n of them. They share its console. */
int moons__core_new_workers(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  const moons__state_data *state = moons__push_state(L);
  pool_data *pool = lua_newuserdatauv(L, sizeof *pool, 1);
  pool->runtime = NULL;
  luaL_setmetatable(L, POOL_TYPE);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  moons_options options = *moons_runtime_options(state->runtime);
  options.n_workers = (unsigned)n;
  moons__console *console = moons__runtime_console(state->runtime);
  if (console != NULL) {
    options.write = moons__console_write;
    options.write_data = console;
  }
  moons__check(L, moons_runtime_new(&pool->runtime, &options));
  return 1;
}

void moons__make_pool_types(lua_State *L) {
  static const luaL_Reg METHODS[] = {{"close", pool_close}, {"stats", pool_stats}, {NULL, NULL}};
  luaL_newmetatable(L, POOL_TYPE);
  lua_pushcfunction(L, pool_close);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, METHODS);
  lua_setfield(L, -2, "__index");
  luaL_newmetatable(L, STATE_TYPE);
  lua_pushcfunction(L, state_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 2);
}
