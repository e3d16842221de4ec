/* A host with many threads, each with things of its own on one runtime, or on two, while some of these close. */
#include <pthread.h>
#include <unistd.h>

#include "host.h"

enum { N_THREADS = 4, N_ROUNDS = 12, N_CALLS = 8 };

static const char SCRIPT[] =
    "local base = 7\n"
    "function add(x) return x + base end\n"
    "function fail(x) error(x) end\n"
    "function keep() K = setmetatable({}, {__gc = function() end}) return 1 end\n"
    "function within(n) return #parallel.map(add, parallel.range(1, n)) end";

/* What a thread has; the runtime may be closed by another at any moment from `may_close` on. */
typedef struct guest {
  moons_runtime *runtime;
  uint64_t random;
  int may_close;
} guest;

/* A code that a call may have. */
static int went_well(const guest *g, int error) {
  CHECK(error == 0 || (g->may_close && error == MOONS_ECLOSED));
  return error == 0;
}

static void use_program(guest *g, moons_program *program) {
  static const char *const FUNCTIONS[] = {"add", "fail", "keep", "within"};
  size_t which = random_below(&g->random, 4);
  moons_value seven = moons_integer(7);
  moons_call *call = NULL;
  int error = moons_run(&call, program, FUNCTIONS[which], &seven, 1);
  CHECK(error == 0 || error == MOONS_ESCRIPT || (g->may_close && error == MOONS_ECLOSED));
  if (error == 0 && which == 0) CHECK(moons_to_integer(moons_results(call, NULL), 0) == 14);
  if (error == 0) CHECK(which != 1);
  if (error == MOONS_ESCRIPT && !g->may_close) CHECK(which == 1);
  moons_call_free(call);
}

/* Each call that was taken on comes home once, closed or not. */
static void use_queue(guest *g, moons_program *program) {
  moons_queue *queue;
  moons_call *call, *last = NULL;
  int n_sent = 0, n_home = 0, error;
  if (!went_well(g, moons_queue_new(&queue, g->runtime, NULL, NULL))) return;
  for (int i = 0; i < N_CALLS; i++) {
    moons_value x = moons_integer(i);
    int64_t items[] = {1, 2, 3};
    moons_value list = moons_integers(items, 3);
    error = i % 3 == 0 ? moons_submit_map(queue, program, "add", &list, 0, NULL, &last)
                       : moons_submit(queue, program, i % 2 ? "add" : "within", &x, 1, NULL, &last);
    n_sent += went_well(g, error);
  }
  if (last != NULL && random_below(&g->random, 2)) moons_call_cancel(last);
  if (random_below(&g->random, 4) > 0) {
    while ((error = moons_next(queue, -1, &call)) == 0) {
      moons_call_free(call);
      n_home++;
    }
    CHECK(error == MOONS_EEND || error == MOONS_ECLOSED);
    CHECK(n_home == n_sent);
  }
  moons_queue_free(queue);
}

static void use_state(const guest *g) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (went_well(g, moons_open(L, g->runtime, NULL))) {
    int status =
        luaL_dostring(L, "local parallel = require 'parallel'\n"
                         "local r = parallel.map(function(x) return 2 * x end, {1, 2, 3})\n"
                         "assert(r[3] == 6)\n"
                         "local f = parallel.submit(math.abs, -1)\n"
                         "KEPT = parallel.imap(math.abs, {-1, -2, -3}) KEPT()\n"
                         "do local pool <close> = parallel.pool(2)\n"
                         "  assert(pool:apply(math.abs, -2) == 2) end\n"
                         "assert(f:get() == 1)");
    if (status != LUA_OK && !g->may_close) fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    CHECK(status == LUA_OK || g->may_close);
  }
  lua_close(L);
}

static void *visit(void *data) {
  guest *g = data;
  for (int i = 0; i < N_ROUNDS; i++) {
    moons_program *program;
    moons_stats stats;
    int error = moons_program_load(&program, g->runtime, SCRIPT, sizeof SCRIPT - 1, "=storm", NULL);
    if (error == MOONS_ESCRIPT) {
      CHECK(g->may_close && moons_program_error(program)->kind == MOONS_KIND_CANCELLED);
    } else if (went_well(g, error)) {
      use_program(g, program);
      use_queue(g, program);
      CHECK(moons_stats_of(g->runtime, program, &stats) == 0);
    }
    moons_program_free(program);
    use_state(g);
    CHECK(moons_stats_of(g->runtime, NULL, &stats) == 0);
  }
  return NULL;
}

typedef struct closer {
  moons_runtime *runtime;
  unsigned after_us;
} closer;

static void *close_it(void *data) {
  const closer *c = data;
  usleep(c->after_us);
  CHECK(moons_runtime_close(c->runtime, (int64_t)(c->after_us % 3) * 1000000) >= 0);
  return NULL;
}

/* Runs the threads, of which every other is on the second runtime. */
static void storm(moons_runtime *const runtimes[2], int may_close, uint64_t seed) {
  pthread_t threads[N_THREADS], closing;
  guest guests[N_THREADS];
  closer last = {runtimes[1], 1000 + (unsigned)random_below(&seed, 100000)};
  for (int i = 0; i < N_THREADS; i++) {
    guests[i] =
        (guest){runtimes[i % 2], seed + (uint64_t)i, may_close && runtimes[i % 2] == last.runtime};
    CHECK(pthread_create(&threads[i], NULL, visit, &guests[i]) == 0);
  }
  if (may_close) CHECK(pthread_create(&closing, NULL, close_it, &last) == 0);
  for (int i = 0; i < N_THREADS; i++)
    CHECK(pthread_join(threads[i], NULL) == 0);
  if (may_close) CHECK(pthread_join(closing, NULL) == 0);
}

static void on_one(void) {
  moons_runtime *runtime = open_two_workers();
  storm((moons_runtime *[]){runtime, runtime}, 0, 1);
  moons_runtime_free(runtime);
}

static void on_two(void) {
  moons_runtime *runtimes[] = {open_two_workers(), open_two_workers()};
  storm(runtimes, 0, 2);
  moons_runtime_free(runtimes[0]);
  moons_runtime_free(runtimes[1]);
}

static void while_one_closes(void) {
  for (uint64_t seed = 0; seed < 8; seed++) {
    moons_runtime *runtimes[] = {open_two_workers(), open_two_workers()};
    if (seed % 2) {
      moons_runtime_free(runtimes[0]);
      runtimes[0] = runtimes[1];
    }
    storm(runtimes, 1, seed);
    moons_runtime_free(runtimes[1]);
    if (seed % 2 == 0) moons_runtime_free(runtimes[0]);
  }
}

int main(int argc, char **argv) {
  static const test TESTS[] = {
      {"uses one runtime at once #threads", on_one},
      {"uses two runtimes at once #threads", on_two},
      {"uses runtimes of which one is closed meanwhile #threads", while_one_closes},
      {NULL, NULL},
  };
  return run_tests(TESTS, argc, argv);
}
