/*
** Time: the clock, sleeping, and the hooks that end a wait. A thread that waits in C runs no hook, by which a signal
** handler or a deadline ends the script or the call; so it looks for one now and then.
*/
#include <lauxlib.h>
#include <time.h>

#include "module/state.h"
#include "sizes.h"

/* core.now(): seconds of a clock that only goes forward. */
int moons__core_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)moons_clock_ns() / 1e9);
  return 1;
}

/* The main thread of a state, which stays. */
static lua_State *main_of(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

/* Runs an instruction, as code of the module's, and with it the hook that is set. */
static void run_instruction(lua_State *L) {
  static const char CODE[] = "return";
  if (luaL_loadbuffer(L, CODE, sizeof CODE - 1, "=parallel") != LUA_OK) lua_error(L);
  lua_call(L, 0, 0);
}

/* In a coroutine, a signal handler will most likely have told the main thread of the state: its hook is run here
** as well. One that debug.sethook has set does nothing then: it is for that thread alone. */
void moons__run_hook(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_State *main = main_of(L);
  if (lua_gethook(L) == NULL && main != L && lua_gethook(main) != NULL) {
    lua_sethook(L, lua_gethook(main), lua_gethookmask(main), lua_gethookcount(main));
    run_instruction(L);
    lua_sethook(L, NULL, 0, 0);
  } else if (lua_gethook(L) != NULL) {
    run_instruction(L);
  }
}

static void sleep_ns(uint64_t n_ns) {
  struct timespec time = {.tv_sec = (time_t)(n_ns / 1000000000),
                          .tv_nsec = (long)(n_ns % 1000000000)};
  nanosleep(&time, NULL); /* a signal ends it early, and may have set a hook */
}

/* core.sleep(seconds): 0 or more. */
int moons__core_sleep(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  uint64_t now_ns = moons_clock_ns(), end_ns = UINT64_MAX;
  if (seconds < 1e9) end_ns = now_ns + (uint64_t)(seconds * 1e9);
  while (now_ns < end_ns) {
    sleep_ns(end_ns - now_ns < MOONS_LOOK_NS ? end_ns - now_ns : MOONS_LOOK_NS);
    moons__run_hook(L);
    now_ns = moons_clock_ns();
  }
  return 0;
}
