/* What a runtime and its programs have done, as a host asks it. */
#include "moons.h"

#include <stdatomic.h>
#include <stdint.h>

#include "host.h"

static const char SCRIPT[] = "function same(x) return x end\n"
                             "function fail() error 'no' end\n"
                             "function hang() while true do end end\n"
                             "function hold(n) local s = ('x'):rep(n) return #s end\n"
                             "function twice(x)\n"
                             "  return parallel.map(function(y) return 2 * y end, {x, x})[1] end\n";

static moons_stats stats_of(moons_runtime *runtime, moons_program *program) {
  moons_stats stats;
  CHECK(moons_stats_of(runtime, program, &stats) == 0);
  CHECK(stats.struct_bytes == sizeof stats);
  return stats;
}

static void call(moons_program *program, const char *function, int64_t x) {
  moons_value value = moons_integer(x);
  moons_call_free(run_with_values(program, function, &value, 1));
}

static void check_nothing(moons_stats stats) {
  CHECK(stats.n_running == 0 && stats.n_waiting == 0 && stats.n_lost == 0);
  CHECK(stats.n_done == 0 && stats.n_failed == 0 && stats.n_images == 0);
  CHECK(stats.busy_ns == 0 && stats.waited_ns == 0 && stats.sent_bytes == 0);
}

/* Loading is a call too. */
static void programs_are_told_apart(void) {
  moons_runtime *runtime = open_two_workers();
  check_nothing(stats_of(runtime, NULL));
  moons_program *one = load(runtime, SCRIPT), *other = load(runtime, SCRIPT);
  moons_stats before = stats_of(runtime, one), idle = stats_of(runtime, other);
  moons_call *failed;
  for (int i = 0; i < 5; i++)
    call(one, "same", i);
  CHECK(moons_run(&failed, one, "fail", NULL, 0) == MOONS_ESCRIPT);
  moons_call_free(failed);
  moons_stats after = stats_of(runtime, one), all = stats_of(runtime, NULL);
  CHECK(before.n_done == 1 && after.n_done == 7 && after.n_failed == 1);
  CHECK(after.n_restored == 7 && after.n_images >= 1 && after.n_images <= 4);
  CHECK(after.sent_bytes > before.sent_bytes && after.received_bytes > before.received_bytes);
  CHECK(after.busy_ns > before.busy_ns && after.waited_ns > before.waited_ns);
  CHECK(stats_of(runtime, other).n_done == 1 && stats_of(runtime, other).busy_ns == idle.busy_ns);
  CHECK(all.n_done == 8 && all.n_failed == 1 && all.n_workers == 2 && after.n_workers == 2);
  CHECK(all.n_images == after.n_images + idle.n_images);
  CHECK(all.waited_ns == after.waited_ns + idle.waited_ns);
  CHECK(all.n_running == 0 && all.n_waiting == 0);
  moons_program_free(other);
  close_program(one, runtime);
}

static void memory_is_counted(void) {
  enum { LARGE = 32 << 20 };
  moons_runtime *runtime = open_two_workers();
  moons_program *program = load(runtime, SCRIPT);
  call(program, "hold", 1);
  moons_stats before = stats_of(runtime, program);
  CHECK(before.memory_bytes > 0 && before.memory_peak_bytes < LARGE);
  CHECK(stats_of(runtime, NULL).memory_bytes > 0);
  call(program, "hold", LARGE);
  CHECK(stats_of(runtime, program).memory_peak_bytes >= LARGE);
  CHECK(stats_of(runtime, NULL).memory_peak_bytes >= LARGE);
  call(program, "hold", 1);
  call(program, "hold", 1);
  call(program, "hold", 1);
  moons_stats after = stats_of(runtime, program);
  CHECK(after.memory_bytes < LARGE && after.memory_peak_bytes >= LARGE);
  close_program(program, runtime);
}

/* Until the program has so many with workers and in its line; the specs bound how long that takes. */
static void await_calls(moons_runtime *runtime, moons_program *program, unsigned n_running,
                        unsigned n_waiting) {
  moons_stats stats;
  do
    stats = stats_of(runtime, program);
  while (stats.n_running != n_running || stats.n_waiting != n_waiting);
}

static void calls_under_way(void) {
  moons_options options = usual_options(2);
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue;
  moons_call *calls[5], *taken;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  for (int i = 0; i < 5; i++)
    CHECK(moons_submit(queue, program, "hang", NULL, 0, NULL, &calls[i]) == 0);
  await_calls(runtime, program, 2, 3);
  await_calls(runtime, NULL, 2, 3);
  moons_call_cancel(calls[4]);
  await_calls(runtime, NULL, 2, 2);
  for (int i = 0; i < 4; i++)
    moons_call_cancel(calls[i]);
  for (int i = 0; i < 5; i++) {
    CHECK(moons_next(queue, -1, &taken) == 0);
    moons_call_free(taken);
  }
  await_calls(runtime, program, 0, 0);
  await_calls(runtime, NULL, 0, 0);
  moons_queue_free(queue);
  close_program(program, runtime);
}

static void maps_of_hosts(void) {
  enum { N = 1000 };
  int64_t numbers[N] = {0};
  moons_value items = moons_integers(numbers, N);
  moons_runtime *runtime = open_two_workers();
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue;
  moons_call *map;
  CHECK(moons_queue_new(&queue, runtime, NULL, NULL) == 0);
  CHECK(moons_submit_map(queue, program, "same", &items, 0, NULL, NULL) == 0);
  CHECK(moons_next(queue, -1, &map) == 0 && moons_call_error(map) == NULL);
  moons_call_free(map);
  moons_stats stats = stats_of(runtime, program);
  CHECK(stats.n_done == N + 1 && stats.n_restored + stats.n_proved == N + 1);
  moons_queue_free(queue);
  close_program(program, runtime);
}

/* They are the runtime's affair, and so are those of Lua states. */
static void maps_within_calls(void) {
  moons_runtime *runtime = open_two_workers();
  moons_program *program = load(runtime, SCRIPT);
  call(program, "twice", 1);
  CHECK(stats_of(runtime, program).n_done == 2 && stats_of(runtime, NULL).n_done == 4);
  lua_State *L = open_state(runtime);
  run(L, "parallel.map(math.sqrt, parallel.range(1, 10))");
  CHECK(stats_of(runtime, program).n_done == 2 && stats_of(runtime, NULL).n_done == 14);
  await_calls(runtime, NULL, 0, 0);
  run(L, "for _ = 1, 20 do parallel.submit(math.sqrt, 4) end"); /* nobody takes these */
  lua_close(L);
  await_calls(runtime, NULL, 0, 0);
  close_program(program, runtime);
}

static atomic_uint n_seen;

static int call_look(lua_State *L) {
  moons_stats stats;
  CHECK(moons_stats_of(moons_data(L), NULL, &stats) == 0);
  atomic_store(&n_seen, stats.n_running);
  return 0;
}

static void open_look(lua_State *L, void *data) {
  (void)data;
  lua_register(L, "look", call_look);
}

static void on_a_worker(void) {
  moons_runtime *runtime = open_two_workers();
  moons_terms terms = terms_with(open_look, runtime);
  moons_program *program = load_under(runtime, "function f() look() end", &terms);
  moons_call_free(run_with_values(program, "f", NULL, 0));
  CHECK(atomic_load(&n_seen) == 1);
  close_program(program, runtime);
}

static void inline_calls(void) {
  moons_options options = usual_options(1);
  options.backend = MOONS_INLINE;
  moons_runtime *runtime = open_runtime(&options);
  moons_program *program = load(runtime, SCRIPT);
  call(program, "same", 1);
  moons_stats stats = stats_of(runtime, program);
  CHECK(stats.n_done == 2 && stats.n_running == 0 && stats.waited_ns > 0);
  close_program(program, runtime);
}

/* Of a program that knows less, or more, than the library. */
static void other_sizes(void) {
  struct {
    moons_stats stats;
    char more[64];
  } newer;
  struct {
    size_t struct_bytes;
    unsigned n_workers, beyond;
  } older = {.beyond = 77};
  moons_runtime *runtime = open_two_workers();
  memset(&newer, 7, sizeof newer);
  CHECK(moons_stats_sized(runtime, NULL, &newer.stats, sizeof newer) == 0);
  CHECK(newer.stats.struct_bytes == sizeof newer && newer.stats.n_workers == 2);
  for (size_t i = 0; i < sizeof newer.more; i++)
    CHECK(newer.more[i] == 0);
  CHECK(moons_stats_sized(runtime, NULL, (moons_stats *)(void *)&older,
                          offsetof(moons_stats, n_running)) == 0);
  CHECK(older.n_workers == 2 && older.beyond == 77);
  moons_runtime_free(runtime);
}

/* Calls run on the thread that waits for them, or on those that the host lends: however many workers a map asks for. */
static void counts_the_workers_that_there_are(void) {
  const moons_backend BACKENDS[] = {MOONS_INLINE, MOONS_LENT};
  for (unsigned i = 0; i < 2; i++) {
    moons_options options = usual_options(2);
    options.backend = BACKENDS[i];
    moons_runtime *runtime = open_runtime(&options);
    lua_State *L = open_state(runtime);
    run(L, "for n = 6, 24, 6 do\n"
           "  assert(#parallel.map(function(x) return x end, {1, 2, 3}, {workers = n}) == 3) end");
    CHECK(workers_of(runtime) == 2);
    close_both(L, runtime);
  }
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"programs of a runtime are told apart", programs_are_told_apart},
      {"what states hold is counted", memory_is_counted},
      {"calls that run and wait are told #threads", calls_under_way},
      {"calls of a host's maps are counted", maps_of_hosts},
      {"maps within calls count for the runtime", maps_within_calls},
      {"a call may ask", on_a_worker},
      {"calls on the thread that waits are counted", inline_calls},
      {"structs of other sizes are filled in", other_sizes},
      {"counts the workers that there are", counts_the_workers_that_there_are},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
