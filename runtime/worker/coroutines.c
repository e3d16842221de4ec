/*
** Each way from one coroutine to another tells who runs, so that the one that runs can be ended and those that wait for
** it after it. Handlers of xpcall, which no hook reaches, do not run when a call must end.
*/
#include "worker/coroutines.h"

#include <lauxlib.h>
#include <lualib.h>

#include "worker/original.h"
#include "worker/stop.h"

/* Coroutines. */

/* Resumes `co` with the `n` values on top of L, telling who runs; moves what it gives, or its error, to
** L. Returns how many values, or -1 with the error on top. */
static int resume(lua_State *L, lua_State *co, int n) {
  if (!lua_checkstack(co, n)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, n);
  moons__resumer here;
  moons__stop_enter_coroutine(L, co, &here);
  int n_results, status = lua_resume(co, L, n, &n_results);
  moons__stop_leave_coroutine(L, &here);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, n_results + 1)) {
    lua_pop(co, n_results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, n_results);
  return n_results;
}

/* coroutine.resume(co, ...). Upvalue: the original. */
static int call_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  if (co == NULL) return moons__original_call(L, 1); /* its error says what is wrong */
  int n = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, n >= 0);
  int n_values = n >= 0 ? n : 1;
  lua_insert(L, -n_values - 1);
  return n_values + 1;
}

/* What coroutine.wrap returns. Upvalue: the coroutine. An error closes it, and is raised here. */
static int call_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int n = resume(L, co, lua_gettop(L));
  if (n >= 0) return n;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    moons__resumer here;
    moons__stop_enter_coroutine(L, co, &here);
    status = lua_resetthread(co);
    moons__stop_leave_coroutine(L, &here);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* coroutine.close(co). Upvalue: the original. */
static int call_close(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  if (co == NULL || co == L) return moons__original_call(L, 1); /* its error says what is wrong */
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  moons__resumer here;
  moons__stop_enter_coroutine(L, co, &here);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  moons__stop_leave_coroutine(L, &here);
  return status == LUA_OK ? lua_gettop(L) : moons__original_raise(L, status);
}

/* coroutine.wrap(f) */
static int call_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

/* Protected calls. */

/* The message handler of an xpcall. Upvalue: the script's. */
static int call_handler(lua_State *L) {
  if (moons__stop_reason_of(moons__stop_of(L)) != 0) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* `context`: how many values stand below what the function gives, the first of which is true. */
static int finish_xpcall(lua_State *L, int status, lua_KContext context) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)context;
  lua_pushboolean(L, 0);
  lua_pushvalue(L, -2);
  return 2;
}

/* xpcall(f, handler, ...), as Lua's own, which no C function could stand before without halving how deep they nest. */
static int call_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, call_handler, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1); /* the first result */
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2); /* both below the arguments */
  int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_xpcall);
  return finish_xpcall(L, status, 2);
}

void moons__coroutines_install(lua_State *L) {
  static const luaL_Reg FUNCTIONS[] = {{"xpcall", call_xpcall}, {NULL, NULL}};
  moons__original_put(L, FUNCTIONS);
  if (lua_getglobal(L, LUA_COLIBNAME) == LUA_TTABLE) {
    lua_getfield(L, -1, "resume");
    lua_pushcclosure(L, call_resume, 1);
    lua_setfield(L, -2, "resume");
    lua_pushcfunction(L, call_wrap);
    lua_setfield(L, -2, "wrap");
    lua_getfield(L, -1, "close");
    lua_pushcclosure(L, call_close, 1);
    lua_setfield(L, -2, "close");
  }
  lua_pop(L, 1);
}
