/* What a library must leave alone in a process that is not its own. The program has these functions in place of libc's, so that all
** calls of them come here. */
#include "moons.h"

#include <locale.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

extern char **environ;

static atomic_int n_met;         /* calls since the host has left its own affairs to the library */
static _Thread_local int is_own; /* this thread does what a host does for itself */

static void meet(const char *function, const char *argument) {
  if (is_own) return;
  atomic_fetch_add(&n_met, 1);
  fprintf(stderr, "the library calls %s(%s)\n", function, argument);
}

char *getenv(const char *name) {
  size_t n = strlen(name);
  meet("getenv", name);
  for (char **at = environ; at != NULL && *at != NULL; at++)
    if (strncmp(*at, name, n) == 0 && (*at)[n] == '=') return *at + n + 1;
  return NULL;
}

char *secure_getenv(const char *name) { return getenv(name); }

int setenv(const char *name, const char *value, int replaces) {
  (void)value;
  (void)replaces;
  meet("setenv", name);
  return -1;
}

int putenv(char *text) {
  meet("putenv", text);
  return -1;
}

char *setlocale(int category, const char *locale) {
  (void)category;
  meet("setlocale", locale != NULL ? locale : "NULL");
  return NULL;
}

int chdir(const char *path) {
  meet("chdir", path);
  return -1;
}

mode_t umask(mode_t mask) {
  (void)mask;
  meet("umask", "");
  return 0;
}

int atexit(void (*function)(void)) {
  (void)function;
  meet("atexit", "");
  return -1;
}

static const char SCRIPT[] = "function double(x) return 2 * x end\n"
                             "function sum(n)\n"
                             "  local results = parallel.map(function(x) return math.random() < 2 "
                             "and x end, parallel.range(1, n))\n"
                             "  local total = 0\n"
                             "  for i = 1, n do total = total + results[i] end\n"
                             "  return total\n"
                             "end\n"
                             "function fail() error 'on purpose' end";

static void use_program(moons_runtime *runtime) {
  moons_value n = moons_integer(100);
  moons_program *program = load(runtime, SCRIPT);
  moons_call *call = run_with_values(program, "sum", &n, 1);
  CHECK(moons_to_integer(moons_results(call, NULL), 0) == 5050);
  moons_call_free(call);
  CHECK(moons_run(&call, program, "fail", NULL, 0) == MOONS_ESCRIPT);
  moons_call_free(call);
  moons_program_free(program);
}

static void use_queue(moons_runtime *runtime) {
  moons_queue *queue;
  moons_call *call;
  moons_value n = moons_integer(21);
  moons_program *program = load(runtime, SCRIPT);
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  for (int i = 0; i < 100; i++)
    CHECK(moons_submit(queue, program, "double", &n, 1, NULL, NULL) == 0);
  while (moons_next(queue, -1, &call) == 0) {
    CHECK(moons_to_integer(moons_results(call, NULL), 0) == 42);
    moons_call_free(call);
  }
  moons_queue_free(queue);
  moons_program_free(program);
}

/* The host opens its libraries itself, and `package` asks for LUA_PATH. */
static void use_state(moons_runtime *runtime) {
  is_own = 1;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  is_own = 0;
  CHECK(moons_open(L, runtime, NULL) == 0);
  CHECK(luaL_dostring(
            L, "local parallel = require 'parallel'\n"
               "local pool <close> = parallel.pool(2)\n"
               "local results = pool:map(function(x) return ('%d'):format(x) end, {1, 2, 3})\n"
               "assert(table.concat(results) == '123')") == LUA_OK);
  lua_close(L);
}

/* A host may set its environment while workers run: who reads it then crashes. */
static void leaves_alone(void) {
  moons_runtime *runtime = open_two_workers();
  use_program(runtime);
  use_queue(runtime);
  use_state(runtime);
  moons_runtime_free(runtime);
  CHECK(atomic_load(&n_met) == 0);
}

static const test TESTS[] = {
    {"is left its environment, locale, folder and mask #threads #unsanitized", leaves_alone},
    {NULL, NULL},
};

int main(int argc, char **argv) { return run_tests(TESTS, argc, argv); }
