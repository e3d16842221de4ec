/*
** Time: the clock, and sleeping, which a hook ends.
*/
#include <lauxlib.h>
#include <time.h>

#include "module/hooks.h"
#include "sizes.h"
#include "system/clock.h"

/* core.now(): seconds of a clock that only goes forward. */
int moons__core_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)moons__clock_ns() / 1e9);
  return 1;
}

static void sleep_ns(uint64_t n_ns) {
  struct timespec time = {.tv_sec = (time_t)(n_ns / 1000000000),
                          .tv_nsec = (long)(n_ns % 1000000000)};
  nanosleep(&time, NULL); /* a signal ends it early, and may have set a hook */
}

/* core.sleep(seconds): 0 or more. */
int moons__core_sleep(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  uint64_t now_ns = moons__clock_ns(), end_ns = UINT64_MAX;
  if (seconds < 1e9) end_ns = now_ns + (uint64_t)(seconds * 1e9);
  while (now_ns < end_ns) {
    sleep_ns(end_ns - now_ns < MOONS_LOOK_NS ? end_ns - now_ns : MOONS_LOOK_NS);
    moons__run_hook(L);
    now_ns = moons__clock_ns();
  }
  return 0;
}
