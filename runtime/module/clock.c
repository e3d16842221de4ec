/*
** Time: the clock, and sleeping, which a hook ends.
*/
#include <lauxlib.h>
#include <string.h>
#include <time.h>

#include "module/hooks.h"
#include "sizes.h"
#include "system/clock.h"
#include "worker/rights.h"

/* Whether the function that has called is the module's own: no chunk of a call has such a name (worker/load.c). */
static int is_called_by_module(lua_State *L) {
  lua_Debug info;
  return lua_getstack(L, 1, &info) && lua_getinfo(L, "S", &info) &&
         strncmp(info.source, MOONS__MODULE_CHUNKS, sizeof MOONS__MODULE_CHUNKS - 1) == 0;
}

/* core.now(): seconds of a clock that only goes forward. Without the right to clocks it is for the module alone, which waits by it. */
int moons__core_now(lua_State *L) {
  if ((moons__rights_of(L) & MOONS_MAY_CLOCKS) == 0 && !is_called_by_module(L))
    return luaL_error(L, "this call may not ask for the time");
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
  if (!(seconds > 0)) return 0;
  if (seconds < 1e9) end_ns = now_ns + (uint64_t)(seconds * 1e9);
  while (now_ns < end_ns) {
    sleep_ns(end_ns - now_ns < MOONS_LOOK_NS ? end_ns - now_ns : MOONS_LOOK_NS);
    moons__run_hook(L);
    now_ns = moons__clock_ns();
  }
  return 0;
}
