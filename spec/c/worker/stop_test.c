#include "worker/stop.h"

#include <lauxlib.h>
#include <sys/wait.h>

#include "check.h"

static moons__stop opened(void) {
  static _Atomic uint64_t cancelled_ns;
  moons__stop stop = {0};
  moons__stop_open(&stop, 0, &cancelled_ns, NULL);
  return stop;
}

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  CHECK(L != NULL);
  return L;
}

/* Runs `in_child` in the child of a fork, where it must come back. */
static void fork_with(moons__stop *stop, void (*in_child)(moons__stop *stop)) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(10);
    in_child(stop);
    _exit(EXIT_SUCCESS);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

static void end_call(moons__stop *stop) { CHECK(moons__stop_end(stop) == 0); }

static void pin_call(moons__stop *stop) {
  CHECK(moons__stop_pin(stop));
  moons__stop_unpin(stop);
}

/* The thread that holds a call may be anywhere when the call forks. */
static void held_in_parent(void (*in_child)(moons__stop *stop)) {
  lua_State *L = new_state();
  moons__stop stop = opened();
  moons__stop_begin(&stop, L);
  CHECK(moons__stop_hold(&stop));
  fork_with(&stop, in_child);
  moons__stop_let_go(&stop);
  CHECK(moons__stop_end(&stop) == 0);
  lua_close(L);
}

static void ends_in_child(void) { held_in_parent(end_call); }
static void pins_in_child(void) { held_in_parent(pin_call); }

static void held_once(void) {
  lua_State *L = new_state();
  moons__stop stop = opened();
  CHECK(!moons__stop_hold(&stop)); /* nothing runs */
  moons__stop_begin(&stop, L);
  CHECK(moons__stop_hold(&stop));
  CHECK(!moons__stop_hold(&stop));
  moons__stop_let_go(&stop);
  CHECK(moons__stop_pin(&stop));
  CHECK(!moons__stop_hold(&stop)); /* nor is a pinned call given up */
  moons__stop_unpin(&stop);
  CHECK(moons__stop_hold(&stop));
  moons__stop_give_up(&stop);
  CHECK(moons__stop_is_lost(&stop) && !moons__stop_pin(&stop));
  CHECK(moons__stop_end(&stop) == MOONS__STOP(LOST));
  lua_close(L);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"a call that another thread holds ends in the child of a fork", ends_in_child},
      {"a call that another thread holds can be pinned in the child of a fork", pins_in_child},
      {"a call is held by one thread at a time", held_once},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
