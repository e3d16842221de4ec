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

static inline moons_runtime *open_two_workers(void) {
  moons_options options = usual_options(2);
  return open_runtime(&options);
}

/* How many it may have. */
static inline unsigned workers_of(moons_runtime *runtime) {
  moons_stats stats;
  CHECK(moons_stats_of(runtime, NULL, &stats) == 0);
  return stats.n_workers;
}

/* Programs. */

static inline moons_program *load_under(moons_runtime *runtime, const char *source,
                                        const moons_terms *terms) {
  moons_program *program;
  int error = moons_program_load(&program, runtime, source, strlen(source), "=rules", terms);
  if (error == MOONS_ESCRIPT) fprintf(stderr, "%s\n", moons_program_error(program)->message);
  CHECK(error == 0 && program != NULL && moons_program_error(program) == NULL);
  return program;
}

static inline moons_program *load(moons_runtime *runtime, const char *source) {
  return load_under(runtime, source, NULL);
}

/* Runs a function that succeeds. */
static inline moons_call *run_with_values(moons_program *program, const char *function,
                                          const moons_value *arguments, size_t n) {
  moons_call *call;
  int error = moons_run(&call, program, function, arguments, n);
  if (error == MOONS_ESCRIPT) fprintf(stderr, "%s\n", moons_call_error(call)->message);
  CHECK(error == 0 && call != NULL && moons_call_error(call) == NULL);
  return call;
}

static inline void close_program(moons_program *program, moons_runtime *runtime) {
  moons_program_free(program);
  moons_runtime_free(runtime);
}

/* States of the host's. */

static inline void run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) == LUA_OK) return;
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  FAIL("the script runs");
}

static inline moons_terms terms_with(void (*open)(lua_State *, void *), void *data) {
  moons_terms terms;
  moons_terms_init(&terms);
  terms.open = open;
  terms.data = data;
  return terms;
}

/* A state to which `open` of the terms (NULL: none) adds what it adds to those of calls, with the module as the global
** `parallel`. */
static inline lua_State *open_state_under(moons_runtime *runtime, const moons_terms *terms) {
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  luaL_openlibs(L);
  if (terms != NULL && terms->open != NULL) terms->open(L, terms->data);
  CHECK(moons_open(L, runtime, terms) == 0);
  CHECK(lua_gettop(L) == 0);
  run(L, "parallel = require 'parallel'");
  return L;
}

static inline lua_State *open_state(moons_runtime *runtime) {
  return open_state_under(runtime, NULL);
}

static inline void close_both(lua_State *L, moons_runtime *runtime) {
  lua_close(L);
  moons_runtime_free(runtime);
}

/* Runs code in a state of a runtime with these options, under these terms. */
static inline void run_under(const moons_options *options, const moons_terms *terms,
                             const char *code) {
  moons_runtime *runtime = open_runtime(options);
  lua_State *L = open_state_under(runtime, terms);
  run(L, code);
  close_both(L, runtime);
}

static inline void run_with(const moons_options *options, const char *code) {
  run_under(options, NULL, code);
}

#endif
