/*
** A map that is waited for, in one go: short ones are made of little else than what stands around their calls, and step by
** step, from Lua, that would take a third more instructions.
*/
#include <lauxlib.h>

#include "module/hooks.h"

enum { JOB = 1 };

/* Puts a job, which is closed at the end, and what makes it below the arguments. */
static moons__job_data *begin(lua_State *L) {
  lua_settop(L, MOONS__N_OF_MAP);
  moons__job_data *j = moons__push_own_job(L);
  lua_pushcfunction(L, moons__make_map);
  lua_pushvalue(L, -2);
  lua_rotate(L, 1, 3);
  lua_toclose(L, JOB);
  return j;
}

/* core.map(...), with the arguments of core.job: returns what the map does. Where a failure has ended it, nil and the errors that are
** known by now, by number; where it could not be made, two nils and that error. */
int moons__core_map(lua_State *L) {
  moons__job_data *j = begin(L);
  if (moons__call_passing_hooks(L, j->state, 1 + MOONS__N_OF_MAP, 0) != LUA_OK) {
    lua_pushnil(L);
    lua_pushnil(L);
    lua_rotate(L, -3, 2);
    return 3;
  }
  moons__finish(L, j);
  lua_settop(L, JOB);
  if (!moons__is_stopped(j)) {
    int n_values = moons__push_outcome(L, j);
    moons__leave_job(L);
    return n_values;
  }
  moons__collect_ready(L, j);
  lua_settop(L, JOB);
  lua_pushnil(L);
  moons__push_table(L, MOONS__VALUE_ERRORS);
  return 2;
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
