/*
** What it costs a C host to give the module to a state; and what its calls cost: waited for, through a loop of libuv, ten thousand at
** once against a map, of a thousand programs in turn, and of one tenant while another floods.
*/
#include <lualib.h>
#include <stdatomic.h>
#include <uv.h>

#include "programs.h"

enum {
  ROUNDS = 15,
  OPENINGS = 1000,
  CALLS_A_ROUND = 1000,
  IN_FLIGHT = 10000,
  N_PROGRAMS = 1000,
  LIGHT_CALLS = 101,  /* of the tenant that does not flood, a round; odd, for the median */
  FLOOD_CALLS = 2000, /* that wait all the time */
  N_WORKERS = 2
};

static const char SCRIPT[] =
    BENCH_WORK "local work = f\n"
               "function map(n, n_calls)\n"
               "  local items = {} for i = 1, n_calls do items[i] = n end\n"
               "  return #parallel.map(work, items) end\n";

static const char SMALL[] = "function f(n) local s = %d for i = 1, n do s = s + i end return s end";

static void take(moons_queue *queue, int64_t timeout_ns) {
  moons_call *call;
  bench_require(moons_next(queue, timeout_ns, &call) == 0, "a call is missing");
  bench_require(moons_call_error(call) == NULL, "a call failed");
  moons_call_free(call);
}

/* {== A state of the host's =================================================================== */

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  bench_require(L != NULL, "no memory for a state");
  return L;
}

static void require_parallel(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushstring(L, "parallel");
  bench_require(lua_pcall(L, 1, 0, 0) == LUA_OK, "there is no module");
}

static void time_opening(moons_runtime *runtime) {
  lua_State *L = open_state();
  BENCH_TIMED("libraries", 1) luaL_openlibs(L);
  BENCH_TIMED("open", 1) bench_require(moons_open(L, runtime, NULL) == 0, "a state is refused");
  BENCH_TIMED("require", 1) require_parallel(L);
  lua_close(L);
}

static void time_openings(moons_runtime *runtime) {
  for (int i = 0; i < OPENINGS; i++)
    time_opening(runtime);
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
      bench_submit(l->queue, l->program, 1, NULL);
    else
      uv_stop(waker->loop);
  }
}

static void time_one_by_one(moons_program *program) {
  BENCH_TIMED("run", CALLS_A_ROUND) {
    for (int i = 0; i < CALLS_A_ROUND; i++)
      bench_run(program, "f", 1, 0);
  }
}

static void time_loop(loop *l) {
  l->n_left = CALLS_A_ROUND;
  BENCH_TIMED("loop", CALLS_A_ROUND) {
    bench_submit(l->queue, l->program, 1, NULL);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  }
}

/* The least that a loop can have: a thread that looks busily, and has nothing to run, wakes it up. */
typedef struct bare_thread {
  uv_async_t waker;
  uv_thread_t thread;
  atomic_int n_asked; /* -1: no more are */
  int n_left;
} bare_thread;

static void answer(void *data) {
  bare_thread *b = data;
  int n_answered = 0, n_asked;
  while ((n_asked = atomic_load(&b->n_asked)) >= 0) {
    if (n_asked == n_answered) continue;
    n_answered = n_asked;
    uv_async_send(&b->waker);
  }
}

static void on_answer(uv_async_t *waker) {
  bare_thread *b = waker->data;
  if (--b->n_left > 0)
    atomic_fetch_add(&b->n_asked, 1);
  else
    uv_stop(waker->loop);
}

static void time_bare(void) {
  bare_thread b = {.n_left = CALLS_A_ROUND};
  uv_async_init(uv_default_loop(), &b.waker, on_answer);
  b.waker.data = &b;
  bench_require(uv_thread_create(&b.thread, answer, &b) == 0, "no thread to be had");
  BENCH_TIMED("bare", CALLS_A_ROUND) {
    atomic_fetch_add(&b.n_asked, 1);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  }
  atomic_store(&b.n_asked, -1);
  uv_thread_join(&b.thread);
  uv_close((uv_handle_t *)&b.waker, NULL);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static void time_there_and_back(moons_runtime *runtime) {
  loop l = {.program = bench_load(runtime, "function f(n) return n end", NULL)};
  uv_async_init(uv_default_loop(), &l.waker, on_awake);
  l.waker.data = &l;
  l.queue = bench_queue(runtime, wake, &l);
  for (int i = 0; i < ROUNDS; i++) {
    time_one_by_one(l.program);
    time_loop(&l);
  }
  uv_close((uv_handle_t *)&l.waker, NULL);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  for (int i = 0; i < ROUNDS; i++)
    time_bare();
  moons_queue_free(l.queue);
  moons_program_free(l.program);
}

/* {== Many at once ============================================================================ */

static void time_flight(moons_queue *queue, moons_program *program, const char *key, int64_t n) {
  BENCH_TIMED(key, IN_FLIGHT) {
    for (int i = 0; i < IN_FLIGHT; i++)
      bench_submit(queue, program, n, NULL);
    for (int i = 0; i < IN_FLIGHT; i++)
      take(queue, -1);
  }
}

static void time_many(moons_runtime *runtime, int us, int n_rounds) {
  moons_program *program = bench_load(runtime, SCRIPT, NULL);
  moons_queue *queue = bench_queue(runtime, NULL, NULL);
  char flight[32], map[32];
  int64_t n = bench_loops(program, us);
  snprintf(flight, sizeof flight, "flight_%d", us);
  snprintf(map, sizeof map, "map_%d", us);
  for (int i = 0; i < n_rounds; i++) {
    time_flight(queue, program, flight, n);
    BENCH_TIMED(map, IN_FLIGHT) { bench_run(program, "map", n, IN_FLIGHT); }
  }
  moons_queue_free(queue);
  moons_program_free(program);
}

/* {== Many programs =========================================================================== */

static double time_each(moons_program **programs, int n_programs) {
  double start_ns = bench_now_ns();
  for (int i = 0; i < N_PROGRAMS; i++)
    bench_run(programs[i % n_programs], "f", 1, 0);
  return (bench_now_ns() - start_ns) / N_PROGRAMS;
}

static void time_turns(moons_runtime *runtime) {
  static moons_program *programs[N_PROGRAMS];
  char source[sizeof SMALL + 16];
  for (int i = 0; i < N_PROGRAMS; i++) {
    snprintf(source, sizeof source, SMALL, i);
    programs[i] = bench_load(runtime, source, NULL);
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

/* Samples the median time of calls one after the other; the other tenant's calls are replaced as they come. */
static void time_light(moons_queue *queue, moons_program *light, moons_queue *flood_queue,
                       moons_program *flood, const char *key, int64_t n) {
  double times[LIGHT_CALLS];
  moons_call *call;
  for (int i = 0; i < LIGHT_CALLS; i++) {
    while (flood != NULL && moons_next(flood_queue, 0, &call) == 0) {
      moons_call_free(call);
      bench_submit(flood_queue, flood, n, NULL);
    }
    times[i] = bench_now_ns();
    bench_submit(queue, light, n, NULL);
    take(queue, -1);
    times[i] = bench_now_ns() - times[i];
  }
  bench_sample(key, bench_median(times, LIGHT_CALLS));
}

static void time_tenants(moons_runtime *runtime, int us) {
  moons_program *light = bench_load(runtime, SCRIPT, NULL),
                *flood = bench_load(runtime, SCRIPT, NULL);
  int64_t n = bench_loops(light, us);
  char alone[32], flooded[32];
  snprintf(alone, sizeof alone, "alone_%d", us);
  snprintf(flooded, sizeof flooded, "flooded_%d", us);
  for (int i = 0; i < ROUNDS; i++) {
    moons_queue *queue = bench_queue(runtime, NULL, NULL);
    moons_queue *flood_queue = bench_queue(runtime, NULL, NULL);
    time_light(queue, light, NULL, NULL, alone, n);
    for (int k = 0; k < FLOOD_CALLS; k++)
      bench_submit(flood_queue, flood, n, NULL);
    time_light(queue, light, flood_queue, flood, flooded, n);
    moons_queue_free(flood_queue);
    moons_queue_free(queue);
  }
  moons_program_free(flood);
  moons_program_free(light);
}

int main(void) {
  moons_options options;
  moons_options_init(&options);
  options.n_workers = N_WORKERS;
  moons_runtime *runtime = bench_runtime(&options);
  time_openings(runtime);
  time_there_and_back(runtime);
  time_many(runtime, 20, ROUNDS);
  time_many(runtime, 100, 5);
  time_turns(runtime);
  time_tenants(runtime, 50);
  time_tenants(runtime, 1000);
  moons_runtime_free(runtime);
  return 0;
}
