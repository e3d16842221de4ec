/*
** Each function that reaches out of its state is replaced by one that does not. What stands for an original
** knows it, as an upvalue.
*/
#include "worker/install.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "state/pristine.h"
#include "system/fork.h"
#include "system/machine.h"
#include "wire/batch.h"
#include "wire/failure.h"
#include "worker/coroutines.h"
#include "worker/load.h"
#include "worker/original.h"
#include "worker/print.h"

/* Ending the process. */

/* The error is raised again and again, so that no pcall keeps the call alive. */
static int call_exit(lua_State *L) {
  if (moons__sandbox_of(L)->fork_number !=
      moons__fork_number()) /* a child that the call has forked */
    return moons__original_call(L, 1);
  if (!lua_isboolean(L, 1)) luaL_optinteger(L, 1, 0);
  moons__stop_here(&moons__sandbox_of(L)->stop, L, MOONS__STOP(ERROR));
  if (lua_isnoneornil(L, 1)) return luaL_error(L, "os.exit was called");
  return luaL_error(L, "os.exit(%s) was called", luaL_tolstring(L, 1, NULL));
}

/* What is one for the whole process. */

/* os.clock(): processor time of the call. The thread's clock differs from it by what was when the call began; asking that
** takes longer than a small call, so it is asked where the function names `clock`. */
static int call_clock(lua_State *L) {
  moons__sandbox *s = moons__sandbox_of(L);
  uint64_t now_ns = moons__machine_cpu_ns();
  if (s->cpu_begun_ns == MOONS__UNKNOWN || s->cpu_begun_ns > now_ns) s->cpu_begun_ns = now_ns;
  lua_pushnumber(L, (lua_Number)(now_ns - s->cpu_begun_ns) / (lua_Number)1e9);
  return 1;
}

static int is_same_locale(const char *a, const char *b) {
  int a_is_c = strcmp(a, "C") == 0 || strcmp(a, "POSIX") == 0;
  int b_is_c = strcmp(b, "C") == 0 || strcmp(b, "POSIX") == 0;
  return strcmp(a, b) == 0 || (a_is_c && b_is_c);
}

/* os.setlocale([locale [, category]]): tells which it is, and refuses any other, which all calls would get. */
static int call_setlocale(lua_State *L) {
  if (lua_isnoneornil(L, 1)) return moons__original_call(L, 1);
  const char *wanted = luaL_checkstring(L, 1);
  lua_settop(L, 2);
  lua_pushnil(L);
  lua_pushvalue(L, 2);
  moons__original_call(L, 3);
  const char *present = lua_tostring(L, 3);
  if (present != NULL && is_same_locale(wanted, present)) return 1;
  luaL_pushfail(L);
  lua_pushfstring(
      L,
      "cannot set the locale '%s' in a call, for it would be that of the whole process; "
      "set it in the script, before the map",
      wanted);
  return 2;
}

/* Random numbers. */

/* math.randomseed([x [, y]]). Without arguments Lua would take the time and an address, which do not depend on
** the call alone: the call's own next numbers do. Upvalues: the original, math.random. */
static int call_randomseed(lua_State *L) {
  if (lua_gettop(L) > 0) return moons__original_call(L, 1);
  for (int i = 0; i < 2; i++) {
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushinteger(L, 0);
    lua_call(L, 1, 1);
  }
  return moons__original_call(L, 1);
}

/* What the script has changed was noted before. */
void moons__push_randomseed(lua_State *L) {
  int top = lua_gettop(L);
  lua_pushnil(L);
  if (moons__pristine_push_library(L, LUA_MATHLIBNAME) ||
      moons__pristine_push_present(L, LUA_MATHLIBNAME)) {
    lua_pushliteral(L, "randomseed");
    lua_rawget(L, -2);
    if (lua_tocfunction(L, -1) == call_randomseed) lua_getupvalue(L, -1, 1);
    if (lua_iscfunction(L, -1)) lua_replace(L, top + 1);
  }
  lua_settop(L, top + 1);
}

/* Finalizers. */

/* Notes it where the metatable at `index` makes a table of the state's have a finalizer. */
static void note_finalizer(lua_State *L, int index) {
  if (!lua_istable(L, index)) return;
  lua_pushliteral(L, "__gc");
  if (lua_rawget(L, index) != LUA_TNIL) moons__sandbox_of(L)->made_finalizer = 1;
  lua_pop(L, 1);
}

static int call_setmetatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
    return luaL_error(L, "cannot change a protected metatable");
  lua_settop(L, 2);
  note_finalizer(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

static int call_debug_setmetatable(lua_State *L) {
  if (lua_istable(L, 1)) note_finalizer(L, 2);
  return moons__original_call(L, 1);
}

/* Programs. */

/* The `begin` of the starter. A C function that calls another one is reached by no hook. */
static const void *begin_program(lua_State *L, void *data) {
  moons__sandbox *s = data;
  moons__stop_reason reason = moons__stop_reason_of(&s->stop);
  if (reason != 0) luaL_error(L, "%s", moons__failure_text((moons__failure_kind)(reason - 1)));
  if (moons__stop_is_lost(&s->stop)) luaL_error(L, "the call was given up");
  moons__sandbox_flush(s);
  moons__sandbox_pass_on(s);
  return moons__sandbox_arena(L);
}

static int is_given_up(void *data) {
  const moons__sandbox *s = data;
  return moons__stop_is_lost(&s->stop);
}

/* Installing. */

static void install_math(lua_State *L) {
  lua_getfield(L, -1, "randomseed");
  lua_getfield(L, -2, "random");
  lua_pushcclosure(L, call_randomseed, 2);
  lua_setfield(L, -2, "randomseed");
}

static void install_programs(lua_State *L, moons__sandbox *sandbox) {
  moons__starter *starter = &sandbox->starter;
  if (starter->children == NULL) return;
  starter->is_in_call = 1;
  starter->begin = begin_program;
  starter->is_over = is_given_up;
  starter->data = sandbox;
  moons__program_install(L, starter);
}

/* Pushes the table of a library that is open; returns 0 where it is not. */
static int push_open(lua_State *L, const char *library) {
  if (lua_getglobal(L, library) == LUA_TTABLE) return 1;
  lua_pop(L, 1);
  return 0;
}

void moons__install(lua_State *L, moons__sandbox *sandbox) {
  static const luaL_Reg FUNCTIONS[] = {{"setmetatable", call_setmetatable}, {NULL, NULL}};
  moons__stop_own(&sandbox->stop, L);
  moons__original_put(L, FUNCTIONS);
  moons__coroutines_install(L);
  moons__print_install(L);
  if (push_open(L, LUA_OSLIBNAME)) {
    moons__original_replace(L, "exit", call_exit);
    moons__original_replace(L, "clock", call_clock);
    moons__original_replace(L, "setlocale", call_setlocale);
    lua_pop(L, 1);
  }
  if (push_open(L, LUA_MATHLIBNAME)) {
    install_math(L);
    lua_pop(L, 1);
  }
  install_programs(L, sandbox);
  if (push_open(L, LUA_DBLIBNAME)) {
    moons__original_replace(L, "setmetatable", call_debug_setmetatable);
    lua_pop(L, 1);
  }
  moons__load_install(L);
}
