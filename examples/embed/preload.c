/* preload.c: a C program, such as an interpreter of your own, whose scripts have the modules without a file of them.
**
**   cc preload.c -o preload $(pkg-config --cflags --libs moons lua5.4)
**
** A state makes its own runtime at the first map, and frees it when it is closed. A program with several states, or with
** functions of its own for calls, makes one runtime for all, and gives it to them by moons_open: see host.c.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include "moons.h"

/* Loaded when a script asks for them, as any other module. */
static const luaL_Reg MODULES[] = {{"parallel", luaopen_parallel},
                                   {"parallel.experiment", luaopen_parallel_experiment},
                                   {NULL, NULL}};

static const char SCRIPT[] =
    "local parallel = require 'parallel'\n"
    "local experiment = require 'parallel.experiment'\n"
    "local settings = experiment.grid {x = parallel.range(-3, 3), y = {0.5, 1.5, 2.5}}\n"
    "local errors = parallel.map(function(s) return (s.x - 1) ^ 2 + (s.y - 1.5) ^ 2 end, "
    "settings)\n"
    "local best = 1\n"
    "for i = 1, errors.n do if errors[i] < errors[best] then best = i end end\n"
    "print(#settings .. ' settings', 'x = ' .. settings[best].x, 'y = ' .. settings[best].y)\n";

int main(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL) return 1;
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  luaL_setfuncs(L, MODULES, 0);
  lua_pop(L, 1);
  int failed = luaL_dostring(L, SCRIPT) != LUA_OK;
  if (failed) fprintf(stderr, "preload: %s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return failed;
}
