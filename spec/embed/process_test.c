/* What a runtime does to the process that it lives in. */
#include "moons.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "../c/check.h"

static moons_runtime *open_runtime(const moons_options *options) {
  moons_runtime *runtime;
  CHECK(moons_runtime_new(&runtime, options) == 0);
  return runtime;
}

static moons_options usual_options(unsigned n_workers) {
  moons_options options;
  moons_options_init(&options);
  options.n_workers = n_workers;
  return options;
}

/* A state with the module as the global `parallel`. */
static lua_State *open_state(moons_runtime *runtime) {
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  luaL_openlibs(L);
  moons_open(L, runtime);
  CHECK(luaL_dostring(L, "parallel = require 'parallel'") == LUA_OK);
  return L;
}

static void run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) == LUA_OK) return;
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  FAIL("the script runs");
}

/* Signals of the process. */

static void host_waits(void) {
  moons_options options = usual_options(4);
  moons_runtime *runtime = open_runtime(&options);
  lua_State *L = open_state(runtime);
  run(L, "pool = parallel.pool(3) pool:map(tostring, {1, 2, 3}, {timeout = 60})\n"
         "future = pool:submit(function() while true do end end)");
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
  for (int i = 0; i < 100; i++) {
    int sent = i % 2 ? SIGTERM : SIGINT, got = 0;
    CHECK(kill(getpid(), sent) == 0);
    CHECK(sigwait(&set, &got) == 0 && got == sent);
  }
  run(L, "future:cancel() pool:close()");
  lua_close(L);
  moons_runtime_free(runtime);
}

/* is_blocked(signal): on the thread that calls it. */
static int call_is_blocked(lua_State *L) {
  sigset_t set;
  CHECK(pthread_sigmask(SIG_SETMASK, NULL, &set) == 0);
  lua_pushboolean(L, sigismember(&set, (int)luaL_checkinteger(L, 1)));
  return 1;
}

static int call_thread_name(lua_State *L) {
  char name[64] = "";
#ifdef __linux__
  CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
#endif
  lua_pushstring(L, name);
  return 1;
}

static void open_questions(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "is_blocked", call_is_blocked);
  lua_register(L, "thread_name", call_thread_name);
}

static void check_blocked(lua_State *L, int signal, int is_blocked) {
  lua_pushinteger(L, signal);
  lua_setglobal(L, "signal");
  run(L, "signal = parallel.map(function(x) return is_blocked(x) end, {signal})[1]");
  CHECK(lua_getglobal(L, "signal") == LUA_TBOOLEAN);
  CHECK(lua_toboolean(L, -1) == is_blocked);
  lua_pop(L, 1);
}

static void blocked_signals(void) {
  static const int FAULTS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
  static const int OTHERS[] = {SIGINT,  SIGTERM, SIGHUP,  SIGCHLD,
                               SIGUSR1, SIGUSR2, SIGALRM, SIGPROF};
  moons_options options = usual_options(1);
  options.open = open_questions;
  for (int blocks_pipe = 0; blocks_pipe < 2; blocks_pipe++) {
    sigset_t set, before;
    sigemptyset(&set);
    if (blocks_pipe) sigaddset(&set, SIGPIPE);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, &before) == 0);
    moons_runtime *runtime = open_runtime(&options);
    sigset_t after;
    CHECK(pthread_sigmask(SIG_SETMASK, &before, &after) == 0);
    CHECK(sigismember(&after, SIGPIPE) == blocks_pipe && !sigismember(&after, SIGTERM));
    lua_State *L = open_state(runtime);
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
      check_blocked(L, FAULTS[i], 0);
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
      check_blocked(L, OTHERS[i], 1);
    check_blocked(L, SIGPIPE, blocks_pipe);
    lua_close(L);
    moons_runtime_free(runtime);
  }
}

static void thread_names(void) {
#ifdef __linux__
  moons_options options = usual_options(1);
  options.open = open_questions;
  moons_runtime *runtime = open_runtime(&options);
  lua_State *L = open_state(runtime);
  run(L, "name = parallel.map(function() return thread_name() end, {1})[1] assert(name == "
         "'moons/0', name)");
  lua_close(L);
  moons_runtime_free(runtime);
#endif
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"a host that waits for signals gets them #threads", host_waits},
      {"workers block all signals but those that they cause", blocked_signals},
      {"threads have names", thread_names},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
