/* What a host does wrong: each is refused by a code, or does nothing. */
#include "moons.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

static moons_runtime *open_usual(void) {
  moons_options options = usual_options(1);
  return open_runtime(&options);
}

static const char SCRIPT[] = "function f(x) return x end";

/* NULL in place of each object. */
static void nothing(void) {
  moons_runtime *runtime = open_usual(), *no_runtime = runtime;
  moons_program *program = load(runtime, SCRIPT), *no_program = program;
  moons_queue *queue, *no_queue;
  moons_call *call;
  size_t n = 7;
  CHECK(moons_runtime_new(NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  CHECK(moons_program_load(NULL, runtime, "", 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_program_load(&no_program, NULL, "", 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_program_load(&no_program, runtime, NULL, 1, NULL, NULL) == MOONS_EINVAL);
  CHECK(no_program == NULL && no_runtime != NULL);
  CHECK(moons_run(NULL, program, "f", NULL, 0) == MOONS_EINVAL);
  CHECK(moons_run(&call, NULL, "f", NULL, 0) == MOONS_EINVAL && call == NULL);
  CHECK(moons_run(&call, program, NULL, NULL, 0) == MOONS_EINVAL && call == NULL);
  CHECK(moons_run(&call, program, "f", NULL, 1) == MOONS_EINVAL && call == NULL);
  CHECK(moons_queue_new(NULL, runtime, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_queue_new(&no_queue, NULL, NULL, NULL) == MOONS_EINVAL && no_queue == NULL);
  CHECK(moons_queue_fd(NULL) == MOONS_EINVAL);
  CHECK(moons_submit(NULL, program, "f", NULL, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_submit(queue, NULL, "f", NULL, 0, NULL, &call) == MOONS_EINVAL && call == NULL);
  CHECK(moons_submit(queue, program, NULL, NULL, 0, NULL, &call) == MOONS_EINVAL);
  CHECK(moons_next(NULL, 0, &call) == MOONS_EINVAL);
  CHECK(moons_next(queue, 0, NULL) == MOONS_EINVAL);
  CHECK(moons_open(NULL, runtime, NULL) == MOONS_EINVAL);
  CHECK(moons_results(NULL, &n) == NULL && n == 0 && moons_results(NULL, NULL) == NULL);
  CHECK(moons_call_error(NULL) == NULL && moons_program_error(NULL) == NULL);
  CHECK(moons_call_data(NULL) == NULL && moons_call_ns(NULL) == 0);
  CHECK(moons_data(NULL) == NULL && moons_data_of_call(NULL) == NULL && moons_worker(NULL) == 0);
  CHECK(moons_is_ending(NULL) == 0 && moons_defer(NULL, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_field(NULL, "x") == NULL && moons_item(NULL, 1, NULL) == NULL);
  CHECK(moons_to_integer(NULL, 3) == 3 && moons_to_number(NULL, 0.5) == 0.5);
  CHECK(moons_to_string(NULL, NULL) == NULL && moons_to_boolean(NULL) == 0);
  CHECK(moons_lend(NULL) == MOONS_EINVAL);
  moons_stats stats = {.n_workers = 7};
  CHECK(moons_stats_of(NULL, program, &stats) == MOONS_EINVAL && stats.n_workers == 7);
  CHECK(moons_stats_of(runtime, program, NULL) == MOONS_EINVAL);
  moons_runtime *another = open_usual();
  CHECK(moons_stats_of(another, program, &stats) == MOONS_EINVAL && stats.n_workers == 7);
  moons_runtime_free(another);
  moons_call_cancel(NULL);
  moons_call_free(NULL);
  moons_queue_free(NULL);
  moons_program_free(NULL);
  moons_runtime_free(NULL);
  moons_interrupt(NULL);
  moons_options_init_sized(NULL, 8);
  moons_terms_init_sized(NULL, 8);
  moons_queue_free(queue);
  moons_program_free(program);
  moons_runtime_free(runtime);
}

/* Sizes that structs cannot have. */
static void sizes(void) {
  static const size_t BAD[] = {0, 1, sizeof(size_t) - 1, 1 << 20, SIZE_MAX};
  moons_runtime *runtime = open_usual(), *none;
  moons_program *program;
  moons_stats stats = {.n_workers = 7};
  lua_State *L = luaL_newstate();
  for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
    moons_options options = usual_options(1);
    moons_terms terms = terms_with(NULL, NULL);
    options.struct_bytes = terms.struct_bytes = BAD[i];
    CHECK(moons_runtime_new(&none, &options) == MOONS_EINVAL && none == NULL);
    CHECK(moons_program_load(&program, runtime, "", 0, NULL, &terms) == MOONS_EINVAL);
    CHECK(moons_open(L, runtime, &terms) == MOONS_EINVAL);
    CHECK(moons_stats_sized(runtime, NULL, &stats, BAD[i]) == MOONS_EINVAL);
  }
  CHECK(stats.n_workers == 7);
  moons_options unset = {.n_workers = 1};
  CHECK(moons_runtime_new(&none, &unset) == MOONS_EINVAL); /* not filled in by its _init */
  lua_close(L);
  moons_runtime_free(runtime);
}

/* What a host has, and frees in any order. */
typedef struct things {
  moons_runtime *runtime;
  moons_program *program;
  moons_queue *queue;
  moons_call *call;
  lua_State *L;
} things;

static things make_things(void) {
  things t = {.runtime = open_usual()};
  moons_value seven = moons_integer(7);
  t.program = load(t.runtime, SCRIPT);
  CHECK(moons_queue_new(&t.queue, t.runtime, NULL, NULL) == 0);
  CHECK(moons_submit(t.queue, t.program, "f", &seven, 1, NULL, NULL) == 0);
  CHECK(moons_run(&t.call, t.program, "f", &seven, 1) == 0);
  t.L = open_state(t.runtime);
  run(t.L, "future = parallel.submit(function() return 1 end)");
  return t;
}

static void free_thing(things *t, int which) {
  switch (which) {
  case 0: moons_runtime_free(t->runtime); break;
  case 1: moons_program_free(t->program); break;
  case 2: moons_queue_free(t->queue); break;
  case 3: moons_call_free(t->call); break;
  default: lua_close(t->L);
  }
}

/* All orders of the n things that are left. */
static void free_in_order(int order[5], int n) {
  if (n == 5) {
    things t = make_things();
    for (int i = 0; i < 5; i++)
      free_thing(&t, order[i]);
    return;
  }
  for (int which = 0; which < 5; which++) {
    int is_there = 0;
    for (int i = 0; i < n; i++)
      is_there |= order[i] == which;
    order[n] = which;
    if (!is_there) free_in_order(order, n + 1);
  }
}

static void orders(void) {
  int order[5];
  free_in_order(order, 0);
}

/* In the child of a fork. */
static void use_in_child(things *t) {
  moons_value seven = moons_integer(7);
  moons_program *program;
  moons_queue *queue;
  moons_call *call;
  moons_stats stats;
  lua_State *L = luaL_newstate();
  CHECK(moons_stats_of(t->runtime, NULL, &stats) == MOONS_EFORKED);
  CHECK(moons_stats_of(t->runtime, t->program, &stats) == MOONS_EFORKED);
  CHECK(moons_run(&call, t->program, "f", &seven, 1) == MOONS_EFORKED && call == NULL);
  CHECK(moons_program_load(&program, t->runtime, "", 0, NULL, NULL) == MOONS_EFORKED);
  CHECK(moons_queue_new(&queue, t->runtime, NULL, NULL) == MOONS_EFORKED);
  CHECK(moons_submit(t->queue, t->program, "f", &seven, 1, NULL, NULL) == MOONS_EFORKED);
  CHECK(moons_next(t->queue, -1, &call) == MOONS_EFORKED);
  CHECK(moons_open(L, t->runtime, NULL) == MOONS_EFORKED);
  CHECK(luaL_dostring(t->L, "parallel.map(math.sqrt, {4})") != LUA_OK);
  CHECK(moons_to_integer(moons_results(t->call, NULL), 0) == 7);
  lua_close(L);
  for (int i = 0; i < 5; i++)
    free_thing(t, i);
  moons_runtime *own = open_usual();
  program = load(own, SCRIPT);
  moons_call_free(run_with_values(program, "f", &seven, 1));
  moons_program_free(program);
  moons_runtime_free(own);
}

static void after_fork(void) {
  things t = make_things();
  int status;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    use_in_child(&t);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  for (int i = 5; i-- > 0;)
    free_thing(&t, i);
}

static things of_worker;
static atomic_int n_checked;

/* misuse(): what a call may not do with the runtime that runs it. */
static int call_misuse(lua_State *L) {
  moons_program *program;
  moons_call *call;
  CHECK(moons_program_load(&program, of_worker.runtime, "", 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_run(&call, of_worker.program, "f", NULL, 0) == MOONS_EINVAL && call == NULL);
  CHECK(moons_submit(of_worker.queue, of_worker.program, "f", NULL, 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_next(of_worker.queue, 0, &call) == MOONS_EINVAL);
  CHECK(moons_open(L, of_worker.runtime, NULL) == MOONS_EINVAL);
  atomic_fetch_add(&n_checked, 1);
  return 0;
}

static void open_misuse(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "misuse", call_misuse);
}

static void on_a_worker(void) {
  moons_terms terms = terms_with(open_misuse, NULL);
  of_worker = make_things();
  moons_program *program =
      load_under(of_worker.runtime, "function g() misuse() return true end", &terms);
  moons_call_free(run_with_values(program, "g", NULL, 0));
  CHECK(atomic_load(&n_checked) == 1);
  moons_program_free(program);
  for (int i = 0; i < 5; i++)
    free_thing(&of_worker, i);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"gives NULL for what should be there", nothing},
      {"gives structs of sizes that cannot be", sizes},
      {"frees what it has in any order #threads", orders},
      {"uses what its parent had", after_fork},
      {"uses a runtime on its own worker", on_a_worker},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
