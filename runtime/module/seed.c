/*
** Seeds of the random numbers of calls. A map that is given none takes one from the script's own random
** numbers; a pool has one, and counts the calls that draw from it.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "module/hooks.h"
#include "state/pristine.h"
#include "system/clock.h"
#include "worker/rights.h"

/* How many numbers a map gets whose items nobody has counted: more than it can make calls, few enough for
** as many such maps as a pool can have. So what comes after it does not depend on how far it has been read. */
#define UNCOUNTED (UINT64_C(1) << 40)

/* From one seed to the next: 2^64 by the golden ratio, which comes close to no seed before for long. */
#define STEP UINT64_C(0x9E3779B97F4A7C15)

static moons__state_data *state_of(lua_State *L) {
  moons__state_data *state = moons__push_state(L);
  lua_pop(L, 1);
  return state;
}

/* A seed that no map of this state has had. The system is asked once, for it takes longer than many a call; and not where calls may
** not have what differs from one time to the next. */
static uint64_t seed_from_system(lua_State *L) {
  moons__state_data *state = state_of(L);
  int may_ask = (moons__rights_of(L) & MOONS_MAY_CLOCKS) != 0;
  if (state->seed == 0) state->seed = may_ask ? moons__random_seed() : STEP;
  return state->seed += STEP;
}

_Static_assert(sizeof(lua_Number) == sizeof(uint64_t), "the bits of a number make a seed");

/* The bits of a number, of which random ones of either kind make a seed. */
static uint64_t bits_of(lua_State *L, int index) {
  if (lua_isinteger(L, index)) return (uint64_t)lua_tointeger(L, index);
  lua_Number number = lua_tonumber(L, index);
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

/* Pushes what the script's math.random gives for these arguments: 0 asks Lua's own for all bits, which one
** that the script has put in its place may refuse. Returns whether it is a number. */
static int draw(lua_State *L, moons__state_data *state, int n_arguments) {
  if (moons__libraries_push_loaded(L, LUA_MATHLIBNAME) != LUA_TTABLE) return 0;
  lua_pushliteral(L, "random");
  lua_rawget(L, -2);
  if (n_arguments > 0) lua_pushinteger(L, 0);
  int status = moons__call_passing_hooks(L, state, n_arguments, 1);
  return status == LUA_OK && lua_type(L, -1) == LUA_TNUMBER;
}

uint64_t moons__draw_seed(lua_State *L) {
  int top = lua_gettop(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  moons__state_data *state = state_of(L);
  if (state->seeds.has_seed) return state->seeds.seed + ++state->n_drawn * STEP;
  uint64_t seed = draw(L, state, 1) || draw(L, state, 0) ? bits_of(L, -1) : seed_from_system(L);
  lua_settop(L, top);
  return seed;
}

/* core.draw_seed(): a seed as maps draw it that are given none. */
int moons__core_draw_seed(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)moons__draw_seed(L));
  return 1;
}

moons__seeds *moons__seeds_of(moons__state_data *state, moons__workers_data *workers) {
  if (workers != NULL) return &workers->seeds;
  return state->seeds.has_seed ? &state->seeds : NULL;
}

uint64_t moons__seeds_take(lua_State *L, moons__seeds *seeds, lua_Integer n) {
  if (!seeds->has_seed) seeds->seed = moons__draw_seed(L);
  seeds->has_seed = 1;
  uint64_t n_before = seeds->n_taken;
  seeds->n_taken += n >= 0 ? (uint64_t)n : UNCOUNTED;
  return n_before;
}

void moons__seeds_settle(moons__seeds *seeds, uint64_t n_before, lua_Integer n) {
  if (seeds->n_taken == n_before + UNCOUNTED) seeds->n_taken = n_before + (uint64_t)n;
}
