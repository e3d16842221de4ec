/*
** A map, or a call, that is waited for, in one go: short ones are made of little else than what stands around their calls, and
** step by step, from Lua, that would take a third more instructions.
*/
#include <lauxlib.h>

#include "module/job.h"

/* core.map(...), with the arguments of core.job: returns what the map does. Where a failure has ended it, nil and the errors that are
** known by now, by number. */
int moons__core_map(lua_State *L) {
  lua_settop(L, MOONS__N_OF_MAP);
  luaL_checktype(L, 1, LUA_TTABLE);
  moons__push_own_job(L);
  moons__job_data *j = moons__make_map(L);
  moons__finish(L, j);
  lua_settop(L, 1);
  if (!moons__is_stopped(j)) {
    int n_values = moons__push_outcome(L, j);
    moons__leave_job(L);
    return n_values;
  }
  moons__collect_ready(L, j);
  lua_settop(L, 1);
  lua_pushnil(L);
  moons__push_table(L, MOONS__VALUE_ERRORS);
  return 2;
}

/* core.apply(...), with the arguments of core.call: waits for the call, and returns its values, or raises its error value. Those
** may be so many that the job cannot be left. */
int moons__core_apply(lua_State *L) {
  moons__check_call(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  moons__push_own_job(L);
  int n_values = moons__take_values(L, moons__make_call(L));
  if (lua_checkstack(L, LUA_MINSTACK)) moons__leave_job(L);
  return n_values;
}

/* Whether the value at a stack index is a list that begins at 1, with something in it, without a metatable or a field `n`. */
static int is_plain_list(lua_State *L, int list) {
  if (!lua_istable(L, list) || lua_rawlen(L, list) == 0 || lua_getmetatable(L, list)) return 0;
  lua_pushliteral(L, "n");
  return lua_rawget(L, list) == LUA_TNIL && lua_rawgeti(L, list, 0) == LUA_TNIL;
}

/* core.are_plain(f, items): whether they are a function and such a list, of which there is no more to check. */
int moons__core_are_plain(lua_State *L) {
  lua_settop(L, 2);
  lua_pushboolean(L, lua_isfunction(L, 1) && is_plain_list(L, 2));
  return 1;
}
