/* What the hosts of these tests do alike. */
#ifndef HOST_H
#define HOST_H

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"
#include "moons.h"

static inline moons_options usual_options(unsigned n_workers) {
  moons_options options;
  moons_options_init(&options);
  options.n_workers = n_workers;
  return options;
}

static inline moons_runtime *open_runtime(const moons_options *options) {
  moons_runtime *runtime;
  CHECK(moons_runtime_new(&runtime, options) == 0);
  CHECK(runtime != NULL);
  return runtime;
}

static inline void run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) == LUA_OK) return;
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  FAIL("the script runs");
}

/* A state that the host has opened with a function of its own (NULL: none), with the module as the global `parallel`. */
static inline lua_State *open_host_state(moons_runtime *runtime, void (*open)(lua_State *, void *),
                                         void *data) {
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  luaL_openlibs(L);
  if (open != NULL) open(L, data);
  moons_open(L, runtime);
  CHECK(lua_gettop(L) == 0);
  run(L, "parallel = require 'parallel'");
  return L;
}

static inline lua_State *open_state(moons_runtime *runtime) {
  return open_host_state(runtime, NULL, NULL);
}

static inline void close_both(lua_State *L, moons_runtime *runtime) {
  lua_close(L);
  moons_runtime_free(runtime);
}

/* Runs code in a state of a runtime with these options; `open` is the host's, which opens both. */
static inline void run_with(const moons_options *options, const char *code) {
  moons_runtime *runtime = open_runtime(options);
  lua_State *L = open_host_state(runtime, options->open, options->open_data);
  run(L, code);
  close_both(L, runtime);
}

#endif
