/* What a runtime does to the process that it lives in. */
#include "moons.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

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
  close_both(L, runtime);
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
  moons_terms terms = terms_with(open_questions, NULL);
  for (int blocks_pipe = 0; blocks_pipe < 2; blocks_pipe++) {
    sigset_t set, before;
    sigemptyset(&set);
    if (blocks_pipe) sigaddset(&set, SIGPIPE);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, &before) == 0);
    moons_runtime *runtime = open_runtime(&options);
    sigset_t after;
    CHECK(pthread_sigmask(SIG_SETMASK, &before, &after) == 0);
    CHECK(sigismember(&after, SIGPIPE) == blocks_pipe && !sigismember(&after, SIGTERM));
    lua_State *L = open_state_under(runtime, &terms);
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
      check_blocked(L, FAULTS[i], 0);
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
      check_blocked(L, OTHERS[i], 1);
    check_blocked(L, SIGPIPE, blocks_pipe);
    close_both(L, runtime);
  }
}

#ifdef __linux__
/* n_cores(): those that the thread that calls it may use. */
static int call_n_cores(lua_State *L) {
  cpu_set_t cores;
  CHECK(sched_getaffinity(0, sizeof cores, &cores) == 0);
  lua_pushinteger(L, CPU_COUNT(&cores));
  return 1;
}

static void open_cores(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "n_cores", call_n_cores);
}

/* A host pins its own thread when the runtime is made, and only then makes the first call. */
static void cores(void) {
  cpu_set_t all, one;
  moons_options options = usual_options(2);
  moons_terms terms = terms_with(open_cores, NULL);
  moons_runtime *runtime = open_runtime(&options);
  CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
  CPU_ZERO(&one);
  for (size_t i = 0; CPU_COUNT(&one) == 0; i++)
    if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
  lua_State *L = open_state_under(runtime, &terms);
  run(L, "n = parallel.map(function() return n_cores() end, {1})[1]");
  CHECK(lua_getglobal(L, "n") == LUA_TNUMBER && lua_tointeger(L, -1) == CPU_COUNT(&all));
  CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
  lua_settop(L, 0);
  close_both(L, runtime);
}
#endif

/* Forks. */

/* How a child has ended that runs a function with these. */
static int status_of_child(void (*run_child)(moons_runtime *runtime, lua_State *L),
                           moons_runtime *runtime, lua_State *L) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    run_child(runtime, L);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

static void use_in_child(moons_runtime *runtime, lua_State *L) {
  moons_stats stats;
  CHECK(moons_stats_of(runtime, NULL, &stats) == MOONS_EFORKED);
  CHECK(moons_lend(runtime) == MOONS_EFORKED);
  CHECK(luaL_dostring(L, "return parallel.map(math.sqrt, {4})") != LUA_OK);
  CHECK(strstr(luaL_tolstring(L, -1, NULL), moons_error_text(MOONS_EFORKED)) != NULL);
  close_both(L, runtime);
}

static void start_in_child(moons_runtime *runtime, lua_State *L) {
  moons_options options = usual_options(2);
  options.stop_signal = SIGURG;
  moons_runtime *own = open_runtime(&options);
  lua_State *state = open_state(own);
  run(state, "assert(parallel.map(math.sqrt, {4, 9}, {timeout = 60})[2] == 3.0)\n"
             "local function forever() while true do end end\n"
             "local ok, err = pcall(parallel.map, forever, {1}, {timeout = 0.01})\n"
             "assert(not ok and err.kind == 'timeout')");
  lua_close(state);
  moons_runtime_free(own);
  use_in_child(runtime, L);
}

static void forked(void) {
  moons_options options = usual_options(2);
  options.stop_signal = SIGURG;
  for (int i = 0; i < 20; i++) {
    options.backend = i % 4 < 3 ? MOONS_THREADS : MOONS_INLINE;
    moons_runtime *runtime = open_runtime(&options);
    lua_State *L = open_state(runtime);
    run(L, "pool = parallel.pool(2)\n"
           "future = pool:map_async(function(x) return x end, parallel.range(1, 1000))");
    CHECK(status_of_child(i % 2 ? start_in_child : use_in_child, runtime, L) == 0);
    run(L, "assert(#future:get() == 1000)");
    CHECK(status_of_child(use_in_child, runtime, L) == 0);
    close_both(L, runtime);
  }
}

/* The signal that ends calls. */

static atomic_int n_handled;

static void count_signal(int signal) {
  (void)signal;
  n_handled++;
}

static void set_action(int signal, void (*handler)(int signal)) {
  struct sigaction action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(signal, &action, NULL) == 0);
}

static struct sigaction action_of(int signal) {
  struct sigaction action;
  CHECK(sigaction(signal, NULL, &action) == 0);
  return action;
}

static moons_runtime *open_with_signal(int signal, moons_backend backend) {
  moons_options options = usual_options(2);
  options.stop_signal = signal;
  options.backend = backend;
  return open_runtime(&options);
}

static const char ENDED[] =
    "local ways = {function() while true do end end, function() while true do pcall(error) end "
    "end,\n"
    "  function() coroutine.wrap(function() while true do end end)() end}\n"
    "for _, maps in ipairs {parallel, parallel.pool(2)} do for _, way in ipairs(ways) do\n"
    "  local map = maps == parallel and parallel.map or function(...) return maps:map(...) end\n"
    "  local ok, err = pcall(map, way, {1, 2, 3}, {timeout = 0.01})\n"
    "  assert(not ok and err.kind == 'timeout' and not err.message:find 'given up', "
    "tostring(err))\n"
    "  assert(map(math.sqrt, {4, 9})[2] == 3.0)\n"
    "end end collectgarbage()";

static void stop_signals(void) {
  const int SIGNALS[] = {SIGURG, SIGUSR1, SIGRTMIN + 3};
  for (size_t i = 0; i < sizeof SIGNALS / sizeof SIGNALS[0]; i++)
    for (int is_inline = 0; is_inline < 2; is_inline++) {
      moons_runtime *runtime =
          open_with_signal(SIGNALS[i], is_inline ? MOONS_INLINE : MOONS_THREADS);
      CHECK(action_of(SIGNALS[i]).sa_handler != SIG_DFL);
      lua_State *L = open_state(runtime);
      run(L, ENDED);
      lua_close(L);
      moons_runtime_free(runtime);
      CHECK(action_of(SIGNALS[i]).sa_handler == SIG_DFL);
    }
}

static void no_stop_signals(void) {
  const int SIGNALS[] = {-1, SIGKILL, SIGSTOP, SIGSEGV, SIGABRT, SIGPIPE, NSIG, 1000000};
  moons_options options = usual_options(1);
  for (size_t i = 0; i < sizeof SIGNALS / sizeof SIGNALS[0]; i++) {
    moons_runtime *runtime;
    options.stop_signal = SIGNALS[i];
    CHECK(moons_runtime_new(&runtime, &options) == MOONS_EINVAL && runtime == NULL);
  }
}

static void handler_of_host(void) {
  set_action(SIGUSR2, count_signal);
  moons_runtime *first = open_with_signal(SIGUSR2, MOONS_THREADS);
  moons_runtime *second = open_with_signal(SIGUSR2, MOONS_INLINE);
  CHECK(action_of(SIGUSR2).sa_handler != count_signal);
  lua_State *L = open_state(first);
  run(L, ENDED);
  CHECK(n_handled == 0);
  CHECK(raise(SIGUSR2) == 0 && n_handled == 1); /* not the library's */
  lua_close(L);
  moons_runtime_free(first);
  L = open_state(second);
  run(L, ENDED);
  CHECK(n_handled == 1);
  CHECK(raise(SIGUSR2) == 0 && n_handled == 2);
  lua_close(L);
  moons_runtime_free(second);
  CHECK(action_of(SIGUSR2).sa_handler == count_signal);
}

static void handler_set_meanwhile(void) {
  moons_runtime *runtime = open_with_signal(SIGUSR2, MOONS_THREADS);
  set_action(SIGUSR2, count_signal);
  moons_runtime_free(runtime);
  CHECK(action_of(SIGUSR2).sa_handler == count_signal);
}

/* Deep in C, in a stack as small as there is, there is room for the handler. */
static void small_stacks(void) {
  moons_options options = usual_options(2);
  options.stop_signal = SIGURG;
  options.stack_bytes = 1; /* the least there is */
  run_with(&options,
           "local function down() return (('x'):gsub('x', down)) end\n"
           "for i = 1, 30 do\n"
           "  local ok, err = pcall(parallel.map, function() while true do pcall(down) end end,\n"
           "    {1, 2}, {timeout = 0.005 + i / 10000})\n"
           "  assert(not ok and err.kind == 'timeout', tostring(err))\n"
           "end");
}

static void thread_names(void) {
#ifdef __linux__
  moons_options options = usual_options(1);
  moons_terms terms = terms_with(open_questions, NULL);
  run_under(&options, &terms,
            "name = parallel.map(function() return thread_name() end, {1})[1] assert(name == "
            "'moons/0', name)");
  options.thread_name = "renderer-of-the-host";
  run_under(&options, &terms,
            "name = parallel.map(function() return thread_name() end, {1})[1] assert(name == "
            "'renderer-of-t/0', name)");
#endif
}

/* Interrupts. */

static lua_State *interrupted;

static void on_signal(int signal) {
  (void)signal;
  moons_interrupt(interrupted);
}

/* Interrupts the state a while later: by a signal to the thread that runs it, or right from here. */
typedef struct later {
  pthread_t thread;
  int by_signal;
} later;

static void *interrupt_later(void *data) {
  const later *l = data;
  usleep(100000);
  if (l->by_signal)
    CHECK(pthread_kill(l->thread, SIGUSR1) == 0);
  else
    moons_interrupt(interrupted);
  return NULL;
}

static void check_interrupted(lua_State *L, int by_signal, const char *code) {
  pthread_t thread;
  later l = {.thread = pthread_self(), .by_signal = by_signal};
  CHECK(pthread_create(&thread, NULL, interrupt_later, &l) == 0);
  CHECK(luaL_dostring(L, code) != LUA_OK);
  CHECK(pthread_join(thread, NULL) == 0);
  if (strstr(luaL_tolstring(L, -1, NULL), ":1: interrupted!") == NULL)
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
  CHECK(strstr(lua_tostring(L, -1), ":1: interrupted!") != NULL);
  lua_settop(L, 0);
  run(L, "assert(parallel.map(math.sqrt, {4})[1] == 2.0)");
}

/* interrupt(): the state of this call, which is none of the host's. */
static int call_interrupt(lua_State *L) {
  moons_interrupt(L);
  moons_interrupt(NULL);
  return 0;
}

static void open_interrupt(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "interrupt", call_interrupt);
}

static void interrupts(void) {
  moons_options options = usual_options(2);
  moons_terms terms = terms_with(open_interrupt, NULL);
  options.stop_signal = SIGURG;
  moons_runtime *runtime = open_runtime(&options);
  lua_State *L = interrupted = open_state_under(runtime, &terms);
  set_action(SIGUSR1, on_signal);
  for (int i = 0; i < 2; i++) {
    check_interrupted(L, i, "parallel.map(function() while true do end end, {1, 2})");
    check_interrupted(L, i, "parallel.apply(function() parallel.sleep(100) end)");
    check_interrupted(L, i, "parallel.sleep(100)");
  }
  check_interrupted(L, 1, "while true do end");
  check_interrupted(L, 1, "coroutine.wrap(function() parallel.sleep(100) end)()");
  run(L, "assert(parallel.map(function() interrupt() return 7 end, {1})[1] == 7)");
  close_both(L, runtime);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"a host that waits for signals gets them #threads", host_waits},
      {"workers block all signals but those that they cause", blocked_signals},
#ifdef __linux__
      {"workers have the cores of the thread that makes the runtime #linux", cores},
#endif
      {"threads have names #linux", thread_names},
      {"what a state waits for, or runs, is interrupted", interrupts},
      {"the child of a fork is refused its parent's runtime and may have its own #unsanitized",
       forked},
      {"calls are ended with the signal that the host names #threads", stop_signals},
      {"signals that cannot be had are refused", no_stop_signals},
      {"a host's handler gets what is not for calls, and is put back", handler_of_host},
      {"a handler that the host has set meanwhile stays", handler_set_meanwhile},
      {"calls are ended deep in a small stack #unsanitized", small_stacks},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
