/*
** A host that offers functions of its own, one of which may crash: so its calls are made in processes, which are this program,
** started again.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "moons.h"

/* third(x): x / 3, by a library that does not like 13. */
static int third(lua_State *L) {
  if (luaL_checkinteger(L, 1) == 13) abort();
  lua_pushnumber(L, lua_tonumber(L, 1) / 3);
  return 1;
}

static void offer(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "third", third);
}

static const char SCRIPT[] =
    "local parallel = require 'parallel'\n"
    "local results, errors = parallel.map(third, {12, 13, 15}, {errors = 'collect'})\n"
    "print(results[1], results[2], results[3])\n"
    "print(errors[2].kind)\n";

static int run(const moons_options *options, const moons_terms *terms) {
  moons_runtime *runtime;
  int error = moons_runtime_new(&runtime, options);
  if (error) return fprintf(stderr, "%s\n", moons_error_text(error)), 1;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  offer(L, NULL);
  int failed = moons_open(L, runtime, terms) || luaL_dostring(L, SCRIPT);
  if (failed) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  moons_runtime_free(runtime);
  return failed;
}

int main(int argc, char **argv) {
  moons_options options;
  moons_options_init(&options);
  options.backend = MOONS_PROCESSES;
  options.n_workers = 2;
  options.program = argv[0];
  moons_terms terms;
  moons_terms_init(&terms);
  terms.open = offer;
  int status = moons_worker_main(argc, argv, &options, &terms);
  return status >= 0 ? status : run(&options, &terms); /* 0 or more: this process was a worker */
}
