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

/* What a host has, and frees in any order. */
typedef struct things {
  moons_runtime *runtime;
  moons_program *program;
  moons_queue *queue;
  moons_call *call;
  lua_State *L;
} things;

static things make_things_with(const moons_options *options) {
  things t = {.runtime = open_runtime(options)};
  moons_value seven = moons_integer(7);
  t.program = load(t.runtime, SCRIPT);
  CHECK(moons_queue_new(&t.queue, t.runtime, NULL, NULL) == 0);
  CHECK(moons_submit(t.queue, t.program, "f", &seven, 1, NULL, NULL) == 0);
  CHECK(moons_run(&t.call, t.program, "f", &seven, 1) == 0);
  t.L = open_state(t.runtime);
  run(t.L, "future = parallel.submit(function() return 1 end)");
  return t;
}

static things make_things(void) {
  moons_options options = usual_options(1);
  return make_things_with(&options);
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
  CHECK(moons_submit_map(NULL, program, "f", NULL, 0, NULL, &call) == MOONS_EINVAL);
  CHECK(moons_submit_map(queue, NULL, "f", NULL, 0, NULL, &call) == MOONS_EINVAL);
  CHECK(moons_submit_map(queue, program, NULL, NULL, 0, NULL, &call) == MOONS_EINVAL);
  CHECK(moons_submit_map(queue, program, "f", NULL, 0, NULL, &call) == MOONS_EINVAL);
  CHECK(call == NULL);
  CHECK(moons_runtime_close(NULL, 0) == MOONS_EINVAL);
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

/* Values that point to nothing, and of types that there are not: as one call's argument, its items, and in a state. */
static int push_it(lua_State *L) {
  moons_push_value(L, lua_touserdata(L, 1));
  return 1;
}

static void check_value(const things *t, lua_State *L, moons_value value, int is_right) {
  moons_call *call = NULL;
  moons_value list = moons_list(&value, 1);
  CHECK(moons_run(&call, t->program, "f", &value, 1) == (is_right ? 0 : MOONS_EINVAL));
  CHECK((call != NULL) == is_right);
  moons_call_free(call);
  CHECK(moons_submit(t->queue, t->program, "f", &value, 1, NULL, &call) ==
        (is_right ? 0 : MOONS_EINVAL));
  CHECK((call != NULL) == is_right);
  CHECK(moons_submit_map(t->queue, t->program, "f", &list, 0, NULL, &call) ==
        (is_right ? 0 : MOONS_EINVAL));
  while (moons_next(t->queue, -1, &call) == 0)
    moons_call_free(call);
  lua_pushcfunction(L, push_it);
  lua_pushlightuserdata(L, &value);
  CHECK((lua_pcall(L, 1, 1, 0) == LUA_OK) == is_right);
  lua_settop(L, 0);
}

static void values(void) {
  things t = make_things();
  lua_State *L = luaL_newstate();
  const moons_value nil = moons_nil();
  moons_value pair[] = {moons_nil(), moons_boolean(1)}, odd = moons_number(0.5);
  odd.type = (moons_type)99;
  check_value(&t, L, moons_string(NULL), 1);
  check_value(&t, L, moons_pointer(NULL), 1);
  check_value(&t, L, moons_bytes(NULL, 0), 1);
  check_value(&t, L, moons_integers(NULL, 0), 1);
  check_value(&t, L, moons_floats(NULL, 0), 1);
  check_value(&t, L, moons_list(NULL, 0), 1);
  check_value(&t, L, moons_table(NULL, 0), 1);
  check_value(&t, L, moons_bytes(NULL, 1), 0);
  check_value(&t, L, moons_integers(NULL, 1), 0);
  check_value(&t, L, moons_floats(NULL, SIZE_MAX), 0);
  check_value(&t, L, moons_list(NULL, 1), 0);
  check_value(&t, L, moons_list(&nil, SIZE_MAX), 0);
  check_value(&t, L, moons_table(NULL, 1), 0);
  check_value(&t, L, moons_table(&nil, SIZE_MAX), 0);
  check_value(&t, L, moons_table(pair, 1), 0);
  check_value(&t, L, odd, 0);
  lua_close(L);
  for (int i = 0; i < 5; i++)
    free_thing(&t, i);
}

static int push_views(lua_State *L) {
  if (lua_toboolean(L, 1))
    moons_push_floats(L, NULL, 1);
  else
    moons_push_bytes(L, NULL, SIZE_MAX);
  return 1;
}

/* In a state that lacks all libraries: they come, or say what is missing. */
static void open_bare(lua_CFunction open) {
  lua_State *L = luaL_newstate();
  lua_pushcfunction(L, open);
  lua_pushliteral(L, "parallel");
  CHECK(lua_pcall(L, 1, 1, 0) == LUA_OK ? lua_istable(L, -1) : lua_isstring(L, -1));
  lua_close(L);
}

/* Functions that take no object, or one that is nobody's. */
static void strangers(void) {
  lua_State *L = luaL_newstate();
  for (int i = 0; i < 2; i++) {
    lua_pushcfunction(L, push_views);
    lua_pushboolean(L, i);
    CHECK(lua_pcall(L, 1, 1, 0) != LUA_OK);
  }
  lua_settop(L, 0);
  lua_pushcfunction(L, push_it);
  CHECK(lua_pcall(L, 0, 1, 0) == LUA_OK && lua_isnil(L, -1)); /* NULL */
  CHECK(moons_data(L) == NULL && moons_data_of_call(L) == NULL && moons_worker(L) == 0);
  CHECK(moons_is_ending(L) == 0 && moons_defer(L, NULL, NULL) == MOONS_EINVAL);
  lua_close(L);
  CHECK(moons_error_text(0) != NULL && moons_error_text(1) != NULL &&
        moons_error_text(-99) != NULL);
  CHECK(strcmp(moons_version(), MOONS_VERSION) == 0);
  CHECK(moons_version_number() == MOONS_VERSION_NUMBER && moons_cpus() >= 1);
  CHECK(moons_worker_main(0, NULL, NULL, NULL) == -1);
  open_bare(luaopen_parallel);
  open_bare(luaopen_parallel_experiment);
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

enum { IN_CALL, IN_OPEN, IN_WRITE, IN_DEFERRED, IN_FINALIZER, AT_BEGIN, AT_END, N_PLACES };
static atomic_int n_checked[N_PLACES];

/* What may not be done on a worker of the runtime, wherever the library calls the host there, and what may. Finalizers of a state
** that was kept, and the thread's end, come when the runtime is closed. */
static void check_on_worker(int place) {
  const things *t = &of_worker;
  const moons_value one = moons_integer(1), list = moons_list(&one, 1);
  int is_late = place == IN_FINALIZER || place == AT_END || place == AT_BEGIN;
  moons_program *program;
  moons_queue *queue;
  moons_call *call;
  moons_stats stats;
  if (t->L == NULL) return; /* not made yet */
  CHECK(moons_program_load(&program, t->runtime, "", 0, NULL, NULL) == MOONS_EINVAL);
  int error = moons_run(&call, t->program, "f", NULL, 0);
  CHECK((error == MOONS_EINVAL || (is_late && error == MOONS_ECLOSED)) && call == NULL);
  CHECK(moons_runtime_close(t->runtime, -1) == MOONS_EINVAL);
  CHECK(moons_lend(t->runtime) == MOONS_EINVAL);
  CHECK(moons_stats_of(t->runtime, t->program, &stats) == 0 && stats.n_workers >= 1);
  CHECK(moons_to_integer(moons_results(t->call, NULL), 0) == 7);
  moons_call_cancel(t->call);
  atomic_fetch_add(&n_checked[place], 1);
  if (is_late) return;
  CHECK(moons_submit(t->queue, t->program, "f", NULL, 0, NULL, &call) == MOONS_EINVAL);
  CHECK(moons_submit_map(t->queue, t->program, "f", &list, 0, NULL, &call) == MOONS_EINVAL);
  CHECK(moons_next(t->queue, -1, &call) == MOONS_EINVAL);
  CHECK(moons_queue_new(&queue, t->runtime, NULL, NULL) == 0);
  moons_queue_free(queue);
}

static void check_deferred(void *pointer) {
  (void)pointer;
  check_on_worker(IN_DEFERRED);
}

/* misuse(): what a call may not do with the runtime that runs it. */
static int call_misuse(lua_State *L) {
  check_on_worker(IN_CALL);
  CHECK(moons_open(L, of_worker.runtime, NULL) == MOONS_EINVAL);
  CHECK(moons_defer(L, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_defer(L, check_deferred, NULL) == 0);
  return 0;
}

static int finalize(lua_State *L) {
  (void)L;
  check_on_worker(IN_FINALIZER);
  return 0;
}

static void open_misuse(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "misuse", call_misuse);
  lua_register(L, "finalize", finalize);
  check_on_worker(IN_OPEN);
}

static void write_misuse(void *data, void *call_data, int stream, const char *bytes, size_t n) {
  (void)data, (void)call_data, (void)stream, (void)bytes, (void)n;
  check_on_worker(IN_WRITE);
}

static void thread_misuse(void *data, unsigned worker, int begins) {
  (void)data, (void)worker;
  check_on_worker(begins ? AT_BEGIN : AT_END);
}

static void on_a_worker(void) {
  moons_options options = usual_options(1);
  moons_terms terms = terms_with(open_misuse, NULL);
  terms.write = write_misuse;
  options.thread = thread_misuse;
  of_worker = make_things_with(&options);
  moons_program *program = load_under(
      of_worker.runtime,
      "function g() misuse() print 'x' KEPT = setmetatable({}, {__gc = finalize}) return 1 end\n"
      "function h() parallel.map(g, {1}, {fresh = false}) return 1 end",
      &terms);
  moons_call_free(run_with_values(program, "g", NULL, 0));
  moons_call_free(run_with_values(program, "h", NULL, 0));
  moons_program_free(program);
  moons_runtime_close(of_worker.runtime, -1);
  for (int i = 0; i < N_PLACES; i++)
    if (i != AT_BEGIN) CHECK(atomic_load(&n_checked[i]) > 0);
  for (int i = 0; i < 5; i++)
    free_thing(&of_worker, i);
}

static atomic_int n_told, has_taken;

/* What waits would wait for this thread. The queue is its own until it has taken what it wants. */
static void notify_misuse(void *data) {
  const things *t = data;
  moons_program *program;
  moons_call *call;
  if (atomic_fetch_add(&n_told, 1) > 0) return;
  CHECK(moons_run(&call, t->program, "f", NULL, 0) == MOONS_EINVAL && call == NULL);
  CHECK(moons_program_load(&program, t->runtime, "", 0, NULL, NULL) == MOONS_EINVAL);
  CHECK(moons_runtime_close(t->runtime, -1) == MOONS_EINVAL);
  CHECK(moons_submit(t->queue, t->program, "f", NULL, 0, NULL, NULL) == 0);
  CHECK(moons_next(t->queue, -1, &call) == 0);
  moons_call_free(call);
  int error = moons_next(t->queue, -1, &call);
  CHECK(error == 0 || error == MOONS_ETIMEDOUT);
  moons_call_free(call);
  atomic_store(&has_taken, 1);
}

static void notify_on(moons_backend backend) {
  moons_options options = usual_options(1);
  options.backend = backend;
  options.program = getenv("MOONS");
  moons_call *call;
  things t = {.runtime = open_runtime(&options)};
  t.program = load(t.runtime, SCRIPT);
  atomic_store(&n_told, 0);
  atomic_store(&has_taken, 0);
  CHECK(moons_queue_new(&t.queue, t.runtime, notify_misuse, &t) == 0);
  CHECK(moons_submit(t.queue, t.program, "f", NULL, 0, NULL, NULL) == 0);
  while (!atomic_load(&has_taken))
    usleep(1000);
  while (moons_next(t.queue, -1, &call) == 0)
    moons_call_free(call);
  moons_queue_free(t.queue);
  close_program(t.program, t.runtime);
}

static void in_notify(void) { notify_on(MOONS_THREADS); }

static void in_notify_of_processes(void) { notify_on(MOONS_PROCESSES); }

static atomic_int n_wanted;

/* The thread has submitted a call, or has run some: what waits may wait for that. It may lend itself at once. */
static void wanted_misuse(void *data) {
  const things *t = data;
  moons_program *program;
  moons_stats stats;
  moons_call *call;
  if (atomic_fetch_add(&n_wanted, 1) == 0) {
    CHECK(moons_run(&call, t->program, "f", NULL, 0) == MOONS_EINVAL && call == NULL);
    CHECK(moons_program_load(&program, t->runtime, "", 0, NULL, NULL) == MOONS_EINVAL);
    CHECK(moons_runtime_close(t->runtime, -1) == MOONS_EINVAL);
    CHECK(moons_stats_of(t->runtime, t->program, &stats) == 0);
    CHECK(moons_next(t->queue, -1, &call) == MOONS_ETIMEDOUT);
    CHECK(moons_submit(t->queue, t->program, "f", NULL, 0, NULL, NULL) == 0);
  }
  CHECK(moons_lend(t->runtime) >= 0);
}

static void in_wanted(void) {
  moons_options options = usual_options(2);
  things t = {0};
  options.backend = MOONS_LENT;
  options.wanted = wanted_misuse;
  options.wanted_data = &t;
  moons_call *call;
  atomic_store(&n_wanted, 1);
  t.runtime = open_runtime(&options);
  t.program = load(t.runtime, SCRIPT);
  CHECK(moons_queue_new(&t.queue, t.runtime, NULL, NULL) == 0);
  atomic_store(&n_wanted, 0);
  CHECK(moons_submit(t.queue, t.program, "f", NULL, 0, NULL, NULL) == 0);
  for (int i = 0; i < 2; i++) {
    CHECK(moons_next(t.queue, 0, &call) == 0);
    moons_call_free(call);
  }
  CHECK(moons_next(t.queue, -1, &call) == MOONS_EEND);
  moons_queue_free(t.queue);
  close_program(t.program, t.runtime);
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"gives NULL for what should be there", nothing},
      {"gives values that point to nothing", values},
      {"asks where nothing is", strangers},
      {"gives structs of sizes that cannot be", sizes},
      {"frees what it has in any order #threads", orders},
      {"uses what its parent had", after_fork},
      {"uses a runtime on its own worker", on_a_worker},
      {"waits where it is told that a call has finished", in_notify},
      {"waits where it is told that a call has finished in a process", in_notify_of_processes},
      {"waits where it is asked for a thread", in_wanted},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
