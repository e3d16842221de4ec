/*
** What a Lua state has for the module: a runtime, its own where it was given none, and what its jobs share.
*/
#include "module/state.h"

#include <lauxlib.h>
#include <limits.h>

#include "schedule/queue.h"
#include "schedule/runtime.h"
#include "worker/sandbox.h"

static const char STATE_TYPE[] = "parallel.state";

int moons__is_worker(lua_State *L) { return moons__sandbox_find(L) != NULL; }

static int state_gc(lua_State *L) {
  moons__state_data *state = lua_touserdata(L, 1);
  moons__names_free(&state->names);
  moons__encoder_end(&state->spare_encoder);
  moons__buffer_free(&state->spare_setup);
  if (state->runtime == NULL || !moons__runtime_is_forked(state->runtime))
    moons__queue_free(state->queue);
  if (state->owns_runtime) moons_runtime_free(state->runtime);
  state->runtime = NULL;
  return 0;
}

/* Makes a runtime for a state that was given none. */
static void own_runtime(lua_State *L, moons__state_data *state) {
  moons_options options;
  moons_options_init(&options);
  options.max_lost = UINT_MAX; /* of the script's own calls */
  moons__shortage shortage;
  moons__surroundings around = {.parent = NULL};
  moons__check_made(L, moons__runtime_make(&state->runtime, &options, &around, &shortage),
                    &shortage);
  state->owns_runtime = 1;
}

/* Pushes the data of this state, made when it is needed first. */
moons__state_data *moons__push_state(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, MOONS__KEY_STATE) == LUA_TUSERDATA)
    return lua_touserdata(L, -1);
  lua_pop(L, 1);
  moons__state_data *state = lua_newuserdatauv(L, sizeof *state, MOONS__N_STATE_VALUES);
  *state = (moons__state_data){0};
  luaL_setmetatable(L, STATE_TYPE);
  if (lua_getfield(L, LUA_REGISTRYINDEX, MOONS__KEY_RUNTIME) == LUA_TLIGHTUSERDATA)
    state->runtime = lua_touserdata(L, -1);
  else
    own_runtime(L, state);
  lua_pop(L, 1);
  moons__names_use(&state->names, state->runtime);
  state->spare_setup.beside = state->runtime;
  state->luggage.terms = moons__terms_of_state(L);
  state->seeds.seed = moons__terms_of(state->luggage.terms)->seed;
  state->seeds.has_seed = state->seeds.seed != 0;
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, MOONS__KEY_STATE);
  return state;
}

const moons__luggage *moons__luggage_of(const moons__state_data *state) {
  const moons__luggage *outer = moons__runtime_luggage(state->runtime);
  return outer != NULL ? outer : &state->luggage;
}

moons__queue *moons__queue_of(lua_State *L, moons__state_data *state) {
  if (state->queue == NULL) state->queue = moons__queue_new(state->runtime);
  moons__check(L, state->queue == NULL ? MOONS_ENOMEM : 0);
  return state->queue;
}

void moons__make_state_type(lua_State *L) {
  luaL_newmetatable(L, STATE_TYPE);
  lua_pushcfunction(L, state_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
