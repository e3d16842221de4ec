/*
** What calls of a C host cost: waited for, through a loop of libuv, ten thousand at once against a map, of a thousand programs in
** turn, and of one tenant while another floods.
*/
#include <string.h>
#include <uv.h>

#include "bench.h"
#include "moons.h"

enum {
  ROUNDS = 15,
  CALLS_A_ROUND = 1000,
  IN_FLIGHT = 10000,
  N_PROGRAMS = 1000,
  LIGHT_CALLS = 101,  /* of the tenant that does not flood, a round; odd, for the median */
  FLOOD_CALLS = 2000, /* that wait all the time */
  N_WORKERS = 2
};

/* work(n) adds n numbers; one that is called for itself does nothing else. */
static const char SCRIPT[] =
    "local function work(n) local s = 0 for i = 1, n do s = s + i end return s end\n"
    "function f(n) return work(n) end\n"
    "function map(n, n_calls)\n"
    "  local items = {} for i = 1, n_calls do items[i] = n end\n"
    "  return #parallel.map(work, items) end\n";

static const char SMALL[] = "function f(n) local s = %d for i = 1, n do s = s + i end return s end";

static moons_program *load(moons_runtime *runtime, const char *source) {
  moons_program *program;
  bench_require(moons_program_load(&program, runtime, source, strlen(source), "=b", NULL) == 0,
                "a program does not load");
  return program;
}

static moons_queue *open_queue(moons_runtime *runtime, void (*notify)(void *), void *data) {
  moons_queue *queue;
  bench_require(moons_queue_new(&queue, runtime, notify, data) == 0, "no memory for a queue");
  return queue;
}

static void run(moons_program *program, const char *function, int64_t n, int64_t n_calls) {
  moons_value values[] = {moons_integer(n), moons_integer(n_calls)};
  moons_call *call;
  bench_require(moons_run(&call, program, function, values, 2) == 0, "a call failed");
  moons_call_free(call);
}

static void submit(moons_queue *queue, moons_program *program, int64_t n) {
  moons_value value = moons_integer(n);
  bench_require(moons_submit(queue, program, "f", &value, 1, NULL, NULL) == 0, "a call is refused");
}

static void take(moons_queue *queue, int64_t timeout_ns) {
  moons_call *call;
  bench_require(moons_next(queue, timeout_ns, &call) == 0, "a call is missing");
  bench_require(moons_call_error(call) == NULL, "a call failed");
  moons_call_free(call);
}

/* How many numbers take so many microseconds to add, in a call. */
static int64_t loops_of(moons_program *program, double us) {
  int64_t n = 1000000;
  double least_ns = 1e18;
  for (int i = 0; i < 5; i++) {
    double start_ns = bench_now_ns();
    run(program, "f", n, 0);
    double ns = bench_now_ns() - start_ns;
    if (ns < least_ns) least_ns = ns;
  }
  return (int64_t)((double)n * us * 1000 / least_ns);
}

/* {== There and back ========================================================================== */

typedef struct loop {
  uv_async_t waker;
  moons_queue *queue;
  moons_program *program;
  int n_left;
} loop;

static void wake(void *data) { uv_async_send(&((loop *)data)->waker); }

/* The next call goes when one has come. */
static void on_awake(uv_async_t *waker) {
  loop *l = waker->data;
  moons_call *call;
  while (moons_next(l->queue, 0, &call) == 0) {
    moons_call_free(call);
    if (--l->n_left > 0)
      submit(l->queue, l->program, 1);
    else
      uv_stop(waker->loop);
  }
}

static void time_one_by_one(moons_program *program) {
  BENCH_TIMED("run", CALLS_A_ROUND) {
    for (int i = 0; i < CALLS_A_ROUND; i++)
      run(program, "f", 1, 0);
  }
}

static void time_loop(loop *l) {
  l->n_left = CALLS_A_ROUND;
  BENCH_TIMED("loop", CALLS_A_ROUND) {
    submit(l->queue, l->program, 1);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  }
}

static void time_there_and_back(moons_runtime *runtime) {
  loop l = {.program = load(runtime, "function f(n) return n end")};
  uv_async_init(uv_default_loop(), &l.waker, on_awake);
  l.waker.data = &l;
  l.queue = open_queue(runtime, wake, &l);
  for (int i = 0; i < ROUNDS; i++) {
    time_one_by_one(l.program);
    time_loop(&l);
  }
  uv_close((uv_handle_t *)&l.waker, NULL);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  moons_queue_free(l.queue);
  moons_program_free(l.program);
}

/* {== Many at once ============================================================================ */

static void time_flight(moons_queue *queue, moons_program *program, const char *key, int64_t n) {
  BENCH_TIMED(key, IN_FLIGHT) {
    for (int i = 0; i < IN_FLIGHT; i++)
      submit(queue, program, n);
    for (int i = 0; i < IN_FLIGHT; i++)
      take(queue, -1);
  }
}

static void time_many(moons_runtime *runtime, int us, int n_rounds) {
  moons_program *program = load(runtime, SCRIPT);
  moons_queue *queue = open_queue(runtime, NULL, NULL);
  char flight[32], map[32];
  int64_t n = loops_of(program, us);
  snprintf(flight, sizeof flight, "flight_%d", us);
  snprintf(map, sizeof map, "map_%d", us);
  for (int i = 0; i < n_rounds; i++) {
    time_flight(queue, program, flight, n);
    BENCH_TIMED(map, IN_FLIGHT) { run(program, "map", n, IN_FLIGHT); }
  }
  moons_queue_free(queue);
  moons_program_free(program);
}

/* {== Many programs =========================================================================== */

static double time_each(moons_program **programs, int n_programs) {
  double start_ns = bench_now_ns();
  for (int i = 0; i < N_PROGRAMS; i++)
    run(programs[i % n_programs], "f", 1, 0);
  return (bench_now_ns() - start_ns) / N_PROGRAMS;
}

static void time_turns(moons_runtime *runtime) {
  static moons_program *programs[N_PROGRAMS];
  char source[sizeof SMALL + 16];
  for (int i = 0; i < N_PROGRAMS; i++) {
    snprintf(source, sizeof source, SMALL, i);
    programs[i] = load(runtime, source);
  }
  for (int i = 0; i < 3; i++)
    time_each(programs, N_PROGRAMS); /* each worker has met each */
  for (int i = 0; i < ROUNDS; i++) {
    double same_ns = time_each(programs, 1), turn_ns = time_each(programs, N_PROGRAMS);
    bench_sample("same", same_ns);
    bench_sample("turn", turn_ns);
    bench_sample("turn_more", turn_ns - same_ns);
  }
  for (int i = 0; i < N_PROGRAMS; i++)
    moons_program_free(programs[i]);
}

/* {== Tenants ================================================================================= */

static int compare(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* Samples the median time of calls one after the other; the other tenant's calls are replaced as they come. */
static void time_light(moons_queue *queue, moons_program *light, moons_queue *flood_queue,
                       moons_program *flood, const char *key, int64_t n) {
  double times[LIGHT_CALLS];
  moons_call *call;
  for (int i = 0; i < LIGHT_CALLS; i++) {
    while (flood != NULL && moons_next(flood_queue, 0, &call) == 0) {
      moons_call_free(call);
      submit(flood_queue, flood, n);
    }
    times[i] = bench_now_ns();
    submit(queue, light, n);
    take(queue, -1);
    times[i] = bench_now_ns() - times[i];
  }
  qsort(times, LIGHT_CALLS, sizeof times[0], compare);
  bench_sample(key, times[LIGHT_CALLS / 2]);
}

static void time_tenants(moons_runtime *runtime, int us) {
  moons_program *light = load(runtime, SCRIPT), *flood = load(runtime, SCRIPT);
  int64_t n = loops_of(light, us);
  char alone[32], flooded[32];
  snprintf(alone, sizeof alone, "alone_%d", us);
  snprintf(flooded, sizeof flooded, "flooded_%d", us);
  for (int i = 0; i < ROUNDS; i++) {
    moons_queue *queue = open_queue(runtime, NULL, NULL);
    moons_queue *flood_queue = open_queue(runtime, NULL, NULL);
    time_light(queue, light, NULL, NULL, alone, n);
    for (int k = 0; k < FLOOD_CALLS; k++)
      submit(flood_queue, flood, n);
    time_light(queue, light, flood_queue, flood, flooded, n);
    moons_queue_free(flood_queue);
    moons_queue_free(queue);
  }
  moons_program_free(flood);
  moons_program_free(light);
}

int main(void) {
  moons_options options;
  moons_runtime *runtime;
  moons_options_init(&options);
  options.n_workers = N_WORKERS;
  bench_require(moons_runtime_new(&runtime, &options) == 0, "no memory for a runtime");
  time_there_and_back(runtime);
  time_many(runtime, 20, ROUNDS);
  time_many(runtime, 100, 5);
  time_turns(runtime);
  time_tenants(runtime, 50);
  time_tenants(runtime, 1000);
  moons_runtime_free(runtime);
  return 0;
}
