/* host.c: a C program whose scripts can call parallel.map.
**
**   cc host.c -o host $(pkg-config --cflags --libs moons lua5.4)
*/
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include "moons.h"

/* What the host offers its scripts. */
static int host_area(lua_State *L) {
  lua_Number width = luaL_checknumber(L, 1), height = luaL_checknumber(L, 2);
  lua_pushnumber(L, width * height);
  return 1;
}

/* Adds it to a state: to the host's own, and to every state of a worker. */
static void open_host(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "area", host_area);
}

static const char SCRIPT[] = "local parallel = require 'parallel'\n"
                             "local areas = parallel.starmap(area, {{2, 3}, {4, 5}, {6, 7}})\n"
                             "print(table.concat(areas, ' '))\n";

static int run(moons_runtime *runtime) {
  lua_State *L = luaL_newstate();
  if (L == NULL) return 1;
  luaL_openlibs(L);
  open_host(L, NULL);
  moons_terms terms;
  moons_terms_init(&terms); /* the defaults: no limits */
  terms.open = open_host;
  int error = moons_open(L, runtime, &terms); /* after the host's own globals */
  if (error) fprintf(stderr, "host: %s\n", moons_error_text(error));
  int failed = error || luaL_dostring(L, SCRIPT) != LUA_OK;
  if (failed && !error) fprintf(stderr, "host: %s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return failed;
}

int main(void) {
  moons_runtime *runtime;
  int error = moons_runtime_new(&runtime, NULL); /* a worker for each core */
  if (error) {
    fprintf(stderr, "host: %s\n", moons_error_text(error));
    return 1;
  }
  int failed = run(runtime);
  moons_runtime_free(runtime);
  return failed;
}
