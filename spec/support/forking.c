/* The module `forking`: what a C library can do to a process. */
#include <dlfcn.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__clang__)
#define NO_OPTIMIZING __attribute__((optnone))
#else
#define NO_OPTIMIZING __attribute__((optimize("O0")))
#endif

__attribute__((visibility("default"))) int luaopen_forking(lua_State *L);

/* fork(): 0 in the child, its number in the parent. */
static int call_fork(lua_State *L) {
  lua_pushinteger(L, fork());
  return 1;
}

/* wait(child): how it has ended: its exit code, or the negative number of the signal. */
static int call_wait(lua_State *L) {
  int status = 0;
  waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0);
  lua_pushinteger(L, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
  return 1;
}

/* raise(signal), on the calling thread. */
static int call_raise(lua_State *L) {
  raise((int)luaL_checkinteger(L, 1));
  return 0;
}

static int call_abort(lua_State *L) {
  (void)L;
  abort();
}

/* Reads where nothing is. */
static int call_crash(lua_State *L) {
  volatile int *nothing = (int *)(size_t)luaL_optinteger(L, 1, 0);
  lua_pushinteger(L, *nothing);
  return 1;
}

NO_OPTIMIZING static int fill_stack(volatile char *outer) {
  volatile char here[4096];
  memset((char *)here, *outer, sizeof here);
  return fill_stack(here) + here[1];
}

/* Overflows the C stack. */
static int call_overflow(lua_State *L) {
  volatile char start = 1;
  lua_pushinteger(L, fill_stack(&start));
  return 1;
}

/* exit(code), as C libraries do; leave(code): without any ado. */
static int call_exit(lua_State *L) { exit((int)luaL_checkinteger(L, 1)); }

static int call_leave(lua_State *L) { _exit((int)luaL_checkinteger(L, 1)); }

/* Never returns, and never comes to Lua. */
static int call_hang(lua_State *L) {
  (void)L;
  for (volatile int i = 0;; i++)
    if (i % 1000 == 0) usleep(1000);
}

/* fill(): takes memory without end. */
static int call_fill(lua_State *L) {
  enum { STEP_BYTES = 1 << 20 };
  (void)L;
  for (char *bytes; (bytes = malloc(STEP_BYTES)) != NULL;)
    memset(bytes, 1, STEP_BYTES);
  return 0;
}

/* process(): the number of this process. */
static int call_process(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

static void interrupt(void) { raise(SIGINT); }

/* interrupt_at_exit(library): has SIGINT come when the process exits. The library, this one, stays until then. */
static int call_interrupt_at_exit(lua_State *L) {
  lua_pushboolean(L, dlopen(luaL_checkstring(L, 1), RTLD_NOW | RTLD_NODELETE) != NULL &&
                         atexit(interrupt) == 0);
  return 1;
}

int luaopen_forking(lua_State *L) {
  static const luaL_Reg FUNCTIONS[] = {{"fork", call_fork},
                                       {"wait", call_wait},
                                       {"raise", call_raise},
                                       {"abort", call_abort},
                                       {"crash", call_crash},
                                       {"overflow", call_overflow},
                                       {"exit", call_exit},
                                       {"leave", call_leave},
                                       {"hang", call_hang},
                                       {"fill", call_fill},
                                       {"process", call_process},
                                       {"interrupt_at_exit", call_interrupt_at_exit},
                                       {NULL, NULL}};
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
